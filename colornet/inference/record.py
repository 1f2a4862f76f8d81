"""The record: a line in JSON for each photo that is coloured or repaired."""

import contextlib
import json
import os
import threading
from pathlib import Path
from typing import NamedTuple

import cv2

from colornet import __version__
from colornet.checksums import digest
from colornet.color.colourfulness import colourfulness
from colornet.inference.answer import Answer
from colornet.inference.order import Order
from colornet.photos.photo import Photo
from colornet.photos.resize import eight_bits
from colornet.storage import AnyPath, room_for

UNSURE = 0.25  # of confidence: places below it are counted
SIDE = 512  # pixels of the longer side at which colourfulness is measured


class Done(NamedTuple):
    """What was done of one picture.

    file, number: of the photo file, and which of its pictures.
    targets: the paths of all results.
    left: of those written now, what each does not hold.
    seconds: that it took.
    """

    file: Path
    number: int
    targets: list
    left: dict
    seconds: float


def _measured(photo, answers):
    """How colourful the first result is, and how sure the network."""
    height, width = photo.pixels.shape[:2]
    scale = min(1, SIDE / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    rgb = eight_bits(cv2.resize(photo.pixels, size, interpolation=cv2.INTER_AREA))
    rgb = rgb if rgb.ndim == 3 else cv2.cvtColor(rgb, cv2.COLOR_GRAY2RGB)
    measured = dict(colourfulness=round(colourfulness(rgb), 2), confidence=None)
    with contextlib.suppress(ValueError, IndexError):  # a network without bins, or none
        sure = answers[0].confidence()
        shares = dict(mean=float(sure.mean()), unsure=float((sure < UNSURE).mean()))
        measured["confidence"] = {name: round(value, 4) for name, value in shares.items()}
    return measured


class Record:
    """A file to which a line is added for each photo; may be shared between threads.

    Args:
        path: of the file; what it holds stays, but for a last line that a kill cut off.
        out: the file or folder of the results.
    """

    def __init__(self, path: AnyPath, out: AnyPath):
        self._path, self._out = Path(path), str(out)
        self._lock = threading.Lock()
        with room_for(path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with open(path, "ab+") as file:
                _cut_to_lines(file)

    def _write(self, entry):
        line = json.dumps(entry, allow_nan=False) + "\n"
        with self._lock, room_for(self._path), open(self._path, "ab") as file:
            file.write(line.encode())

    def add(self, done: Done, order: Order, answers: list[Answer], painted: Photo) -> None:
        """Adds a picture that was coloured, see `entry`."""
        self._write(entry(done, order, answers, painted) | dict(out=self._out))

    def add_error(self, file: AnyPath, line: str) -> None:
        """Adds a photo that could not be coloured, and the line that says why."""
        self._write(failure(file, line))


def entry(done: Done, order: Order, answers: list[Answer], painted: Photo) -> dict:
    """What is recorded of a picture that was coloured, a dict for JSON.

    Args:
        done: what was done.
        order: what was wanted, with the time that the mark tells.
        answers: the network's.
        painted: the first result.
    """
    step = painted.step
    network = dict(model=step.model, model_sha256=step.model_sha256)
    results = [
        dict(file=str(target), sha256=digest(target), left_out=done.left.get(target, []))
        for target in done.targets
    ]
    height, width = painted.pixels.shape[:2]
    told = dict(photo=str(done.file), picture=done.number, sha256=painted.sha256)
    told |= dict(width=width, height=height, bits=8 * painted.pixels.itemsize)
    told |= dict(results=results, when=order.when, colornet=__version__)
    told |= network | dict(settings=order.settings(), signed=order.credentials is not None)
    told |= _measured(painted, answers)
    told |= dict(repair=painted.damage and painted.damage.told())
    return told | dict(seconds=round(done.seconds, 3), error=None)


def failure(file: AnyPath, line: str) -> dict:
    """What is recorded of a photo that could not be coloured, and of why."""
    sha256 = None
    with contextlib.suppress(OSError):
        sha256 = digest(file)
    return dict(photo=str(file), sha256=sha256, error=line)


def _cut_to_lines(file):
    """Cuts off what stands behind the last line's end."""
    end = at = file.seek(0, os.SEEK_END)
    while at:
        begin = max(0, at - (1 << 16))
        file.seek(begin)
        found = file.read(at - begin).rfind(b"\n")
        if found >= 0:
            at = begin + found + 1
            break
        at = begin
    if at < end:
        file.truncate(at)
