"""Colour hints: a few places whose colour is told. Zhang et al. 2017, arXiv 1705.02999."""

import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from colornet.color import lab

SIDE = 7  # px of what a network sees, of the square patch of a hint


class Hint(NamedTuple):
    """The colour of one place.

    x, y: from the photo's left and top edge, in its pixels.
    ab: Lab units; the lightness of a hinted colour is of no account, the photo keeps its own.
    reach: how far it spreads, a radius as a share of the photo's longer side; None for as far as
        the network takes it.
    """

    x: float
    y: float
    ab: tuple[float, float]
    reach: float | None = None

    def words(self) -> str:
        """What it tells, as the mark has it."""
        fields = {name: value for name, value in self._asdict().items() if value is not None}
        numbers = (",".join(f"{x:.5g}" for x in np.ravel(value)) for value in fields.values())
        return "hint " + " ".join(map(" ".join, zip(fields, numbers)))


def parse(text: str) -> Hint:
    """A `Hint` from "x,y,#rrggbb" or "x,y,#rrggbb,reach".

    Raises:
        ValueError: another form, or a reach that is not above 0 and up to 1.
    """
    number = r"\s*(\d+\.?\d*|\.\d+)\s*"
    found = re.fullmatch(rf"{number},{number},\s*#([0-9a-fA-F]{{6}})\s*(?:,{number})?", text)
    if not found:
        raise ValueError(f"hint {text.strip()!r}: give it as x,y,#rrggbb, such as 120,80,#c03028")
    x, y, colour, reach = found.groups()
    if reach is not None and not 0 < float(reach) <= 1:
        raise ValueError(f"hint {text.strip()!r}: choose a reach above 0, up to 1")
    rgb = np.array([int(colour[i : i + 2], 16) for i in (0, 2, 4)], np.float32) / 255
    ab = tuple(np.asarray(lab.rgb_to_lab(rgb))[1:].tolist())
    return Hint(float(x), float(y), ab, reach and float(reach))


def as_hint(told: Hint | str | tuple) -> Hint:
    """A `Hint` of a `Hint`, of text as `parse` takes it, or of `(x, y, "#rrggbb"[, reach])`.

    Raises:
        ValueError: another form.
    """
    if isinstance(told, Hint):
        return told
    return parse(told if isinstance(told, str) else ",".join(str(x) for x in told if x is not None))


def read_lines(path: str | os.PathLike, form: Callable) -> list[tuple[int, object]]:
    """The lines of a text file, empty ones and # comments aside: number, and what `form` makes.

    Raises:
        ValueError: the file cannot be read, or `form` raised it of a line; names file and line.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: no hint file that can be read ({error})") from None
    found = []
    for number, line in enumerate(lines, 1):
        if line.strip() and not line.lstrip().startswith("#"):
            try:
                found.append((number, form(line)))
            except ValueError as error:
                raise ValueError(f"{path}, line {number}: {error}") from None
    return found


def read_hints(path: str | os.PathLike) -> list["Hint"]:
    """The hints of a text file, one a line as `parse` takes it; raises as `read_lines`."""
    return [hint for _, hint in read_lines(path, parse)]


def spread(
    hints: Iterable["Hint"], height: int, width: int, shape: tuple[int, int]
) -> np.ndarray | None:
    """How much of what hints change is taken at each place of a grid.

    exp(-(d / reach)^2) of the hint that counts most there, d its distance as a share of the photo's
    longer side.

    Args:
        hints: `Hint`s, each with a reach.
        height, width: of the photo, in whose pixels the hints lie.
        shape: `(h, w)` of the grid, whose places are the centres of its cells.

    Returns:
        float32 `(h, w, 1)` in [0, 1].
    """
    y, x = ((np.arange(n) + 0.5) * side / n for n, side in zip(shape, (height, width)))
    share = np.zeros(shape, np.float32)
    for hint in hints:
        away = np.hypot(y[:, None] - hint.y, x - hint.x) / max(height, width)
        share = np.maximum(share, np.exp(-((away / hint.reach) ** 2), dtype=np.float32))
    return share[..., None]


def plant(hints: np.ndarray, ab: np.ndarray, row: int, column: int, side: int) -> None:
    """Writes one hint, a square patch of one colour, into `hints`.

    Args:
        hints: float32 `(H, W, 3)`, changed in place: ab in the units of `lab.to_network`, mask.
        ab: the colour, Lab units.
        row, column: the patch's centre; what lies outside is cut off.
        side: of the patch, pixels.
    """
    top, left = max(0, row - side // 2), max(0, column - side // 2)
    bottom, right = row - side // 2 + side, column - side // 2 + side
    hints[top:bottom, left:right] = [*np.asarray(ab, np.float32) / lab.AB_SCALE, 1]


def reveal(hints: np.ndarray, ab: np.ndarray, row: int, column: int, side: int) -> None:
    """Plants the mean true colour of the patch: `ab` is the photo's, Lab units `(H, W, 2)`."""
    top, left = max(0, row - side // 2), max(0, column - side // 2)
    patch = ab[top : row - side // 2 + side, left : column - side // 2 + side]
    plant(hints, patch.mean((0, 1)), row, column, side)
