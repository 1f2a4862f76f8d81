"""What a repair costs, and how good it is beside OpenCV's and scikit-image's ways to fill.

    python benchmarks/repair.py [--largest 100] [--photos FOLDER]

Quality: photos with drawn damage, four kinds, PSNR and SSIM (Gaussian 11) inside the mask. Cost:
grey photos of 1, 12 and 100 megapixels with 1 % of scratches and specks, each a process of its own:
milliseconds of a core for a megapixel to find and to mend, and the greatest memory. Prints tables.
"""

import argparse
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
from colorize import process  # the benchmark beside this one
from skimage.metrics import structural_similarity
from skimage.restoration import inpaint_biharmonic

from colornet.data.samples import SAMPLES, sample
from colornet.inference.mending import mend
from colornet.photos.photo import find_photos
from colornet.photos.read import read_photo
from colornet.photos.resize import eight_bits

MEGAPIXELS = (1, 12, 100)
SIDE = 512  # pixels: photos are cut to it
ONE = """
import sys, time, resource
import numpy as np
from colornet.data.samples import sample
from colornet.inference import repair
import cv2
cv2.setNumThreads(2)
megapixels, what = int(sys.argv[1]), sys.argv[2]
width = round((1.5e6 * megapixels) ** 0.5)
height = width * 2 // 3
grey = cv2.cvtColor(sample("astronaut"), cv2.COLOR_RGB2GRAY)
grey = cv2.resize(grey, (width, height), interpolation=cv2.INTER_CUBIC)
rng, mask = np.random.default_rng(0), np.zeros(grey.shape, np.uint8)
while np.count_nonzero(mask) < 0.01 * mask.size:
    for _ in range(20):
        ends = rng.integers(0, (width, height), (2, 2)).tolist()
        cv2.line(mask, *ends, 255, int(rng.integers(1, 5)))
        cv2.circle(mask, ends[0], int(rng.integers(1, 8)), 255, -1)
grey[mask > 0] = 255
if what == "find":
    repair.finder()
started = time.process_time()
if what == "find":
    repair.find_damage(grey)
elif what == "mend":
    repair.mend(grey, mask > 0)
print(1000 * (time.process_time() - started) / megapixels, file=open(sys.argv[3], "w"))
"""


def drawn(shape, kind, rng):
    """A mask of damage, bool."""
    mask = np.zeros(shape, np.uint8)

    def place():
        return rng.integers(0, shape[::-1]).tolist()

    for _ in range({"scratches": 12, "tears": 4, "specks": 60, "holes": 6}[kind]):
        if kind == "scratches":
            cv2.line(mask, place(), place(), 255, int(rng.integers(1, 5)))
        elif kind == "tears":
            cv2.line(mask, place(), place(), 255, int(rng.integers(8, 16)))
        elif kind == "specks":
            cv2.circle(mask, place(), int(rng.integers(1, 6)), 255, -1)
        else:
            axes = rng.integers(10, 40, 2).tolist()
            cv2.ellipse(mask, place(), axes, int(rng.integers(180)), 0, 360, 255, -1)
    return mask > 0


def _opencv(method):
    return lambda grey, mask: cv2.inpaint(grey, mask.view(np.uint8), 3, method)


def _biharmonic(grey, mask):
    filled = inpaint_biharmonic(grey / 255, mask, split_into_regions=True)
    return np.clip(np.round(filled * 255), 0, 255).astype(np.uint8)


WAYS = {
    "left alone": lambda grey, mask: grey,
    "OpenCV, Telea": _opencv(cv2.INPAINT_TELEA),
    "OpenCV, Navier-Stokes": _opencv(cv2.INPAINT_NS),
    "scikit-image, biharmonic": _biharmonic,
    "mend, without grain": lambda grey, mask: mend(grey, mask, grain=False),
    "mend": mend,
}


def quality(photos):
    kinds = ("scratches", "tears", "specks", "holes")
    print(f"| {len(photos)} photos: PSNR [dB] / SSIM | " + " | ".join(kinds) + " | seconds |")
    print("|---" * (len(kinds) + 2) + "|")
    for name, way in WAYS.items():
        cells, took = [], 0
        for kind in kinds:
            scores = []
            for number, grey in enumerate(photos):
                mask = drawn(grey.shape, kind, np.random.default_rng(number))
                damaged = np.where(mask, 230, grey).astype(np.uint8)
                started = time.perf_counter()
                result = way(damaged, mask)
                took += time.perf_counter() - started
                error = np.square(result[mask].astype(float) - grey[mask]).mean()
                alike = structural_similarity(
                    grey, result, gaussian_weights=True, full=True, data_range=255
                )[1][mask].mean()
                scores.append((10 * np.log10(255**2 / error), alike))
            cells.append("{:.2f} / {:.3f}".format(*np.mean(scores, axis=0)))
        print(f"| {name} | " + " | ".join(cells) + f" | {took:.1f} |", flush=True)


def cost(largest, told):
    head = ("megapixels", "find [ms/MP]", "peak [MB]", "mend [ms/MP]", "peak [MB]", "neither, peak")
    print(f"| {' | '.join(head)} |")
    print("|---|---|---|---|---|---|")
    for megapixels in (size for size in MEGAPIXELS if size <= largest):
        cells = []
        for what in ("find", "mend", "nothing"):
            _, peak = process("-c", ONE, str(megapixels), what, str(told))
            took = float(told.read_text())
            cells += [f"{took:.0f}", f"{peak:.0f}"][what == "nothing" :]
        print(f"| {megapixels} | " + " | ".join(cells) + " |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--largest", type=int, default=100, help="megapixels")
    parser.add_argument("--photos", help="a folder; by default the samples")
    parser.add_argument("--only", choices=["quality", "cost"])
    args = parser.parse_args()
    if args.only != "cost":
        found = find_photos([args.photos])[::20][:40] if args.photos else []
        photos = [eight_bits(read_photo(file).pixels) for file, _ in found]
        photos = photos or [sample(name) for name in SAMPLES]
        grey = [x if x.ndim == 2 else cv2.cvtColor(x, cv2.COLOR_RGB2GRAY) for x in photos]
        quality([np.ascontiguousarray(one[:SIDE, :SIDE]) for one in grey])
        print()
    if args.only != "quality":
        with tempfile.TemporaryDirectory() as folder:
            cost(args.largest, Path(folder, "took.txt"))


if __name__ == "__main__":
    main()
