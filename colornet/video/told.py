"""Colours that are told of a film: which frame, which place, which colour, until when."""

import re
from fractions import Fraction
from typing import NamedTuple

from colornet.color.hints import Hint, parse, read_lines
from colornet.storage import AnyPath
from colornet.video.reading import Picture

FORM = "give it as frame,x,y,#rrggbb or 12.5s,x,y,#rrggbb, such as 0,120,80,#c03028"


class Moment(NamedTuple):
    """A time of a film: a frame's number, from 0 on, or seconds from its start."""

    value: Fraction
    seconds: bool = False

    def reached(self, number: int, seconds: float) -> bool:
        """Whether a frame of that number and time is the one of this moment, or a later one."""
        return (seconds + 1e-3 if self.seconds else number) >= self.value

    def passed(self, number: int, seconds: float) -> bool:
        """Whether a frame of that number and time is later than this moment."""
        return (seconds - 1e-3 if self.seconds else number) > self.value

    def __str__(self):
        return f"{float(self.value):g} s" if self.seconds else f"frame {self.value}"


class Told(NamedTuple):
    """A colour told of a place in one frame.

    at: a `Moment`; for seconds, the first frame from then on.
    hint: x and y in pixels of the frame, upright.
    until: the `Moment` of the last frame that it is to have; None for as far as it can be followed.
    where: where it was told, to be named where it does not fit the film.
    """

    at: Moment
    hint: Hint
    until: Moment | None = None
    where: str = "hint"

    def hints(self, picture: Picture) -> list[Hint]:
        """What it tells of the frame of its moment.

        Raises:
            ValueError: a place outside the picture.
        """
        height, width = picture.pixels.shape[:2]
        if not (self.hint.x < width and self.hint.y < height):
            place = f"{self.hint.x:g},{self.hint.y:g}"
            raise ValueError(f"{self.where}: {place} lies outside the picture of {width}x{height}")
        return [self.hint]

    def words(self) -> str:
        """What it tells, as the mark has it."""
        end = f" until {self.until}" if self.until else ""
        return f"{self.at} {self.hint.words()}{end}"


def _moment(number, unit):
    return Moment(Fraction(number), bool(unit))


def told(text: str) -> Told:
    """A `Told` from "frame,x,y,#rrggbb[,reach][ until frame]"; moments are frames or, as 12.5s.

    Raises:
        ValueError: another form, or an end before its beginning.
    """
    moment = r"(\d+|\d*\.\d+(?=\s*s)|\d+\.(?=\s*s))\s*(s?)"
    found = re.fullmatch(rf"\s*{moment}\s*,(.*?)(?:\s+until\s+{moment}\s*)?", text)
    if not found:
        raise ValueError(f"hint {text.strip()!r}: {FORM}")
    number, unit, rest, last, last_unit = found.groups()
    try:
        hint = parse(rest)
    except ValueError as error:
        line = str(error) if "reach" in str(error) else f"hint {text.strip()!r}: {FORM}"
        raise ValueError(line) from None
    at, until = _moment(number, unit), None if last is None else _moment(last, last_unit)
    if until and until.seconds == at.seconds and until < at:
        raise ValueError(f"hint {text.strip()!r}: ends before it begins; give a later end")
    return Told(at, hint, until)


def read_told(path: AnyPath) -> list[Told]:
    """What a text file tells, one a line as `told` takes it; raises as `hints.read_lines`."""
    lines = read_lines(path, told)
    return [one._replace(where=f"{path}, line {number}") for number, one in lines]
