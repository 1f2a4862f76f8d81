"""What vividness, hints, variants and a photo's size do to the colours, in figures.

    python experiments/steering.py PREPARED [--model colornet] [--split test] [--photos 300]
        [-o DIR]

The house protocol of `colornet evaluate`, on a fair sample of the split: 256x256, L exact, 8-bit
sRGB, per photo and then the mean. Writes DIR/steering.json, DIR/STEERING.md and DIR/steering.png.
"""

import argparse
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import matplotlib.pyplot as plt
import numpy as np
from tqdm import tqdm

from colornet import models
from colornet.color import gamut
from colornet.color.hints import SIDE, reveal
from colornet.data import dataset, quality
from colornet.data.augment import dyed
from colornet.evaluation.metrics import ciede2000, colourfulness, interval, psnr
from colornet.inference import variants
from colornet.inference.colorizer import Colorizer
from colornet.inference.compose import compose, without_colour
from colornet.inference.inputs import network_input
from colornet.inference.steering import VIVIDNESS, colour
from colornet.photos import resize
from colornet.photos.photo import Photo
from colornet.storage import atomic, write_json

LEVELS = (0, 0.25, 0.5, 0.75, 1)  # of vividness
HINTS = (0, 1, 2, 5, 10, 20)
VARIANTS = 5
SIZES = (160, 256, 512, 1024, 2048)


def _scores(true, true_lab, rgb):
    return dict(
        psnr=psnr(true, rgb),
        ciede2000=ciede2000(true_lab, gamut.rgb_to_lab(rgb)),
        colourfulness=colourfulness(rgb),
    )


