"""How well damage is found and mended: precision and recall by kind, false marks, PSNR and SSIM.

    python experiments/damage.py PREPARED [--model damage] [--photos 300] [-o DIR]

On photos of a prepared set, grey, at their own size, with damage that `colornet.data.wear` makes by
fixed seeds, half of the photos aged first. The thresholds are chosen on validation photos, all else
is measured on test photos. Writes DIR/damage.json, DIR/DAMAGE.md and, of a release, its card anew.
"""

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np
from skimage.restoration import inpaint_biharmonic
from tqdm import tqdm

from colornet.color.lab import luma
from colornet.data import dataset
from colornet.data.augment import aged
from colornet.data.wear import KINDS, VEILS, VISIBLE, worn
from colornet.inference.damage import THRESHOLDS, DamageFinder, hysteresis
from colornet.inference.mending import mend
from colornet.models.releases import RELEASED
from colornet.storage import atomic, write_json

SHARES = dict(mild=0.0001, strong=0.0003)  # of undamaged validation photos, at most marked
LEVELS = np.round(1 - np.geomspace(0.1, 0.00001, 61), 6)
LOST = [kind for kind in KINDS if kind not in VEILS]
SEVERAL = "several kinds"
MORE = 5  # times as many photos choose the thresholds: most have no mark, a few have many
FEWER = 15  # one photo in so many is mended of each kind by itself, and every one of several
NEAR = np.ones((3, 3), np.uint8)  # a pixel's neighbours, which tolerance lets count


