"""ICC colour profiles at 16 bits, which Pillow's LittleCMS does at 8 only.

Profiles made of one curve a channel and a matrix, as ICC.1 (appendix F in version 4) has them:
most editing spaces, and every gamma for grey scans.
"""

import struct

import numpy as np
from PIL import ImageCms

LEVELS = 65536
ROWS = 256  # converted at a time, so that memory stays small


def _curve(tag):
    """A profile's tone curve: the linear light of each of 65536 levels."""
    x = np.linspace(0, 1, LEVELS)
    if tag[:4] == b"curv":
        count = struct.unpack(">I", tag[8:12])[0]
        table = np.frombuffer(tag, ">u2", count, 12)
        if count < 2:
            return x if count == 0 else x ** (table[0] / 256)
        return np.interp(x, np.linspace(0, 1, count), table / 65535)
    if tag[:4] != b"para":
        raise ValueError("no curve")
    kind = struct.unpack(">H", tag[8:10])[0]
    g, *rest = np.frombuffer(tag, ">i4", (1, 3, 4, 5, 7)[kind], 12) / 65536
    a, b, *rest = rest or (1, 0)
    if kind < 3:  # y = (a x + b)^g + c, above -b / a
        offset = rest[0] if rest else 0
        return np.clip(np.maximum(a * x + b, 0) ** g + offset, 0, 1)
    c, d, *rest = rest  # y = c x + f below d, (a x + b)^g + e from there
    e, f = rest or (0, 0)
    return np.clip(np.where(x >= d, np.maximum(a * x + b, 0) ** g + e, c * x + f), 0, 1)


def _shaper(icc):
    """The curves `(channels, 65536)` of a profile and its matrix to XYZ under D50, or None."""
    try:
        tags = {}
        for at in range(132, 132 + 12 * struct.unpack(">I", icc[128:132])[0], 12):
            name, start, size = struct.unpack(">4sII", icc[at : at + 12])
            tags[name] = icc[start : start + size]
        if b"A2B0" in tags:
            return None  # a table comes first where there is one
        space = icc[16:20]
        if space == b"GRAY":
            return np.stack([_curve(tags[b"kTRC"])]), None
        curves = np.stack([_curve(tags[name]) for name in (b"rTRC", b"gTRC", b"bTRC")])
        if (np.diff(curves) < 0).any():
            return None  # no way back
        names = (b"rXYZ", b"gXYZ", b"bXYZ")
        colorants = [np.frombuffer(tags[name], ">i4", 3, 8) / 65536 for name in names]
        matrix = np.stack(colorants, axis=1)
        np.linalg.inv(matrix)
        return curves, matrix
    except (struct.error, KeyError, ValueError, IndexError, np.linalg.LinAlgError):
        return None


SRGB = _shaper(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())


def _encode(linear, curve):
    levels = np.interp(linear, curve, np.arange(LEVELS))
    return np.round(levels).astype(np.uint16)


def _convert(pixels, source, target):
    matrix = np.linalg.inv(target[1]) @ source[1]
    if np.abs(matrix - np.eye(3)).max() < 1e-3 and np.abs(source[0] - target[0]).max() < 1e-3:
        return pixels  # sRGB in all but name
    result = np.empty_like(pixels)
    for top in range(0, len(pixels), ROWS):
        part = pixels[top : top + ROWS]
        linear = np.stack([source[0][i][part[..., i]] for i in range(3)], axis=-1) @ matrix.T
        for i in range(3):
            result[top : top + ROWS, :, i] = _encode(linear[..., i], target[0][i])
    return result


def to_srgb(pixels, icc):
    """Pixels as sRGB, and the profile to take them back by.

    Args:
        pixels: uint16 `(H, W)` or `(H, W, 3)`.
        icc: a profile as bytes.

    Returns:
        uint16 pixels of the same shape and `icc`; None in its place if it is no RGB profile.
        Under a profile that is of another kind than the pixels, or not made of curves and a
        matrix, the pixels are returned as they are.
    """
    shaper = _shaper(icc)
    if shaper and shaper[1] is None and pixels.ndim == 2:
        pixels = _encode(shaper[0][0], SRGB[0][1])[pixels]
    elif shaper and shaper[1] is not None and pixels.ndim == 3:
        pixels = _convert(pixels, shaper, SRGB)
    return pixels, icc if icc[16:20] == b"RGB " else None


def from_srgb(pixels, icc):
    """sRGB pixels, uint16 `(H, W, 3)`, into an RGB profile: the way back from `to_srgb`."""
    shaper = _shaper(icc)
    return _convert(pixels, SRGB, shaper) if shaper and shaper[1] is not None else pixels
