"""Colours as a distribution over ab bins: Zhang, Isola, Efros 2016, arXiv 1603.08511, section 2.

The bins are the points of a grid of ab, 10 units apart, whose cells sRGB reaches.
"""

from functools import cache

import numpy as np

from colornet.color import lab
from colornet.color.backend import Tensor, ops_of

STEP = 10.0  # ab units between bins
STRIDE = 4  # pixels of L to a side of a place with a distribution of its own
SIGMA = 5.0  # ab units, of the soft encoding
UNIFORM = 0.5  # share of the uniform distribution in the rebalancing weights


@cache
def centres() -> np.ndarray:
    """The bins' ab in Lab units, float32 `(261, 2)`."""
    # The cube's faces show every ab that its inside shows, at another L; every third level finds
    # each cell that all 256 find, and none of them lies at a cell's edge.
    levels = np.arange(0, 256, 3, dtype=np.float32) / 255
    face = np.stack(np.meshgrid(levels, levels, [0, 1]), axis=-1).reshape(-1, 3)
    faces = np.concatenate([np.roll(face, axis, axis=1) for axis in range(3)])
    cells = np.round(lab.rgb_to_lab(faces)[:, 1:] / STEP)
    return (np.unique(cells, axis=0) * STEP).astype(np.float32)


def encode(ab: Tensor) -> Tensor:
    """Soft encoding: each colour's weights over the bins, Gaussian in their distance.

    The expectation of the weights is the colour, but for the gamut's rim.

    Args:
        ab: Lab units, `(..., 2)`.

    Returns:
        float32 `(..., 261)`, summing to 1.
    """
    ops, points = ops_of(ab), centres()
    # The squared distance without |ab|^2, which the softmax cancels.
    nearness = ops.matmul(ab, points.T) - (points**2).sum(1) / 2
    return ops.softmax(nearness / SIGMA**2, axis=-1)


def expectation(distribution: Tensor) -> Tensor:
    """The mean colour of distributions `(..., 261)`: ab in Lab units, `(..., 2)`."""
    return ops_of(distribution).matmul(distribution, centres())


def rebalancing(prior: Tensor) -> Tensor:
    """Weights that make rare colours count: 1 / (half prior + half uniform), prior mean 1.

    Args:
        prior: `(261,)`, how often training photos show each bin; sums to 1.
    """
    weights = 1 / ((1 - UNIFORM) * prior + UNIFORM / prior.shape[-1])
    return weights / ops_of(weights).sum(prior * weights)
