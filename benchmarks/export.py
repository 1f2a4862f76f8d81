"""Exported networks beside Keras: difference in the final 8-bit photo, file size, time a photo.

    pip install -e '.[export]'
    python benchmarks/export.py [--model colornet] [--photos FOLDER] [--count 50]

Without a folder the photos are pieces of scikit-image's, of several sizes. All are made grey by
luma. Prints a Markdown table; times are medians, photo in and photo out, the network loaded, on all
cores.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from colornet import models
from colornet.color import lab
from colornet.color.lab import luma
from colornet.data.samples import TILED, sample
from colornet.evaluation.metrics import psnr
from colornet.export.formats import export
from colornet.inference.colorizer import Colorizer
from colornet.inference.compose import compose
from colornet.inference.inputs import network_input
from colornet.inference.steering import VIVIDNESS
from colornet.models.releases import released
from colornet.photos.photo import Photo, find_photos
from colornet.photos.read import read_photo

SIDES = (160, 256, 320, 400)


def pieces(count):
    """Pieces of the sample photos, grey, at random places and of several sizes."""
    rng = np.random.default_rng(0)
    for i in range(count):
        pixels = luma(sample(TILED[i % len(TILED)]))
        height, width = (min(side, int(rng.choice(SIDES))) for side in pixels.shape)
        top = rng.integers(pixels.shape[0] - height + 1)
        left = rng.integers(pixels.shape[1] - width + 1)
        yield np.ascontiguousarray(pixels[top : top + height, left : left + width])


def runners(colorizer, folder, name):
    """Functions from a grey photo to a coloured one, by name, with the bytes of their files."""

    def arrays(run):
        def coloured(grey):
            L = (network_input(colorizer.network, grey) + 1) * lab.L_SCALE
            return compose(grey, run(L)[0])

        return coloured

    saved = tf.saved_model.load(str(folder / "saved_model" / "1"))
    size = sum(file.stat().st_size for file in (folder / "saved_model" / "1").rglob("*.*"))
    yield (
        "SavedModel",
        size,
        lambda grey: saved.serve(grey[None, ..., None])["colorized"][0].numpy(),
    )
    for kind in ("", "-float16"):
        path = folder / "onnx" / f"{name}{kind}.onnx"
        session = onnxruntime.InferenceSession(path)
        run = arrays(lambda L, session=session: session.run(["ab"], {"L": L})[0])
        yield f"ONNX Runtime{kind.replace('-', ', ')}", path.stat().st_size, run
    for path in sorted((folder / "litert").glob("*.tflite"), key=lambda path: -path.stat().st_size):
        kind = path.stem.removeprefix(name)
        runner = Interpreter(str(path), num_threads=os.cpu_count()).get_signature_runner()

        def run(L, runner=runner):
            hints = np.zeros((*L.shape[:3], 3), np.float32)
            more = dict(hints=hints, vividness=np.float32(VIVIDNESS)) if colorizer.has_bins else {}
            return runner(L=L, **more)["ab"]

        yield f"LiteRT{kind.replace('-', ', ')}", path.stat().st_size, arrays(run)


def main():
    args = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    args.add_argument("--model", default="colornet")
    args.add_argument("--photos", metavar="FOLDER")
    args.add_argument("--count", type=int, default=50)
    args = args.parse_args()
    colorizer, name = Colorizer(models.load(args.model)), released(args.model).name
    if args.photos:
        found = [read_photo(file).pixels for file, _ in find_photos([args.photos])[: args.count]]
        greys = [luma(pixels) if pixels.ndim == 3 else pixels for pixels in found]
    else:
        greys = [*pieces(args.count)]

    def measure(coloured):
        for grey in greys:
            coloured(grey)  # each new size costs at first
        results, times = [], []
        for grey in greys:
            started = time.perf_counter()
            results.append(coloured(grey))
            times.append(1000 * (time.perf_counter() - started))
        return results, float(np.median(times))

    print(f"{args.model}, {len(greys)} photos, {os.cpu_count()} cores\n")
    print(
        "| by | MB | ms a photo | mean difference | greatest | PSNR to Keras [dB] |\n"
        "|---|---|---|---|---|---|"
    )
    own, milliseconds = measure(lambda grey: colorizer.colorize(Photo(grey)).pixels)
    weights = (released(args.model) / "best.weights.h5").stat().st_size
    print(f"| Keras | {weights / 1e6:.1f} | {milliseconds:.0f} | | | |")
    with tempfile.TemporaryDirectory() as folder:
        for _ in export(args.model, folder):
            pass
        for by, size, coloured in runners(colorizer, Path(folder), name):
            results, milliseconds = measure(coloured)
            apart = [cv2.absdiff(a, b) for a, b in zip(own, results)]
            alike = np.mean([min(99, psnr(a, b)) for a, b in zip(own, results)])
            print(
                f"| {by} | {size / 1e6:.1f} | {milliseconds:.0f} | "
                f"{np.mean([x.mean() for x in apart]):.3f} | {max(x.max() for x in apart)} | "
                f"{alike:.1f} |"
            )


if __name__ == "__main__":
    main()
