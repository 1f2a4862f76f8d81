"""What helped and what did not: short runs, one choice changed in each, on the validation split.

    python experiments/ablation.py PREPARED -o saved_models/colornet

Every run sees the same 3,000 training photos for three epochs at about 96 pixels. Goes on behind
the last finished run; a name or more behind the folder does these runs alone. Writes
DIR/ablation.json and DIR/ABLATION.md.
"""

import argparse
import json
import sys
from pathlib import Path

import keras
import numpy as np
from keras import ops

from colornet import models
from colornet.color import bins, lab
from colornet.color.hints import SIDE, reveal
from colornet.color.lab import luma
from colornet.data import dataset
from colornet.data.augment import aged, augmented
from colornet.data.batches import PhotoBatches
from colornet.evaluation.metrics import colourfulness, psnr
from colornet.inference.steering import colour
from colornet.models import losses
from colornet.models.network import Network
from colornet.photos import resize
from colornet.storage import atomic, write_json
from colornet.training.callbacks import Cosine
from colornet.training.train import begin, count_prior

PHOTOS, EPOCHS, SIZE, BATCH = 3000, 3, 96, 32
VALIDATION = 512  # photos
HINTS = 5


def _terms(mean=losses.log_error, edges=losses.EDGE_WEIGHT, weights=None):
    def loss(ab, logits):
        target = ops.average_pool(ab * lab.AB_SCALE, bins.STRIDE, bins.STRIDE)
        error = bins.expectation(ops.softmax(logits, axis=-1)) - target
        total = losses.cross_entropy(target, logits, weights) + edges * losses.edge_error(error)
        return total + mean(error)

    return loss


def _huber(error):
    """Huber of the mean's error in steps of a bin, delta one ab unit, as in arXiv 1705.02999."""
    size = ops.abs(error)
    huber = ops.where(size < 1, size**2 / 2, size - 0.5) / bins.STEP
    return ops.mean(huber, axis=(1, 2, 3))


def _none(error):
    return 0 * ops.mean(error, axis=(1, 2, 3))


class _WideCrops(PhotoBatches):
    """Batches with crops of a wider range of scales."""

    def _fit(self, pixels, size, rng):
        return augmented(pixels, size, rng, smallest=0.3)


# Each departs from the recipe of models/colornet.py in one thing.
VARIANTS = {
    "the recipe": dict(),
    "the recipe, another seed": dict(seed=1),
    "loss: cross-entropy alone": dict(mean=_none, edges=0.0),
    "loss: Huber on the mean": dict(mean=_huber),
    "loss: no term for edges": dict(edges=0.0),
    "loss: rebalanced as in CIC": dict(rebalanced=True),
    "first weights: random": dict(initial=None, frozen=()),
    "encoder: all of it trained": dict(frozen=()),
    "encoder: Lite0": dict(options=dict(encoder="lite0")),
    "encoder: Lite0, another seed": dict(options=dict(encoder="lite0"), seed=1),
    "decoder: half as wide again": dict(options=dict(width=144)),
    "no grey or aged photos": dict(age=0.0),
    "weight decay: none": dict(optimizer="adam"),
    "no hints": dict(hints=False),
    "one size": dict(mixed=False),
    "no random crops": dict(augment=False),
    "random crops: of 30 % and more": dict(loader=_WideCrops),
    "no attention between places": dict(without=("context",)),
    "no attention to hints": dict(without=("spread",)),
    "Adam, constant 1e-3": dict(optimizer="adam", schedule="constant"),
    "EMA of the weights": dict(ema=True),
}


def _fit(
    folder,
    mean=losses.log_error,
    edges=losses.EDGE_WEIGHT,
    rebalanced=False,
    ema=False,
    seed=0,
    options=None,
    without=(),
    loader=PhotoBatches,
    **settings,
):
    """One run; returns the network."""
    recipe = models.recipe_of("colornet").but(size=SIZE, batch_size=BATCH, seed=seed, **settings)
    keras.utils.set_random_seed(seed)
    network = models.build("colornet", **options or {})
    if recipe.initial:
        begin(network, recipe.initial)
    for layer in network.layers:
        layer.trainable = not layer.name.startswith(recipe.frozen)
    for layer in map(network.get_layer, without):  # what it adds is nought and stays so
        layer.set_weights([0 * weight for weight in layer.get_weights()])
        layer.trainable = False
    files = dataset.split_files(folder, "train")[:PHOTOS]
    prior = count_prior(files)
    network.get_layer("mean").prior.assign(prior)
    weights = bins.rebalancing(prior).astype("float32") if rebalanced else None
    trained = keras.Model(network.input, network.get_layer("logits").output)
    kinds = dict(adam=keras.optimizers.Adam, adamw=keras.optimizers.AdamW)
    optimizer = kinds[recipe.optimizer](recipe.learning_rate, use_ema=ema)
    jax = keras.backend.backend() == "jax"
    trained.compile(optimizer, _terms(mean, edges, weights), jit_compile=jax)
    batches = loader(files, recipe, shuffle=True)
    callbacks = []
    if recipe.schedule == "cosine":
        callbacks = [Cosine(recipe.learning_rate, 0, EPOCHS, len(batches))]
    trained.fit(batches, epochs=EPOCHS, shuffle=False, callbacks=callbacks, verbose=0)
    return network


