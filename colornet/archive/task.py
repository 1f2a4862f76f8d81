"""What is done with one file of an archive, in whichever process."""

import shutil
import time
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np

from colornet.archive.places import Place
from colornet.data.quality import is_grey, unfit
from colornet.errors import PhotoError, unforeseen
from colornet.inference.colorizer import Colorizer, load
from colornet.inference.order import Order
from colornet.inference.record import Done, entry
from colornet.photos.history import now
from colornet.photos.photo import SUFFIXES, WRITTEN
from colornet.photos.read import read_photo
from colornet.photos.resize import eight_bits, square
from colornet.quiet import silent
from colornet.storage import NoRoom, atomic

SIDECARS = (".xmp", ".xml", ".json", ".txt", ".csv", ".yaml", ".yml")  # go along as they are
LOOKED_AT = 256  # pixels to a side at which colours are looked for, as `prepare` does


def result_name(name: str) -> str | None:
    """What the result of a file is called, or None where nothing is done with such a file."""
    suffix = Path(name).suffix.lower()
    if suffix in WRITTEN or suffix in SIDECARS:
        return name
    return f"{name}.png" if suffix in SUFFIXES else None


def is_greyish(pixels: np.ndarray) -> bool:
    """Whether a photo is grey or of one tint, such as sepia, by the measure of `prepare`.

    Args:
        pixels: uint8 or uint16 `(H, W)` or `(H, W, 3)`.
    """
    if pixels.ndim == 2:
        return True
    small = square(eight_bits(pixels), LOOKED_AT)
    Lab = cv2.cvtColor(small.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)
    return bool(is_grey(small)) or unfit(small, Lab)[0] == "one tint"


@dataclass(frozen=True)
class Task:
    """What is wanted of an archive's files. It goes to processes and machines as it is.

    source, out: the folders; anything that fsspec opens.
    model: as in `load`.
    order: what is wanted of each photo: one result, no hints.
    only: "grey", to pass over what is in colour already; or "all".
    """

    source: str
    out: str
    model: str = "colornet"
    order: Order = Order()
    only: str = "grey"

    def job(self) -> dict:
        """What makes the results what they are, a dict for JSON."""
        told = dict(source=self.source, out=self.out, model=self.model, only=self.only)
        return told | self.order.settings()

    @cached_property
    def places(self) -> tuple[Place, Place]:
        """Where photos lie and results go."""
        return Place(self.source), Place(self.out)

    @cached_property
    def colorizer(self) -> Colorizer:
        """The network, loaded when it is first asked for."""
        with silent():
            return load(self.model)

    def alone(self) -> "Task":
        """The task, in a process beside others: with one thread, and the network loaded."""
        cv2.setNumThreads(1)
        self.colorizer.check(self.order.steering)
        return self

    def _coloured(self, file, name, target):
        """What became of a photo, and what is told of it."""
        begun, (source, out) = time.perf_counter(), self.places
        photo = read_photo(file)
        if self.only == "grey" and not is_greyish(photo.pixels):
            return "passed", dict(photo=source.path(name), sha256=photo.sha256, error=None)
        order = replace(self.order, when=now())
        photo = order.repaired(photo)
        answers = order.answers(self.colorizer, photo)
        (painted,) = order.results(photo, answers)
        with out.writing(target) as path:
            left = {path: order.write(path, painted, file)}
            done = Done(source.path(name), 0, [path], left, time.perf_counter() - begun)
            told = entry(done, order, answers, painted)
        told["results"][0]["file"] = out.path(target)
        return "done", told | dict(out=self.out)

    def do(self, name: str, target: str) -> dict:
        """One file.

        Returns:
            Its name, its state (`done`, `passed`, `copied`, `failed`), and what is told of it, see
            `record.entry`.

        Raises:
            NoRoom: the disk is full.
        """
        source, out = self.places
        try:
            with source.reading(name) as file:
                if Path(name).suffix.lower() in SIDECARS:
                    with out.writing(target) as path, atomic(path) as temporary:
                        shutil.copyfile(file, temporary)
                    state, told = "copied", {}
                else:
                    state, told = self._coloured(file, name, target)
        except NoRoom:
            raise
        except PhotoError as error:
            state, told = "failed", dict(error=str(error))
        except Exception as error:  # one photo must not cost the others
            state, told = "failed", dict(error=f"{source.path(name)}: {unforeseen(error)}")
        return dict(name=name, state=state, told=told)
