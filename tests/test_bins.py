"""Bins of colour: which there are, and what a colour becomes on its way through them."""

import numpy as np
import pytest
from skimage.color import rgb2lab

from colornet.color import bins, lab
from colornet.models.layers import MeanColour

CELL = 10  # ab units, of arXiv 1603.08511


@pytest.fixture(scope="module")
def colours():
    """ab of random 8-bit colours, by scikit-image."""
    rgb = np.random.default_rng(0).integers(0, 256, (100_000, 3))
    return rgb2lab(rgb[None] / 255)[0, :, 1:].astype(np.float32)


@pytest.fixture(scope="module")
def prior():
    """A prior of photos as they are: the greyer the commoner."""
    prior = np.exp(-np.hypot(*bins.centres().T) / 15)
    return prior / prior.sum()


def known():
    return {tuple(centre) for centre in bins.centres()}


def test_bins_are_distinct_points_of_the_grid():
    centres = bins.centres()
    assert centres.shape == (261, 2) and centres.dtype == np.float32
    assert len(known()) == 261 and (0, 0) in known()
    assert np.array_equal(centres % CELL, np.zeros_like(centres))


def test_every_colours_cell_is_a_bin(colours):
    cells = {tuple(cell) for cell in np.round(colours / CELL) * CELL}
    assert cells <= known() and len(cells) > 240


def test_every_bin_is_near_a_colour(colours):
    for centre in bins.centres():
        # Random colours are rare at the rim, so not all of them lie within half a cell.
        assert np.abs(colours - centre).max(1).min() < CELL


def test_encoding_is_a_distribution_around_the_colour(colours):
    weights = np.asarray(bins.encode(colours))
    assert weights.shape == (len(colours), 261) and weights.dtype == np.float32
    assert (weights >= 0).all()
    np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-5)
    # The Gaussian of the squared distance, as the paper has it, in plain float64.
    some, centres = colours[:500].astype(float), bins.centres()
    plain = np.exp(-((some[:, None] - centres) ** 2).sum(-1) / (2 * bins.SIGMA**2))
    np.testing.assert_allclose(weights[:500], plain / plain.sum(-1, keepdims=True), atol=1e-5)


def test_expectation_of_the_encoding_is_the_colour(colours):
    back = np.asarray(bins.expectation(bins.encode(colours)))
    error = np.abs(back - colours).max(-1)
    around = [(CELL * i, CELL * j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
    cells, bins_there = np.round(colours / CELL) * CELL, known()
    inside = [all(tuple(cell + step) in bins_there for step in around) for cell in cells]
    # The ripple of Gaussians on a grid: 4 pi sigma^2 / h exp(-2 pi^2 sigma^2 / h^2) = 0.23.
    assert np.mean(inside) > 0.8 and error[inside].max() < 0.3
    assert error.max() < 5  # yellow, the tip of the gamut


def test_rebalancing_has_mean_1_and_favours_the_rare(prior):
    weights = bins.rebalancing(prior)
    assert (prior * weights).sum() == pytest.approx(1)
    by_rarity = weights[np.argsort(prior)]
    assert (np.diff(by_rarity) <= 0).all() and by_rarity[0] > 10 * by_rarity[-1]
    # Bins that no photo shows count, but not without limit.
    never = np.where(np.arange(261) == 260, 0, prior / prior[:260].sum())
    assert np.isfinite(bins.rebalancing(never)).all()
    np.testing.assert_allclose(bins.rebalancing(np.full(261, 1 / 261)), 1)


def test_mean_colour_of_a_sure_place_is_its_bin():
    layer = MeanColour()
    ab = np.asarray(layer(1000 * np.eye(261, dtype=np.float32)[None]))
    np.testing.assert_allclose(ab[0] * lab.AB_SCALE, bins.centres(), atol=1e-4)
    np.testing.assert_allclose(layer.prior, 1 / 261)
    even = np.asarray(layer(np.zeros((1, 261), np.float32))) * lab.AB_SCALE
    np.testing.assert_allclose(even[0], bins.centres().mean(0), atol=1e-3)
