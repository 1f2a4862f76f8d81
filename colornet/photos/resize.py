"""Photos to the squares that networks are fed."""

import cv2
import numpy as np


def square(pixels: np.ndarray, size: int) -> np.ndarray:
    """The centre square of a photo, resized to `size`: area where it shrinks, else cubic."""
    height, width = pixels.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    method = cv2.INTER_AREA if side >= size else cv2.INTER_CUBIC
    return cv2.resize(
        pixels[top : top + side, left : left + side], (size, size), interpolation=method
    )


def eight_bits(pixels: np.ndarray) -> np.ndarray:
    """uint8 or uint16 pixels as uint8, rounded."""
    return (pixels / 257 + 0.5).astype(np.uint8) if pixels.dtype == np.uint16 else pixels


def square8(pixels: np.ndarray, size: int) -> np.ndarray:
    """Any photo's pixels as the 8-bit RGB square `(size, size, 3)` that networks are fed."""
    pixels = eight_bits(pixels)
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[..., None], 3, axis=-1)
    return square(pixels, size)
