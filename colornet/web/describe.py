"""What the page says of a photo at once."""

import cv2
import numpy as np

from colornet.color import lab

TONED, COLOURED = 4, 12  # ab units: mean chroma, and its spread, of what is more than grey


def describe(photo):
    """Size, depth, grey or not, and what will happen: one sentence on a `Photo`."""
    height, width = photo.pixels.shape[:2]
    words = [f"{width} x {height} pixels" + ", 16 bits" * (photo.pixels.itemsize == 2)]
    small = cv2.resize(photo.pixels, (64, 64), interpolation=cv2.INTER_AREA)
    peak = np.float32(np.iinfo(small.dtype).max)
    ab = lab.rgb_to_lab(small / peak)[..., 1:] if small.ndim == 3 else np.zeros((1, 1, 2))
    if np.hypot(*np.moveaxis(ab, -1, 0)).mean() < TONED:
        words.append("grey")
    elif np.hypot(*ab.std((0, 1))) < COLOURED:
        words.append("toned, such as sepia: the tone is taken out before the colours come in")
    else:
        words.append("in colour: its colours are not looked at, its grey version is coloured anew")
    if photo.pictures > 1:
        words.append(f"the first of {photo.pictures} pictures")
    words += photo.notes
    return "; ".join(words) + "."
