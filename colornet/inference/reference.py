"""Photos in colour after which others are coloured: the same things get the same colours.

Where a photo shows what a reference shows, see `matching`, the colours of those places are told
to the network as hints. Elsewhere the palette counts.
"""

import contextlib
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from colornet.color import lab
from colornet.color.hints import Hint
from colornet.errors import PhotoError, say
from colornet.inference.answer import refusal
from colornet.inference.colorizer import Colorizer
from colornet.inference.guide import Found, is_beside
from colornet.inference.matching import Match, match, see
from colornet.inference.palette import palette
from colornet.photos.photo import Photo, search
from colornet.photos.read import read_photo
from colornet.storage import AnyPath

BLOCKS = 64  # of cells, at most; each gives a hint, and another where a second colour is in it
SURE = 0.7  # least cosine of a hint; at 0.5 skin took the light of another place
AGREE, ALIKE = 0.1, 0.6  # share of places with that cosine at least; else the photos show other
# things, and no hint is taken. Experiments/reference.py: of photos of other things 8 % at most have
# it, of one scene or person 12 % and more.
EVEN = 6  # ab units: a place whose likenesses differ more in colour is not told
OTHER = 15  # ab units from which on it is another colour
REACH = 0.15  # of each hint, a share of the photo's longer side
GREY = 0.5  # ab units: a photo of less chroma has no colours to give


class Known(NamedTuple):
    """A reference: its name, SHA-256, features, colours of its places `(places, 3)`, palette.

    A place's colours are its mean ab and the mean of their squares. A pale photo has no palette.
    """

    name: str
    sha256: str | None
    seen: np.ndarray
    colours: np.ndarray
    palette: np.ndarray | None


def know(photo: Photo, name: str) -> Known:
    """What a photo in colour tells of others.

    Raises:
        ValueError: it is grey.
    """
    pixels = photo.pixels
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[..., None], 3, axis=-1)
    seen = see(pixels)
    height, width = seen.shape[:2]
    # So that a cell's mean is of a few pixels of each photo, however large.
    small = cv2.resize(pixels, (8 * width, 8 * height), interpolation=cv2.INTER_AREA)
    ab = lab.rgb_to_lab(small.astype(np.float32) / np.iinfo(small.dtype).max)[..., 1:]
    planes = np.concatenate([ab, np.square(ab).sum(-1, keepdims=True)], axis=-1)
    colours = cv2.resize(planes, (width, height), interpolation=cv2.INTER_AREA).reshape(-1, 3)
    if colours[:, 2].mean() < GREY**2:
        raise ValueError("is grey; choose a photo in colour")
    shares = None
    with contextlib.suppress(ValueError):  # a pale photo has no palette, but true colours
        shares = palette(pixels)
    return Known(name, photo.sha256, seen, colours, shares)


def _hints(found: Match, colours, size):
    """The surest places of each block of cells, as `Hint`s, and how sure each is."""
    if (found.sure >= ALIKE).mean() < AGREE:
        return
    rows, columns = found.sure.shape
    means = (found.shares @ colours).reshape(rows, columns, 3)
    ab = means[..., :2]
    uneven = np.sqrt(np.maximum(means[..., 2] - np.square(ab).sum(-1), 0))
    sure = np.where(uneven <= EVEN, found.sure, 0)
    side = int(np.ceil(np.sqrt(rows * columns / BLOCKS)))
    for top in range(0, rows, side):
        for left in range(0, columns, side):
            block = np.s_[top : top + side, left : left + side]
            here, taken = sure[block].copy(), []
            while len(taken) < 2 and here.max() >= SURE:
                row, column = np.unravel_index(here.argmax(), here.shape)
                taken.append((top + row, left + column, float(here[row, column])))
                near = np.hypot(*np.moveaxis(ab[block] - ab[taken[-1][:2]], -1, 0)) < OTHER
                here[near] = 0
            for row, column, one in taken:
                y, x = (row + 0.5) * size[0] / rows, (column + 0.5) * size[1] / columns
                yield Hint(float(x), float(y), tuple(ab[row, column].tolist()), REACH), one


class Reference:
    """A guide by photos in colour: each photo takes the one that is most like it.

    Args:
        known: what `know` gives, of one photo at least.
    """

    def __init__(self, known: Iterable[Known]):
        self._known = [*known]

    def check(self, colorizer: Colorizer) -> None:
        """Raises ValueError where a network cannot follow a palette."""
        if not colorizer.has_bins:
            raise ValueError(refusal(colorizer.network))

    def find(self, photo: Photo, before: Iterable[Hint] = ()) -> Found:
        """Hints where the photo shows what the reference shows, and the reference's palette."""
        seen = see(photo.pixels)
        matches = [match(seen, one.seen) for one in self._known]
        best = int(np.argmax([one.sure.mean() for one in matches]))
        known = self._known[best]
        found = _hints(matches[best], known.colours, photo.pixels.shape)
        longer, before = max(photo.pixels.shape[:2]), [*before]
        found = [one for one in found if not is_beside(one[0], before, longer)]
        sure = round(float(np.mean([one for _, one in found])), 3) if found else 0.0
        told = dict(reference=known.name, sha256=known.sha256, places=len(found), sure=sure)
        return Found([hint for hint, _ in found], known.palette, [told])

    def words(self) -> str:
        """What it is, as the mark of a film has it."""
        return ", ".join(f"reference {one.name} sha256 {one.sha256}" for one in self._known)


def _read(file, name):
    photo = read_photo(file)
    try:
        return know(photo, Path(name).name)
    except ValueError as error:
        raise PhotoError(f"{file}: {error}") from None


def read_reference(sources: list[AnyPath]) -> Reference:
    """A `Reference` of photo files and of those in folders.

    What a folder holds beside photos in colour is named in a line and left out.

    Raises:
        PhotoError: a file that cannot be read or is grey, or nothing in colour.
    """
    named, known = {Path(source) for source in sources}, []
    for file, name in search(sources).photos:
        try:
            known.append(_read(file, name))
        except PhotoError as error:
            if file in named:
                raise
            say(f"{error}; left out")
    if not known:
        raise PhotoError(f"{sources[0]}: no photo in colour to take as reference")
    return Reference(known)