def _hinted(true_lab, rng):
    """Hint planes with ever more random patches of true colour, `(len(HINTS), H, W, 3)`."""
    planes = np.zeros((*true_lab.shape[:2], 3), np.float32)
    stages, places = [], []
    for number in range(HINTS[-1] + 1):
        if number in HINTS:
            stages.append(planes.copy())
        # Whole patches: half a side away from the rim.
        row, column = rng.integers(SIDE // 2, 256 - SIDE // 2, 2)
        places.append((row, column))
        reveal(planes, true_lab[..., 1:], row, column, SIDE)
    return np.stack(stages), places


def _dyed(true_lab, rng):
    """One thing in another colour, and one hint at it: ab, hint planes, and which places it has.

    The places are those of the network's answer, `(64, 64)`; None where nothing of a middle size
    changed its colour much.
    """
    row, column = rng.integers(16, 240, 2).tolist()
    true = np.ascontiguousarray(true_lab[..., 1:])
    ab = dyed(true_lab[..., :1], true, row, column, rng)
    change = np.hypot(*np.moveaxis(ab - true, -1, 0))
    inside = (change > change[row, column] / 2)[2::4, 2::4]
    if change[row, column] < 15 or not 0.02 < inside.mean() < 0.5:
        return None
    planes = np.zeros((*ab.shape[:2], 3), np.float32)
    reveal(planes, ab, row, column, SIDE)
    return ab[2::4, 2::4], planes, inside


def measure(colorizer, true, seed):
    """Every figure of one photo, uint8 RGB `(256, 256, 3)`."""
    rng, true_lab = np.random.default_rng(seed), gamut.rgb_to_lab(true)
    network = colorizer.network
    L = network_input(network, true)
    x = np.concatenate([L, np.zeros((1, 256, 256, 3), np.float32)], axis=-1)
    logits = network.run(x)[0][0]

    def coloured(logits, vividness, unhinted=None):
        return np.asarray(colour(logits, network.prior, vividness, unhinted))

    def painted(*told):
        return compose(true, coloured(*told))

    found = {("true", 0): dict(colourfulness=colourfulness(true))}
    found["grey", 0] = _scores(true, true_lab, without_colour(true))
    for vividness in LEVELS:
        found["vividness", vividness] = _scores(true, true_lab, painted(logits, vividness))
    planes, places = _hinted(true_lab, rng)
    hinted = np.concatenate([np.repeat(L, len(HINTS), axis=0), planes], axis=-1)
    for number, answer in zip(HINTS, network.run(hinted)[0]):
        rgb, vivid = painted(answer, 0), painted(answer, VIVIDNESS, logits)
        found["hints", number] = dict(psnr=psnr(true, rgb))
        found["hints", number][f"psnr, vividness {VIVIDNESS}"] = psnr(true, vivid)
        if number == 1:  # how well the hint's colour holds at its place
            half, (row, column) = SIDE // 2, places[0]
            at = np.s_[row - half : row + half + 1, column - half : column + half + 1, 1:]
            error = gamut.rgb_to_lab(rgb)[at].mean((0, 1)) - true_lab[at].mean((0, 1))
            found["hints", 1]["ab error at the hint"] = float(np.hypot(*error))
    if thing := _dyed(true_lab, rng):
        ab, planes, inside = thing
        told = network.run(np.concatenate([L, planes[None]], axis=-1))[0][0]
        plain = coloured(logits, VIVIDNESS)
        found["one thing dyed", 1] = row = {}
        vivid = coloured(told, VIVIDNESS, logits)
        for name, answer in (("no hint", plain), ("hint", vivid)):
            error = np.hypot(*np.moveaxis(answer - ab, -1, 0))
            row[f"error inside, {name}"] = float(error[inside].mean())
            row[f"error outside, {name}"] = float(error[~inside].mean())
    several, _ = variants.variants(network, x, VARIANTS, seed)
    scores = [psnr(true, painted(one, VIVIDNESS)) for one in several]
    found["variants", VARIANTS] = dict(single=scores[0], best=max(scores))
    safe = [psnr(true, painted(one, 0)) for one in several]
    found["variants", VARIANTS] |= dict(safe_single=safe[0], safe_best=max(safe))
    fields = {}
    for size in SIZES:
        photo = Photo(resize.square(true, size))
        # The network's own field: chroma that sRGB can show depends on L, which resizing changes.
        fields[size] = cv2.resize(colorizer.predict(photo).ab(), (64, 64))
    for size in SIZES:
        away = np.hypot(*np.moveaxis(fields[size] - fields[256], -1, 0)).mean()
        found["size", size] = {"ab units from 256 px": float(away)}
    return found


def table(report):
    """The report as Markdown."""
    lines = [
        f"`python experiments/steering.py DIR --model {report['model']} "
        f"--photos {report['photos']}`, on {report['photos']} photos of the "
        f"{report['split']} split:\n",
        "| what | amount | figures |",
        "|---|---|---|",
    ]
    for row in report["rows"]:
        cells = [
            f"{name} {value['mean']:.2f} ± {(value['high'] - value['low']) / 2:.2f}"
            for name, value in row.items()
            if isinstance(value, dict)
        ]
        lines.append(f"| {row['what']} | {row['amount']} | {', '.join(cells)} |")
    return "\n".join(lines)


def plot(report, path):
    """Vividness against PSNR, CIEDE2000 and colourfulness; hints against PSNR."""
    figure, axes = plt.subplots(1, 4, figsize=(14, 3.2), layout="constrained")
    rows = {
        what: [r for r in report["rows"] if r["what"] == what] for what in ("vividness", "hints")
    }
    flat = {row["what"]: row for row in report["rows"] if row["what"] in ("grey", "true")}
    names = dict(psnr="PSNR [dB]", ciede2000="CIEDE2000", colourfulness="colourfulness")
    for axis, (metric, name) in zip(axes, names.items()):
        axis.plot(LEVELS, [row[metric]["mean"] for row in rows["vividness"]], "o-")
        for other, row in flat.items():
            if metric in row:
                axis.axhline(row[metric]["mean"], color="grey", linestyle=":")
                axis.text(0, row[metric]["mean"], other, color="grey", va="bottom")
        axis.set(xlabel="vividness", title=name)
    axes[3].plot(HINTS, [row["psnr"]["mean"] for row in rows["hints"]], "o-")
    axes[3].set(xlabel="hints of 7x7 pixels", title="PSNR [dB]")
    with atomic(path) as temporary:
        figure.savefig(temporary, dpi=80)
    plt.close(figure)


def main():
    args = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    args.add_argument("folder", metavar="PREPARED")
    args.add_argument("--model", default="colornet")
    args.add_argument("--split", default="test", choices=("validation", "test"))
    args.add_argument("--photos", type=int, default=300)
    args.add_argument("-o", "--output", metavar="DIR", help="where the report goes")
    args = args.parse_args()
    colorizer = Colorizer(models.load(args.model))
    files = dataset.split_files(args.folder, args.split)
    photos = [resize.square(dataset.read_prepared(f), 256) for f in files[: args.photos]]
    photos = [photo for photo in photos if not quality.is_grey(photo)]
    columns = {}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        work = pool.map(lambda pair: measure(colorizer, *pair[::-1]), enumerate(photos))
        for found in tqdm(work, total=len(photos), unit="photo", file=sys.stderr):
            for what, values in found.items():
                for metric, value in values.items():
                    columns.setdefault(what, {}).setdefault(metric, []).append(value)
    report = dict(model=args.model, split=args.split, photos=len(photos), rows=[])
    for (what, amount), metrics in columns.items():
        row = {metric: interval(values) for metric, values in metrics.items()}
        report["rows"].append(dict(what=what, amount=amount) | row)
    if args.output:
        out = Path(args.output)
        write_json(out / "steering.json", report)
        plot(report, out / "steering.png")
        with atomic(out / "STEERING.md") as temporary:
            temporary.write_text(table(report) + "\n", encoding="utf-8")
    print(table(report))


if __name__ == "__main__":
    main()
