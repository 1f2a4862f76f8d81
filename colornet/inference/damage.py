"""Where a photo is damaged, found at its own size by a small network in LiteRT's form."""

from collections.abc import Iterator
from threading import Lock

import cv2
import numpy as np

from colornet.checksums import digest
from colornet.color import lab
from colornet.inference.inputs import MULTIPLE
from colornet.inference.litert import FILE, runner
from colornet.models.releases import released
from colornet.storage import AnyPath

# Of each strength, probabilities as `hysteresis` takes them; `experiments/damage.py` chooses the
# first.
THRESHOLDS = dict(mild=(0.999966, 0.95), strong=(0.999785, 0.9))
TILE, MARGIN = 1024, 64  # px: what the network sees at once; of it, what lies too near its rim
SMALLEST = 64  # px: no side of a photo is halved below it
DOUBT = 20  # by which the odds are divided of what a halved photo shows
FILLED = 2  # of a mask, where it is filled


def _spans(length: int) -> Iterator[tuple[slice, slice, slice]]:
    """Overlapping parts of a side: of the photo to be seen, to be answered, and where in the first.

    Of a part no pixel counts that is nearer than `MARGIN` to its rim, but for the photo's own rim.
    """
    step = TILE - 2 * MARGIN
    for first in range(0, max(1, length - 2 * MARGIN), step):
        last = min(first + TILE, length)
        start = first + MARGIN if first else 0
        end = last if last == length else last - MARGIN
        yield slice(first, last), slice(start, end), slice(start - first, end - first)


def hysteresis(found: np.ndarray, sure: float, likely: float) -> np.ndarray:
    """The parts whose pixels are all likely and one of them sure.

    Canny 1986 (A Computational Approach to Edge Detection, IEEE PAMI 8), section VIII.

    Args:
        found: probabilities, `(H, W)` in [0, 1].
        sure, likely: the least ones, `sure` the higher.

    Returns:
        bool `(H, W)`. The pixels of a part touch by their sides.
    """
    seeds, walls = found >= sure, np.pad(found < likely, 1, constant_values=True).view(np.uint8)
    even = np.zeros(seeds.shape, np.uint8)  # so that a fill ends at the walls alone
    flags = 4 | cv2.FLOODFILL_MASK_ONLY | FILLED << 8
    # Fills rather than labels: those are integers, four times as much as the photo.
    for y, x in zip(*np.nonzero(seeds)):
        if not walls[y + 1, x + 1]:
            cv2.floodFill(even, walls, (int(x), int(y)), 0, flags=flags)
    return walls[1:-1, 1:-1] == FILLED


def _doubled(found, rows, columns):
    """What was found in the halved photo, with a margin of a pixel, for a part of the photo."""
    near = found[
        rows.start // 2 : -(-rows.stop // 2) + 2, columns.start // 2 : -(-columns.stop // 2) + 2
    ]
    twice = cv2.resize(near, None, fx=2, fy=2, interpolation=cv2.INTER_LINEAR)
    return twice[2 : 2 + rows.stop - rows.start, 2 : 2 + columns.stop - columns.start]


def network_L(pixels: np.ndarray) -> np.ndarray:
    """L of a photo as networks see it: uint8 or uint16 `(H, W)` or RGB to float32 `(H, W)`."""
    values = pixels.astype(np.float32) / np.iinfo(pixels.dtype).max
    if values.ndim == 2:
        values = np.repeat(values[..., None], 3, axis=-1)
    return np.asarray(lab.lightness(values), np.float32) / lab.L_SCALE - 1


class DamageFinder:
    """Finds damage by one network; may be shared between threads.

    name: of the network.
    sha256: of its file, in hexadecimal.
    """

    def __init__(self, file: AnyPath, name: str):
        self._run = runner(file)
        if "damage" not in self._run.get_output_details():
            raise ValueError(f"{name}: finds no damage; take damage")
        self.name, self.sha256 = name, digest(file)
        self._one_at_a_time = Lock()

    @classmethod
    def load(cls, model: AnyPath = "damage") -> "DamageFinder":
        """A released network that finds damage.

        Args:
            model: its name, `hf://owner/name`, or the folder of a release.

        Raises:
            ValueError: no such network, damaged files, or one that finds no damage; one line.
        """
        folder = released(model)
        if not (folder / FILE).is_file():
            raise ValueError(f"{folder / FILE}: not there; take damage, or release a run first")
        return cls(folder / FILE, folder.name)

    def find(self, pixels: np.ndarray) -> np.ndarray:
        """How probably each pixel is damaged.

        The photo is seen at its own size, in tiles that overlap, so that memory stays bounded; then
        halved, and again, since a large stain or tear shows from afar alone.

        Args:
            pixels: uint8 or uint16 `(H, W)` or RGB `(H, W, 3)`; colours are not looked at.

        Returns:
            float32 `(H, W)` in [0, 1]; `THRESHOLDS` tell from where on it counts.
        """
        height, width = pixels.shape[:2]
        coarse = self._coarse(pixels)
        found = np.empty((height, width), np.float32)
        for rows, kept_rows, own_rows in _spans(height):
            for columns, kept_columns, own_columns in _spans(width):
                tile = self._tile(network_L(pixels[rows, columns]))[own_rows, own_columns]
                if coarse is not None:
                    tile = np.maximum(tile, _doubled(coarse, kept_rows, kept_columns))
                found[kept_rows, kept_columns] = tile
        return found

    def mark(self, pixels: np.ndarray, strength: str) -> np.ndarray:
        """What counts as damaged, bool `(H, W)`.

        Args:
            pixels: as in `find`.
            strength: a key of `THRESHOLDS`.
        """
        return hysteresis(self.find(pixels), *THRESHOLDS[strength])

    def _coarse(self, pixels):
        """What the halved photo shows, less surely, with a pixel's margin; None of small photos."""
        height, width = (-(-side // 2) for side in pixels.shape[:2])
        if min(height, width) < SMALLEST:
            return None
        found = self.find(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA))
        return np.pad(found / (found + DOUBT * (1 - found)), 1, "edge")

    def _tile(self, L):
        """The network's answer to L `(h, w)` of any size."""
        height, width = L.shape
        below, right = -height % MULTIPLE, -width % MULTIPLE
        # `BORDER_REFLECT` also where a side is shorter than what it lacks.
        x = cv2.copyMakeBorder(L, 0, below, 0, right, cv2.BORDER_REFLECT)[None, ..., None]
        with self._one_at_a_time:
            return self._run(x=x)["damage"][0, :height, :width, 0]