def photos(folder, split, count):
    """So many grey photos of a split, uint8 `(H, W)`, every second one aged."""
    files = dataset.present_files(folder, split)
    for i, file in enumerate(files[:: max(1, len(files) // count)][:count]):
        grey = luma(dataset.read_prepared(file))
        yield aged(grey, np.random.default_rng([1, i])) if i % 2 else grey


def damaged(grey, number, kind):
    """A photo with damage of one kind, or of several, and what is lost; its number is the seed."""
    rng = np.random.default_rng([2, number, [*KINDS, SEVERAL].index(kind)])
    return worn(grey, rng, None if kind == SEVERAL else (kind,))[:2]


def counts(marked, lost):
    """What recall and precision are made of, without and with a tolerance of one pixel."""
    near_lost, near_marked = (cv2.dilate(m.astype(np.uint8), NEAR) > 0 for m in (lost, marked))
    pairs = marked & lost, marked & near_lost, lost & near_marked, marked, lost
    return np.array([pair.sum() for pair in pairs], float)


def rates(sums):
    """Precision, recall and F1 of summed `counts`, without and with tolerance; None where none."""
    both, both_marked, both_lost, marked, lost = sums
    found = {}
    for name, hit, missed in (("exact", both, both), ("1 px", both_marked, both_lost)):
        precision, recall = hit / max(1, marked), missed / max(1, lost)
        f1 = 2 * precision * recall / max(1e-9, precision + recall)
        found[name] = dict(precision=precision, recall=recall, f1=f1)
    return found


def _opencv(method):
    return lambda worse, lost, _: cv2.inpaint(worse, lost.view(np.uint8), 3, method)


def _biharmonic(worse, lost, _):
    filled = inpaint_biharmonic(worse / 255, lost, split_into_regions=True)
    return np.clip(np.round(filled * 255), 0, 255).astype(np.uint8)


# Of the damaged photo, what is lost of it, and what was found of that with a margin, by strength.
WAYS = {
    "left alone": lambda worse, lost, found: worse,
    "true mask, OpenCV's Telea": _opencv(cv2.INPAINT_TELEA),
    "true mask, OpenCV's Navier-Stokes": _opencv(cv2.INPAINT_NS),
    "true mask, scikit-image's biharmonic": _biharmonic,
    "true mask, mend": lambda worse, lost, found: mend(worse, lost),
    "mask found, mild, mend": lambda worse, lost, found: mend(worse, found["mild"]),
    "mask found, strong, mend": lambda worse, lost, found: mend(worse, found["strong"]),
}


def similar(one, other):
    """SSIM of each pixel of two grey photos, Gaussian 11 as Wang et al. 2004 have it."""
    x, y = (np.float32(photo) for photo in (one, other))
    blur = lambda values: cv2.GaussianBlur(values, (11, 11), 1.5)  # noqa: E731
    a, b = blur(x), blur(y)
    spread = blur(x * x) - a * a + blur(y * y) - b * b
    both = (2 * a * b + 6.5025) * (2 * (blur(x * y) - a * b) + 58.5225)
    return both / ((a * a + b * b + 6.5025) * (spread + 58.5225))


def mended(grey, worse, lost, found):
    """PSNR and SSIM inside what is lost, `(len(WAYS), 2)`; None where nothing or all is lost."""
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))  # as `repair` widens a mask
    found = {name: cv2.dilate(mask.astype(np.uint8), cross) > 0 for name, mask in found.items()}
    if not lost.any() or any(mask.all() for mask in (lost, *found.values())):
        return None
    scores = []
    for fill in WAYS.values():
        after = fill(worse, lost, found)
        error = np.square(after[lost].astype(float) - grey[lost]).mean()
        decibels = 10 * np.log10(255**2 / max(error, 1e-2))
        scores.append((decibels, similar(grey, after)[lost].mean()))
    return np.array(scores)


def mended_table(rows):
    """The figures of `mended` as Markdown."""
    lines = [
        "| PSNR (dB) / SSIM inside what is lost | "
        + " | ".join(f"{kind}, {of['photos']} photos" for kind, of in rows.items())
        + " |",
        "|---" * (len(rows) + 1) + "|",
    ]
    for way in WAYS:
        cells = [f"{of['psnr'][way]:.1f} / {of['ssim'][way]:.3f}" for of in rows.values()]
        lines.append(f"| {way} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def choose(finder, folder, count):
    """Thresholds of which the first is the lowest that marks little enough of undamaged photos."""
    count *= MORE
    shares = {strength: np.zeros(len(LEVELS)) for strength in SHARES}
    for grey in tqdm(photos(folder, "validation", count), "validation", count, unit="photo"):
        found = finder.find(grey)
        for strength, share in shares.items():
            likely = THRESHOLDS[strength][1]
            share += [hysteresis(found, sure, likely).mean() / count for sure in LEVELS]
    chosen = {}
    for strength, most in SHARES.items():
        few = np.flatnonzero(shares[strength] <= most)
        sure = float(LEVELS[few[0] if few.size else -1])
        chosen[strength] = sure, THRESHOLDS[strength][1]
    return chosen


def marks(finder, grey, thresholds):
    """What counts as damaged by each strength's thresholds."""
    found = finder.find(grey)
    return {strength: hysteresis(found, *one) for strength, one in thresholds.items()}


def measure(finder, folder, count, thresholds):
    """Every figure: of finding by strength and kind, and of mending by kind."""
    kinds = [*KINDS, SEVERAL]
    sums = {(strength, kind): np.zeros(5) for strength in thresholds for kind in kinds}
    whole, pixels, scores = dict.fromkeys(thresholds, 0), 0, {kind: [] for kind in [*LOST, SEVERAL]}
    for i, grey in enumerate(tqdm(photos(folder, "test", count), "test", count, unit="photo")):
        pixels += grey.size
        for strength, mask in marks(finder, grey, thresholds).items():
            whole[strength] += int(mask.sum())
        for kind in kinds:
            worse, lost = damaged(grey, i, kind)
            found = marks(finder, worse, thresholds)
            for strength, mask in found.items():
                sums[strength, kind] += counts(mask, lost)
            if kind == SEVERAL or kind in LOST and i % FEWER == 0:
                scores[kind].append(mended(grey, worse, lost, found))
    strengths = {}
    for strength in thresholds:
        strengths[strength] = dict(
            thresholds=thresholds[strength], undamaged=whole[strength] / pixels
        )
        for kind in kinds:
            marked, lost = sums[strength, kind][3:] / pixels
            row = dict(lost=lost, marked=marked)
            strengths[strength][kind] = row if kind in VEILS else row | rates(sums[strength, kind])
    means = {}
    for kind, values in scores.items():
        values = [one for one in values if one is not None]
        psnr, ssim = (dict(zip(WAYS, of)) for of in np.mean(values, axis=0).T.tolist())
        means[kind] = dict(photos=len(values), psnr=psnr, ssim=ssim)
    return dict(strengths=strengths, mended=means)


def table(report):
    """The figures as Markdown."""
    lines = []
    for strength in report["strengths"]:
        found = report["strengths"][strength]
        lines += [
            f"**{strength}**: a pixel of a probability from {found['thresholds'][0]:g} on, and "
            f"what hangs together with it from {found['thresholds'][1]:g} on; of undamaged photos "
            f"{found['undamaged']:.3%} of the pixels are marked.",
            "",
            "| damage | of the pixels | precision | recall | F1 | precision, 1 px | recall, 1 px "
            "| F1, 1 px |",
            "|---|---|---|---|---|---|---|---|",
        ]
        for kind in [*KINDS, SEVERAL]:
            row = found[kind]
            if kind in VEILS:
                cells = f"nothing is lost; {row['marked']:.3%} are marked" + " |" * 6
            else:
                values = [row[how][what] for how in ("exact", "1 px") for what in row["exact"]]
                cells = " | ".join([f"{row['lost']:.1%}", *(f"{value:.3f}" for value in values)])
            lines.append(f"| {kind} | {cells} |")
        lines.append("")
    return "\n".join(lines)


def text(report):
    """What the card says of the figures."""
    return (
        f"`python experiments/damage.py DIR --photos {report['photos']}`: {report['photos']} test "
        f"photos that no training saw, grey, at their own size, half of them aged first, each with "
        f"made damage of every kind in turn; pixels of all photos counted together. A pixel is "
        f"lost where damage covers it, or changed it by more than "
        f"{VISIBLE * 255:.0f} of 255 levels. "
        f"*1 px*: a mark beside a lost pixel counts as right, a lost pixel beside a mark as found. "
        f"The thresholds were chosen on {MORE * report['photos']:,} validation photos.\n\n"
        f"{table(report)}\n"
        f"What mending makes of them: PSNR and SSIM (Gaussian 11) of the lost pixels alone, "
        f"mean over the photos; *mend* is `colornet/inference/mending.py`.\n\n"
        f"{mended_table(report['mended'])}\n"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", metavar="PREPARED")
    parser.add_argument("--model", default="damage", help="released network or folder of a release")
    parser.add_argument("--photos", type=int, default=300)
    parser.add_argument("-o", "--output", type=Path, default=RELEASED / "damage")
    args = parser.parse_args()
    finder = DamageFinder.load(args.model)
    thresholds = choose(finder, args.data, args.photos)
    report = dict(model=finder.name, sha256=finder.sha256, photos=args.photos)
    report |= measure(finder, args.data, args.photos, thresholds)
    write_json(args.output / "damage.json", report)
    with atomic(args.output / "DAMAGE.md") as temporary:
        temporary.write_text(text(report), encoding="utf-8")
    if (args.output / "best.weights.h5").is_file():
        from colornet.export.release import write_card  # with Keras

        write_card(args.output)
    print(text(report))


if __name__ == "__main__":
    sys.exit(main())
