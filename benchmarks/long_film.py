"""Memory of a long film, and what is left of it when it is killed midway.

    pip install -e '.[video]'
    python benchmarks/long_film.py CLIP ... [--minutes 20] [--height 360] [--told]

Joins the clips, grey, one after the other until the film is as long as wanted; colours it as a
process of its own by the command line; notes the memory that this takes. Before that it interrupts
such a run within a minute, and looks what stands in the folder. Prints a Markdown table.
"""

import argparse
import itertools
import os
import signal
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import av
import cv2

from colornet.color.lab import luma

RATE = 25
LOOK = 2  # seconds between two looks at the memory


def join(clips, target, minutes, height):
    """Writes a grey film of clips; returns its number of frames."""
    number, wanted = 0, int(minutes * 60 * RATE)
    width = height * 16 // 9 // 2 * 2
    with av.open(target, "w") as out:
        stream = out.add_stream("libx264", rate=RATE, options={"preset": "veryfast", "crf": "20"})
        stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
        for clip in itertools.cycle(clips):
            with av.open(clip) as film:
                for frame in film.decode(video=0):
                    small = frame.reformat(width, height, "rgb24").to_ndarray()
                    grey = cv2.cvtColor(luma(small), cv2.COLOR_GRAY2RGB)
                    out.mux(stream.encode(av.VideoFrame.from_ndarray(grey, "rgb24")))
                    number += 1
                    if number == wanted:
                        out.mux(stream.encode())
                        return number


def megabytes(process):
    """What a process holds in memory now, or None when it has ended."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024
    except (OSError, IndexError):
        return None


def main():
    args = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    args.add_argument("clips", nargs="+", metavar="CLIP")
    args.add_argument("--minutes", type=float, default=20)
    args.add_argument("--height", type=int, default=360)
    args.add_argument("--told", action="store_true", help="with a colour told every ten seconds")
    args = args.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        source, target, hints = (Path(folder) / name for name in ("a.mp4", "b.mp4", "hints.txt"))
        number = join(args.clips, source, args.minutes, args.height)
        command = [sys.executable, "-m", "colornet", "video", source, target]
        if args.told:
            lines = (f"{i},100,100,#204080" for i in range(0, number, 10 * RATE))
            hints.write_text("\n".join(lines))
            command += ["--hints", hints]

        def begin():
            quiet = dict(stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
            # What a shell runs in the background is deaf to Ctrl-C, and so is what that begins.
            hear = partial(signal.signal, signal.SIGINT, signal.default_int_handler)
            return subprocess.Popen(command, preexec_fn=hear, **quiet)

        killed = begin()
        time.sleep(min(60, max(10, number / 100)))
        killed.send_signal(signal.SIGINT)
        killed.wait()
        left = sorted(set(os.listdir(folder)) - {source.name, hints.name})
        print(
            f"interrupted midway: exit {killed.returncode}, left in the folder: {left or 'nothing'}"
        )

        begun, seen, work = time.monotonic(), [], begin()
        while work.poll() is None:
            seen.append(megabytes(work.pid))
            time.sleep(LOOK)
        seconds, seen = time.monotonic() - begun, [x for x in seen if x]
        print(
            f"{number} frames of {args.height} lines in {seconds:.0f} s, exit {work.returncode}\n"
        )
        print("| part of the run | greatest memory, MB |\n|---|---|")
        for part in range(10):
            some = seen[len(seen) * part // 10 : len(seen) * (part + 1) // 10]
            if some:
                print(f"| {part + 1} of 10 | {max(some):.0f} |")
        with av.open(target) as film:
            print(f"\n{sum(1 for _ in film.decode(video=0))} frames in the result")


if __name__ == "__main__":
    main()
