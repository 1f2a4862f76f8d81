"""Coloured pictures of a film's shots, after which the film is coloured."""

import re
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from colornet.checksums import digest
from colornet.color import lab
from colornet.color.hints import Hint
from colornet.photos.photo import find_photos
from colornet.photos.read import read_photo
from colornet.storage import AnyPath
from colornet.video.reading import TONE, Picture
from colornet.video.told import Moment

NAME = "shot-{:04}-frame-{:06}"  # of a shot's number, and of the frame that is shown
NAMED = re.compile(r"shot-\d+-frame-(\d+)\.\w+")
STEP = 24  # pixels of what the network sees, from one place that is told to the next
PATCH, EVEN = 7, 4.0  # pixels; ab units: a patch that strays no more from its mean is one colour


@dataclass(frozen=True)
class Guide:
    """A coloured picture of one frame; tells its colours as `told.Told` tells one.

    at: the `Moment` of the frame.
    where: the file.
    """

    at: Moment
    where: Path
    until: None = None

    def hints(self, picture: Picture) -> list[Hint]:
        """Its colours at places that are of one colour, none where it is grey.

        Raises:
            ValueError: it cannot be read, or is no picture of that frame; one line.
        """
        pixels, size = read_photo(self.where).pixels, picture.pixels.shape[:2]
        if pixels.shape[:2] != size:
            sizes = ("{1}x{0}".format(*shape) for shape in (pixels.shape, size))
            raise ValueError("{}: is {}, the film {}; keep its size".format(self.where, *sizes))
        if (
            pixels.ndim == 2
            or np.ptp(pixels, axis=-1).max() <= TONE * np.iinfo(pixels.dtype).max / 255
        ):
            return []
        return even_places(pixels, picture.grey.shape)

    def words(self) -> str:
        """What it is, as the mark has it."""
        return f"{self.at} guide sha256 {digest(self.where)}"


def even_places(pixels: np.ndarray, shape: tuple[int, int]) -> list[Hint]:
    """A photo's colours at the most even place of each cell of a grid, where it is even there.

    Args:
        pixels: uint8 or uint16 RGB `(H, W, 3)`.
        shape: the height and width at which the network sees it.
    """
    small = cv2.resize(pixels, shape[::-1], interpolation=cv2.INTER_AREA)
    ab = np.asarray(lab.rgb_to_lab(small.astype(np.float32) / np.iinfo(pixels.dtype).max))[..., 1:]
    mean, square = (cv2.blur(x, (PATCH, PATCH)) for x in (ab, ab**2))
    stray = np.sqrt(np.maximum(square - mean**2, 0).sum(-1))
    scale = np.divide(pixels.shape[1::-1], shape[::-1])
    hints = []
    for top in range(0, shape[0], STEP):
        for left in range(0, shape[1], STEP):
            cell = stray[top : top + STEP, left : left + STEP]
            row, column = np.unravel_index(cell.argmin(), cell.shape)
            if cell[row, column] <= EVEN:
                row, column = top + row, left + column
                x, y = (np.array([column, row]) + 0.5) * scale - 0.5
                hints.append(Hint(max(0, x), max(0, y), tuple(mean[row, column].tolist())))
    return hints


def read_guides(folder: AnyPath) -> list[Guide]:
    """The pictures of a folder, named as `shots` names them.

    Raises:
        ValueError: no such folder, or a picture of another name; one line.
    """
    guides = []
    for file, name in find_photos([folder]):
        found = NAMED.fullmatch(name)
        if not found:
            form = NAME.format(1, 120)
            raise ValueError(
                f"{file}: is not named as shots names it, such as {form}.png; rename it"
            )
        guides.append(Guide(Moment(int(found[1])), file))
    if not guides:
        raise ValueError(f"{folder}: holds no pictures; write them by: colornet shots FILM -o DIR")
    return guides
