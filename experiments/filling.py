"""What a learnt filling of damage comes to, beside the classical ones, by the same true masks.

    python experiments/filling.py PREPARED [--minutes 20] [--photos 300] [-o DIR]

Trains a small U-Net on two cores to say what lies under made damage, from what lies about it, then
scores it as `experiments/damage.py` scores the others. Writes DIR/filling.json and prints a table.
"""

import argparse
import os
import sys
import time
from pathlib import Path

import damage as scored
import keras
import numpy as np
from keras import layers, ops
from tqdm import tqdm

from colornet.color.lab import luma
from colornet.data import dataset
from colornet.data.batches import grey_levels
from colornet.data.damaged import cut
from colornet.data.wear import worn
from colornet.inference.mending import mend
from colornet.models.damage import MOMENTUM
from colornet.models.layers import conv
from colornet.models.releases import RELEASED
from colornet.storage import write_json

WIDTHS = 24, 32, 48, 64, 96
SIZE, BATCH, RATE = 128, 16, 2e-3
WAYS = ["left alone", "true mask, OpenCV's Telea", "true mask, OpenCV's Navier-Stokes"]
LEARNT, OURS = "true mask, learnt", "true mask, mend"


def filler():
    """A U-Net from L, 0 where it is lost, and the mask, `(batch, H, W, 2)`, to L."""
    seen = keras.Input((None, None, 2))
    x, skips = seen, []
    for stage, width in enumerate(WIDTHS):
        x = conv(x, width, 4 if not stage else 3, f"down{stage}", strides=2)
        x = conv(x, width, 3, f"down{stage}_b")
        skips.append(x)
    for stage, width in list(enumerate(WIDTHS[:-1]))[::-1]:
        x = layers.Concatenate()([layers.UpSampling2D()(x), skips[stage]])
        x = conv(conv(x, width, 3, f"up{stage}"), width, 3, f"up{stage}_b")
    network = keras.Model(seen, layers.Conv2DTranspose(1, 4, 2, "same")(x))
    for layer in network.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = MOMENTUM
    return network


def holes_error(true, guess):
    """Mean absolute error of L where it is lost; `true` is L and the mask."""
    L, mask = true[..., :1], true[..., 1:]
    return ops.sum(mask * ops.abs(guess - L)) / (ops.sum(mask) + 1)


def pair(grey, worse, lost):
    """What the network sees, float32 `(H, W, 2)`, and L with the mask, the same shape."""
    mask = lost[..., None].astype(np.float32)
    seen = grey_levels()[worse] * (1 - mask)
    return np.concatenate([seen, mask], -1), np.concatenate([grey_levels()[grey], mask], -1)


class Holes(keras.utils.PyDataset):
    """Batches of `pair`s, of crops of training photos, ever new."""

    def __init__(self, files, steps):
        super().__init__(workers=2, max_queue_size=8)
        self.files, self.steps = files, steps

    def __len__(self):
        return self.steps

    def __getitem__(self, index):
        rng = np.random.default_rng([3, index, time.time_ns()])
        pairs = []
        while len(pairs) < BATCH:
            photo = dataset.read_prepared(self.files[rng.integers(len(self.files))])
            grey = luma(np.ascontiguousarray(cut(photo, SIZE, rng)))
            worse, lost, _ = worn(grey, rng)
            if lost.any() and not lost.all():
                pairs.append(pair(grey, worse, lost))
        return tuple(map(np.stack, zip(*pairs)))


class Until(keras.callbacks.Callback):
    """Ends a training after a time, until when the learning rate falls to 0."""

    def __init__(self, minutes):
        super().__init__()
        self.begun, self.seconds = time.time(), 60 * minutes

    def on_train_batch_begin(self, batch, logs=None):
        done = min(1, (time.time() - self.begun) / self.seconds)
        self.model.optimizer.learning_rate = RATE * (0.5 + 0.5 * np.cos(np.pi * done))
        self.model.stop_training = done == 1


def train(folder, minutes):
    """The network, trained for so long, and how many steps that were."""
    keras.utils.set_random_seed(0)
    network = filler()
    network.compile(keras.optimizers.AdamW(RATE, weight_decay=1e-3), holes_error)
    batches = Holes(dataset.present_files(folder, "train"), 100)
    network.fit(batches, epochs=10**6, callbacks=[Until(minutes)], verbose=2)
    return network, int(network.optimizer.iterations)


def learnt(network, worse, lost):
    """The damaged photo with the network's levels where it is lost."""
    seen, _ = pair(worse, worse, lost)
    L = (np.asarray(network(seen[None]))[0, ..., 0] + 1) * 50
    levels = (grey_levels()[:, 0] + 1) * 50
    after = worse.copy()
    after[lost] = np.abs(L[lost][:, None] - levels).argmin(1)
    return after


def measure(network, folder, count):
    """PSNR and SSIM inside what is lost, means over the photos, by way."""
    ways = {way: scored.WAYS[way] for way in WAYS}
    ways |= {OURS: lambda worse, lost, _: mend(worse, lost)}
    ways |= {LEARNT: lambda worse, lost, _: learnt(network, worse, lost)}
    scores = []
    for i, grey in enumerate(tqdm(scored.photos(folder, "test", count), "test", count)):
        worse, lost = scored.damaged(grey, i, scored.SEVERAL)
        if not lost.any() or lost.all():
            continue
        row = []
        for fill in ways.values():
            after = fill(worse, lost, None)
            error = np.square(after[lost].astype(float) - grey[lost]).mean()
            decibels = 10 * np.log10(255**2 / max(error, 1e-2))
            row.append((decibels, scored.similar(grey, after)[lost].mean()))
        scores.append(row)
    psnr, ssim = np.mean(scores, axis=0).T.tolist()
    return dict(photos=len(scores), psnr=dict(zip(ways, psnr)), ssim=dict(zip(ways, ssim)))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", metavar="PREPARED")
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--photos", type=int, default=300)
    parser.add_argument("--test", help="another prepared set, of whose test photos to take")
    parser.add_argument("-o", "--output", type=Path, default=RELEASED / "damage")
    args = parser.parse_args()
    begun = os.times()
    network, steps = train(args.data, args.minutes)
    cpu = sum(os.times()[:2]) - sum(begun[:2])
    report = dict(parameters=network.count_params(), steps=steps, cpu_seconds=round(cpu))
    report |= measure(network, args.test or args.data, args.photos)
    write_json(args.output / "filling.json", report)
    print(f"{report['parameters']:,} parameters, {steps:,} steps, {cpu:.0f} CPU seconds\n")
    print("| by the true mask | PSNR | SSIM |\n|---|---|---|")
    for way, value in report["psnr"].items():
        print(f"| {way} | {value:.2f} | {report['ssim'][way]:.3f} |")


if __name__ == "__main__":
    sys.exit(main())
