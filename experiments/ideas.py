"""What some ideas of the literature buy: temperatures, hints, palettes, several answers and others.

    python experiments/ideas.py PREPARED [--photos 600] [-o FILE.md]

The house protocol of `colornet evaluate` on the test split: 256x256, L exact, 8-bit sRGB, per photo
and then the mean. Balanced AuC counts each pixel by the rarity of its true colour, as the objective
of `cic` does: arXiv 1603.08511, section 3.1, with the weights of section 2.2. Takes the released
networks. What an idea of `let_there_be_color` or `hypercolumn` carries is seen by taking it away
from the trained network: the whole photo's features by those of the next photo, features of some
stages by their mean over the photo.
"""

import argparse
import os
import sys
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
from tqdm import tqdm

from colornet import models
from colornet.color import bins, gamut, lab
from colornet.color.hints import SIDE, reveal
from colornet.evaluation.metrics import auc, ciede2000, colourfulness, interval, psnr
from colornet.evaluation.testset import read_test_set
from colornet.inference.colorizer import Colorizer
from colornet.inference.compose import compose
from colornet.inference.inputs import network_input
from colornet.models.literature.diverse import diverse_fields
from colornet.models.literature.let_there_be_color import parts
from colornet.photos.photo import Photo
from colornet.storage import atomic

TEMPERATURES = (1, 0.38, 0.1)
HINTS = (0, 1, 5, 10)
ANSWERS = (1, 2, 4, 8)
NAMES = ("eight_conv", "cic", "user_guided", "diverse", "let_there_be_color", "hypercolumn")
STAGES = {"conv1 to conv3": (0, 1, 2), "conv4 to fc7": (3, 4, 5), "all": range(6)}  # of a column


def load():
    """The released networks by name, as Keras models with parts of them, and as `Colorizer`s."""
    networks = {name: models.load(name) for name in NAMES}
    colorizers = {name: Colorizer(network) for name, network in networks.items()}
    hidden = networks["hypercolumn"].get_layer("hidden")
    networks["bins"] = colorizers["cic"].network.logits
    networks["whole"], networks["fused"] = parts(networks["let_there_be_color"])
    networks["column"] = keras.Model(networks["hypercolumn"].input, hidden.input)
    networks["colour"] = keras.Model(hidden.output, networks["hypercolumn"].output)
    return networks, colorizers


