"""Flicker and fidelity of coloured films, and frames a second, beside each frame on its own.

    pip install -e '.[video]'
    python benchmarks/video.py [FILM ...] [--model colornet] [--frames 90] [--told 201]

Films are in colour, so that the truth is known; they are coloured from their grey. A film of a
known motion, a window that moves over a sample photo, comes first. Flicker is the warping error of
chroma, as Lai et al. 2018 (arXiv 1808.00449) measure it: how far the colours of a frame lie from
those of the frame before, carried along the motion, where that can be told; ab units. The motion of
films is found by Farneback's method, not by the one that steadies them. CDC, colour distribution
consistency, is that of Liu et al. 2021 (arXiv 2110.04562): the Jensen-Shannon divergence of the
histograms of R, G and B between frames 1, 2 and 4 apart, mean, here times 1000.

Told colours: in the first frame four even places are told a colour that they have not, their own
turned by a right angle in ab, of chroma 40, so that nothing but the telling can bring it about. How
far are they from it after so many frames, with what is told and without? How much changes
elsewhere, farther than an eighth of the width from each? A reach keeps a colour near; without one
the network takes it to what it holds for the same. A place of a film counts while it looks as in
the first frame: the cameras stand still. Prints Markdown tables.
"""

import argparse
import itertools
import os
import tempfile
import time
from pathlib import Path

import av
import cv2
import numpy as np

from colornet.color.colourfulness import colourfulness
from colornet.color.lab import luma
from colornet.data.samples import sample
from colornet.evaluation.metrics import psnr
from colornet.inference.colorizer import load
from colornet.inference.compose import compose
from colornet.inference.inputs import working_size
from colornet.video.film import FilmOrder, colorize_video
from colornet.video.guide import even_places
from colornet.video.look import Look, shown
from colornet.video.reading import Picture
from colornet.video.steady import carry, is_cut, steadied
from colornet.video.told import Moment, Told
from colornet.video.tracks import track

STEP = 2.5, 1.5  # pixels a frame, right and down, of the known motion
SLOW = 1.2, 0.5  # of that in which colours are told, so that places stay in the picture
AFTER = 10, 50, 200  # frames
PLACES, APART, CHROMA = 4, 1 / 8, 40  # places told; share of the width; ab units
REACHES = None, 0.05  # of what is told
SAME = 4  # ab units and levels of grey: a place that looks as in the first frame
ALIKE, BACK = 6, 0.5  # levels of grey; pixels: what counts as the same place


def _window(number, step=STEP):
    """A window that moves over the astronaut, RGB frames of 256x384."""
    photo = cv2.resize(sample("astronaut"), (384 + int(step[0] * number) + 1,) * 2)
    for i in range(number):
        centre = 192 + step[0] * i - 0.5, 128 + step[1] * i - 0.5
        yield cv2.getRectSubPix(photo, (384, 256), centre)


def _film(path, number):
    with av.open(path) as film:
        for frame in itertools.islice(film.decode(video=0), number):
            yield frame.to_ndarray(format="rgb24")


def _motion(before, after):
    """Farneback's flow from `after` to `before`, and the places where it can be believed."""

    def flow(a, b):
        return cv2.calcOpticalFlowFarneback(a, b, None, 0.5, 4, 21, 5, 7, 1.5, 0)

    back, on = flow(after, before), flow(before, after)
    away = np.hypot(*np.moveaxis(back + carry(on, back), -1, 0))
    seen = carry(before.astype(np.float32), back)
    return back, (away < BACK) & (np.abs(seen - after) < ALIKE)


def _known(before, after):
    flow = np.broadcast_to(np.float32(STEP), (*after.shape, 2))
    inside = np.zeros(after.shape, bool)
    inside[:-3, :-3] = True
    return flow, inside


def _pictures(colorizer, frames):
    """Frames at the size at which the network sees them: RGB, and grey as `Picture`s."""
    small, found = [], []
    for number, rgb in enumerate(frames):
        size = working_size(colorizer.network, *rgb.shape[:2])
        small.append(cv2.resize(rgb, size[::-1], interpolation=cv2.INTER_AREA))
        grey = luma(small[-1])
        found.append(Picture(number, number / 25, None, None, grey, grey))
    return small, found


