"""Batches of (L, mask): photos with made damage, and what of each is lost."""

import cv2
import numpy as np

from colornet.color import lab
from colornet.data.augment import aged
from colornet.data.batches import PhotoBatches, grey_levels
from colornet.data.wear import worn

WHOLE = 0.3  # share of photos without damage, so that nothing is marked where nothing is wrong
AGED, SCANNED, FRAMED = 0.5, 0.4, 0.06  # shares with what is no damage either
SMALLEST = 0.5  # of the photo, in sizes of the crop: some crops are enlarged, none is shrunk


def cut(pixels: np.ndarray, size: int, rng: np.random.Generator | None) -> np.ndarray:
    """A square of a photo that is not shrunk, since that would thin scratches away.

    Args:
        pixels: uint8 RGB `(H, W, 3)`.
        size: height and width of the square.
        rng: for any square, sometimes enlarged, mirrored or turned; None for the centre's.
    """
    side = min(*pixels.shape[:2], size)
    if rng is not None and rng.random() < 0.4:
        side = int(side * rng.uniform(SMALLEST, 1))
    spare = np.array(pixels.shape[:2]) - side
    top, left = spare // 2 if rng is None else rng.integers(0, spare + 1)
    square = pixels[top : top + side, left : left + side]
    if side < size:
        square = cv2.resize(square, (size, size), interpolation=cv2.INTER_CUBIC)
    if rng is None:
        return square
    square = square[:, ::-1] if rng.random() < 0.5 else square
    return np.rot90(square, rng.choice([0, 0, 0, 1, 2, 3]))


def _framed(grey, rng):
    """A photo with a plain border, as prints have."""
    width = max(1, int(grey.shape[0] * rng.uniform(0.01, 0.12)))
    grey = cv2.copyMakeBorder(
        grey[width:-width, width:-width], *[width] * 4, cv2.BORDER_CONSTANT, value=rng.choice(256)
    )
    return cv2.GaussianBlur(grey, (0, 0), rng.uniform(0.3, 0.8))


def _scanned(grey, rng):
    """What a scanner and its file do to a photo and its damage alike."""
    x = cv2.GaussianBlur(grey, (0, 0), rng.uniform(0.3, 0.8)).astype(np.float32)
    x = np.clip(x + rng.normal(0, rng.uniform(0, 4), x.shape), 0, 255).astype(np.uint8)
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(60, 97))]
    return cv2.imdecode(cv2.imencode(".jpg", x, quality)[1], cv2.IMREAD_GRAYSCALE)


def made(grey: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A photo as it is learnt from: perhaps old, perhaps damaged, perhaps scanned.

    uint8 `(H, W)` to the same, and what of it is lost, bool `(H, W)`.
    """
    grey = _framed(grey, rng) if rng.random() < FRAMED else grey
    grey = aged(grey, rng) if rng.random() < AGED else grey
    lost = np.zeros(grey.shape, bool)
    if rng.random() >= WHOLE:
        grey, lost, _ = worn(grey, rng)
    return (_scanned(grey, rng) if rng.random() < SCANNED else grey), lost


class DamagedBatches(PhotoBatches):
    """As `PhotoBatches`, of L `(batch, size, size, 1)` and what is lost `(batch, size, size, 1)`.

    Both float32, the second 0 or 1. In order, every epoch has the same crops and the same damage.
    """

    def _rng(self, index, purpose=0):
        epoch = self.epoch if self.shuffle else 0
        return np.random.default_rng([self.recipe.seed, epoch, index, purpose])

    def _fit(self, pixels, size, rng):
        return cut(pixels, size, rng if self.recipe.augment else None)

    def __getitem__(self, index):
        rng, greys = self._rng(index, 1), map(lab.luma, self.photos(index))
        worn, lost = zip(*(made(grey, rng) for grey in greys))
        return grey_levels()[np.stack(worn)], np.stack(lost)[..., None].astype(np.float32)
