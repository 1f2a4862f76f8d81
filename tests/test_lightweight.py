"""Lightweight: MobileNetV2 at full size, and a small share of an ordinary network's work."""

import keras
import numpy as np
import pytest
from keras import layers

from colornet import models
from colornet.color import lab
from colornet.data.samples import sample
from colornet.models.encoder_decoder import encoder_decoder
from colornet.models.literature.lightweight import RECIPE, encoder, lightweight
from colornet.photos import resize


def at_256(network):
    return keras.models.clone_model(network, input_tensors=keras.Input((256, 256, 1)))


def multiplications(network):
    """Of all convolutions, for one photo of 256x256."""
    total = 0
    for layer in at_256(network).layers:
        if isinstance(layer, layers.Conv2DTranspose):
            total += np.prod(layer.input.shape[1:3]) * np.prod(layer.kernel.shape)
        elif isinstance(layer, (layers.Conv2D, layers.DepthwiseConv2D)):
            total += np.prod(layer.output.shape[1:3]) * np.prod(layer.kernel.shape)
    return total


def test_full_encoder_is_mobilenet_v2():
    L = keras.Input((None, None, 1))
    full = keras.Model(L, encoder(L, 32, 1))
    trained = sum(np.prod(weight.shape) for weight in full.trainable_weights)
    assert trained == 1_811_136
    colours, last, classifier = 2 * 32 * 9, 320 * 1280 + 2 * 1280, 1280 * 1000 + 1000
    assert trained + colours + last + classifier == 3_504_872
    # The features of the networks that Keras has, of the same layers but for the colour input.
    keras_own = keras.applications.MobileNetV2((32, 32, 3), include_top=False, weights=None)
    theirs = sum(np.prod(weight.shape) for weight in keras_own.trainable_weights)
    assert trained + colours + last == theirs


def test_shapes_are_those_of_the_docstring():
    shapes = {layer.name: layer.output.shape[1:] for layer in at_256(lightweight()).layers}
    names = [*(f"block{number}_project_bn" for number in range(8)), "stem_relu", "quarter", "ab"]
    for name in [*names, *(f"decoder{stride}_pointwise_relu" for stride in (16, 8, 4))]:
        assert "x".join(map(str, shapes[name])) in lightweight.__doc__, name


def test_takes_little_work():
    network = lightweight()
    assert network.count_params() < 1_000_000
    assert multiplications(network) == 165_648_384
    assert multiplications(encoder_decoder()) > 9.5 * 165_648_384


def test_a_separable_convolution_has_no_cross_talk_in_its_first_half():
    network = lightweight(width=8)
    depthwise = [layer for layer in network.layers if isinstance(layer, layers.DepthwiseConv2D)]
    assert len(depthwise) == 8 + 3
    for layer in network.layers:
        if isinstance(layer, layers.Conv2D) and layer.name != "stem_conv":
            assert layer.kernel_size == (1, 1), layer.name


@pytest.mark.parametrize("height, width", [(32, 32), (64, 96)])
def test_takes_any_multiple_of_32(height, width):
    L = np.random.default_rng(0).uniform(-1, 1, (1, height, width, 1)).astype(np.float32)
    assert lightweight(width=8)(L).shape == (1, height, width, 2)


def test_learns_and_comes_back(tmp_path):
    photos = np.float32([resize.square(sample(name), 64) for name in ("astronaut", "coffee")]) / 255
    L, ab = map(np.asarray, lab.to_network(lab.rgb_to_lab(photos)))
    keras.utils.set_random_seed(0)
    network = lightweight(width=8)
    network.compile("adam", RECIPE.loss, run_eagerly=True)  # many layers take long to compile
    course = network.fit(L, ab, epochs=3, verbose=0).history["loss"]
    assert course[-1] < course[0]
    network.save(tmp_path / "network.keras")
    loaded = models.load(tmp_path / "network.keras")
    np.testing.assert_allclose(loaded(L), network.predict_on_batch(L), atol=1e-4)