def _gain(network, photos, seen, vividness, hints=0):
    """Mean gain over grey in dB, and colourfulness, of photos at their own size."""
    network = Network(network)
    rng = np.random.default_rng(0)
    gains, colours = [], []
    for start in range(0, len(photos), BATCH):
        true = photos[start : start + BATCH]
        Lab = ops.convert_to_numpy(lab.rgb_to_lab(true.astype(np.float32) / 255))
        L, _ = lab.to_network(lab.rgb_to_lab(seen[start : start + BATCH].astype(np.float32) / 255))
        planes = np.zeros((*true.shape[:3], 3), np.float32)
        for one, ab in zip(planes, Lab[..., 1:]):
            for _ in range(hints):
                row, column = rng.integers(SIDE // 2, true.shape[1] - SIDE // 2, 2)
                reveal(one, ab, row, column, SIDE)
        logits, _ = network.run(np.concatenate([L, planes], axis=-1))
        ab = colour(logits, network.prior, vividness)
        ab = ops.image.resize(ab, true.shape[1:3], "bicubic")
        grey = np.concatenate([Lab[..., :1], 0 * Lab[..., 1:]], axis=-1)
        painted = ops.concatenate([Lab[..., :1], ab], axis=-1)
        rgb, without = (
            np.round(255 * ops.convert_to_numpy(lab.lab_to_rgb(x))).astype(np.uint8)
            for x in (painted, grey)
        )
        gains += [psnr(t, p) - psnr(t, g) for t, p, g in zip(true, rgb, without)]
        colours += [colourfulness(p) for p in rgb]
    return round(float(np.mean(gains)), 3), round(float(np.mean(colours)), 2)


def _old(photos):
    rng = np.random.default_rng(0)
    return np.stack([np.repeat(aged(luma(p), rng)[..., None], 3, -1) for p in photos])


def measure(folder, name):
    """Trains one variant and scores it."""
    network = _fit(folder, **VARIANTS[name])
    files = dataset.split_files(folder, "validation")[:VALIDATION]
    small = np.stack([resize.square(dataset.read_prepared(f), SIZE) for f in files])
    large = np.stack([dataset.read_prepared(f) for f in files[: VALIDATION // 4]])
    row = dict(name=name)
    row["gain"], row["colourfulness"] = _gain(network, small, small, 0)
    row["vivid gain"], row["vivid colourfulness"] = _gain(network, small, small, 1)
    row[f"gain, {HINTS} hints"], _ = _gain(network, small, small, 0, HINTS)
    row["gain, aged input"], _ = _gain(network, small, _old(small), 0)
    row["gain at 256"], _ = _gain(network, large, large, 0)
    return row


def table(report):
    """The report as Markdown: gains over grey in dB, means over the validation photos."""
    columns = list(report["rows"][0])
    order = list(VARIANTS)
    lines = [
        f"`python experiments/ablation.py PREPARED -o DIR`: {report['photos']:,} training photos, "
        f"{report['epochs']} epochs at {report['size']} px, scored on {report['validation']} "
        "validation photos; gains over grey in dB, the mean's unless *vivid*:\n",
        f"| {' | '.join(columns)} |",
        "|---" * len(columns) + "|",
    ]
    for row in sorted(report["rows"], key=lambda row: order.index(row["name"])):
        figures = (f"{row[column]:.2f}" for column in columns[1:])
        lines.append(f"| {' | '.join([row['name'], *figures])} |")
    return "\n".join(lines)


def main():
    args = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    args.add_argument("folder", metavar="PREPARED")
    args.add_argument("names", nargs="*", help=", ".join(VARIANTS))
    args.add_argument("-o", "--output", metavar="DIR", required=True)
    args = args.parse_args()
    out = Path(args.output) / "ablation.json"
    rows = json.loads(out.read_text())["rows"] if out.exists() else []
    for name in args.names or VARIANTS:
        if name in [row["name"] for row in rows]:
            continue
        rows.append(measure(args.folder, name))
        print(json.dumps(rows[-1]), file=sys.stderr)
        settings = dict(photos=PHOTOS, epochs=EPOCHS, size=SIZE, validation=VALIDATION)
        write_json(out, settings | dict(rows=rows))
    lines = table(json.loads(out.read_text()))
    with atomic(out.with_name("ABLATION.md")) as temporary:
        temporary.write_text(lines + "\n", encoding="utf-8")
    print(lines)


if __name__ == "__main__":
    main()