def measure(networks, colorizers, true, following, seed):
    """Every figure of one photo: `{row: {metric: value}}`.

    Args:
        networks, colorizers: from `load`.
        true, following: the photo and the next one, uint8 RGB `(256, 256, 3)`.
        seed: of the places of hints.
    """
    rng = np.random.default_rng(seed)
    true_lab = gamut.rgb_to_lab(true)
    cic = colorizers["cic"].network
    L, prior = network_input(cic, true), cic.prior
    rarity = bins.rebalancing(prior)[bins.encode(true_lab[..., 1:]).argmax(-1)]

    def scores(ab):
        rgb = compose(true, np.asarray(ab, np.float32))
        answer = gamut.rgb_to_lab(rgb)
        return dict(
            psnr=psnr(true, rgb),
            ciede2000=ciede2000(true_lab, answer),
            colourfulness=colourfulness(rgb),
            auc=auc(true_lab[..., 1:], answer[..., 1:]),
            balanced=auc(true_lab[..., 1:], answer[..., 1:], rarity),
        )

    found = {"grey": scores(np.zeros((1, 1, 2)))}
    found["`eight_conv`, a plain mean"] = scores(colorizers["eight_conv"].predict(Photo(true)).ab())
    logits = networks["bins"].predict_on_batch(L)[0]
    for temperature in TEMPERATURES:
        chances = np.asarray(keras.ops.softmax(logits / temperature))
        found[f"`cic` at temperature {temperature}"] = scores(np.asarray(bins.expectation(chances)))
    plain = keras.ops.softmax(logits - np.log(bins.rebalancing(prior)))
    found["`cic`, its rebalancing divided out again"] = scores(bins.expectation(plain))
    hints = np.zeros((256, 256, 3), np.float32)
    given = {}
    for number in range(HINTS[-1] + 1):
        if number in HINTS:
            given[f"`user_guided`, true hints: {number}"] = hints.copy()
        # Whole patches: half a side away from the rim.
        row, column = rng.integers(SIDE // 2, 256 - SIDE // 2, 2)
        reveal(hints, true_lab[..., 1:], row, column, SIDE)
    places = rng.permutation(256 * 256)  # the true colours, and where they are is not told
    palette = true_lab[..., 1:].reshape(-1, 2)[places].reshape(256, 256, 2) / lab.AB_SCALE
    given["`user_guided`, the true palette"] = np.dstack([palette, -np.ones((256, 256))])
    inputs = np.stack([np.dstack([L[0], planes]) for planes in given.values()])
    for row, ab in zip(given, networks["user_guided"].predict_on_batch(inputs)):
        found[row] = scores(ab * lab.AB_SCALE)
    fields, _ = diverse_fields(networks["diverse"], L)
    answers = [scores(field[0] * lab.AB_SCALE) for field in fields]
    for number in ANSWERS:
        found[f"`diverse`, best of {number}"] = max(answers[:number], key=lambda one: one["psnr"])
    for row, photo in ("", true), (", the next photo's global features", following):
        whole = networks["whole"].predict_on_batch(network_input(cic, photo))
        ab = networks["fused"].predict_on_batch([L, whole])[0]
        found[f"`let_there_be_color`{row}"] = scores(ab * lab.AB_SCALE)
    shares = networks["column"].predict_on_batch(L)
    found["`hypercolumn`"] = scores(colorizers["hypercolumn"].predict(Photo(true)).ab())
    for stages, chosen in STAGES.items():
        flat = [
            one.mean((1, 2), keepdims=True) if i in chosen else one for i, one in enumerate(shares)
        ]
        hidden = np.broadcast_to(sum(flat), shares[0].shape)
        ab = networks["colour"].predict_on_batch(hidden)[0]
        found[f"`hypercolumn`, {stages} the same all over"] = scores(ab * lab.AB_SCALE)
    return found


def main():
    args = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    args.add_argument("folder", metavar="PREPARED")
    args.add_argument("--photos", type=int, default=600)
    args.add_argument("-o", "--output", metavar="FILE.md")
    args = args.parse_args()
    loaded = load()
    test = read_test_set([args.folder], 256)
    photos, read = len(test.names[: args.photos]), test.read
    rows = {}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        work = pool.map(
            lambda i: measure(*loaded, read(i), read((i + 1) % photos), i), range(photos)
        )
        for found in tqdm(work, total=photos, unit="photo", file=sys.stderr):
            for row, values in found.items():
                rows.setdefault(row, []).append(values)
    grey = {metric: np.array([one[metric] for one in rows["grey"]]) for metric in rows["grey"][0]}
    head = ["", "PSNR [dB]", "over grey [dB]", "CIEDE2000", "colourfulness", "AuC", "balanced AuC"]
    head += ["that over grey"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row, values in rows.items():
        values = {metric: np.array([one[metric] for one in values]) for metric in values[0]}
        means = {metric: of.mean() for metric, of in values.items()}
        gain, balanced = (interval(values[m] - grey[m]) for m in ("psnr", "balanced"))
        lines.append(
            f"| {row} | {means['psnr']:.2f} | {gain['mean']:+.2f} ({gain['low']:+.2f} to "
            f"{gain['high']:+.2f}) | {means['ciede2000']:.2f} | {means['colourfulness']:.1f} | "
            f"{means['auc']:.3f} | {means['balanced']:.3f} | {balanced['mean']:+.3f} "
            f"({balanced['low']:+.3f} to {balanced['high']:+.3f}) |"
        )
    lines += ["", f"`python experiments/ideas.py DIR --photos {photos}`, on {photos} test photos."]
    text = "\n".join(lines) + "\n"
    if args.output:
        with atomic(args.output) as temporary:
            temporary.write_text(text, encoding="utf-8")
    print(text, end="")


if __name__ == "__main__":
    main()
