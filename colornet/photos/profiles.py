"""ICC colour profiles: pixels into sRGB and back, by LittleCMS at 8 and 16 bits."""

from functools import lru_cache

import imagecodecs
import numpy as np

SPACES = {b"GRAY": "gray", b"RGB ": "rgb", b"CMYK": "cmyk"}
INTENT = imagecodecs.CMS.INTENT
SRGB = imagecodecs.cms_profile("srgb")
AWAY = 6 * 257  # of 65535: the most that a way back may be off


def _transform(pixels, source, target, space="rgb", exact=False):
    # Without NOOPTIMIZE LittleCMS interpolates: quick, and good for 8 bits alone.
    exact = exact or pixels.dtype == np.uint16
    return imagecodecs.cms_transform(
        pixels,
        source,
        target,
        colorspace=space,
        outcolorspace="rgb",
        outdtype=pixels.dtype,
        # Grey by its curve alone, which perceptual would stretch to full black.
        intent=INTENT.RELATIVE_COLORIMETRIC if space == "gray" else INTENT.PERCEPTUAL,
        flags=imagecodecs.CMS.FLAGS.NOOPTIMIZE if exact else 0,
    )


@lru_cache(8)
def _probe(icc):
    """Colours all over an RGB profile, uint16: its numbers, sRGB's, and sRGB's after a way back.

    The last are None where the profile knows no way back.
    """
    levels = np.linspace(0, 65535, 9).astype(np.uint16)
    numbers = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(27, 27, 3)
    seen = _transform(numbers, icc, SRGB)
    try:
        return numbers, seen, _transform(_transform(seen, SRGB, icc), icc, SRGB)
    except imagecodecs.CmsError:
        return numbers, seen, None


def _apart(one, other):
    return np.abs(one.astype(int) - other).max()


def _is_srgb(icc, dtype):
    """Whether a profile is sRGB in all but name; stricter with 16 bits, which show more."""
    numbers, seen, _ = _probe(icc)
    return _apart(seen, numbers) <= (2 * 257 if dtype == np.uint8 else 64)


def _returns(icc):
    _, seen, again = _probe(icc)
    return again is not None and _apart(seen, again) <= AWAY


def to_srgb(pixels: np.ndarray, icc: bytes) -> tuple:
    """Pixels as sRGB, the profile to take them back by, and what is to be said of it.

    Args:
        pixels: uint8 or uint16, `(H, W)` grey, `(H, W, 3)` RGB or `(H, W, 4)` CMYK.
        icc: a profile as bytes, or None.

    Returns:
        Pixels of the same dtype, grey or RGB; `icc`, or None where it is not RGB's or knows no
        true way back; None or a sentence. Under a profile that is broken or of another kind
        than the pixels, which viewers pass over too, the numbers are taken as sRGB.
    """
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    space = SPACES.get(icc[16:20]) if icc else None
    try:
        if space == "gray" and channels == 1:
            levels = np.arange(np.iinfo(pixels.dtype).max + 1, dtype=pixels.dtype)[None]
            return _transform(levels, icc, SRGB, space, exact=True)[0, :, 1][pixels], None, None
        if space == "cmyk" and channels == 4:
            return _transform(pixels, icc, SRGB, space), None, None
        if space == "rgb" and channels < 4:
            if channels == 3 and not _is_srgb(icc, pixels.dtype):
                pixels = _transform(pixels, icc, SRGB)
            if not _returns(icc):
                return pixels, None, "its colour profile has no true way back: written as sRGB"
    except imagecodecs.CmsError:
        icc = None
    if channels == 4:
        return _inks(pixels), None, None
    # A grey photo with an RGB profile keeps it, and is coloured into it.
    return pixels, icc if space == "rgb" else None, None


def _inks(pixels):
    """CMYK as RGB where no profile says more."""
    peak = np.iinfo(pixels.dtype).max
    light = peak - pixels.astype(np.uint32)
    return ((light[..., :3] * light[..., 3:] + peak // 2) // peak).astype(pixels.dtype)


def from_srgb(pixels: np.ndarray, icc: bytes) -> np.ndarray:
    """sRGB pixels `(H, W, 3)` into an RGB profile: the way back from `to_srgb`."""
    return pixels if _is_srgb(icc, pixels.dtype) else _transform(pixels, SRGB, icc)
