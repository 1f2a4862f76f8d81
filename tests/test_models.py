"""Every network: shapes, ranges, sizes; and loading what was saved."""

import inspect
import shutil

import keras
import numpy as np
import pytest

from colornet import models
from colornet.models import MODELS

PARAMETERS = dict(encoder_decoder=4_183_668, eight_conv=1_285_410)


def tiny(name):
    return models.build(name, width=8, **(dict(size=64) if name == "eight_conv" else {}))


def grey(*shape):
    return np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)


@pytest.mark.parametrize("name", MODELS)
def test_maps_L_to_ab(name):
    network = tiny(name)
    # Far-out weights too: the range is the network's own doing, not that of fresh weights.
    network.set_weights([10 * weight for weight in network.get_weights()])
    ab = np.asarray(network(grey(3, 64, 64, 1)))
    assert ab.shape == (3, 64, 64, 2) and ab.dtype == np.float32
    assert np.abs(ab).max() <= 1
    assert (ab < 0).any() and (ab > 0).any()


@pytest.mark.parametrize("name", MODELS)
def test_comes_back_from_a_keras_file(name, tmp_path):
    network, L = tiny(name), grey(2, 64, 64, 1)
    network.save(tmp_path / "network.keras")
    loaded = models.load(tmp_path / "network.keras")
    np.testing.assert_allclose(loaded(L), network(L), atol=1e-6)


@pytest.mark.parametrize("name", MODELS)
def test_parameters_and_docstring(name):
    network, doc = models.build(name), MODELS[name].__doc__
    assert network.count_params() == PARAMETERS[name]
    assert f"{PARAMETERS[name]:,} parameters" in doc
    assert doc.startswith("Colorization of Grayscale Images using Deep Convolution Neural Networks")


@pytest.mark.parametrize("name", MODELS)
def test_layers_have_names_of_their_own(name):
    # Keras numbers what nobody named, and goes on counting in the next network.
    first, second = tiny(name), tiny(name)
    assert [layer.name for layer in first.layers] == [layer.name for layer in second.layers]


def test_layer_tables_hold():
    network = keras.Model(*_at_256(models.build("encoder_decoder")))
    shapes = {layer.name: layer.output.shape[1:] for layer in network.layers}
    doc = inspect.getdoc(MODELS["encoder_decoder"])
    for name in ("encoder1_relu", "encoder5_relu", "skip5", "skip2", "skip1", "ab"):
        assert "x".join(map(str, shapes[name])) in doc, name
    shapes = {layer.name: layer.output.shape[1:] for layer in models.build("eight_conv").layers}
    doc = inspect.getdoc(MODELS["eight_conv"])
    for name in ("conv1_relu", "conv2_relu", "conv4_relu", "conv6_relu", "join", "up1", "conv8"):
        assert "x".join(map(str, shapes[name])) in doc, name


def _at_256(network):
    L = keras.Input((256, 256, 1))
    clone = keras.models.clone_model(network, input_tensors=L)
    return clone.inputs, clone.outputs


@pytest.mark.parametrize("height, width", [(32, 32), (64, 96), (160, 32)])
def test_encoder_decoder_takes_any_multiple_of_32(height, width):
    ab = tiny("encoder_decoder")(grey(1, height, width, 1))
    assert ab.shape == (1, height, width, 2)


@pytest.mark.parametrize("size", [0, 16, 100, 250])
def test_eight_conv_refuses_other_sizes(size):
    with pytest.raises(ValueError, match=f"multiple of 32, not {size}"):
        models.build("eight_conv", size=size)


def test_unknown_name_lists_the_known():
    with pytest.raises(ValueError, match="encoder_decoder, eight_conv"):
        models.build("resnet")


def refused(path):
    with pytest.raises(ValueError) as error:
        models.load(path)
    message = str(error.value)
    assert "\n" not in message and str(path) in message
    return message


def test_load_refuses_in_one_line(run, tmp_path):
    assert "no trained network there" in refused(tmp_path / "nowhere")
    assert "no trained network there" in refused(tmp_path / "nowhere.keras")

    def damaged(name, change):
        folder = shutil.copytree(run, tmp_path / f"{change.__name__}-{name}")
        change(folder / name)
        return folder

    def cut(path):
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    def gone(path):
        path.unlink()

    def text(path):
        path.write_text("something else")

    def unknown(path):
        path.write_text('{"model": "resnet", "options": {}}')

    def wider(path):
        path.write_text('{"model": "encoder_decoder", "options": {"width": 16}}')

    def nonsense(path):
        path.write_text('{"model": "encoder_decoder", "options": {"depth": 16}}')

    for change in (cut, gone, text):
        for name in ("config.json", "best.weights.h5"):
            refused(damaged(name, change))
    for change in (unknown, wider, nonsense):
        refused(damaged("config.json", change))
    for change in (cut, text):
        refused(damaged("last.keras", change) / "last.keras")


def test_load_takes_runs_and_their_states(run):
    L = grey(1, 64, 64, 1)
    best, last = models.load(run), models.load(run / "last.keras")
    assert best(L).shape == last(L).shape == (1, 64, 64, 2)
