"""Colours after another photo's palette: entropic optimal transport, Cuturi 2013, arXiv 1306.0895.

The network says how likely each colour is at each place, the reference photo how much there is of
each colour. Sinkhorn's iterations find the plan between the two: each colour of the palette goes
where it is most likely. What the photo has and the reference lacks may keep colours of its own, as
the palette is held softly (Chizat et al. 2018, arXiv 1607.05816, section 4).
"""

import cv2
import numpy as np

from colornet.color import bins, lab
from colornet.errors import PhotoError
from colornet.photos.read import read_photo
from colornet.storage import AnyPath

SIZE = 64  # pixels to a side at which a reference is looked at; its colours count, not its things
HOLD = 0.8  # 1: the palette exactly; 0: not at all
GREY = 2  # ab units; a photo of less mean chroma has no palette
ITERATIONS = 50
LEAST = 1e-4  # share of any colour, so that none is ruled out for good


def palette(pixels: np.ndarray) -> np.ndarray:
    """How much of each colour a photo has.

    Args:
        pixels: uint8 or uint16 RGB `(H, W, 3)`.

    Returns:
        Shares of the bins, float32 `(261,)`, summing to 1.

    Raises:
        ValueError: the photo is grey.
    """
    small = cv2.resize(pixels, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    ab = lab.rgb_to_lab(small.astype(np.float32) / np.iinfo(small.dtype).max)[..., 1:]
    if np.hypot(*np.moveaxis(ab, -1, 0)).mean() < GREY:
        raise ValueError("is grey and has no palette; choose a photo in colour")
    shares = bins.encode(ab).mean((0, 1)) + LEAST
    return shares / shares.sum()


def read_palette(path: AnyPath, most: int | None = None) -> np.ndarray:
    """The palette of a photo file of `most` pixels at most, see `read_photo`.

    Raises:
        PhotoError: the file cannot be read, or its photo is grey.
    """
    pixels = read_photo(path, most).pixels
    try:
        return palette(pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=-1))
    except ValueError as error:
        raise PhotoError(f"{path}: {error}") from None


def transport(logits: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Logits moved so that the photo's colours, taken together, come near to a palette.

    Args:
        logits: `(h, w, 261)`, of one photo.
        shares: a `palette`.

    Returns:
        float32 `(h, w, 261)`: the logits and, for each bin, one number.
    """
    flat = logits.reshape(-1, logits.shape[-1])
    chances = np.exp(flat - flat.max(axis=-1, keepdims=True))
    gain = np.ones(len(shares), np.float32)
    for _ in range(ITERATIONS):
        places = 1 / (chances @ gain)
        gain = (shares / (chances.T @ places / len(places))) ** HOLD
    return logits + np.log(gain)
