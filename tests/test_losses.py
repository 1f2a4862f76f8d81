"""The loss over distributions: lowest at the truth, and finite whatever a network says."""

import keras
import numpy as np
import pytest
from keras import ops

from colornet.color import bins, lab
from colornet.data.samples import sample
from colornet.models.losses import cross_entropy, distribution_loss, edge_error, log_error
from colornet.photos import resize

STRIDE = 4


@pytest.fixture(scope="module")
def ab():
    """Two photos' colours and a grey one's, in the units of a network."""
    photos = [resize.square(sample(name), 64) for name in ("astronaut", "coffee")]
    photos.append(np.full((64, 64, 3), 128, np.uint8))
    return np.asarray(lab.to_network(lab.rgb_to_lab(np.float32(photos) / 255))[1])


def small(ab):
    """The mean true colours of each logit's cell, Lab units."""
    return ab.reshape(3, 16, STRIDE, 16, STRIDE, 2).mean((2, 4)) * lab.AB_SCALE


@pytest.fixture(scope="module")
def truth(ab):
    """The logits of the true colours, soft-encoded in plain numpy."""
    squared = ((small(ab)[..., None, :] - bins.centres()) ** 2).sum(-1)
    return (-squared / (2 * bins.SIGMA**2)).astype(np.float32)


def test_one_value_a_photo(ab, truth):
    values = np.asarray(distribution_loss(ab, truth))
    assert values.shape == (3,) and values.dtype == np.float32
    # Each photo's own: the others beside it are of no account.
    np.testing.assert_allclose(distribution_loss(ab[1:2], truth[1:2]), values[1:2], rtol=1e-4)


def test_lowest_at_the_truth(ab, truth):
    best, rng = np.asarray(distribution_loss(ab, truth)), np.random.default_rng(0)
    for spread in (0.1, 1, 10):
        for _ in range(5):
            other = truth + rng.normal(0, spread, truth.shape).astype(np.float32)
            assert (np.asarray(distribution_loss(ab, other)) > best).all(), spread
    for other in (0 * truth, 2 * truth, truth / 2, truth[:, ::-1, ::-1][[1, 2, 0]]):
        assert (np.asarray(distribution_loss(ab, other)) > best).all()


def test_cross_entropy_is_that_of_its_formula(ab, truth):
    target, rng = small(ab), np.random.default_rng(0)
    logits = rng.normal(0, 2, truth.shape).astype(np.float32)
    chances = [np.exp(x - x.max(-1, keepdims=True)) for x in (truth, logits.astype(float))]
    true, given = (x / x.sum(-1, keepdims=True) for x in chances)
    places = -(true * np.log(given)).sum(-1)
    np.testing.assert_allclose(cross_entropy(target, logits), places.mean((1, 2)), rtol=1e-4)
    # Weighted, each place counts as its nearest bin does.
    weights = rng.uniform(0.1, 10, 261).astype(np.float32)
    nearest = ((target[..., None, :] - bins.centres()) ** 2).sum(-1).argmin(-1)
    np.testing.assert_allclose(
        cross_entropy(target, logits, weights), (weights[nearest] * places).mean((1, 2)), rtol=1e-4
    )


def test_errors_are_those_of_their_formulas():
    error = np.random.default_rng(0).normal(0, 10, (2, 5, 7, 2)).astype(np.float32)
    for one, log, edge in zip(error, np.asarray(log_error(error)), np.asarray(edge_error(error))):
        assert log == pytest.approx(np.log((one**2).mean() + 4), rel=1e-5)
        steps = [np.abs(np.diff(one, axis=axis)).mean() for axis in (0, 1)]
        assert edge == pytest.approx(sum(steps), rel=1e-5)
    # The same colour too much everywhere is an error, but none of edges.
    assert (np.asarray(edge_error(np.full((2, 5, 7, 2), 9, np.float32))) == 0).all()


def test_nearer_colours_cost_less(ab, truth):
    # From evenly spread chances to the true ones.
    path = [np.asarray(distribution_loss(ab, share * truth)) for share in (0, 0.03, 0.1, 0.3, 1)]
    assert (np.diff(path, axis=0) < 0).all()


@pytest.mark.parametrize("gain", [0, 1, 1e3, 1e6])
def test_finite_and_with_finite_gradients(gain, ab, truth):
    # A network whose weights are the logits: what a step of any backend would change.
    wild = gain * np.random.default_rng(0).normal(0, 1, truth.shape).astype(np.float32)
    network = keras.Sequential([keras.Input((16, 16, 261)), keras.layers.Rescaling(1.0)])
    network.add(keras.layers.Dense(261, kernel_initializer="identity"))
    network.compile(keras.optimizers.SGD(1e-3), distribution_loss)
    assert np.isfinite(network.train_on_batch(wild, ab))
    assert all(np.isfinite(weights).all() for weights in network.get_weights())
    if gain:
        assert np.any(network.get_weights()[1] != 0)  # and it did learn


@pytest.mark.parametrize("place", [0, 130, 260])
def test_sure_and_wrong_is_finite(place, ab, truth):
    sure = ops.one_hot(np.full(truth.shape[:3], place), 261) * 1e5
    values = np.asarray(distribution_loss(ab, sure))
    assert np.isfinite(values).all() and (values > np.asarray(distribution_loss(ab, truth))).all()
