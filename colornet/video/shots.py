"""The shots of a film, and of each the first good frame: one that a person would colour."""

import csv
from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import numpy as np

from colornet.photos.photo import Photo
from colornet.storage import AnyPath, atomic
from colornet.video.guide import NAME
from colornet.video.reading import Picture, reading
from colornet.video.steady import is_cut

LIST = "shots.csv"
COLUMNS = ("shot", "first", "last", "seconds", "frame", "file")
BETTER = 1.25  # times as much detail: a frame that is worth waiting for
SETTLED = 48  # frames after which none is waited for any more
BLACK = 0.5  # levels of 255: the mean difference of neighbours in a frame without a picture


class Shot:
    """A shot, as far as its frames have come.

    number: from 1 on.
    first, last: numbers of its frames.
    seconds: of its first frame.
    good: the `Picture` of its first good frame: none that follows soon shows a quarter more
        detail, as it would in a fade or behind black.
    """

    def __init__(self, number: int, picture: Picture):
        self.number, self.first, self.seconds = number, picture.number, picture.seconds
        self._detail = -1.0
        self.add(picture)

    def add(self, picture: Picture) -> None:
        """Takes its next frame."""
        self.last = picture.number
        if self.settled():
            return
        rows = picture.grey.astype(np.int16)
        detail = float(np.abs(np.diff(rows)).mean() + np.abs(np.diff(rows, axis=0)).mean())
        if detail > BETTER * max(self._detail, 0) or self._detail < 0:
            self.good, self._detail = picture, detail

    def black(self) -> bool:
        """Whether none of its frames shows anything."""
        return self._detail <= BLACK

    def settled(self) -> bool:
        """Whether `good` stays what it is."""
        return not self.black() and self.last - self.good.number > SETTLED


def shots(pictures: Iterable[Picture]) -> Iterator[tuple[Shot, Iterator[Picture]]]:
    """The shots of a film, one after the other, each with its frames.

    A `Shot` is whole when its frames have been taken.
    """

    def walk():
        shot = before = None
        for picture in pictures:
            if shot is None or is_cut(before, picture.grey):
                shot = Shot(shot.number + 1 if shot else 1, picture)
            else:
                shot.add(picture)
            before = picture.grey
            yield shot, picture

    for shot, pairs in groupby(walk(), itemgetter(0)):
        yield shot, (picture for _, picture in pairs)


def write_shots(film: AnyPath, folder: AnyPath, network: object) -> int:
    """Writes the first good frame of each shot of a film as PNG, and a list of them, shots.csv.

    Args:
        film: any that FFmpeg reads.
        folder: for the pictures; it is made where it is not there, and has no list yet.
        network: whose size of pictures is looked at.

    Returns:
        The number of shots.

    Raises:
        ValueError: no film, or a folder with a list; one line.
    """
    folder = Path(folder)
    if (folder / LIST).exists():
        raise ValueError(f"{folder / LIST}: is there already; choose another folder")
    rows = []
    with reading(film, network) as pictures:
        for shot, frames in shots(pictures):
            for _ in frames:
                pass
            name = NAME.format(shot.number, shot.good.number) + ".png"
            Photo(shot.good.pixels).save(folder / name, mark=False)
            seconds = f"{shot.seconds:.3f}"
            rows.append((shot.number, shot.first, shot.last, seconds, shot.good.number, name))
    if not rows:
        raise ValueError(f"{film}: no picture in it can be read; fetch it again")
    with atomic(folder / LIST) as temporary:
        with open(temporary, "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([COLUMNS, *rows])
    return len(rows)
