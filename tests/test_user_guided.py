"""Hints: points act where they are, palettes act as a whole, and neither is needed."""

import keras
import numpy as np
import pytest
from keras import ops

from colornet import models
from colornet.color import bins, lab
from colornet.data.samples import sample
from colornet.models.literature.user_guided import GlobalHints, guided, guided_loss, user_guided
from colornet.photos import resize


@pytest.fixture(scope="module")
def batch():
    """L and ab of four photos, 64x64, in the units of a network."""
    names = ("astronaut", "coffee", "chelsea", "rocket")
    photos = np.float32([resize.square(sample(name), 64) for name in names]) / 255
    return tuple(map(np.asarray, lab.to_network(lab.rgb_to_lab(photos))))


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(0)
    return user_guided(width=4)


def planes(L, ab, mask):
    """The four input planes; the mask is one number or `(H, W)`."""
    mask = np.broadcast_to(np.float32(mask), L.shape[:3])[..., None]
    return np.concatenate([L, np.broadcast_to(ab, (*L.shape[:3], 2)), mask], axis=-1)


def test_full_size_is_the_originals():
    with keras.StatelessScope(initialize_variables=False):  # no memory for 34 million weights
        network = user_guided(width=64)
    weights = [w for w in network.trainable_weights if not w.path.startswith("global")]
    trained = sum(np.prod(weight.shape) for weight in weights)
    assert trained == 34_048_194
    # The release has a bias for every channel that is normalised, and 529 classes of conv8.
    biases = sum(np.prod(weight.shape) for weight in weights if weight.name == "gamma")
    assert trained + biases + 529 * (256 + 1) == 34_187_027


def test_shapes_are_those_of_the_docstring():
    x = keras.Input((256, 256, 4))
    clone = keras.models.clone_model(user_guided(), input_tensors=x)
    shapes = {layer.name: layer.output for layer in clone.layers if layer.name != "inputs"}
    names = [*(f"conv{block}_relu" for block in range(1, 11)), "global_hints", "global4", "ab"]
    for name in names:
        assert "x".join(map(str, shapes[name].shape[1:])) in user_guided.__doc__, name


def test_hints_are_not_needed(network, batch):
    L, ab = batch
    alone = network(L)
    assert np.array_equal(alone, network(planes(L, 0, 0)))
    assert np.array_equal(alone, network(planes(L, ab, 0)))  # ab that nobody told


def test_a_palette_is_the_mean_of_the_encoded_colours(batch):
    _, ab = batch
    mask = np.zeros((64, 64), np.float32)
    mask[8:24, 16:48] = -1
    mask[40:, 40:] = 1  # points are no palette
    hints = planes(ab[..., :1], ab, mask)[..., 1:]
    palette = np.asarray(GlobalHints()(hints)).reshape(4, 262)
    cells = ab[:, 8:24, 16:48].reshape(4, 4, 4, 8, 4, 2).mean((2, 4)) * 110.0
    near = np.exp(-((cells[..., None, :] - bins.centres()) ** 2).sum(-1) / (2 * 5**2))
    expected = (near / near.sum(-1, keepdims=True)).mean((1, 2))
    np.testing.assert_allclose(palette[:, :261], expected, atol=1e-5)
    assert (palette[:, 261] == 1).all()
    assert not np.any(GlobalHints()(np.maximum(hints, 0)))


def test_where_a_palettes_colours_lie_is_not_seen(network, batch):
    L, ab = batch
    upside_down, other = ab[:, ::-1, ::-1], ab[[1, 2, 3, 0]]
    answer = np.asarray(network(planes(L, ab, -1)))
    np.testing.assert_allclose(network(planes(L, upside_down, -1)), answer, atol=1e-5)
    assert np.abs(np.asarray(network(planes(L, other, -1))) - answer).max() > 1e-4
    assert np.abs(np.asarray(network(L)) - answer).max() > 1e-4


def test_a_point_is_seen_where_it_is(network, batch):
    L, _ = batch
    mask = np.zeros((64, 64), np.float32)
    mask[10:13, 10:13] = 1
    told = np.asarray(network(planes(L, np.float32([0.6, 0.4]), mask)))
    change = np.abs(told - np.asarray(network(L))).max((0, -1))
    assert change[:24, :24].max() > max(1e-3, 2 * change[40:, 40:].max())


def test_loss_is_that_of_its_formula(batch):
    _, true = batch
    rng = np.random.default_rng(0)
    ab = true + rng.normal(0, 0.01, true.shape).astype(np.float32)  # about one unit of ab
    logits = rng.normal(0, 2, (4, 16, 16, 261)).astype(np.float32)
    error = np.abs((ab - true) * 110.0)
    assert 0.2 < (error < 1).mean() < 0.9
    huber = np.where(error < 1, error**2 / 2, error - 0.5).sum(-1).mean((1, 2))
    target = true.reshape(4, 16, 4, 16, 4, 2).mean((2, 4)) * 110.0
    near = np.exp(-((target[..., None, :] - bins.centres()) ** 2).sum(-1) / (2 * 5**2))
    chances = np.exp(logits.astype(float))
    logs = np.log(chances / chances.sum(-1, keepdims=True))
    entropy = -(near / near.sum(-1, keepdims=True) * logs).sum(-1).mean((1, 2))
    values = guided_loss(true, ab, ops.convert_to_tensor(logits))
    np.testing.assert_allclose(values, 0.1 * huber + entropy, rtol=1e-4)


def test_in_training_some_points_give_way_to_palettes(network, batch):
    L, ab = (np.repeat(x, 50, axis=0) for x in batch)
    mask = np.zeros((200, 64, 64), np.float32)
    mask[:100, 5:9, 5:9] = 1
    x = planes(L, ab, mask)
    seen = np.asarray(guided(network)[0].with_palettes(x, ab))
    palettes = (seen[..., 3] == -1).all((1, 2))
    assert 15 < palettes.sum() < 45 and not palettes[100:].any()  # without points, none
    assert np.array_equal(seen[palettes][..., 1:3], ab[palettes])
    assert np.array_equal(seen[~palettes], x[~palettes])


def test_learns_and_comes_back(batch, tmp_path):
    L, ab = batch
    keras.utils.set_random_seed(0)
    network = user_guided(width=4)
    trained, loss = guided(network)
    trained.compile("adam", loss, run_eagerly=True)  # many layers take long to compile
    x = planes(L, ab, np.arange(64) % 9 == 0)
    course = trained.fit(x, ab, epochs=3, verbose=0).history["loss"]
    assert course[-1] < course[0]
    trained.save_weights(tmp_path / "all.weights.h5")
    again = guided(user_guided(width=4))[0]
    again.load_weights(tmp_path / "all.weights.h5")
    assert len(again.variables) == len(network.weights) + 2 + 1  # the head's, the generator's
    for mine, theirs in zip(again.weights, trained.weights):
        assert np.array_equal(mine, theirs), mine.path
    assert np.array_equal(again.with_palettes(x, ab), trained.with_palettes(x, ab))
    network.save(tmp_path / "network.keras")
    loaded = models.load(tmp_path / "network.keras")
    for hints in (0, 1, -1):
        x = planes(L, ab, hints)
        np.testing.assert_allclose(loaded(x), network(x), atol=1e-5)
