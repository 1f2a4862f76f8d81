"""Colours that hold still: chroma carried along optical flow within a shot, forward and back."""

from collections.abc import Iterable, Iterator

import cv2
import numpy as np

CHUNK, AHEAD = 8, 8  # frames coloured at a time; frames looked ahead, at least, unless a cut comes
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


def _add(ab, carried, flow, confidence):
    """The mean of colours and what is carried to them, and its weight: `(h, w, 3)`.

    What is carried is the mean of several frames and weighs as much, up to `MEMORY`, where the flow
    is trusted.
    """
    planes = carry(carried, flow)
    weight = np.minimum(planes[..., 2:], MEMORY) * confidence[..., None]
    mean = (planes[..., :2] * weight + ab) / (weight + 1)
    return np.concatenate([mean, weight + 1], axis=-1)


def _alone(ab):
    return np.concatenate([ab, np.ones_like(ab[..., :1])], axis=-1)


def steadied(frames: Iterable[tuple]) -> Iterator[tuple]:
    """Colours without flicker: each the mean of those of its thing in the frames about it.

    A running mean along the flow, from the shot's first frame on, and another from frames ahead
    back to it; never across a cut. Holds at most 16 frames.

    Args:
        frames: an iterable of `(frame, grey, ab)`: anything; uint8 `(h, w)`; float32 `(h, w, 2)`.

    Yields:
        `(frame, ab)`, all of them, in order.
    """
    held, links, past = [], [], None  # a link: flows from the frame before

    def ready(number):
        """The first `number` of those held, done; they leave."""
        nonlocal past
        ahead = [_alone(held[-1][2])]
        for (_, _, ab), (_, on) in zip(held[-2::-1], links[:0:-1]):
            ahead.append(_add(ab, ahead[-1], *on))
        for (frame, _, ab), future in zip(held[:number], ahead[::-1]):
            link = links.pop(0)
            past = _add(ab, past, *link[0]) if link else _alone(ab)
            # Both contain the frame's own colours.
            weights = past[..., 2:], future[..., 2:]
            total = sum(weights) - 1
            yield frame, (past[..., :2] * weights[0] + future[..., :2] * weights[1] - ab) / total
        del held[:number]

    for frame, grey, ab in frames:
        if held and is_cut(held[-1][1], grey):
            yield from ready(len(held))
        links.append(flows(held[-1][1], grey) if held else None)
        held.append((frame, grey, ab))
        if len(held) == CHUNK + AHEAD:
            yield from ready(CHUNK)
    if held:
        yield from ready(len(held))
