"""Seconds and peak memory of `colornet colorize`: one 24-megapixel photo, and a folder.

    python benchmarks/colorize.py

Runs the command line itself in a process of its own, start-up included, on grey JPEGs made by
enlarging scikit-image's photos. Prints a Markdown table.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2

from colornet.metrics import luma
from colornet.photos import Photo, write_photo
from colornet.samples import SAMPLES, sample

FOLDER = 200


def grey(name, height, width):
    """A sample photo as grey `(height, width)`."""
    return luma(cv2.resize(sample(name), (width, height), interpolation=cv2.INTER_CUBIC))


def command(*arguments):
    """Seconds and peak memory (MB) of one run of the command line."""
    started = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "colornet", "colorize", *arguments])
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"colorize failed with status {status}")
    unit = 1e6 if sys.platform == "darwin" else 1e3  # ru_maxrss: bytes there, kilobytes here
    return time.perf_counter() - started, usage.ru_maxrss / unit


def main():
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        write_photo(folder / "small.jpg", Photo(grey("coffee", 256, 384)))
        write_photo(folder / "large.jpg", Photo(grey("coffee", 4000, 6000)))
        for i in range(FOLDER):
            name = SAMPLES[i % len(SAMPLES)]
            write_photo(folder / "many" / f"{i:03d}.jpg", Photo(grey(name, 800 + i, 1200)))
        start, start_memory = command(str(folder / "small.jpg"), "-o", str(folder / "small.png"))
        large, large_memory = command(str(folder / "large.jpg"), "-o", str(folder / "out.jpg"))
        many, many_memory = command(str(folder / "many"), "-o", str(folder / "coloured"))
    print("| what | seconds | of which start-up | peak memory |")
    print("|---|---|---|---|")
    print(f"| one photo of 256x384 | {start:.1f} | | {start_memory:.0f} MB |")
    print(f"| one photo of 24 megapixels | {large:.1f} | {start:.1f} | {large_memory:.0f} MB |")
    speed = FOLDER / (many - start)
    print(
        f"| {FOLDER} photos of about 1 megapixel, {speed:.1f} photos/s | {many:.1f} | "
        f"{start:.1f} | {many_memory:.0f} MB |"
    )


if __name__ == "__main__":
    main()
