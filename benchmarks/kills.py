"""What kills cost `colornet archive`: a run that nothing disturbs, and one killed at random.

    pip install -e '.[archive,dev]'
    python benchmarks/kills.py [--photos 20000] [--workers 2]

The second run is killed five times at random moments, loses one worker alone, and fills its disk
once (where there is a right to mount one). Each time the same command goes on. At the end both
must have the same rows in their ledgers and the same bytes in their results. Photos are grey, 96
pixels to a side. Prints a Markdown table; exit code 1 where the two differ.
"""

import argparse
import hashlib
import itertools
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import psutil

from colornet.archive.archive import LEDGER
from colornet.data.samples import TILED, sample

SIDE, A_FOLDER = 96, 1000  # pixels; photos in a folder
VARYING = ("seconds", "out", "results")  # of what is told: they name the folder, or the time
OFTEN = 2  # seconds between two looks


def scans(folder, number):
    """So many small grey photos, crops of the samples, each another one."""
    rng, photos = np.random.default_rng(0), [sample(name) for name in TILED]
    for i in range(number):
        grey = cv2.cvtColor(photos[i % len(photos)], cv2.COLOR_RGB2GRAY)
        side = int(rng.integers(SIDE, min(grey.shape) + 1))
        top, left = (int(rng.integers(0, full - side + 1)) for full in grey.shape)
        small = cv2.resize(grey[top : top + side, left : left + side], (SIDE, SIDE))
        file = folder / f"{i // A_FOLDER:03d}" / f"{i:06d}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(file), small)


def results(out):
    """How many there are, those half written too."""
    return sum(len(files) for _, _, files in os.walk(out)) if out.exists() else 0


def end(out):
    """The rows of a ledger and the SHA-256 of each result, by name."""
    rows = sqlite3.connect(out / LEDGER).execute("SELECT name, state, record FROM files")
    told = {}
    for name, state, record in rows:
        record = {key: value for key, value in json.loads(record).items() if key not in VARYING}
        told[os.fsdecode(name)] = state, record
    files = (file for file in out.rglob("*") if file.is_file() and LEDGER not in file.name)
    return told, {
        str(file.relative_to(out)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files
    }


class Run:
    """One command, whose memory and results are watched."""

    def __init__(self, source, out, workers):
        self.out, self.memory = out, []  # photos done and MB, of all its processes together
        words = ["-m", "colornet", "archive", source, out, "--review", "0"]
        self._command = [sys.executable, *map(str, words), "--workers", str(workers)]
        self._environment = os.environ | dict(SOURCE_DATE_EPOCH="1750000000")
        self._said = tempfile.TemporaryFile("w+")  # a pipe that nobody reads would fill up

    def start(self):
        self._said.seek(0)
        self._said.truncate()
        self.process = subprocess.Popen(
            self._command,
            env=self._environment,
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=self._said,
        )

    def family(self):
        """Its processes: itself, then its workers, the largest first."""
        own = psutil.Process(self.process.pid)
        below = sorted(own.children(recursive=True), key=lambda one: -one.memory_info().rss)
        return [own, *below]

    def until(self, number):
        """Waits for so many results; its exit code where it ends before, else None."""
        while (done := results(self.out)) < number:
            try:
                code = self.process.wait(OFTEN)
                self._said.seek(0)
                self.said = self._said.read()
                return code
            except subprocess.TimeoutExpired:
                used = sum(one.memory_full_info().uss for one in self.family())
                self.memory.append((done, used / 1e6))
        return None

    def kill(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def memory(run, number):
    """Megabytes at each tenth of the photos, one line."""
    tenths = [
        [used for done, used in run.memory if number * i <= 10 * done < number * (i + 1)]
        for i in range(10)
    ]
    return ", ".join(f"{max(tenth):.0f}" for tenth in tenths if tenth)


def disturbed(run, number, disk):
    """The run with all its troubles; what became of each, lines."""
    rng, lines = random.Random(0), []
    moments = sorted(rng.sample(range(number // 20, number * 19 // 20), 6))
    troubles = ["all killed"] * 5
    troubles.insert(2, "a worker killed")
    run.start()
    for moment, trouble in zip(moments, troubles):
        while (code := run.until(moment)) is not None:
            lines.append(f"{results(run.out)}: ended with {code}: {run.said.splitlines()[-1]}")
            if not disk or "disk is full" not in run.said:
                return lines
            subprocess.run(["mount", "-o", "remount,size=90%", disk], check=True)
            disk = None  # it is large enough now
            run.start()
        lines.append(f"{results(run.out)}: {trouble}")
        if trouble == "all killed":
            run.kill()
            run.start()
        else:
            run.family()[1].kill()
    code = run.until(float("inf"))
    return [*lines, f"{results(run.out)}: ended with {code}"]


def main():
    args = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    args.add_argument("--photos", type=int, default=20_000)
    args.add_argument("--workers", type=int, default=2)
    args = args.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder, number = Path(folder), args.photos
        source, disk = folder / "scans", folder / "disk"
        scans(source, number)
        disk.mkdir()
        run = Run(source, folder / "unbroken", args.workers)
        begun = time.perf_counter()
        run.start()
        code = run.until(float("inf"))
        took = time.perf_counter() - begun
        print(f"unbroken: exit code {code}, {number / took:.1f} photos/s with {args.workers}")
        print(f"MB at each tenth: {memory(run, number)}", flush=True)
        size = sum(file.stat().st_size for file in run.out.rglob("*") if file.is_file())
        small = ["mount", "-t", "tmpfs", "-o", f"size={size * 7 // 10}", "none", str(disk)]
        mounted = not subprocess.run(small, capture_output=True).returncode
        try:
            other = Run(source, disk / "out", args.workers)
            lines = disturbed(other, number, str(disk) if mounted else None)
            print("\n".join(lines if mounted else [*lines, "no right to mount a small disk"]))
            print(f"MB at each tenth: {memory(other, number)}")
            ends = end(run.out), end(other.out)
        finally:
            if mounted:
                subprocess.run(["umount", "-l", str(disk)], check=True)
        states = [sorted(state for state, _ in told.values()) for told, _ in ends]
        counts = [{state: len([*some]) for state, some in itertools.groupby(one)} for one in states]
        print(f"ledgers: {counts[0]} and {counts[1]}, equal: {ends[0][0] == ends[1][0]}")
        files = [len(found) for _, found in ends]
        print(f"results: {files[0]} and {files[1]} files, equal: {ends[0][1] == ends[1][1]}")
        sys.exit(ends[0] != ends[1])


if __name__ == "__main__":
    main()
