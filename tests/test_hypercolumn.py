"""Hypercolumns: as large as the original, one layer of all features, hue and chroma told apart."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from colornet import models
from colornet.color import lab
from colornet.data.samples import sample
from colornet.models.literature.hypercolumn import (
    Colour,
    hue_and_chroma,
    hue_and_chroma_loss,
    hypercolumn,
)
from colornet.photos import resize


@pytest.fixture(scope="module")
def batch():
    """L and ab of two photos, 64x64, in the units of a network."""
    photos = np.float32([resize.square(sample(name), 64) for name in ("astronaut", "coffee")]) / 255
    return tuple(map(np.asarray, lab.to_network(lab.rgb_to_lab(photos))))


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(0)
    return hypercolumn(width=4, deep=8)


def test_full_size_is_the_originals():
    with keras.StatelessScope(initialize_variables=False):  # no memory for 147 million weights
        network = hypercolumn(width=64, deep=4096)
    weights = network.trainable_weights
    trained = sum(np.prod(weight.shape) for weight in weights)
    # Folded, as the release is, a normalisation leaves the convolution's bias alone.
    scales = sum(np.prod(weight.shape) for weight in weights if weight.name == "gamma")
    assert trained - scales == 147_041_024 and round(4 * (trained - scales) / 1e6) == 588
    parts = [layer.kernel.shape for layer in network.layers if layer.name.endswith("_hidden")]
    assert sum(shape[2] for shape in parts) == 12_417 and {shape[3] for shape in parts} == {1024}


def test_shapes_are_those_of_the_docstring():
    L = keras.Input((256, 256, 1))
    clone = keras.models.clone_model(hypercolumn(), input_tensors=L)
    shapes = {layer.name: "x".join(map(str, layer.output.shape[1:])) for layer in clone.layers}
    ends = ["conv1_2", "conv2_2", "conv3_3", "conv4_3", "conv5_3", "fc7", "hidden"]
    for name in [*(f"{end}_relu" for end in ends), "bins", "ab"]:
        assert shapes[name] in hypercolumn.__doc__, name


def test_the_sum_of_the_shares_is_one_layer_of_the_whole_column(network, batch):
    joins = [f"{stage}_column" for stage in ("conv1", "conv2", "conv3", "conv4", "conv5", "fc")]
    outputs = [network.get_layer(name).output for name in [*joins, "hidden"]]
    *features, hidden = map(np.asarray, keras.Model(network.input, outputs)(batch[0]))
    sides = [x.shape[1] for x in features]
    assert sides == [64, 32, 16, 8, 4, 2] and hidden.shape[1] == 16
    quarters = []
    for x in features:
        if x.shape[1] > 16:
            x = layers.AveragePooling2D(x.shape[1] // 16)(x)
        elif x.shape[1] < 16:
            x = layers.UpSampling2D(16 // x.shape[1], interpolation="bilinear")(x)
        quarters.append(np.asarray(x))
    parts = [network.get_layer(name.replace("column", "hidden")) for name in joins]
    whole = np.concatenate([np.asarray(part.kernel)[0, 0] for part in parts])
    expected = np.concatenate(quarters, axis=-1) @ whole
    np.testing.assert_allclose(hidden, expected, atol=1e-4)  # fresh biases are 0


def test_loss_is_that_of_its_formula(batch):
    _, ab = batch
    logits = np.random.default_rng(0).normal(0, 2, (2, 16, 16, 64)).astype(np.float32)
    a, b = np.moveaxis(ab.reshape(2, 16, 4, 16, 4, 2).mean((2, 4)), -1, 0) * 110.0
    chroma, angle = np.hypot(a, b), np.degrees(np.arctan2(b, a)) % 360
    true = (angle // (360 / 32)).astype(int), np.minimum(chroma // 4, 31).astype(int)
    losses = []
    for bins, part in zip(true, np.split(logits.astype(float), 2, axis=-1)):
        chances = np.exp(part) / np.exp(part).sum(-1, keepdims=True)
        losses.append(-np.log(np.take_along_axis(chances, bins[..., None], -1))[..., 0])
    of_hue, of_chroma = losses
    expected = (of_chroma + 5 * np.minimum(chroma / 128, 1) * of_hue).mean((1, 2))
    values = hue_and_chroma_loss(ab, ops.convert_to_tensor(logits))
    np.testing.assert_allclose(values, expected, rtol=1e-4)


def histograms(hue, chroma):
    """Logits of two histograms, each a dict of bins and their chances."""
    chances = np.full(64, 1e-12)
    for bin, chance in hue.items():
        chances[bin] = chance
    for bin, chance in chroma.items():
        chances[32 + bin] = chance
    return np.log(chances).astype(np.float32).reshape(1, 1, 1, 64)


def answer(hue, chroma):
    a, b = np.asarray(Colour()(histograms(hue, chroma))).ravel() * lab.AB_SCALE
    return np.degrees(np.arctan2(b, a)) % 360, np.hypot(a, b)


def test_hue_is_the_mean_on_the_circle_and_chroma_the_median():
    hue, chroma = answer({5: 1}, {10: 1})
    assert hue == pytest.approx(5.5 * 360 / 32, abs=0.1) and chroma == pytest.approx(42, abs=0.1)
    # Across 0 degrees the mean is at 0, not opposite; grey half the time leaves the median vivid.
    hue, chroma = answer({0: 0.5, 31: 0.5}, {0: 0.45, 20: 0.55})
    assert min(hue, 360 - hue) < 0.1
    assert chroma == pytest.approx(128 / 32 * (20 + 0.05 / 0.55), rel=1e-3)


def test_chroma_fades_where_hue_is_in_doubt():
    sure = answer({8: 1}, {10: 1})[1]
    unsure = answer({8: 0.5, 12: 0.5}, {10: 1})[1]
    assert unsure == pytest.approx(sure * np.cos(np.radians(22.5)) / (32 * 0.03), rel=1e-3)
    assert answer({8: 0.5, 24: 0.5}, {10: 1})[1] < 0.01  # one of two opposites: grey
    assert answer({bin: 1 / 32 for bin in range(32)}, {10: 1})[1] < 0.01


def test_learns_and_comes_back(batch, tmp_path):
    L, ab = batch
    keras.utils.set_random_seed(0)
    network = hypercolumn(width=4, deep=8)
    trained, loss = hue_and_chroma(network)
    trained.compile("adam", loss, run_eagerly=True)  # many layers take long to compile
    course = trained.fit(L, ab, epochs=3, verbose=0).history["loss"]
    assert course[-1] < course[0]
    network.save(tmp_path / "network.keras")
    loaded = models.load(tmp_path / "network.keras")
    np.testing.assert_allclose(loaded(L), network(L), atol=1e-4)
