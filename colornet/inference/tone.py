"""Fading and uneven light made milder: one gain that changes slowly, and one stretch."""

import cv2
import numpy as np

from colornet.photos.resize import eight_bits

SIDE = 64  # pixels of the longer side at which light is measured
SPREAD = 0.25  # of it: how slowly the gain changes
ENDS = 0.5, 99.5  # percent: what is taken for black and white
PART = 0.5  # of the way to even light and full range
GAIN = 0.7, 1.4  # the least and the most
STRIP = 1 << 20  # pixels at a time


def evened(pixels: np.ndarray) -> np.ndarray:
    """A photo with its light half evened and its range half stretched.

    Each level becomes gain x level - offset; the gain changes slowly over the photo and is the
    same for all channels, so that it could be undone where nothing was cut off at black or white.

    Args:
        pixels: uint8 or uint16 `(H, W)` or `(H, W, 3)`, sRGB.

    Returns:
        An array like `pixels`.
    """
    (height, width), peak = pixels.shape[:2], np.iinfo(pixels.dtype).max
    scale = SIDE / max(height, width)
    size = [max(1, round(side * scale)) for side in (width, height)]
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA).reshape(*size[::-1], -1)
    small = eight_bits(small).mean(axis=-1).astype(np.float32) / 255
    light = cv2.GaussianBlur(small, (0, 0), SPREAD * SIDE, borderType=cv2.BORDER_REFLECT)
    gain = np.clip((light.mean() / np.maximum(light, 0.02)) ** PART, *GAIN)
    low, high = np.percentile(small * gain, ENDS)
    low, high = PART * low, PART * high + (1 - PART) * max(1, high)
    gain /= max(high - low, 0.2)
    offset = low / max(high - low, 0.2)
    result = np.empty_like(pixels)
    step = max(1, STRIP // width)
    for top in range(0, height, step):
        strip = pixels[top : top + step]
        # Where the strip's pixels lie in the small photo.
        rows = (np.arange(top, top + len(strip), dtype=np.float32) + 0.5) * len(gain) / height
        columns = (np.arange(width, dtype=np.float32) + 0.5) * gain.shape[1] / width
        places = np.meshgrid(columns - 0.5, rows - 0.5)
        field = cv2.remap(gain, *places, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        field = field if strip.ndim == 2 else field[..., None]
        values = np.clip(np.round(strip * field - offset * peak), 0, peak)
        result[top : top + step] = values
    return result
