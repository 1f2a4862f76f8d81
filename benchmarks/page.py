"""The page under load: how long visitors wait, whether each gets their own photo, and the memory.

    python benchmarks/page.py [--visitors 20] [--seconds 120] [--uploads 500]

Each visitor sends a photo that nobody else has, of 0.1 to 12 megapixels, looks at the answer for a
while, saves the coloured file, and begins again. Visitors and page share this machine's cores.
Afterwards each file's size and lightness are held against its photo's. Then one visitor sends many
photos of all sizes, one behind the other, and the memory of all the server's processes is looked
at. Prints Markdown.
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
import httpx
import numpy as np

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
        self.waits = dict(open=[], save=[])
        self.results, self.lost, self.turned_away = [], [], 0

    def timed(self, what, client, path, photo, settings):
        """The body of an answer; who is turned away tries again, as the page does."""
        start = time.time()
        while True:
            files = dict(photo=(photo.name, photo.read_bytes()))
            response = client.post(path, files=files, data=dict(settings=settings))
            if response.status_code != 503:
                break
            self.turned_away += 1
            time.sleep(float(response.headers["retry-after"]))
        response.raise_for_status()
        self.waits[what].append(time.time() - start)
        return response.content

    def visit(self, number):
        rng, client = random.Random(number), httpx.Client(base_url=self.address, timeout=300)
        for turn in range(1_000_000):
            if time.time() > self.stop:
                return
            photo = own_photo(rng, self.folder / f"{number}-{turn}.png")
            try:
                self.timed("open", client, "/api/answer", photo, "{}")
                time.sleep(rng.uniform(1, 4))
                result = self.folder / f"{number}-{turn}-coloured.jpg"
                saving = '{"format": "jpeg"}'
                result.write_bytes(self.timed("save", client, "/api/colorize", photo, saving))
                self.results.append((result, photo))
            except Exception as error:  # of whatever kind: that visitor has lost a photo
                self.lost.append(str(error).splitlines()[0])


def tree(process):
    """Of a process and those that it began: the folders in /proc, and the fields of their stat."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rsplit(")", 1)[1].split()
        except OSError:  # ended meanwhile
            continue
        if process.pid in (int(fields[1]), int(folder.name)):
            yield folder, fields


def memory(process):
    """Megabytes that a process and those that it began hold, what they share counted once."""
    lines = [(folder / "smaps_rollup").read_text() for folder, _ in tree(process)]
    return sum(int(text.split("Pss:")[1].split()[0]) for text in lines) * 1024 / 1e6


def work(process):
    """Seconds of a core that a process and those that it began have had."""
    ticks = sum(int(fields[11]) + int(fields[12]) for _, fields in tree(process))
    return ticks / os.sysconf("SC_CLK_TCK")


def started(model):
    """The server's process and its address, once it answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "colornet", "serve", "--port", str(port), "--model", model]
    page = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    while True:
        try:
            httpx.get(f"{address}/api/health").raise_for_status()
            return page, address
        except httpx.TransportError:
            time.sleep(0.1)


def crowd(page, address, count, seconds, folder):
    """Many visitors at once: prints how long they waited, and what they lost."""
    visitors = Visitors(address, seconds, folder)
    threads = [
        threading.Thread(target=visitors.visit, args=(i,), daemon=True) for i in range(count)
    ]
    for thread in threads:
        thread.start()
    held, before = [], work(page)
    while any(thread.is_alive() for thread in threads):
        held.append(memory(page))
        time.sleep(1)
    wrong = sum(not is_of(*pair) for pair in visitors.results)
    print(
        f"{count} visitors for {seconds:.0f} s, {os.cpu_count()} cores, {os.getloadavg()[0]:.1f} "
        f"processes that want them: {len(visitors.results)} photos, {len(visitors.lost)} lost, "
        f"{wrong} wrong, {visitors.turned_away} times asked to try again. At most "
        f"{max(held):.0f} MB. A photo opened and saved takes the server "
        f"{(work(page) - before) / len(visitors.results):.2f} s of a core.\n"
    )
    for reason in sorted(set(visitors.lost)):
        print(f"- {reason}")
    print("| step | p50, s | p95, s | longest, s |\n|---|---|---|---|")
    for what, waits in visitors.waits.items():
        cells = [*np.percentile(waits, [50, 95]), max(waits)]
        print(f"| {what} | " + " | ".join(f"{cell:.2f}" for cell in cells) + " |")


def one_by_one(page, address, count, folder):
    """Many photos, one behind the other: prints the memory on the way."""
    rng, visitors = random.Random(count), Visitors(address, 0, folder)
    print("\n| after so many uploads | memory, MB |\n|---|---|")
    with httpx.Client(base_url=address, timeout=300) as client:
        for number in range(1, count + 1):
            photo = own_photo(rng, folder / "one.png")
            visitors.timed("open", client, "/api/answer", photo, "{}")
            if number % max(1, count // 10) == 0:
                print(f"| {number} | {memory(page):.0f} |", flush=True)


def main():
    args = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    args.add_argument("--visitors", type=int, default=20)
    args.add_argument("--seconds", type=float, default=120)
    args.add_argument("--uploads", type=int, default=500)
    args.add_argument("--model", default="colornet")
    args = args.parse_args()
    start = time.time()
    page, address = started(args.model)
    print(f"Up after {time.time() - start:.1f} s, {memory(page):.0f} MB.\n")
    with tempfile.TemporaryDirectory() as folder:
        crowd(page, address, args.visitors, args.seconds, Path(folder))
        one_by_one(page, address, args.uploads, Path(folder))
    page.terminate()
    page.wait()


if __name__ == "__main__":
    main()