def _fit(ab, like):
    return cv2.resize(ab, like.shape[1::-1], interpolation=cv2.INTER_CUBIC)


def _held(pictures, look, how=shown):
    """The steady colours of frames."""
    held = steadied(((picture, picture.grey) for picture in pictures), look)
    return [_fit(np.ascontiguousarray(how(planes)), picture.grey) for picture, planes in held]


def _true(rgb):
    return cv2.cvtColor(np.float32(rgb) / 255, cv2.COLOR_RGB2Lab)[..., 1:]


def _cdc(frames):
    """1000 times the CDC of RGB frames."""
    shares = []
    for rgb in frames:
        counts = [np.bincount(plane.ravel(), minlength=256) for plane in cv2.split(rgb)]
        shares.append(np.array(counts) / rgb[..., 0].size)

    def divergence(p, q):
        middle = (p + q) / 2
        parts = [
            np.where(x > 0, x * np.log(np.maximum(x, 1e-12) / (middle + 1e-12)), 0) for x in (p, q)
        ]
        return sum(part.sum(-1) for part in parts).mean() / 2

    return 1000 * np.mean(
        [
            np.mean([divergence(*pair) for pair in zip(shares, shares[apart:])])
            for apart in (1, 2, 4)
        ]
    )


def measure(colorizer, frames, motion):
    """Rows of (what, flicker, PSNR, CDC, colourfulness) of colours in several ways."""
    kept, pictures = _pictures(colorizer, frames)
    look, greys = Look(colorizer, None), [picture.grey for picture in pictures]
    ways = {"true": [_true(rgb) for rgb in kept]}
    ways["each on its own"] = [_fit(look(picture)[..., :2], picture.grey) for picture in pictures]
    ways["steady, unsure places in colour"] = _held(pictures, look, lambda x: x[..., :2])
    ways["steady"] = _held(pictures, look)
    ways["grey"] = [np.zeros((*grey.shape, 2), np.float32) for grey in greys]
    links = [
        (i, *motion(*pair)) for i, pair in enumerate(itertools.pairwise(greys)) if not is_cut(*pair)
    ]
    rows = []
    for name, fields in ways.items():
        errors = []
        for i, flow, seen in links:
            moved = carry(np.float32(fields[i]), np.float32(flow))
            errors.append(np.hypot(*np.moveaxis(fields[i + 1] - moved, -1, 0))[seen].mean())
        results = kept if name == "true" else [compose(*pair) for pair in zip(greys, fields)]
        score = None if name == "true" else np.mean([psnr(*pair) for pair in zip(kept, results)])
        colourful = np.mean([colourfulness(rgb) for rgb in results])
        rows.append((name, np.mean(errors), score, _cdc(results), colourful))
    return rows


def _places(rgb, step):
    """Even places of strong colours, apart from each other, that stay in the picture."""
    height, width = rgb.shape[:2]
    last = np.multiply(step or (0, 0), max(AFTER)) + 8
    hints = [
        hint
        for hint in even_places(rgb, (height, width))
        if last[0] <= hint.x < width - 8 and last[1] <= hint.y < height - 8
    ]
    chosen = []
    for hint in sorted(hints, key=lambda hint: -np.hypot(*hint.ab)):
        if all(np.hypot(hint.x - x, hint.y - y) > 2 * APART * width for x, y, *_ in chosen):
            chosen.append(hint)
    turned = [np.array([-hint.ab[1], hint.ab[0]]) for hint in chosen[:PLACES]]
    return [
        hint._replace(ab=tuple(CHROMA * ab / np.hypot(*ab))) for hint, ab in zip(chosen, turned)
    ]


