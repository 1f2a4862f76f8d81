"""CIC: as large as the original, rare colours count more, and the answer is the annealed mean."""

import keras
import numpy as np
import pytest
from keras import ops

from colornet import models
from colornet.color import bins, lab
from colornet.data.samples import sample
from colornet.models.literature.cic import AnnealedMean, cic, rebalanced
from colornet.photos import resize


@pytest.fixture(scope="module")
def batch():
    """L and ab of two photos and a grey one, 64x64, in the units of a network."""
    photos = [resize.square(sample(name), 64) for name in ("astronaut", "coffee")]
    photos.append(np.full((64, 64, 3), 128, np.uint8))
    L, ab = lab.to_network(lab.rgb_to_lab(np.float32(photos) / 255))
    return np.asarray(L), np.asarray(ab)


@pytest.fixture
def network():
    """A tiny one with a prior of photos as they are: the greyer the commoner."""
    keras.utils.set_random_seed(0)
    network = cic(width=4)
    prior = np.exp(-np.hypot(*bins.centres().T) / 15)
    network.get_layer("annealed_mean").prior.assign(prior / prior.sum())
    return network


def test_full_size_is_the_originals():
    with keras.StatelessScope(initialize_variables=False):  # no memory for 32 million weights
        network = cic(width=64)
    weights = network.trainable_weights
    trained = sum(np.prod(weight.shape) for weight in weights)
    assert trained == 32_219_525 and round(4 * trained / 1e6) == 129
    # Folded, a normalisation is the bias that the release's convolution has. 52 bins more there.
    scales = sum(np.prod(weight.shape) for weight in weights if weight.name == "gamma")
    assert trained - scales + 52 * (256 + 1) == 32_230_393


def test_shapes_are_those_of_the_docstring():
    L = keras.Input((256, 256, 1))
    clone = keras.models.clone_model(cic(), input_tensors=L)
    shapes = {layer.name: "x".join(map(str, layer.output.shape[1:])) for layer in clone.layers}
    for name in [*(f"conv{block}_relu" for block in range(1, 8)), "conv8_3", "bins", "ab"]:
        assert shapes[name] in cic.__doc__, name


def test_loss_is_that_of_its_formula(network, batch):
    trained, loss = rebalanced(network)
    L, ab = batch
    logits = np.random.default_rng(0).normal(0, 2, (3, 16, 16, 261)).astype(np.float32)
    assert trained(L).shape == logits.shape
    target = ab.reshape(3, 16, 4, 16, 4, 2).mean((2, 4)) * 110.0
    squared = ((target[..., None, :] - bins.centres()) ** 2).sum(-1)
    true = np.exp(-squared / (2 * 5**2))
    true /= true.sum(-1, keepdims=True)
    chances = np.exp(logits.astype(float))
    places = -(true * np.log(chances / chances.sum(-1, keepdims=True))).sum(-1)
    prior = np.asarray(network.get_layer("annealed_mean").prior).astype(float)
    weights = 1 / (prior / 2 + 1 / 261 / 2)
    weights /= (prior * weights).sum()
    expected = (places * weights[squared.argmin(-1)]).mean((1, 2))
    expected[2] = 0  # a grey photo teaches nothing
    np.testing.assert_allclose(loss(ab, ops.convert_to_tensor(logits)), expected, rtol=1e-4)


def test_a_mistake_about_a_rare_colour_costs_more(network):
    _, loss = rebalanced(network)
    pale, vivid = (np.full((1, 4, 4, 2), side / 110, np.float32) for side in (10, 60))
    unsure = ops.zeros((1, 1, 1, 261))
    assert float(loss(vivid, unsure)[0]) > 5 * float(loss(pale, unsure)[0])


def test_annealed_mean_lies_between_mean_and_mode(batch):
    # A place that is brown by half and one of two vivid colours otherwise.
    centres = bins.centres()
    where = {colour: np.flatnonzero((centres == colour).all(1))[0] for colour in [(0, 0), (60, 40)]}
    chances = np.full(261, 1e-9)
    chances[where[0, 0]], chances[where[60, 40]] = 0.4, 0.6
    logits = np.log(chances).astype(np.float32).reshape(1, 1, 1, 261)
    ab = np.asarray(AnnealedMean()(logits)).ravel() * lab.AB_SCALE
    share = 0.6 ** (1 / 0.38) / (0.4 ** (1 / 0.38) + 0.6 ** (1 / 0.38))
    np.testing.assert_allclose(ab, [60 * share, 40 * share], rtol=1e-4)
    assert 0.6 < share < 1


def test_learns_and_comes_back(network, batch, tmp_path):
    L, ab = batch
    trained, loss = rebalanced(network)
    trained.compile("adam", loss)
    course = trained.fit(L, ab, epochs=4, verbose=0).history["loss"]
    assert course[-1] < course[0]
    network.save(tmp_path / "network.keras")
    loaded = models.load(tmp_path / "network.keras")
    np.testing.assert_allclose(loaded(L), network(L), atol=1e-5)
    prior = loaded.get_layer("annealed_mean").prior
    assert np.array_equal(prior, network.get_layer("annealed_mean").prior) and prior.shape == (261,)
