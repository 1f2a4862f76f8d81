"""Which places of two photos show the same thing, by what an encoder sees of them.

The encoder is EfficientNet-Lite0's, as ImageNet's classes trained it, on L alone: colours play no
part. A photo's places are the cells of its features at stride 16. What both photos have everywhere,
the mean of the two, says nothing and is taken off before features are compared.
"""

import base64
from functools import cache
from pathlib import Path
from threading import Lock
from typing import NamedTuple

import numpy as np

from colornet.inference.inputs import lightness, near_size
from colornet.inference.litert import runner
from colornet.models.releases import released

ENCODER, FILE = "efficientnet_lite0", "features.tflite"  # `export.converters.save_features` made it
FEATURES = 112  # numbers to a place
SHORT_SIDE = 384  # pixels at which photos are looked at: finer places than at the networks' 256
RETURNS = 1.5  # cells: how far from its start a place may land, there and back
TEMPERATURE = 0.05  # of the shares, in units of the cosine


def encoder_file() -> Path:
    """The encoder's file, checked by its SHA-256."""
    return released(ENCODER) / FILE


class _Encoder:
    """The encoder's file, which is run by one thread at a time."""

    def __init__(self):
        self._run, self._one_at_a_time = runner(encoder_file()), Lock()

    def features(self, x):
        with self._one_at_a_time:
            return self._run(x=x)["features"][0]


_encoder = cache(_Encoder)


def see(pixels: np.ndarray) -> np.ndarray:
    """What the encoder sees at each place of a photo.

    Args:
        pixels: uint8 or uint16 `(H, W)` or `(H, W, 3)`; colours are not looked at.

    Returns:
        Features, float32 `(h, w, 112)`; h and w are H and W at a short side of 384, by 16.

    Raises:
        ValueError: the encoder's file is missing or damaged; one line.
    """
    size = near_size(*pixels.shape[:2], SHORT_SIDE)
    return _encoder().features(lightness(pixels, *size)[None])


def unit(features: np.ndarray) -> np.ndarray:
    """Features `(..., C)` at length 1."""
    return features / np.maximum(np.linalg.norm(features, axis=-1, keepdims=True), 1e-6)


class Match(NamedTuple):
    """Where the places of a photo, taken row by row, lie in another.

    shares: how much of each place of the other one a place of this one is, float32
        `(h * w, H * W)`, summing to 1.
    sure: cosine of a place and the one that is most like it, float32 `(h, w)`; 0 where that one's
        own likeness lies elsewhere.
    """

    shares: np.ndarray
    sure: np.ndarray


def match(seen: np.ndarray, other: np.ndarray) -> Match:
    """The places of one photo found in another.

    Args:
        seen, other: features as `see` gives them.
    """
    (height, width), count = seen.shape[:2], seen.shape[-1]
    own, others = seen.reshape(-1, count), other.reshape(-1, count)
    mean = (own.mean(0) + others.mean(0)) / 2
    alike = unit(own - mean) @ unit(others - mean).T
    best, start = alike.argmax(axis=1), np.arange(len(own))
    back = alike.argmax(axis=0)[best]
    away = np.hypot(back // width - start // width, back % width - start % width)
    most = alike.max(axis=1, keepdims=True)
    shares = np.exp((alike - most) / TEMPERATURE)
    shares /= shares.sum(axis=1, keepdims=True)
    sure = np.where(away <= RETURNS, most[:, 0], 0).clip(0)
    return Match(shares, sure.reshape(height, width))


def pack(features: np.ndarray) -> str:
    """Features as text for JSON: float16, base64."""
    return base64.b64encode(np.asarray(features).astype("<f2").tobytes()).decode()


def unpack(text: str, width: int = FEATURES) -> np.ndarray:
    """The features of `pack`, float32 `(n, width)`; raises ValueError where they are none."""
    raw = np.frombuffer(base64.b64decode(text, validate=True), "<f2")
    return raw.astype(np.float32).reshape(-1, width)
