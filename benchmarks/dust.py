"""How much dust `colornet video --repair` takes away, and what it does to films that have none.

    pip install -e '.[video]'
    python benchmarks/dust.py FILM ... [--frames 38]

Specks, a hair and blotches are drawn into each frame at random places; so what is true is known.
The first and last frame, which stay as they are, do not count. Prints a Markdown table.
"""

import argparse
import itertools
from pathlib import Path

import av
import cv2
import numpy as np

from colornet.evaluation.metrics import psnr
from colornet.video.dust import cleaned

SEEN = 40  # levels of 255 from which on dust is seen


def dusty(frame, rng):
    """A frame with dust, and where it is seen."""
    height, width = frame.shape[:2]
    mask = np.zeros((height, width), np.uint8)
    for radius in (1, 2, 3, 5, 8):
        cv2.circle(mask, rng.integers(0, (width, height)).tolist(), radius, 255, -1)
    start = rng.integers(0, (width, height))
    cv2.line(mask, start.tolist(), (start + rng.integers(10, 40, 2)).tolist(), 255, 2)
    damaged = frame.copy()
    damaged[mask > 0] = rng.choice([5, 250])
    return damaged, (mask > 0) & (far(damaged, frame) > SEEN)


def far(one, other):
    return np.abs(one.astype(int) - other).max(-1)


def measure(frames):
    """Share of dust that goes, PSNR with it and without, share changed where there is none."""
    rng, inner = np.random.default_rng(0), slice(1, -1)
    damaged, masks = zip(*(dusty(frame, rng) for frame in frames))
    made, alone = [*cleaned(damaged)][inner], [*cleaned(frames)][inner]
    frames, damaged, masks = frames[inner], damaged[inner], masks[inner]
    gone = sum((far(a, b) <= SEEN)[mask].sum() for a, b, mask in zip(made, frames, masks))
    return (
        gone / sum(mask.sum() for mask in masks),
        np.mean([psnr(true, one) for true, one in zip(frames, damaged)]),
        np.mean([psnr(true, one) for true, one in zip(frames, made)]),
        np.mean([(a != b).any(-1).mean() for a, b in zip(alone, frames)]),
    )


def main():
    args = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    args.add_argument("films", nargs="+", metavar="FILM")
    args.add_argument("--frames", type=int, default=38)
    args = args.parse_args()
    print("| film | dust that goes | PSNR with it [dB] | taken away [dB] | changed without dust |")
    print("|---|---|---|---|---|")
    for film in args.films:
        with av.open(film) as opened:
            some = itertools.islice(opened.decode(video=0), args.frames)
            frames = [frame.to_ndarray(format="rgb24") for frame in some]
        gone, before, after, changed = measure(frames)
        name = Path(film).name
        print(f"| {name} | {gone:.1%} | {before:.1f} | {after:.1f} | {changed:.3%} |", flush=True)


if __name__ == "__main__":
    main()