def told(colorizer, frames, step=None):
    """Rows of (reach, after, places, distance with and without what is told, change elsewhere)."""
    kept, pictures = _pictures(colorizer, frames)
    hints, step = _places(kept[0], step), step or (0, 0)
    without = _held(pictures, Look(colorizer, None))
    height, width = kept[0].shape[:2]
    columns, rows = np.meshgrid(np.arange(width), np.arange(height))
    truth = {n: np.dstack([_true(kept[n]), luma(kept[n])]) for n in (0, *AFTER) if n < len(kept)}
    for reach in REACHES:
        orders = [Told(Moment(0), hint._replace(reach=reach)) for hint in hints]
        with_ = _held(pictures, Look(colorizer, None, track(pictures, orders, ())))
        for after in [*truth][1:]:
            found, far = [], np.ones((height, width), bool)
            for hint in hints:
                at = np.subtract(hint[:2], np.multiply(step, after))
                (x, y), (x0, y0) = (np.round(place).astype(int) for place in (at, hint[:2]))
                far &= np.hypot(columns - x, rows - y) > APART * width
                if any(step) or np.abs(truth[after][y, x] - truth[0][y0, x0]).max() < SAME:
                    found.append(
                        [np.hypot(*(ab[after][y, x] - hint.ab)) for ab in (with_, without)]
                    )
            change = np.hypot(*np.moveaxis(with_[after] - without[after], -1, 0))[far].mean()
            yield reach, after, len(found), *np.mean(found or [(np.nan,) * 2], axis=0), change


def _speed(colorizer, height, number):
    """Frames a second of whole runs on a film of that height, each and steady, and CPU seconds."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "film.mp4"
        width = height * 16 // 9 // 2 * 2
        with av.open(source, "w") as film:
            stream = film.add_stream("libx264", rate=25, options={"preset": "veryfast"})
            stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
            for rgb in _window(number):
                rgb = np.repeat(luma(cv2.resize(rgb, (width, height)))[..., None], 3, axis=-1)
                film.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, "rgb24")))
            film.mux(stream.encode())
        tried = Path(folder) / "tried.mp4"
        colorize_video(colorizer, source, tried)  # tables and caches
        rates, work = [], []
        for steady in (False, True):
            started, used = time.perf_counter(), time.process_time()
            order = FilmOrder(steady=steady, force=True, watch=lambda frames, total: frames)
            colorize_video(colorizer, source, Path(folder) / "out.mp4", order)
            rates.append(number / (time.perf_counter() - started))
            work.append((time.process_time() - used) / number)
    return *rates, *work


def _cell(value):
    if isinstance(value, (float, np.floating)):
        return f"{value:.2f}"
    return "" if value is None else str(value)


def _table(title, rows):
    print(title)
    print("|".join(["", *["---"] * (title.count("|") - 1), ""]))
    for row in rows:
        print(f"| {' | '.join(map(_cell, row))} |", flush=True)
    print()


def main():
    args = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    args.add_argument("films", nargs="*", metavar="FILM")
    args.add_argument("--model", default="colornet")
    args.add_argument("--frames", type=int, default=90)
    args.add_argument("--told", type=int, default=201, help="frames of films in which it is told")
    args = args.parse_args()
    colorizer = load(args.model)
    films = [("known motion", _window(args.frames), _known)]
    films += [(Path(film).name, _film(film, args.frames), _motion) for film in args.films]
    title = "| film | colours | flicker [ab units] | PSNR [dB] | CDC, times 1000 | colourfulness |"
    _table(title, ((name, *row) for name, *how in films for row in measure(colorizer, *how)))
    films = [("known motion", _window(args.told, SLOW), SLOW)]
    films += [(Path(film).name, _film(film, args.told), None) for film in args.films]
    title = (
        "| film | reach | after frames | places | told [ab units] | not told | change elsewhere |"
    )
    _table(title, ((name, *row) for name, *how in films for row in told(colorizer, *how)))
    print(f"{os.cpu_count()} cores, frames a second, and CPU seconds a frame:\n")
    title = "| height | each | steady | each, CPU s | steady, CPU s |"
    _table(title, ((height, *_speed(colorizer, height, args.frames)) for height in (480, 720)))


if __name__ == "__main__":
    main()
