"""What a network is given of a photo."""

from collections.abc import Iterable

import cv2
import numpy as np

from colornet.color import lab
from colornet.color.hints import SIDE, Hint, plant
from colornet.errors import PhotoError

SHORT_SIDE = 256  # what the networks were trained at
LONG_SIDE = 1024  # bounds the work on panoramas
MULTIPLE = 32  # of which every network takes its height and width
NO_HINTS = "takes no hints; take colornet"


def near_size(height: int, width: int, short: int) -> tuple[int, int]:
    """The height and width that networks take, nearest to a photo's at such a short side."""
    scale = short / min(height, width)
    return tuple(
        int(min(LONG_SIDE, max(MULTIPLE, round(side * scale / MULTIPLE) * MULTIPLE)))
        for side in (height, width)
    )


def working_size(network: object, height: int, width: int) -> tuple[int, int]:
    """The height and width at which a network sees a photo."""
    return network.size or near_size(height, width, SHORT_SIDE)


def _unit(pixels):
    """uint8 or uint16 pixels, grey `(H, W)` or RGB, as float32 RGB in [0, 1]."""
    values = pixels.astype(np.float32) / np.iinfo(pixels.dtype).max
    return values if values.ndim == 3 else np.repeat(values[..., None], 3, axis=-1)


def lightness(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """A photo's L at a size, in the units of `lab.to_network`.

    The photo is resized, then brought to L by the code that training uses. Its colours, where
    it has any, are not seen; so sepia and other tones are gone.

    Args:
        pixels: uint8 or uint16 `(H, W)` or `(H, W, 3)`.
        height, width: pixels.

    Returns:
        float32 `(height, width, 1)`.
    """
    shrinks = height * width <= pixels.shape[0] * pixels.shape[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    small = cv2.resize(pixels, (width, height), interpolation=method)
    return np.asarray(lab.lightness(_unit(small)))[..., None] / lab.L_SCALE - 1


def network_input(network: object, pixels: np.ndarray, hints: Iterable[Hint] = ()) -> np.ndarray:
    """What a network is given of a photo: its `lightness`, and hints where there are any.

    Args:
        network: a `Network`.
        pixels: uint8 or uint16 `(H, W)` or `(H, W, 3)`.
        hints: `Hint`s, whose x and y are pixels of the photo.

    Returns:
        float32 `(1, h, w, 1)`, with hints `(1, h, w, 4)`; h and w near 256, aspect kept.

    Raises:
        ValueError: a hint outside the photo, or for a network that takes none.
    """
    if hints and not network.takes_hints:
        raise ValueError(f"{network.name}: {NO_HINTS}")
    height, width = working_size(network, *pixels.shape[:2])
    L = lightness(pixels, height, width)
    if not hints:
        return L[None]
    planes = np.zeros((height, width, 3), np.float32)
    for hint in hints:
        if not (0 <= hint.x < pixels.shape[1] and 0 <= hint.y < pixels.shape[0]):
            size = f"{pixels.shape[1]}x{pixels.shape[0]}"
            raise PhotoError(f"hint {hint.x:g},{hint.y:g}: lies outside the photo of {size}")
        row, column = hint.y * height / pixels.shape[0], hint.x * width / pixels.shape[1]
        plant(planes, hint.ab, int(row), int(column), SIDE)
    return np.concatenate([L, planes], axis=-1)[None]
