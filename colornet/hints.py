"""Colour hints: a few places whose colour is told. Zhang et al. 2017, arXiv 1705.02999."""

import re
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from colornet import gamut, lab

NONE = 0.3  # share of training photos without a hint, so that the automatic answer stays good
FEWER = 1 / 6  # of the geometric distribution of their number otherwise
SIDE = 7  # px of what a network sees, of the square patch of a hint
SIDES = (1, 9)  # px, in training
DYED = 0.5  # share of training photos with hints in which something has another colour
LIKE, LIGHTNESS = 10, 0.3  # Lab units: what looks alike; of how much account L is in that


class Hint(NamedTuple):
    """The colour of one place.

    x, y: from the photo's left and top edge, in its pixels.
    ab: Lab units; the lightness of a hinted colour is of no account, the photo keeps its own.
    """

    x: float
    y: float
    ab: tuple[float, float]


def parse(text):
    """A `Hint` from "x,y,#rrggbb".

    Raises:
        ValueError: another form.
    """
    found = re.fullmatch(r"\s*(\d+\.?\d*)\s*,\s*(\d+\.?\d*)\s*,\s*#([0-9a-fA-F]{6})\s*", text)
    if not found:
        raise ValueError(f"hint {text.strip()!r}: give it as x,y,#rrggbb, such as 120,80,#c03028")
    x, y, colour = found.groups()
    rgb = np.array([int(colour[i : i + 2], 16) for i in (0, 2, 4)], np.float32) / 255
    return Hint(float(x), float(y), tuple(np.asarray(lab.rgb_to_lab(rgb))[1:].tolist()))


def read_hints(path):
    """The hints of a text file: one x,y,#rrggbb a line; empty lines and # comments are skipped.

    Raises:
        ValueError: the file cannot be read, or a line has another form; names file and line.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: no hint file that can be read ({error})") from None
    hints = []
    for number, line in enumerate(lines, 1):
        if line.strip() and not line.lstrip().startswith("#"):
            try:
                hints.append(parse(line))
            except ValueError as error:
                raise ValueError(f"{path}, line {number}: {error}") from None
    return hints


def plant(hints, ab, row, column, side):
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


def reveal(hints, ab, row, column, side):
    """Plants the mean true colour of the patch: `ab` is the photo's, Lab units `(H, W, 2)`."""
    top, left = max(0, row - side // 2), max(0, column - side // 2)
    patch = ab[top : row - side // 2 + side, left : column - side // 2 + side]
    plant(hints, patch.mean((0, 1)), row, column, side)


def dyed(L, ab, row, column, rng):
    """A photo's colours, with what lies about a place and looks like it in a random colour.

    Args:
        L, ab: Lab units, `(H, W, 1)` and `(H, W, 2)`, float32.
        row, column: the place.

    Returns:
        ab, float32 `(H, W, 2)`, within sRGB.
    """
    seen = cv2.GaussianBlur(np.concatenate([L * LIGHTNESS, ab], axis=-1), (0, 0), 1.5)
    mask = np.zeros((ab.shape[0] + 2, ab.shape[1] + 2), np.uint8)
    flags = cv2.FLOODFILL_FIXED_RANGE | cv2.FLOODFILL_MASK_ONLY | 8 | 255 << 8
    cv2.floodFill(seen, mask, (column, row), 0, [LIKE] * 3, [LIKE] * 3, flags)
    share = cv2.GaussianBlur(mask[1:-1, 1:-1] / np.float32(255), (0, 0), 1)[..., None]
    hue, chroma = rng.uniform(0, 2 * np.pi), rng.uniform(10, 60)
    colour = np.float32([chroma * np.cos(hue), chroma * np.sin(hue)])
    a, b = cv2.split(ab + share * (colour - ab[row, column]))
    gamut.fit(np.ascontiguousarray(L[..., 0]), a, b)
    return cv2.merge([a, b])


def random_hints(L, ab, rng):
    """Hints for training: a random number of random patches, as in section 3.1 of the paper.

    There they lie about the centre and their number's mean is 8; here anywhere, and 6. A user hints
    where the answer is wrong, so the colour is often one that the photo would not suggest, and
    only one thing has it: in some photos, one thing is dyed and hinted at.

    Args:
        L, ab: of the photo, Lab units, `(H, W, 1)` and `(H, W, 2)`, float32.

    Returns:
        The colours to learn, ab in Lab units `(H, W, 2)`; and the hints, float32 `(H, W, 3)`: ab in
        the units of `lab.to_network`, and the mask.
    """
    height, width = ab.shape[:2]
    hints = np.zeros((height, width, 3), np.float32)
    if rng.random() < NONE:
        return ab, hints
    places = rng.integers((height, width), size=(rng.geometric(FEWER), 2)).tolist()
    if rng.random() < DYED:
        ab = dyed(L, ab, *places[-1], rng)
    for row, column in places:
        reveal(hints, ab, row, column, int(rng.integers(SIDES[0], SIDES[1] + 1)))
    return ab, hints
