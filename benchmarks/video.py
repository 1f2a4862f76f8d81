"""Flicker and fidelity of coloured films, and frames a second, beside each frame on its own.

    pip install -e '.[video]'
    python benchmarks/video.py [FILM ...] [--model colornet] [--frames 90]

Films are in colour, so that the truth is known; they are coloured from their grey. A film of a
known motion, a window that moves over a sample photo, comes first. Flicker is the warping error of
chroma, as Lai et al. 2018 (arXiv 1808.00449) measure it: how far the colours of a frame lie from
those of the frame before, carried along the motion, where that can be told; ab units. The motion of
films is found by Farneback's method, not by the one that steadies them. Prints a Markdown table.
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

from colornet.color.lab import luma
from colornet.data.samples import sample
from colornet.evaluation.metrics import psnr
from colornet.inference.colorizer import load
from colornet.inference.compose import compose
from colornet.inference.inputs import working_size
from colornet.photos.photo import Photo
from colornet.video.film import FilmOrder, colorize_video
from colornet.video.steady import carry, is_cut, steadied

STEP = 2.5, 1.5  # pixels a frame, right and down, of the known motion
ALIKE, BACK = 6, 0.5  # levels of grey; pixels: what counts as the same place


def _window(number):
    """A window that moves over the astronaut, RGB frames of 256x384."""
    photo = cv2.resize(sample("astronaut"), (384 + int(STEP[0] * number) + 1,) * 2)
    for i in range(number):
        centre = 192 + STEP[0] * i - 0.5, 128 + STEP[1] * i - 0.5
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


def measure(colorizer, frames, motion):
    """Rows of (what, flicker, PSNR): the true colours, each frame on its own, steady."""
    kept, greys, alone = [], [], []
    for rgb in frames:
        height, width = working_size(colorizer.network, *rgb.shape[:2])
        small = cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA)
        ab = colorizer.predict(Photo(luma(rgb))).ab()
        kept.append(small)
        greys.append(luma(small))
        alone.append(cv2.resize(ab, (width, height), interpolation=cv2.INTER_CUBIC))
    steady = [ab for _, ab in steadied(zip(kept, greys, alone))]
    true = [cv2.cvtColor(np.float32(rgb) / 255, cv2.COLOR_RGB2Lab)[..., 1:] for rgb in kept]
    links = [
        (i, *motion(*pair)) for i, pair in enumerate(itertools.pairwise(greys)) if not is_cut(*pair)
    ]
    rows = []
    for name, fields in (("true", true), ("each on its own", alone), ("steady", steady)):
        errors = []
        for i, flow, seen in links:
            moved = carry(np.float32(fields[i]), np.float32(flow))
            errors.append(np.hypot(*np.moveaxis(fields[i + 1] - moved, -1, 0))[seen].mean())
        scores = [psnr(rgb, compose(grey, ab)) for rgb, grey, ab in zip(kept, greys, fields)]
        rows.append((name, np.mean(errors), None if name == "true" else np.mean(scores)))
    grey = [psnr(rgb, np.repeat(one[..., None], 3, -1)) for rgb, one in zip(kept, greys)]
    return [*rows, ("grey", 0, np.mean(grey))]


def _speed(colorizer, height, number):
    """Frames a second of whole runs on a film of that height: each on its own, steady."""
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
        for steady in (False, True):
            started = time.perf_counter()
            order = FilmOrder(steady=steady, force=True)
            colorize_video(colorizer, source, Path(folder) / "out.mp4", order)
            yield number / (time.perf_counter() - started)


def main():
    args = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    args.add_argument("films", nargs="*", metavar="FILM")
    args.add_argument("--model", default="colornet")
    args.add_argument("--frames", type=int, default=90)
    args = args.parse_args()
    colorizer = load(args.model)
    print("| film | colours | flicker [ab units] | PSNR [dB] |\n|---|---|---|---|")
    films = [("known motion", _window(args.frames), _known)]
    films += [(Path(film).name, _film(film, args.frames), _motion) for film in args.films]
    for name, frames, motion in films:
        for what, flicker, score in measure(colorizer, frames, motion):
            print(
                f"| {name} | {what} | {flicker:.2f} | {'' if score is None else f'{score:.2f}'} |"
            )
    print(
        f"\n{os.cpu_count()} cores, frames a second:\n\n| height | each | steady |\n|---|---|---|"
    )
    for height in (480, 720):
        each, steady = _speed(colorizer, height, args.frames)
        print(f"| {height} | {each:.1f} | {steady:.1f} |")


if __name__ == "__main__":
    main()
