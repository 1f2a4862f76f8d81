"""Every network: shapes, ranges, sizes; and loading what was saved."""

import inspect
import re
import shutil

import keras
import numpy as np
import pytest
from conftest import tiny

from colornet import models
from colornet.models.colornet import HintAttention
from colornet.models.efficientnet_lite import imagenet
from colornet.models.weights import fold


def small(name):
    keras.utils.set_random_seed(0)
    fixed = "size" in inspect.signature(models.builder(name)).parameters
    return tiny(name, **(dict(size=64) if fixed else {}))


def grey(*shape):
    return np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)


@pytest.mark.parametrize("name", models.names())
def test_maps_L_to_ab(name):
    network = small(name)
    # Far-out weights too: the range is the network's own doing, not that of fresh weights.
    network.set_weights([10 * weight for weight in network.get_weights()])
    ab = np.asarray(network(grey(3, 64, 64, 1)))
    assert ab.shape == (3, 64, 64, 2) and ab.dtype == np.float32
    assert np.abs(ab).max() <= 1
    assert (ab < 0).any() and (ab > 0).any()


@pytest.mark.parametrize("name", models.names())
def test_comes_back_from_a_keras_file(name, tmp_path):
    network, L = small(name), grey(2, 64, 64, 1)
    network.save(tmp_path / "network.keras")
    loaded = models.load(tmp_path / "network.keras")
    np.testing.assert_allclose(loaded(L), network(L), atol=1e-4)  # folding rounds


@pytest.mark.parametrize("name", models.names())
def test_parameters_and_docstring(name):
    network, doc = models.build(name), models.builder(name).__doc__
    assert f"{network.count_params():,} parameters" in " ".join(doc.split())
    # The literature's begin with the title, and say where it can be found and what is not as there.
    if name != "colornet":
        assert re.match(r"[A-Z].{20,}\.\n", doc) and re.search("arXiv|20[12][0-9]", doc), doc
    assert "Deviations" in doc


@pytest.mark.parametrize("name", models.names())
def test_layers_have_names_of_their_own(name):
    # Keras numbers what nobody named, and goes on counting in the next network.
    first, second = small(name), small(name)
    assert [layer.name for layer in first.layers] == [layer.name for layer in second.layers]


def test_layer_tables_hold():
    network = keras.Model(*_at_256(models.build("encoder_decoder")))
    shapes = {layer.name: layer.output.shape[1:] for layer in network.layers}
    doc = inspect.getdoc(models.builder("encoder_decoder"))
    for name in ("encoder1_relu", "encoder5_relu", "skip5", "skip2", "skip1", "ab"):
        assert "x".join(map(str, shapes[name])) in doc, name
    shapes = {layer.name: layer.output.shape[1:] for layer in models.build("eight_conv").layers}
    doc = inspect.getdoc(models.builder("eight_conv"))
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
    with pytest.raises(ValueError, match="colornet, damage, eight_conv, encoder_decoder, cic"):
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
    models.load(run).save(tmp_path / "network.keras")
    for change in (cut, text):
        damaged_file = shutil.copy(
            tmp_path / "network.keras", tmp_path / f"{change.__name__}.keras"
        )
        change(damaged_file)
        refused(damaged_file)


def test_load_takes_runs_and_single_files(run, tmp_path):
    L, network = grey(1, 64, 64, 1), models.load(run)
    network.save(tmp_path / "network.keras")
    assert network(L).shape == (1, 64, 64, 2)
    assert np.array_equal(models.load(tmp_path / "network.keras")(L), network(L))


def _norms(network):
    return [layer for layer in network.layers if "bn" in layer.name]


@pytest.mark.parametrize("name", models.names())
def test_folded_networks_give_the_same_answers(name):
    network, L, rng = small(name), grey(2, 64, 64, 1), np.random.default_rng(1)
    for norm in _norms(network):  # fresh ones change nothing
        norm.set_weights([rng.uniform(0.5, 1.5, w.shape) for w in norm.get_weights()])
    before = network.get_weights()
    folded = fold(network)
    assert not _norms(folded) and folded.name == network.name
    ab, again = (net.predict_on_batch(L) for net in (network, folded))
    assert np.ptp(ab) > 1e-3
    np.testing.assert_allclose(again, ab, atol=1e-4)  # ab units: a hundredth
    assert all(map(np.array_equal, before, network.get_weights()))


def test_load_folds_unless_told_otherwise(run):
    folded, trained = models.load(run), models.load(run, folded=False)
    assert not _norms(folded) and len(_norms(trained)) == len(_norms(tiny("encoder_decoder")))


# colornet


