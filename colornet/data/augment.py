"""What training makes of a photo: crops, age, hints, things in other colours."""

import cv2
import numpy as np

from colornet.color import gamut
from colornet.color.hints import reveal
from colornet.photos.resize import square

UNHINTED = 0.3  # share of training photos without a hint, so that the automatic answer stays good
STOPPING = 1 / 6  # of the geometric distribution of their number otherwise
PATCH_SIDES = (1, 9)  # px, in training
DYED = 0.5  # share of training photos with hints in which something has another colour
ALIKE, L_WEIGHT = 10, 0.3  # Lab units: what looks alike; of how much account L is in that


def augmented(
    pixels: np.ndarray, size: int, rng: np.random.Generator, smallest: float = 0.6
) -> np.ndarray:
    """A random square of a photo, mirrored half of the time.

    Args:
        pixels: uint8 RGB `(side, side, 3)`.
        size: height and width of the square, pixels.
        rng: of place, extent and mirroring.
        smallest: the least extent, a share of the photo's side.

    Returns:
        uint8 `(size, size, 3)`.
    """
    side = int(pixels.shape[0] * rng.uniform(smallest, 1))
    top, left = rng.integers(0, pixels.shape[0] - side + 1, 2)
    pixels = square(pixels[top : top + side, left : left + side], size)
    return pixels[:, ::-1] if rng.random() < 0.5 else pixels


def aged(grey: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A grey photo with the faults of old ones: gamma, fading, blur, noise and JPEG, at random.

    uint8 `(size, size)` to the same.
    """
    x = (grey / np.float32(255)) ** np.exp(rng.normal(0, 0.25))
    if rng.random() < 0.5:
        black, white = rng.uniform(0, 0.25), rng.uniform(0.75, 1)
        x = black + (white - black) * x
    if rng.random() < 0.4:
        x = cv2.GaussianBlur(x, (0, 0), rng.uniform(0.4, 1.2))
    if rng.random() < 0.5:
        x = x + rng.normal(0, rng.uniform(0.005, 0.05), x.shape)
    x = np.round(np.clip(x, 0, 1) * 255).astype(np.uint8)
    if rng.random() < 0.3:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(40, 95))]
        x = cv2.imdecode(cv2.imencode(".jpg", x, quality)[1], cv2.IMREAD_GRAYSCALE)
    return x


def dyed(
    L: np.ndarray, ab: np.ndarray, row: int, column: int, rng: np.random.Generator
) -> np.ndarray:
    """A photo's colours, with what lies about a place and looks like it in a random colour.

    Args:
        L, ab: Lab units, `(H, W, 1)` and `(H, W, 2)`, float32.
        row, column: the place.

    Returns:
        ab, float32 `(H, W, 2)`, within sRGB.
    """
    seen = cv2.GaussianBlur(np.concatenate([L * L_WEIGHT, ab], axis=-1), (0, 0), 1.5)
    mask = np.zeros((ab.shape[0] + 2, ab.shape[1] + 2), np.uint8)
    flags = cv2.FLOODFILL_FIXED_RANGE | cv2.FLOODFILL_MASK_ONLY | 8 | 255 << 8
    cv2.floodFill(seen, mask, (column, row), 0, [ALIKE] * 3, [ALIKE] * 3, flags)
    share = cv2.GaussianBlur(mask[1:-1, 1:-1] / np.float32(255), (0, 0), 1)[..., None]
    hue, chroma = rng.uniform(0, 2 * np.pi), rng.uniform(10, 60)
    colour = np.float32([chroma * np.cos(hue), chroma * np.sin(hue)])
    a, b = cv2.split(ab + share * (colour - ab[row, column]))
    gamut.fit(np.ascontiguousarray(L[..., 0]), a, b)
    return cv2.merge([a, b])


def random_hints(
    L: np.ndarray, ab: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
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
    if rng.random() < UNHINTED:
        return ab, hints
    places = rng.integers((height, width), size=(rng.geometric(STOPPING), 2)).tolist()
    if rng.random() < DYED:
        ab = dyed(L, ab, *places[-1], rng)
    for row, column in places:
        reveal(hints, ab, row, column, int(rng.integers(PATCH_SIDES[0], PATCH_SIDES[1] + 1)))
    return ab, hints
