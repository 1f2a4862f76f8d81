"""Colouring without Keras: the same colours, and Keras is never loaded."""

import subprocess
import sys

import numpy as np
import pytest
from conftest import colours, crops

from colornet import models
from colornet.__main__ import main
from colornet.color.hints import Hint
from colornet.color.lab import luma
from colornet.inference import litert
from colornet.inference.colorizer import Colorizer, load
from colornet.models.releases import RELEASED

GREY = luma(next(crops(1, 300, seed=1)))[:, :200].copy()
HINT = Hint(90, 80, (50.0, -10.0))


@pytest.fixture(scope="module")
def pair():
    """The released network, as LiteRT's file and as a Keras model."""
    return load("colornet"), Colorizer(models.load("colornet"))


def test_the_file_is_that_of_the_weights(pair):
    ours, by_keras = (one.network for one in pair)
    assert isinstance(ours, litert.LiteRTNetwork) and ours.name == by_keras.name == "colornet"
    np.testing.assert_array_equal(ours.prior, by_keras.prior)
    for options in (dict(), dict(vividness=1.0), dict(hints=[HINT])):
        ab, expected = (colours(network, GREY, **options) for network in pair)
        assert ab.shape == expected.shape and np.abs(expected).max() > 10
        assert np.abs(ab - expected).mean() < 0.1 and np.abs(ab - expected).max() < 3


def test_variants_and_confidence_come_too(pair):
    sure, expected = (one.predict(GREY).confidence() for one in pair)
    assert np.abs(sure - expected).max() < 0.02
    several = [answer.ab() for answer in pair[0].variants(GREY, 3)]
    assert len(several) == 3 and np.abs(several[1] - several[0]).max() > 1
    np.testing.assert_array_equal(several[0], colours(pair[0], GREY))


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
    process = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True
    )
    assert process.returncode == 0 and process.stderr == "", process.stderr
    assert (tmp_path / "colour.png").is_file()


def test_a_network_without_the_file_is_loaded_by_keras(run):
    assert load(run).name == "encoder_decoder"


def test_the_file_is_made_of_a_release_with_bins(beginner, tmp_path, monkeypatch):
    converters = pytest.importorskip("colornet.export.converters")
    monkeypatch.setattr(models, "load", lambda folder: beginner)
    converters.save_quick(tmp_path)
    ours = litert.LiteRTNetwork(tmp_path / litert.FILE)
    ab, expected = (colours(network, GREY) for network in (ours, beginner))
    assert np.abs(expected).mean() > 5 and np.abs(ab - expected).mean() < 0.5
    monkeypatch.setattr(models, "load", lambda folder: models.build("eight_conv", width=8))
    converters.save_quick(tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_a_damaged_file_is_one_line(tmp_path, monkeypatch, capfd):
    whole = (RELEASED / "colornet" / litert.FILE).read_bytes()
    (tmp_path / "colornet").mkdir()
    np.save(tmp_path / "grey.npy", GREY)
    monkeypatch.setattr("colornet.models.releases.RELEASED", tmp_path)
    for damaged in (b"", b"not a network", whole[:5000]):
        (tmp_path / "colornet" / litert.FILE).write_bytes(damaged)
        assert main(["colorize", str(tmp_path / "grey.npy"), "-o", str(tmp_path / "x.png")]) == 1
        error = capfd.readouterr().err
        assert (
            error.startswith("colornet: ") and "fetch it again" in error and error.count("\n") == 1
        )
