"""Marked places of a photo filled from what surrounds them, in tiles, with the grain that is there.

Coarse to fine: what the halved photo says of a place is its first guess, a few harmonic steps (a
membrane) and biharmonic ones (a thin plate, which goes on with slopes) refine it. In
`benchmarks/repair.py` that is better than OpenCV's Telea and Navier-Stokes and scikit-image's
biharmonic for scratches, dust and large holes alike, and as fast as the first two.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np

TILE = 1024  # pixels to a side that are worked on at a time; a multiple of `CELL`
# What a pixel becomes of those so many rows and columns away: weight by place.
MEMBRANE = {place: 1 / 4 for place in ((-1, 0), (1, 0), (0, -1), (0, 1))}
PLATE = {place: 8 / 20 for place in MEMBRANE}
PLATE |= {(2 * y, 2 * x): -1 / 20 for y, x in MEMBRANE}
PLATE |= {(y, x): -2 / 20 for y in (-1, 1) for x in (-1, 1)}
STEPS, RATE = (4, 24), 0.6  # of membrane and plate; how far a step of the plate goes
REACH = STEPS[0] + 2 * STEPS[1]  # pixels: how far those steps look; even
CLEAR = 3  # pixels: so far from a marked place its grain is not disturbed
SHIFTS = [(y * far, x * far) for far in (8, 17, 35, 70) for y, x in ((0, 1), (1, 0))]
SHIFTS = [(sign * y, sign * x) for y, x in SHIFTS for sign in (1, -1)]
CELL, SPIKE = 16, 2.5  # pixels: where grain is measured; times its size that is still grain
MUCH = 1e6  # more than any grain


def mend(pixels: np.ndarray, mask: np.ndarray, grain: bool = True) -> np.ndarray:
    """Fills what a mask marks; every other pixel stays as it is, bit for bit.

    Args:
        pixels: uint8 or uint16 `(H, W)` or `(H, W, 3)`.
        mask: bool `(H, W)`, True where there is damage.
        grain: give what is filled the grain of what surrounds it: better to look at, though no
            measure of error rewards it.

    Returns:
        An array like `pixels`.

    Raises:
        ValueError: the mask is of another size, or marks every pixel.
    """
    if mask.shape != pixels.shape[:2]:
        raise ValueError("the mask is not of the photo's size")
    if not mask.any():
        return pixels
    if mask.all():
        raise ValueError("the mask marks the whole photo; leave what it is to be mended from")
    planes = cv2.split(pixels) if pixels.ndim == 3 else [pixels]
    filled = [_fill(plane, mask) for plane in planes]
    for plane in filled if grain else ():
        _add_grain(plane, mask)
    return cv2.merge(filled) if pixels.ndim == 3 else filled[0]


def _tiles(mask, halo) -> Iterator[tuple]:
    """Of each tile with marked places: where it lies, with a halo, and within that."""
    for top in range(0, mask.shape[0], TILE):
        for left in range(0, mask.shape[1], TILE):
            inner = np.s_[top : top + TILE, left : left + TILE]
            if mask[inner].any():
                begin = max(0, top - halo), max(0, left - halo)
                outer = np.s_[begin[0] : top + TILE + halo, begin[1] : left + TILE + halo]
                within = tuple(
                    slice(at - start, at - start + TILE) for at, start in zip((top, left), begin)
                )
                yield inner, outer, within


def _each(work: Callable, tiles):
    with ThreadPoolExecutor(cv2.getNumThreads()) as pool:
        for _ in pool.map(work, tiles):
            pass


def _rounded(values, like):
    if like.dtype == np.float32:
        return values
    return np.clip(np.round(values), 0, np.iinfo(like.dtype).max).astype(like.dtype)


def _halved(plane, mask):
    """Float32 plane of half the size, each pixel the mean of what is known, and its mask."""
    size = [(side + 1) // 2 for side in plane.shape]
    half, unknown = np.zeros(size, np.float32), np.empty(size, bool)
    for top in range(0, len(plane), TILE):
        rows = np.s_[top : top + TILE]
        known = (~mask[rows]).astype(np.float32)
        down, right = (side % 2 for side in known.shape)
        both = cv2.merge([plane[rows] * known, known])
        both = cv2.copyMakeBorder(both, 0, down, 0, right, cv2.BORDER_CONSTANT, value=0)
        small = cv2.resize(both, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        to = np.s_[top // 2 : top // 2 + len(small)]
        unknown[to] = small[..., 1] == 0
        np.divide(small[..., 0], small[..., 1], out=half[to], where=~unknown[to])
    return half, unknown


def _fill(plane, mask):
    """A plane, uint8, uint16 or float32 `(h, w)`, with marked places filled."""
    filled = plane.copy()
    if not mask.any():
        return filled
    if max(plane.shape) <= 2:
        filled[mask] = plane[~mask].mean()
        return filled
    coarse = _fill(*_halved(plane, mask))

    def work(tile):
        inner, outer, within = tile
        hole = mask[outer]
        values = np.where(hole, _doubled(coarse, outer, hole.shape), plane[outer])
        _relax(values, hole)
        marked = mask[inner]
        filled[inner][marked] = _rounded(values[within][marked], plane)

    _each(work, _tiles(mask, REACH))
    return filled


def _relax(values, hole):
    """Goes the steps of membrane and plate at the marked places of float32 values, in place."""
    (rows, columns), flat = np.nonzero(hole), values.reshape(-1)
    height, width = hole.shape
    at = rows * width + columns
    for stencil, steps, rate in ((MEMBRANE, STEPS[0], 1), (PLATE, STEPS[1], RATE)):
        near = [
            (
                np.float32(rate * weight),
                _clipped(rows, y, height) * width + _clipped(columns, x, width),
            )
            for (y, x), weight in stencil.items()
        ]
        for _ in range(steps):
            new = np.float32(1 - rate) * flat[at]
            for weight, place in near:
                new += weight * flat[place]
            flat[at] = new


def _clipped(places, by, length):
    return np.clip(places + by, 0, length - 1)


def _doubled(coarse, outer, shape):
    """A part of a plane of half the size, bilinearly enlarged to where it lies: `outer`."""
    top, left = (side.start // 2 for side in outer)
    height, width = ((side + 1) // 2 for side in shape)
    begin = max(0, top - 1), max(0, left - 1)
    part = coarse[begin[0] : top + height + 1, begin[1] : left + width + 1]
    part = cv2.resize(part, None, fx=2, fy=2, interpolation=cv2.INTER_LINEAR)
    y, x = 2 * (top - begin[0]), 2 * (left - begin[1])
    return part[y : y + shape[0], x : x + shape[1]]


def _add_grain(plane, mask):
    """Gives marked places of a filled plane, in place, the grain of clear ones near them.

    Smooth fillings look like plastic on an old photo. Grain is what is finer than a pixel or two,
    cut to what is usual in the calmest place about it, so that edges are not taken for grain.
    """

    def work(tile):
        inner, outer, within = tile
        values, hole = plane[outer].astype(np.float32), mask[outer]
        clear = cv2.dilate(hole.view(np.uint8), np.ones((2 * CLEAR + 1,) * 2, np.uint8)) == 0
        fine = values - cv2.GaussianBlur(values, (2 * CLEAR + 1,) * 2, 1)
        size = _calmest(fine, clear)
        marked = mask[inner]
        rows, columns = np.nonzero(marked)
        grain, wanted = np.zeros(len(rows), np.float32), np.ones(len(rows), bool)
        for y, x in SHIFTS:
            down = _clipped(rows, within[0].start + y, len(clear))
            right = _clipped(columns, within[1].start + x, clear.shape[1])
            usual = SPIKE * size[down // CELL, right // CELL]
            there = wanted & clear[down, right] & (usual < MUCH)
            grain[there] = np.clip(fine[down, right], -usual, usual)[there]
            wanted &= ~there
        plane[inner][marked] = _rounded(values[within][marked] + grain, plane)

    _each(work, _tiles(mask, 7 * CELL))  # beyond the furthest shift and the cell about it


def _calmest(fine, clear):
    """The mean size of grain in the calmest cell about each, `(h / CELL, w / CELL)`."""
    height, width = clear.shape
    edges = 0, -height % CELL, 0, -width % CELL, cv2.BORDER_CONSTANT
    known = cv2.copyMakeBorder(clear.astype(np.float32), *edges, value=0)
    whole = cv2.copyMakeBorder(np.abs(fine), *edges, value=0) * known
    size, share = (
        cv2.resize(one, None, fx=1 / CELL, fy=1 / CELL, interpolation=cv2.INTER_AREA)
        for one in (whole, known)
    )
    size = np.where(share > 0.1, size / np.maximum(share, 0.1), MUCH)
    return cv2.erode(size, np.ones((3, 3), np.uint8))
