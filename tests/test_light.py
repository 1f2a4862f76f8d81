"""Colouring without Keras: the same colours, and Keras is never loaded."""

import subprocess
import sys

import numpy as np
import pytest
from conftest import crops

from colornet import light, models, steer
from colornet.__main__ import main
from colornet.colorize import predict_ab, predict_confidence, predict_variants
from colornet.files import RELEASED
from colornet.hints import Hint
from colornet.metrics import luma

GREY = luma(next(crops(1, 300, seed=1)))[:, :200].copy()
HINT = Hint(90, 80, (50.0, -10.0))


@pytest.fixture(scope="module")
def pair():
    """The released network, as LiteRT's file and as a Keras model."""
    return light.load("colornet"), models.load("colornet")


def test_the_file_is_that_of_the_weights(pair):
    ours, keras_model = pair
    assert isinstance(ours, light.Light) and ours.name == keras_model.name == "colornet"
    np.testing.assert_array_equal(ours.prior, steer.prior(keras_model))
    for options in (dict(), dict(vividness=1.0), dict(hints=[HINT])):
        ab, expected = (predict_ab(network, GREY, **options) for network in pair)
        assert ab.shape == expected.shape and np.abs(expected).max() > 10
        assert np.abs(ab - expected).mean() < 0.1 and np.abs(ab - expected).max() < 3


def test_variants_and_confidence_come_too(pair):
    sure, expected = (predict_confidence(network, GREY) for network in pair)
    assert np.abs(sure - expected).max() < 0.02
    several = predict_variants(pair[0], GREY, 3)
    assert several.shape[0] == 3 and np.abs(several[1] - several[0]).max() > 1
    np.testing.assert_array_equal(several[0], predict_ab(pair[0], GREY))


def test_colouring_loads_no_keras(tmp_path):
    np.save(tmp_path / "grey.npy", GREY)
    code = """
import sys
import cv2, numpy as np
from colornet.__main__ import main
cv2.imwrite("grey.png", np.load("grey.npy"))
assert main(["colorize", "grey.png", "-o", "colour.png", "--hint", "90,80,#c03028"]) == 0
assert not {"keras", "tensorflow", "jax"} & {*sys.modules}
"""
    process = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert process.returncode == 0 and process.stderr == "", process.stderr
    assert (tmp_path / "colour.png").is_file()


def test_a_network_without_the_file_is_loaded_by_keras(run):
    assert light.load(run).name == "encoder_decoder"


def test_the_file_is_made_of_a_release_with_bins(beginner, tmp_path, monkeypatch):
    export = pytest.importorskip("colornet.export")
    monkeypatch.setattr(export.models, "load", lambda folder: beginner)
    export.save_light(tmp_path)
    ours = light.Light(tmp_path / light.FILE)
    ab, expected = (predict_ab(network, GREY) for network in (ours, beginner))
    assert np.abs(expected).mean() > 5 and np.abs(ab - expected).mean() < 0.5
    monkeypatch.setattr(export.models, "load", lambda folder: models.build("eight_conv", width=8))
    export.save_light(tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_a_damaged_file_is_one_line(tmp_path, monkeypatch, capfd):
    whole = (RELEASED / "colornet" / light.FILE).read_bytes()
    (tmp_path / "colornet").mkdir()
    np.save(tmp_path / "grey.npy", GREY)
    monkeypatch.setattr("colornet.files.RELEASED", tmp_path)
    for damaged in (b"", b"not a network", whole[:5000]):
        (tmp_path / "colornet" / light.FILE).write_bytes(damaged)
        assert main(["colorize", str(tmp_path / "grey.npy"), "-o", str(tmp_path / "x.png")]) == 1
        error = capfd.readouterr().err
        assert error.startswith("colornet: ") and "fetch it again" in error and error.count("\n") == 1
