"""What references and remembered things do to the colours, in figures, on your own files.

    python experiments/reference.py [--films FILM ...] [--pairs FILE] [--others FOLDER] [-o DIR]

FILE has a line `kind,first,second` for each pair of colour photos of one scene or person, paths
from where FILE lies on. The first photo is the reference, the second is coloured after it. Of a
film, frame 1 is the reference of frames 11, 51 and 201. FOLDER holds photos of anything else: what
is found there is a false alarm, and each of them is a reference that does not fit.

PSNR as `colornet evaluate` takes it, at a short side of 256, by default vividness. A remembered
thing is a place of the first photo whose chroma is 10 units or more, up to 12 of each, told in its
true colour; it is found where the second photo has a place that is sure enough, and its error is
how far from the told one the true colour of that place is.
Writes DIR/reference.json, DIR/REFERENCE.md and DIR/reference.png.
"""

import argparse
import csv
import sys
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from tqdm import tqdm

from colornet.color import lab
from colornet.evaluation.metrics import psnr
from colornet.inference import memory
from colornet.inference.colorizer import load
from colornet.inference.compose import without_colour
from colornet.inference.matching import pack, see
from colornet.inference.order import Order
from colornet.inference.reference import Reference, know
from colornet.photos.photo import Photo, find_photos
from colornet.photos.read import read_photo
from colornet.storage import atomic, write_json

LATER = 10, 50, 200  # frames behind the first
SIDE, SHOWN = 256, 160  # pixels: short side; height in the picture
CHROMA, THINGS, OTHERS = 10, 12, 20
LEVELS = 0.5, 0.6, 0.65, 0.7, 0.75, 0.8  # of sureness
ROWS = "grey", "no reference", "palette alone", "reference"


def small(pixels):
    """A photo at a short side of 256, uint8 RGB."""
    scale = min(1, SIDE / min(pixels.shape[:2]))
    return cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def of_film(file):
    """Pairs of a film: its first frame and each later one, `(kind, first, second)`."""
    import av

    with av.open(str(file)) as film:
        frames = {}
        for number, frame in enumerate(film.decode(video=0)):
            if number in (0, *LATER):
                frames[number] = small(frame.to_ndarray(format="rgb24"))
    return [(f"{Path(file).stem}, {n} frames on", frames[0], frames[n]) for n in LATER]


def of_list(file):
    with open(file, newline="", encoding="utf-8") as lines:
        for kind, *names in csv.reader(lines):
            photos = (small(read_photo(Path(file).parent / name.strip()).pixels) for name in names)
            yield kind, *photos


def coloured(colorizer, first, second):
    """A photo by each of `ROWS`, and how many places were told."""
    photo = Photo(lab.luma(second))
    order = Order(guides=(Reference([know(Photo(first), "first")]),)).guided(photo)
    bare = colorizer.predict(photo)
    results = [
        without_colour(photo.pixels),
        bare.paint().pixels,
        bare.paint(palette=order.steering.palette).pixels,
        next(order.results(photo, order.answers(colorizer, photo))).pixels,
    ]
    return dict(zip(ROWS, results)), order.found[0]["places"]


def things(first, rng):
    """Places of a photo as `memory.Thing`s, each with its true ab."""
    seen, colours = see(first), cell_colours(first)
    mean, vivid = pack(seen.mean((0, 1))), np.argwhere(np.hypot(*colours.T).T >= CHROMA)
    for row, column in rng.permutation(vivid)[:THINGS]:
        place = dict(place=pack(seen[row, column]), mean=mean)
        yield memory.Thing("", [place]), colours[row, column]


def cell_colours(pixels):
    """The mean ab of each place, `(h, w, 2)`."""
    height, width = see(pixels).shape[:2]
    ab = lab.rgb_to_lab(pixels.astype(np.float32) / 255)[..., 1:]
    return cv2.resize(ab, (width, height), interpolation=cv2.INTER_AREA)


def remembered(pairs, others, rng):
    """How sure each thing is found, by kind: pairs of sureness and error, and false alarms."""
    found, alarms = {}, []
    for kind, first, second in tqdm(pairs, unit="pair", file=sys.stderr):
        seen, colours = see(second), cell_colours(second).reshape(-1, 2)
        for thing, ab in things(first, rng):
            alike = thing.likeness(seen)
            error = np.hypot(*(colours[alike.argmax()] - ab))
            found.setdefault(kind, []).append((float(alike.max()), float(error)))
            alarms += [float(thing.likeness(other).max()) for other in others]
    return found, alarms


