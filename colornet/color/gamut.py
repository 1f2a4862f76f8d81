"""L, Lab and gamut by tables: what `lab` has by formulas, many times as fast.

The bisection of `fit_gamut` costs more than all else in colouring a photo. Here it is done once for
each of a grid of lightnesses and hues; a photo's colours are looked up between these.
"""

from functools import cache

import cv2
import numpy as np

from colornet.color import lab

LEVELS = 401  # of L, 0 to 100
HUES = 1441  # 0 to 360 degrees, both ends
FAR = 200.0  # ab units, beyond any colour of sRGB
MOST = 32_766  # pixels to a side, of what OpenCV's remap takes


@cache
def _linear(dtype):
    """The linear light of every level of a dtype, float32."""
    levels = np.linspace(0, 1, np.iinfo(dtype).max + 1, dtype=np.float32)
    return np.asarray(lab.linear(levels))


def lightness(pixels: np.ndarray) -> np.ndarray:
    """L of uint8 or uint16 sRGB `(H, W, 3)`, float32 `(H, W)`."""
    light = np.take(_linear(pixels.dtype), pixels)
    y = cv2.transform(light, np.float32(lab.XYZ_FROM_RGB[1:2]))
    # 116 f - 16 with the two branches of `lab`'s f; the white point's Y is 1.
    return np.where(y > 0.008856, 116 * cv2.pow(y, 1 / 3) - 16, 903.3 * y)


def rgb_to_lab(pixels: np.ndarray) -> np.ndarray:
    """Lab of uint8 or uint16 sRGB `(H, W, 3)`, float32 of that shape."""
    light = np.take(_linear(pixels.dtype), pixels)
    ratio = cv2.transform(light, np.float32(lab.XYZ_FROM_RGB / np.reshape(lab.WHITE, (3, 1))))
    f = np.where(ratio > 0.008856, np.cbrt(ratio), 7.787 * ratio + 16 / 116)
    return cv2.transform(f, np.float32([[0, 116, 0, -16], [500, -500, 0, 0], [0, 200, -200, 0]]))


@cache
def _table():
    """The greatest chroma of each L and hue, float32 `(LEVELS, HUES)`."""
    levels, hues = np.linspace(0, 100, LEVELS), np.linspace(0, 2 * np.pi, HUES)
    L, hue = np.meshgrid(levels, hues, indexing="ij")
    far = np.stack([L, FAR * np.cos(hue), FAR * np.sin(hue)], axis=-1).astype(np.float32)
    return np.hypot(*np.moveaxis(np.asarray(lab.fit_gamut(far))[..., 1:], -1, 0))


def fit(L: np.ndarray, a: np.ndarray, b: np.ndarray) -> None:
    """Takes chroma, in place, from colours that sRGB cannot show.

    Args:
        L, a, b: float32 planes `(H, W)` in Lab units, L in [0, 100].
    """
    for axis, side in enumerate(L.shape):
        if side > MOST:
            pieces = -(-side // MOST)
            for part in zip(*(np.array_split(plane, pieces, axis) for plane in (L, a, b))):
                fit(*part)
            return
    chroma, hue = cv2.cartToPolar(a, b, angleInDegrees=True)
    place = hue * np.float32((HUES - 1) / 360), L * np.float32((LEVELS - 1) / 100)
    limit = cv2.remap(_table(), *place, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    outside = chroma > limit
    # Near white yellow the gamut has a hollow, beyond which it goes on: asked of each colour.
    outside[outside] = ~lab.in_gamut(np.stack([L[outside], a[outside], b[outside]], axis=-1))
    factor = limit[outside] / chroma[outside]
    a[outside] *= factor
    b[outside] *= factor
