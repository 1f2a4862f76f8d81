"""Dust in films: what stands in one frame alone, where those beside it agree that it was not there.

Each frame is compared with the two beside it, carried to it along the flow. A speck is lighter or
darker than all that either shows within a pixel, after the light of the frames has been made alike,
since old films flicker. It is replaced by their mean.
"""

from collections.abc import Iterable, Iterator

import av
import cv2
import numpy as np

from colornet.video.steady import carry, flows, is_cut

SIDE = 480  # pixels of the longer side at which motion is sought
LIGHT = 16, 9  # places at which the light of two frames is compared
SURE, LIKELY = 25, 10  # levels of 255 by which a speck stands out: somewhere, everywhere
AGREE = 16  # levels by which those beside it may differ
MOST = 0.05  # share of a frame: where more stands out, it is no dust


def _small(rgb):
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    scale = SIDE / max(grey.shape)
    if scale < 1:
        grey = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return cv2.medianBlur(grey, 5)  # without the specks, which would mislead the flow


def _carried(rgb, flow):
    """A frame where its things lie in another, and which of them it shows; `flow`: smaller."""
    height, width = flow.shape[:2]
    x, y = np.arange(width) + flow[..., 0], np.arange(height)[:, None] + flow[..., 1]
    shown = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    size, scale = rgb.shape[1::-1], np.divide(rgb.shape[1::-1], flow.shape[1::-1])
    shown = cv2.resize(shown.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    return carry(rgb, cv2.resize(flow, size) * np.float32(scale)), shown


def _alike(rgb, other):
    """A frame, int16, in the light of another: a difference that changes slowly is taken off."""
    unlike = np.clip(other.astype(np.float32) - rgb, -SURE, SURE)
    unlike = cv2.resize(unlike, LIGHT, interpolation=cv2.INTER_AREA)
    unlike = cv2.resize(unlike, rgb.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return np.round(rgb + unlike).astype(np.int16)


def specks(rgb: np.ndarray, before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Where a frame stands out from two that lie as it does.

    Args:
        rgb: uint8 `(H, W, 3)`.
        before, after: int16 likewise, in its light, see `_alike`.

    Returns:
        bool `(H, W)`.
    """
    window = np.ones((5, 5), np.uint8)
    highest = cv2.dilate(np.maximum(before, after), window)
    lowest = cv2.erode(np.minimum(before, after), window)
    out = np.maximum(rgb - highest, lowest - rgb).max(axis=-1)
    agree = np.abs(before - after).max(axis=-1) <= AGREE
    likely = ((out > LIKELY) & agree).astype(np.uint8)
    _, places = cv2.connectedComponents(likely, connectivity=8)
    sure = np.unique(places[(out > SURE) & agree])
    found = np.isin(places, sure[sure > 0]).astype(np.uint8)
    # Its rim too, where it is half as strong.
    return (cv2.dilate(found, np.ones((5, 5), np.uint8)) > 0) & agree


def cleaned(frames: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Frames without dust, all of them, in order; holds three at most.

    The first and last of a shot, which have one beside them only, stay as they are.

    Args:
        frames: uint8 `(H, W, 3)`, of one size.
    """
    before = this = None  # each: frame, small, flow to it from the one before it, flow back
    for rgb in frames:
        small, links = _small(rgb), None
        if this is not None and not is_cut(this[1], small):
            (back, _), (on, _) = flows(this[1], small)
            links = back, on
        after = rgb, small, links
        if this is not None:
            yield _clean(before, this, after)
        before, this = this, after
    if this is not None:
        yield this[0]


def _clean(before, this, after):
    rgb, _, links = this
    if links is None or after[2] is None:
        return rgb
    found = _carried(before[0], links[0]), _carried(after[0], after[2][1])
    beside = [_alike(one, rgb) for one, _ in found]
    marked = specks(rgb, *beside) & found[0][1] & found[1][1]
    if not marked.any() or marked.mean() > MOST:
        return rgb
    result = rgb.copy()
    mean = (beside[0][marked] + beside[1][marked]) / 2
    result[marked] = np.clip(np.round(mean), 0, 255)
    return result


def cleaned_film(frames: Iterable[av.VideoFrame]) -> Iterator[av.VideoFrame]:
    """`cleaned` of frames in RGB with their times."""
    times = []

    def pixels():
        for frame in frames:
            times.append((frame.pts, frame.time_base))
            yield frame.to_ndarray()

    for rgb in cleaned(pixels()):
        frame = av.VideoFrame.from_ndarray(rgb, "rgb24")
        frame.pts, frame.time_base = times.pop(0)
        yield frame
