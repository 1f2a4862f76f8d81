"""The page under load: how long visitors wait, whether each gets their own photo, and the memory.

    python benchmarks/page.py [--visitors 20] [--seconds 120]

Each visitor sends a photo that nobody else has, of 0.1 to 12 megapixels, looks at the answer for a
while, draws the slider, makes the file and fetches it, and begins again. Visitors and page share
this machine's cores. Afterwards each file's size and lightness are held against its photo's. Prints
Markdown.
"""

import argparse
import os
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import cv2
import numpy as np
from gradio_client import Client, handle_file

from colornet.color import lab
from colornet.data.samples import SAMPLES, sample
from colornet.photos.photo import Photo
from colornet.photos.read import read_photo
from colornet.photos.write import write_photo

SIZES = ((400, 300), (640, 480), (1200, 800), (1024, 1536), (2000, 1500), (4000, 3000))
OFTEN = (3, 3, 3, 2, 2, 1)
MOST = 2  # L units; JPEG at 95 moves lightness


def own_photo(rng, path):
    """A grey photo that nobody else has: a crop of a sample photo, with other noise."""
    grey = cv2.cvtColor(sample(rng.choice(SAMPLES)), cv2.COLOR_RGB2GRAY)
    height, width = grey.shape
    top, left = rng.randrange(height // 3), rng.randrange(width // 3)
    crop = grey[top : top + height // 2, left : left + width // 2]
    photo = cv2.resize(crop, rng.choices(SIZES, OFTEN)[0], interpolation=cv2.INTER_CUBIC)
    noise = np.random.default_rng(rng.randrange(1 << 30)).integers(0, 4, photo.shape, np.uint8)
    write_photo(path, Photo(cv2.add(photo, noise)))
    return path


def is_of(result, photo):
    """Whether a result is this photo in colour: its size and its lightness."""
    pixels, grey = read_photo(result).pixels, read_photo(photo).pixels
    if pixels.shape != (*grey.shape[:2], 3) or not pixels.std(axis=-1).mean():
        return False
    grey = grey if grey.ndim == 3 else np.repeat(grey[..., None], 3, axis=-1)
    return np.abs(lab.lightness(pixels / 255) - lab.lightness(grey / 255)).mean() < MOST


class Visitors:
    """What all visitors together have seen."""

    def __init__(self, address, seconds, folder):
        self.address, self.folder, self.stop = address, folder, time.time() + seconds
        self.waits = dict(open=[], slider=[], download=[])
        self.results, self.lost = [], []

    def timed(self, what, client, *arguments, **options):
        start = time.time()
        answer = client.predict(*arguments, **options)
        self.waits[what].append(time.time() - start)
        return answer

    def visit(self, number):
        rng, client = random.Random(number), Client(self.address, verbose=False)
        for turn in range(1_000_000):
            if time.time() > self.stop:
                return
            photo = own_photo(rng, self.folder / f"visitor{number}-{turn}.jpg")
            try:
                self.timed("open", client, handle_file(photo), 0.5, api_name="/open")
                time.sleep(rng.uniform(1, 4))
                self.timed("slider", client, rng.random(), api_name="/vividness")
                file = self.timed("download", client, 0.5, "JPEG", 95, api_name="/download")
                self.results.append((file, photo))
            except Exception as error:  # of whatever kind: that visitor has lost a photo
                self.lost.append(str(error).splitlines()[0])


def memory(process):
    """Megabytes that a process holds."""
    pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def main():
    args = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    args.add_argument("--visitors", type=int, default=20)
    args.add_argument("--seconds", type=float, default=120)
    args.add_argument("--model", default="colornet")
    args = args.parse_args()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "colornet",
        "serve",
        "--port",
        str(port),
        "--model",
        args.model,
    ]
    start = time.time()
    page = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while True:
        with socket.socket() as probe:
            if not probe.connect_ex(("127.0.0.1", port)):
                break
        time.sleep(0.1)
    print(f"Up after {time.time() - start:.1f} s, {memory(page):.0f} MB.")
    with tempfile.TemporaryDirectory() as folder:
        visitors = Visitors(f"http://127.0.0.1:{port}", args.seconds, Path(folder))
        threads = [
            threading.Thread(target=visitors.visit, args=(i,), daemon=True)
            for i in range(args.visitors)
        ]
        for thread in threads:
            thread.start()
        held = []
        while any(thread.is_alive() for thread in threads):
            held.append((time.time(), memory(page)))
            time.sleep(1)
        page.terminate()
        wrong = sum(not is_of(*pair) for pair in visitors.results)
    print(
        f"{args.visitors} visitors for {args.seconds:.0f} s, {os.cpu_count()} cores: "
        f"{len(visitors.results)} photos, {len(visitors.lost)} lost, {wrong} wrong.\n"
    )
    for reason in sorted(set(visitors.lost)):
        print(f"- {reason}")
    print("| step | p50, s | p95, s | longest, s |\n|---|---|---|---|")
    for what, waits in visitors.waits.items():
        cells = [*np.percentile(waits, [50, 95]), max(waits)]
        print(f"| {what} | " + " | ".join(f"{cell:.2f}" for cell in cells) + " |")
    print("\n| after, s | memory, MB |\n|---|---|")
    for begun in range(0, int(args.seconds), 15):
        of = [mb for t, mb in held if begun <= t - held[0][0] < begun + 15]
        print(f"| {begun} to {begun + 15} | {max(of):.0f} |")


if __name__ == "__main__":
    main()
