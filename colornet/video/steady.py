"""Colours that hold still: chroma carried along optical flow within a shot, forward and back."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import cv2
import numpy as np

CHUNK, AHEAD = 8, 8  # frames coloured at a time; frames looked ahead, at least, unless a cut comes
EVERY, SEEN = 3, 0.8  # frames from one that the network sees to the next; share, see `_keyed`
LEAST = 1e-4  # confidence: a place that nothing else tells of takes what is carried there
MEMORY = 12  # frames: the most that all those carried together count
THUMBNAIL, CUT = (32, 18), 0.1  # pixels; mean difference of a new shot, as a share of white
ROUND_TRIP = 1.0  # pixels: how far from its start a place may land, there and back
ALIKE = 10.0  # levels of 255: how different a place may look when carried


def is_cut(before: np.ndarray, after: np.ndarray) -> bool:
    """Whether two grey frames, uint8 `(h, w)`, belong to different shots."""
    small = [cv2.resize(x, THUMBNAIL, interpolation=cv2.INTER_AREA) for x in (before, after)]
    return cv2.absdiff(*small).mean() / 255 > CUT


def carry(planes: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """Planes `(h, w, c)` of one frame, where they lie in another: bilinear, edges repeated.

    Args:
        planes: float32.
        flow: float32 `(h, w, 2)`: for each place of the other frame, how far right and down of it
            the same thing lies in this one, pixels.
    """
    columns, rows = np.meshgrid(*(np.arange(n, dtype=np.float32) for n in flow.shape[1::-1]))
    return cv2.remap(
        planes,
        columns + flow[..., 0],
        rows + flow[..., 1],
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )


def flows(before: np.ndarray, after: np.ndarray) -> tuple[tuple, tuple]:
    """Dense inverse search (Kroeger et al. 2016, arXiv 1603.03590) between two grey frames.

    Args:
        before, after: uint8 `(h, w)`.

    Returns:
        Two pairs of flow `(h, w, 2)`, as `carry` takes it, and confidence `(h, w)` in [0, 1]: to
        carry planes from `before` to `after`, and from `after` to `before`. A place is trusted as
        far as it comes back to itself and looks the same.
    """
    search = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    back, on = search.calc(after, before, None), search.calc(before, after, None)

    def trust(frame, other, flow, reverse):
        away = np.square(flow + carry(reverse, flow)).sum(-1)
        seen = carry(other.astype(np.float32), flow)
        unlike = np.square(cv2.GaussianBlur(frame - seen, (0, 0), 1))
        return np.exp(-away / ROUND_TRIP**2 - unlike / ALIKE**2)

    return (back, trust(after, before, back, on)), (on, trust(before, after, on, back))


def _add(own, carried, flow, confidence):
    """The mean of a frame's own planes, or None, and what is carried to it; last its weight.

    What is carried is the mean of several frames and weighs as much, up to `MEMORY`, where the flow
    is trusted.
    """
    planes = carry(carried, flow)
    weight = np.minimum(planes[..., -1:], MEMORY) * np.maximum(confidence, LEAST)[..., None]
    if own is None:
        return np.concatenate([planes[..., :-1], weight], axis=-1)
    mean = (planes[..., :-1] * weight + own) / (weight + 1)
    return np.concatenate([mean, weight + 1], axis=-1)


def _alone(own):
    return np.concatenate([own, np.ones_like(own[..., :1])], axis=-1)


class _Held(NamedTuple):
    """A frame on its way: itself, its own planes or None, flows from before."""

    frame: object
    own: np.ndarray | None
    link: tuple | None


def _mean(past, future, own):
    """The mean of two running means, both of which contain the frame's own planes."""
    weights = past[..., -1:], future[..., -1:]
    total = past[..., :-1] * weights[0] + future[..., :-1] * weights[1]
    if own is None:
        return total / sum(weights)
    return (total - own) / (sum(weights) - 1)


def _keyed(frames, look, every):
    """Frames as `_Held`, one list of a shot's after the other, as they come.

    The network looks at the first of a shot, at each `every`th after it, and sooner where less
    than `SEEN` of the picture can be carried from the last that it saw.
    """
    before, since, seen = None, 0, None
    for frame, grey in frames:
        link = None
        if before is not None and not is_cut(before, grey):
            link = flows(before, grey)
            since += 1
            seen = carry(seen, link[0][0]) * link[0][1]
        own = None
        if link is None or since >= every or seen.mean() < SEEN:
            own = cv2.resize(look(frame), grey.shape[::-1], interpolation=cv2.INTER_CUBIC)
            since, seen = 0, np.ones(grey.shape, np.float32)
        before = grey
        yield _Held(frame, own, link)


def steadied(
    frames: Iterable[tuple], look: Callable[[object], np.ndarray], every: int = EVERY
) -> Iterator[tuple]:
    """Colours without flicker: each the mean of those of its thing in the frames about it.

    A running mean along the flow, from the shot's first frame on, and another from frames ahead
    back to it; never across a cut. Holds at most 16 frames.

    Args:
        frames: an iterable of `(frame, grey)`: anything; uint8 `(h, w)`.
        look: gives a frame's own planes, float32 `(h', w', c)` of any height and width, c up to 3;
            it is asked for some frames, see `every`.
        every: at most so many frames from one that is looked at to the next.

    Yields:
        `(frame, planes)`, all of them, in order.
    """
    held, past = [], None

    def ready(number):
        """The first `number` of those held, done; they leave."""
        nonlocal past
        ahead = []
        for this, after in zip(held[::-1], [None, *held[:0:-1]]):
            if not ahead or ahead[-1] is None:
                ahead.append(None if this.own is None else _alone(this.own))
            else:
                ahead.append(_add(this.own, ahead[-1], *after.link[1]))
        for (frame, own, link), future in zip(held[:number], ahead[::-1]):
            past = _add(own, past, *link[0]) if link else _alone(own)
            yield frame, past[..., :-1] if future is None else _mean(past, future, own)
        del held[:number]

    for one in _keyed(frames, look, every):
        if one.link is None:
            yield from ready(len(held))
        held.append(one)
        if len(held) == CHUNK + AHEAD:
            yield from ready(CHUNK)
    yield from ready(len(held))