@pytest.fixture(scope="module")
def hinted():
    """L of 128x128, and the same with a saturated hint in a corner."""
    L = grey(1, 128, 128, 1)
    planes = np.zeros((1, 128, 128, 3), np.float32)
    empty = np.concatenate([L, planes], axis=-1)
    planes[0, 8:15, 8:15] = 0.6, 0.4, 1
    return L, empty, np.concatenate([L, planes], axis=-1)


def test_no_hints_are_the_same_as_empty_hints(beginner, hinted):
    L, empty, _ = hinted
    assert np.array_equal(beginner(L), beginner(empty))


def test_a_hint_is_seen_far_away(beginner, hinted):
    _, empty, told = hinted
    change = np.abs(np.asarray(beginner(told)) - np.asarray(beginner(empty)))
    assert change[0, :32, :32].max() > 1e-3
    # Even over there, three quarters of the photo away.
    assert (change[0, 96:, 96:].max(-1) > 0).mean() > 0.9


def test_one_hint_does_not_reach_all_places_alike():
    keras.utils.set_random_seed(0)
    spread = HintAttention(4)
    x = np.random.default_rng(0).normal(size=(1, 4, 6, 32)).astype(np.float32)
    pools = np.zeros((1, 4, 6, 4), np.float32)
    assert np.ptp(spread(x, pools) - x, axis=(1, 2)).max() < 1e-6
    pools[0, 1, 2] = 1
    assert np.ptp(spread(x, pools) - x, axis=(1, 2)).max() > 1e-2


def test_hints_where_the_mask_is_0_are_not_seen(beginner, hinted):
    _, empty, _ = hinted
    noise = empty.copy()
    noise[..., 1:3] = grey(1, 128, 128, 2)
    assert np.array_equal(beginner(noise), beginner(empty))


@pytest.mark.parametrize("height, width", [(32, 32), (64, 96), (160, 32)])
def test_colornet_takes_any_multiple_of_32(height, width, beginner):
    assert beginner(grey(1, height, width, 1)).shape == (1, height, width, 2)
    assert beginner(grey(2, height, width, 4)).shape == (2, height, width, 2)


@pytest.mark.parametrize("height, width", [(64, 100), (48, 64), (250, 250)])
@pytest.mark.parametrize("channels", [1, 4])
def test_colornet_refuses_other_sizes(height, width, channels, beginner):
    with pytest.raises(ValueError, match=f"L is {height}x{width}: .* multiples of 32"):
        beginner(grey(1, height, width, channels))


def test_colornet_comes_back_with_hints_and_prior(beginner, hinted, tmp_path):
    beginner.save(tmp_path / "network.keras")
    loaded = models.load(tmp_path / "network.keras", folded=False)
    np.testing.assert_allclose(loaded(hinted[2]), beginner(hinted[2]), atol=1e-6)
    for name in ("logits", "mean"):
        for mine, theirs in zip(loaded.get_layer(name).weights, beginner.get_layer(name).weights):
            assert np.array_equal(mine, theirs)


# Mean and standard deviation of each stage's features. Of weights checked against the PyTorch
# port, from whose features they differ as float16 does: saved_models/convert_efficientnet_lite.py.
FEATURES = dict(
    lite0=[
        ((32, 32, 16), -0.16101454, 11.67392445),
        ((16, 16, 24), -0.07630406, 11.32398605),
        ((8, 8, 40), 0.64505464, 8.10312366),
        ((4, 4, 112), -0.58405924, 4.96918488),
        ((2, 2, 320), -0.09063201, 1.83370841),
    ],
    lite2=[
        ((32, 32, 16), 0.47156245, 11.73778900),
        ((16, 16, 24), -1.36770920, 11.80977600),
        ((8, 8, 48), -0.57893320, 8.43639500),
        ((4, 4, 120), -0.52847790, 5.49419700),
        ((2, 2, 352), -0.04147829, 1.57120630),
    ],
)


@pytest.mark.parametrize("version", FEATURES)
def test_encoder_is_that_of_imagenet(version):
    L = np.random.default_rng(0).uniform(-1, 1, (1, 64, 64, 1)).astype(np.float32)
    features = [np.asarray(feature) for feature in imagenet(version)(L)]
    assert len(features) == len(FEATURES[version])
    for feature, (shape, mean, deviation) in zip(features, FEATURES[version]):
        assert feature.shape[1:] == shape
        # Kernels in float16 would move them by 0.3 %.
        assert feature.mean() == pytest.approx(mean, abs=5e-3 * deviation)
        assert feature.std() == pytest.approx(deviation, rel=5e-3)


def test_colornets_encoder_is_the_same(beginner):
    L = grey(1, 64, 64, 1)
    ends = [f"block{number}_project_bn" for number in (0, 20)]
    for name in ends:
        parts = [
            keras.Model(net.input, net.get_layer(name).output) for net in (beginner, imagenet())
        ]
        np.testing.assert_allclose(parts[0](L), parts[1](L), atol=1e-4)