def tables(report):
    """The report as Markdown."""
    lines = [f"| PSNR [dB] | {' | '.join(ROWS)} | places told | pairs |", "|---" * 7 + "|"]
    for kind, row in report["references"].items():
        cells = [f"{row[name]:.2f}" for name in ROWS] + [f"{row['places']:.0f}", str(row["pairs"])]
        lines.append(f"| {kind} | {' | '.join(cells)} |")
    lines += ["", f"Found from a cosine of {memory.SURE} on:", ""]
    kinds = [*report["things"]]
    cells = [f"{kind}: found, error" for kind in kinds]
    lines += [f"| sure | false alarms | {' | '.join(cells)} |", "|---" * (2 + len(kinds)) + "|"]
    for i, level in enumerate(LEVELS):
        rows = [report["things"][kind][i] for kind in kinds]
        cells = [f"{row['found']:.0%}, {row['error']:.1f}" for row in rows]
        alarm = report["false alarms"][i]
        lines.append(f"| {level} | {alarm:.2%} | {' | '.join(cells)} |")
    return "\n".join(lines)


def sheet(rows):
    """First photo, then the second by each of `ROWS`, then as it is: one picture."""

    def shrink(pixels):
        scale = SHOWN / pixels.shape[0]
        return cv2.resize(pixels, (round(pixels.shape[1] * scale), SHOWN), cv2.INTER_AREA)

    lines = [np.hstack([shrink(pixels) for pixels in row]) for row in rows]
    wide = max(line.shape[1] for line in lines)
    pad = [np.pad(x, ((0, 4), (0, wide - x.shape[1]), (0, 0))) for x in lines]
    return Image.fromarray(np.vstack(pad))


def at_levels(found):
    """Of pairs of sureness and error: the share found and the mean error, at each level."""
    for level in LEVELS:
        errors = [error for sure, error in found if sure >= level]
        yield dict(found=len(errors) / len(found), error=float(np.mean(errors or [0])))


def main():
    args = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    args.add_argument("--films", nargs="*", default=[], metavar="FILM")
    args.add_argument("--pairs", metavar="FILE")
    args.add_argument("--others", metavar="FOLDER")
    args.add_argument("--model", default="colornet")
    args.add_argument("-o", "--output", metavar="DIR", help="where the report goes")
    args = args.parse_args()
    colorizer, rng = load(args.model), np.random.default_rng(0)
    pairs = [pair for film in args.films for pair in of_film(film)]
    pairs += of_list(args.pairs) if args.pairs else []
    files = find_photos([args.others])[:OTHERS] if args.others else []
    others = [small(read_photo(file).pixels) for file, _ in files]
    found, alarms = remembered(pairs, [see(pixels) for pixels in others], rng)
    pairs += [
        ("a reference that does not fit", other, pairs[i % len(pairs)][2])
        for i, other in enumerate(others)
        if other.ndim == 3
    ]
    scores, shown = {}, {}
    for kind, first, second in tqdm(pairs, unit="pair", file=sys.stderr):
        results, places = coloured(colorizer, first, second)
        row = {name: psnr(second, pixels) for name, pixels in results.items()}
        scores.setdefault(kind, []).append(row | dict(places=places))
        shown.setdefault(kind, [first, *results.values(), second])
    report = dict(model=args.model, references={}, things={})
    for kind, rows in scores.items():
        mean = {name: float(np.mean([row[name] for row in rows])) for name in (*ROWS, "places")}
        report["references"][kind] = mean | dict(pairs=len(rows))
    report["things"] = {kind: [*at_levels(one)] for kind, one in found.items()}
    report["false alarms"] = [
        float(np.mean([sure >= level for sure in alarms or [0]])) for level in LEVELS
    ]
    report["tried for false alarms"] = len(alarms)
    if args.output:
        out = Path(args.output)
        write_json(out / "reference.json", report)
        with atomic(out / "reference.png") as temporary:
            sheet(shown.values()).save(temporary)
        with atomic(out / "REFERENCE.md") as temporary:
            temporary.write_text(tables(report) + "\n", encoding="utf-8")
    print(tables(report))


if __name__ == "__main__":
    main()
