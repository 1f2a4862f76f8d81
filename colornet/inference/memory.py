"""Remembered things: named colours, told once, found again in other photos by what they look like.

A memory is a small file in JSON. Of each place that was told it keeps what the encoder saw there,
and the mean of that photo. A place of another photo that is very much like it shows the thing.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from colornet.checksums import digest
from colornet.color.hints import Hint, parse
from colornet.errors import PhotoError
from colornet.inference.colorizer import Colorizer
from colornet.inference.guide import Found, is_beside
from colornet.inference.inputs import NO_HINTS
from colornet.inference.matching import encoder_file, pack, see, unit, unpack
from colornet.photos.photo import Photo
from colornet.storage import AnyPath, write_json

FORM = 1  # of the file
SURE = 0.7  # least cosine of a place that is taken for the thing; see experiments/reference.py
MOST, APART = 4, 3  # hints for a thing in one photo; cells between them
REACH = 0.15  # of a hint where none was told, a share of the photo's longer side
PLACE = {"photo", "sha256", "x", "y", "place", "mean"}


@dataclass
class Thing:
    """A thing that was told.

    colour: "#rrggbb".
    places: a dict for JSON for each place that was told.
    reach: of its hints, see `Hint`; None where none was told.
    """

    colour: str
    places: list[dict] = field(default_factory=list)
    reach: float | None = None

    def likeness(self, seen: np.ndarray) -> np.ndarray:
        """How much each place of a photo is like the thing: greatest cosine, float32 `(h * w,)`.

        seen: features as `see` gives them.
        """
        flat = seen.reshape(-1, seen.shape[-1])
        best = np.full(len(flat), -1, np.float32)
        for place in self.places:
            own, mean = unpack(place["place"]), (unpack(place["mean"]) + flat.mean(0)) / 2
            best = np.maximum(best, unit(flat - mean) @ unit(own - mean)[0])
        return best


class Memory:
    """A guide by remembered things.

    things: `Thing`s by name.
    """

    def __init__(self, things: dict[str, Thing] | None = None):
        self.things = things or {}

    def remember(self, name: str, photo: Photo, told: str, file: AnyPath) -> None:
        """Adds a place of a thing; the colour told last is that of all its places.

        Args:
            name: of the thing.
            photo: in which it was told.
            told: place and colour, as `hints.parse` takes them.
            file: of the photo.

        Raises:
            ValueError: a hint of another form.
            PhotoError: a hint outside the photo.
        """
        hint, (height, width) = parse(told), photo.pixels.shape[:2]
        if not (0 <= hint.x < width and 0 <= hint.y < height):
            size = f"{width}x{height}"
            raise PhotoError(f"{file}: {hint.x:g},{hint.y:g} lies outside the photo of {size}")
        seen = see(photo.pixels)
        row, column = int(hint.y * len(seen) / height), int(hint.x * seen.shape[1] / width)
        thing = self.things.setdefault(name, Thing(""))
        thing.colour, thing.reach = told.split(",")[2].strip().lower(), hint.reach
        place = dict(photo=Path(file).name, sha256=photo.sha256, x=hint.x, y=hint.y)
        place |= dict(place=pack(seen[row, column]), mean=pack(seen.mean((0, 1))))
        thing.places.append(place)

    def check(self, colorizer: Colorizer) -> None:
        """Raises ValueError where a network takes no hints."""
        if not colorizer.takes_hints:
            raise ValueError(f"{colorizer.name}: {NO_HINTS}")

    def find(self, photo: Photo, before: Iterable[Hint] = ()) -> Found:
        """A few hints for each thing that the photo shows."""
        if not self.things:
            return Found([], None, [])
        seen, before = see(photo.pixels), [*before]
        (height, width), (rows, columns) = photo.pixels.shape[:2], seen.shape[:2]
        likeness = [thing.likeness(seen) for thing in self.things.values()]
        which = np.argmax(likeness, axis=0)  # a place shows one thing
        hints, told = [], []
        for number, (name, thing) in enumerate(self.things.items()):
            sure = np.where(which == number, likeness[number], -1).reshape(rows, columns)
            for row, column in _peaks(sure):
                y, x = (row + 0.5) * height / rows, (column + 0.5) * width / columns
                hint = parse(f"{x},{y},{thing.colour}")._replace(reach=thing.reach or REACH)
                if is_beside(hint, before, max(height, width)):
                    continue
                hints.append(hint)
                found = dict(remembered=name, colour=thing.colour, x=round(x, 1), y=round(y, 1))
                told.append(found | dict(sure=round(float(sure[row, column]), 3)))
        return Found(hints, None, told)

    def words(self) -> str:
        """What it is, as the mark of a film has it."""
        return ", ".join(f"remembered {name} {one.colour}" for name, one in self.things.items())

    def save(self, path: AnyPath) -> None:
        """Writes the memory as JSON."""
        things = {
            name: dict(colour=one.colour, reach=one.reach, places=one.places)
            for name, one in self.things.items()
        }
        write_json(path, dict(memory=FORM, encoder=digest(encoder_file()), things=things))


def _peaks(sure):
    """The surest cells, at most so many, apart from each other: pairs of row and column."""
    sure = sure.copy()
    for _ in range(MOST):
        row, column = np.unravel_index(sure.argmax(), sure.shape)
        if sure[row, column] < SURE:
            return
        yield int(row), int(column)
        top, left = max(0, row - APART + 1), max(0, column - APART + 1)
        sure[top : row + APART, left : column + APART] = -1


def _thing(told):
    """A `Thing` of what `Memory.save` wrote of it; raises ValueError, KeyError or TypeError."""
    thing = Thing(told["colour"], told["places"], told["reach"])
    parse(f"0,0,{thing.colour}" + (f",{thing.reach}" if thing.reach is not None else ""))
    for place in thing.places:
        if not PLACE <= {*place}:
            raise KeyError
        vectors = np.concatenate([unpack(place[name]) for name in ("place", "mean")])
        if len(vectors) != 2 or not np.isfinite(vectors).all():
            raise ValueError
    return thing


def read_memory(path: AnyPath) -> Memory:
    """The memory that a file holds.

    Raises:
        PhotoError: the file cannot be read, is damaged, or was made by another encoder; one line.
    """
    try:
        told = json.loads(Path(path).read_text(encoding="utf-8"))
        form, encoder = told["memory"], told["encoder"]
        if form == FORM and encoder == digest(encoder_file()):
            return Memory({name: _thing(one) for name, one in told["things"].items()})
    except OSError as error:
        reason = error.strerror or error
        raise PhotoError(f"{path}: cannot be read ({reason}); check the path") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        line = "is no memory that colornet remember wrote, or it is damaged; take an earlier copy"
        raise PhotoError(f"{path}: {line}") from None
    raise PhotoError(f"{path}: was written by another colornet; tell its things again")
