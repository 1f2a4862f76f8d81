"""What `colornet colorize` costs beside reading, converting to Lab and back, and writing alone.

    python benchmarks/colorize.py [--photos 500] [--largest 100]

Photos of 1 to 100 megapixels, colour JPEGs made by enlarging one of scikit-image's; then a folder
of photos of a megapixel, every run a process of its own, start-up included; "loaded" leaves it out.
Then what it costs to carry metadata, to mark and to record, in time of the processor. Plain is
OpenCV's: JPEG to float32 Lab and back to JPEG, in bands. Prints Markdown tables.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
from PIL import Image

from colornet.data.samples import SAMPLES, sample
from colornet.inference.colorizer import load
from colornet.inference.order import Order
from colornet.inference.record import Done, Record
from colornet.photos.history import Step, marked
from colornet.photos.metadata import Metadata
from colornet.photos.photo import Photo
from colornet.photos.read import read_photo
from colornet.photos.write import write_photo

MEGAPIXELS = (1, 12, 24, 50, 100)
PLAIN = """
import sys, cv2, numpy as np
source, target = sys.argv[1:]
photo = cv2.imread(source)
for top in range(0, len(photo), 256):
    band = photo[top : top + 256]
    lab = cv2.cvtColor(np.float32(band) / 255, cv2.COLOR_BGR2Lab)
    band[:] = np.round(cv2.cvtColor(lab, cv2.COLOR_Lab2BGR) * 255)
whole = cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444
cv2.imwrite(target, photo, [cv2.IMWRITE_JPEG_QUALITY, 95, *whole])
"""


# Told by a small process, since a large one would count its own memory as its child's.
WATCH = """
import resource, subprocess, sys, time
started = time.perf_counter()
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
seconds = time.perf_counter() - started
print(seconds, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def process(*arguments):
    """Seconds and peak memory (MB) of a Python process."""
    command = [sys.executable, "-c", WATCH, sys.executable, *arguments]
    took, peak = subprocess.run(command, check=True, capture_output=True).stdout.split()
    return float(took), float(peak) / (1e6 if sys.platform == "darwin" else 1e3)  # bytes there


def seconds(function):
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def sizes(folder, largest):
    colorizer = load("colornet")
    source, target = str(folder / "photo.jpg"), str(folder / "out.jpg")

    def loaded():
        colorizer.colorize(source).save(target)

    def plain():
        sys.argv[1:] = source, target
        exec(PLAIN, {})

    print(
        "| megapixels | command [s] | peak [MB] | plain [s] | peak [MB] | loaded [s] | "
        "plain, loaded [s] | ratio | ratio of commands |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for megapixels in MEGAPIXELS:
        if megapixels > largest:
            break
        height = round((megapixels * 1e6 * 2 / 3) ** 0.5)
        size = (round(megapixels * 1e6 / height), height)
        write_photo(
            source, Photo(cv2.resize(sample("coffee"), size, interpolation=cv2.INTER_CUBIC))
        )
        command = process("-m", "colornet", "colorize", source, "-o", target, "--force")
        bare = process("-c", PLAIN, source, target)
        loaded()  # tables and caches
        ours, theirs = (min(seconds(function) for _ in range(3)) for function in (loaded, plain))
        print(
            f"| {megapixels} | {command[0]:.2f} | {command[1]:.0f} | {bare[0]:.2f} | "
            f"{bare[1]:.0f} | {ours:.2f} | {theirs:.2f} | {ours / theirs:.2f} | "
            f"{command[0] / bare[0]:.2f} |"
        )


def many(folder, number):
    for i in range(number):
        pixels = cv2.resize(sample(SAMPLES[i % len(SAMPLES)]), (1250, 750 + i % 100))
        write_photo(folder / "many" / f"{i:03d}.jpg", Photo(pixels))
    colorizer = load("colornet")
    one = folder / "one.jpg"

    def each():
        for file in sorted((folder / "many").iterdir()):
            colorizer.colorize(file).save(one)

    start, _ = process(
        "-m", "colornet", "colorize", str(folder / "many" / "000.jpg"), "-o", str(one)
    )
    alone = seconds(each)
    together, memory = process(
        "-m", "colornet", "colorize", str(folder / "many"), "-o", str(folder / "coloured")
    )
    print(f"| {number} photos of a megapixel | seconds | photos/s | peak [MB] |\n|---|---|---|---|")
    print(f"| one after another, network loaded | {alone:.1f} | {number / alone:.1f} | |")
    print(
        f"| the folder, by the command ({start:.1f} s for the first) | {together:.1f} | "
        f"{number / together:.1f} | {memory:.0f} |"
    )


def told(folder):
    pixels = cv2.resize(sample("coffee"), (1225, 816), interpolation=cv2.INTER_CUBIC)
    exif, step = Image.Exif(), Step("0" * 64, "colornet", "0" * 64, "vividness 0.5")
    exif[0x010F] = "Agfa"
    packet, _ = marked(None, step)
    known = Metadata(exif.tobytes()[6:], (300, 300), packet, ((1028, bytes(200)),), b"Oma")
    bare, full = Photo(pixels), Photo(pixels, metadata=known, step=step)
    record, colorizer = folder / "r.jsonl", load("colornet")
    print("| a JPEG of a megapixel | bare [ms] | with metadata and mark [ms] |\n|---|---|---|")

    def spent(way):
        started = time.process_time()
        way()
        return 1000 * (time.process_time() - started)

    rows = {"read": [], "write": []}
    for photo in (bare, full):
        rows["write"].append(lambda photo=photo: write_photo(folder / "told.jpg", photo))
        write_photo(file := folder / f"{len(rows['read'])}.jpg", photo)
        rows["read"].append(lambda file=file: read_photo(file))
    for what, ways in rows.items():
        times = [min(spent(way) for _ in range(30)) for way in ways]
        print(f"| {what} | {times[0]:.1f} | {times[1]:.1f} |")
    order, answers = Order(), [colorizer.predict(file)]
    done = Done(file, 0, [folder / "told.jpg"], {}, 1.0)
    painted, lines = answers[0].paint(), Record(record, folder)
    took = min(spent(lambda: lines.add(done, order, answers, painted)) for _ in range(30))
    print(f"| a line of the record | 0 | {took:.1f} |")


def main():
    args = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    args.add_argument("--photos", type=int, default=500, help="in the folder")
    args.add_argument("--largest", type=int, default=100, help="megapixels")
    args = args.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sizes(Path(folder), args.largest)
        print()
        many(Path(folder), args.photos)
        print()
        told(Path(folder))


if __name__ == "__main__":
    main()
