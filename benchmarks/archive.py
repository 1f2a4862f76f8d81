"""What `colornet archive` costs: names and ledger by the number of files, and photos a second.

    python benchmarks/archive.py [--photos 400] [--most 100000]

Names: empty files, found and written into the ledger without any work. Photos: of 0.1 megapixel,
by each engine. Scans: of 12 and 24 megapixels, in time of the processor and in bytes, by which an
archive of any size can be planned. Prints Markdown tables.
"""

import argparse
import os
import tempfile
from pathlib import Path

import cv2
from colorize import process, seconds

from colornet.archive.archive import LEDGER
from colornet.data.samples import SAMPLES, sample
from colornet.photos.photo import Photo
from colornet.photos.write import write_photo

# The work is empty: what is left is finding, the ledger, and the way to the engine and back.
NAMES = """
import sys
from colornet.archive import archive
from colornet.archive.ledger import batches
archive._engine = lambda name: lambda task, files, workers: (
    [dict(name=name, state="done", told={}) for name, _ in some] for some in batches(files, 8)
)
archive.colorize_archive(archive.Task(*sys.argv[1:]), archive.ArchiveOrder(review=0))
"""


def names(folder, most):
    print("| files | first run [s] | peak [MB] | run when all is done [s] |\n|---|---|---|---|")
    number = 1000
    while number <= most:
        source, out = folder / f"names{number}", folder / f"out{number}"
        for i in range(number):
            if i % 1000 == 0:
                (source / str(i)).mkdir(parents=True)
            (source / str(i // 1000 * 1000) / f"{i}.jpg").touch()
        first, peak = process("-c", NAMES, str(source), str(out))
        again, _ = process("-c", NAMES, str(source), str(out))
        print(f"| {number:,} | {first:.2f} | {peak:.0f} | {again:.2f} |")
        number *= 10


def photos(folder, number):
    for i in range(number):
        grey = cv2.cvtColor(sample(SAMPLES[i % len(SAMPLES)]), cv2.COLOR_RGB2GRAY)
        pixels = cv2.resize(grey, (400, 250 + i % 50), interpolation=cv2.INTER_AREA)
        write_photo(folder / "scans" / f"{i // 100}" / f"{i:05d}.jpg", Photo(pixels))
    print(f"| engine and workers, {number} photos | seconds | photos/s | peak of a process [MB] |")
    print("|---|---|---|---|")
    for engine, workers in (("processes", 1), ("processes", 2), ("ray", 2)):
        out = folder / f"{engine}{workers}"
        words = ["-m", "colornet", "archive", str(folder / "scans"), str(out), "--review", "0"]
        took, peak = process(*words, "--workers", str(workers), "--engine", engine)
        print(f"| {engine}, {workers} | {took:.1f} | {number / took:.1f} | {peak:.0f} |")
    print(f"| all done already | {seconds(lambda: process(*words)):.1f} | | |")


def scans(folder, number):
    """What one scan costs: a run of so many, less a run of one, which is the start."""
    print(f"| scans, {number} of each | core seconds | in [MB] | out [MB] | ledger [kB] |")
    print("|---|---|---|---|---|")
    for megapixels in (12, 24):
        side = round((megapixels * 1e6 / 6) ** 0.5)
        large = cv2.resize(sample(SAMPLES[0]), (3 * side, 2 * side), interpolation=cv2.INTER_CUBIC)
        grey = Photo(cv2.cvtColor(large, cv2.COLOR_RGB2GRAY))
        spent, name = [], f"of{megapixels}"
        for count in (1, number):
            source, out = folder / f"{name}-{count}", folder / f"{name}-{count}-coloured"
            for i in range(count):
                write_photo(source / f"{i:05d}.jpg", grey)
            before = os.times()
            words = ["archive", str(source), str(out), "--review", "0", "--workers", "1"]
            process("-m", "colornet", *words)
            after = os.times()
            spent.append(sum(after[2:4]) - sum(before[2:4]))
        sizes = [sum(file.stat().st_size for file in one.glob("*.jpg")) for one in (source, out)]
        ledger = (out / LEDGER).stat().st_size
        each = (spent[1] - spent[0]) / (number - 1)
        each = f"{each:.2f} | {sizes[0] / number / 1e6:.1f} | {sizes[1] / number / 1e6:.1f}"
        print(f"| {megapixels} megapixels | {each} | {ledger / number / 1e3:.1f} |", flush=True)


def main():
    args = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    args.add_argument("--photos", type=int, default=400)
    args.add_argument("--most", type=int, default=100_000, help="names")
    args.add_argument("--scans", type=int, default=20, help="of each size")
    args = args.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        names(Path(folder), args.most)
        print()
        photos(Path(folder), args.photos)
        print()
        scans(Path(folder), args.scans)


if __name__ == "__main__":
    main()
