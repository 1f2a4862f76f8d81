"""Training on a tiny set: what a run holds, and how it goes on after a break."""

import json
import os
import shutil
import time

import keras
import numpy as np
import pytest
from conftest import TINY, start
from PIL import Image

from colornet import data, models, training
from colornet.photos import PhotoError

FILES = {"config.json", "history.csv", "best.weights.h5", "last.keras", "previews"}


def losses(run):
    return np.array([(row["loss"], row["val_loss"]) for row in training.read_history(run)])


def content(folder):
    return {f: (f.stat().st_mtime_ns, f.read_bytes()) for f in folder.rglob("*.*") if f.is_file()}


@pytest.fixture(scope="module")
def begun(prepared, tmp_path_factory):
    """A run of one epoch."""
    folder = tmp_path_factory.mktemp("runs") / "begun"
    training.train(prepared, folder, epochs=1, verbose=0, **TINY)
    return folder


def test_a_run_holds_what_it_says(run, prepared):
    assert {file.name for file in run.iterdir()} == FILES
    previews = sorted((run / "previews").iterdir())
    assert [file.name for file in previews] == [f"{epoch:03d}.png" for epoch in range(1, 7)]
    assert Image.open(previews[0]).size == (3 * 64, 64)  # three validation photos
    config = json.loads((run / "config.json").read_text())
    assert config["model"] == "encoder_decoder" and config["options"] == dict(width=8)
    assert config["data"] == data.fingerprint(prepared)
    assert config["photos"] == dict(train=17, validation=3)
    assert config["versions"]["keras"] == keras.__version__
    (stage,) = config["stages"]
    assert (stage["from_epoch"], stage["size"], stage["learning_rate"]) == (1, 64, 1e-3)
    history = training.read_history(run)
    assert [row["epoch"] for row in history] == [1, 2, 3, 4, 5, 6]
    assert [row["steps"] for row in history] == [5, 10, 15, 20, 25, 30]


def test_the_loss_falls(run):
    assert losses(run)[-1, 0] < 0.7 * losses(run)[0, 0]


def test_best_weights_are_those_of_the_lowest_validation_loss(run, prepared):
    network = models.load(run)
    L, ab = data.PhotoBatches(data.split_files(prepared, "validation"), 64)[0]
    error = np.mean((network.predict_on_batch(L) - ab) ** 2)
    assert error == pytest.approx(losses(run)[:, 1].min(), rel=1e-4)


def test_same_seed_same_run(begun, run):
    np.testing.assert_allclose(losses(begun), losses(run)[:1], rtol=1e-5)


def test_a_resumed_run_equals_an_unbroken_one(begun, run, prepared, tmp_path):
    folder = shutil.copytree(begun, tmp_path / "run")
    training.train(prepared, folder, epochs=2, verbose=0, **TINY)
    np.testing.assert_allclose(losses(folder), losses(run)[:2], rtol=1e-4)
    # On to a larger size at a lower rate: the best weights are then the best at that size.
    before = (folder / "best.weights.h5").read_bytes()
    second = TINY | dict(size=96, learning_rate=1e-4)
    training.train(prepared, folder, epochs=3, verbose=0, **second)
    history = training.read_history(folder)
    assert [row["size"] for row in history] == [64, 64, 96]
    assert history[-1]["learning_rate"] == 1e-4
    stages = json.loads((folder / "config.json").read_text())["stages"]
    assert [(s["from_epoch"], s["size"]) for s in stages] == [(1, 64), (3, 96)]
    assert (folder / "best.weights.h5").read_bytes() != before


def test_a_finished_run_is_left_as_it_is(run, prepared):
    before = content(run)
    network = training.train(prepared, run, epochs=6, verbose=0, **TINY)
    assert content(run) == before
    last = models.load(run / "last.keras")
    for mine, saved in zip(network.get_weights(), last.get_weights()):
        assert np.array_equal(mine, saved)


def test_a_row_without_its_state_is_done_again(begun, run, prepared, tmp_path):
    # A kill between history.csv and last.keras: the second epoch is in one, not in the other.
    folder = shutil.copytree(begun, tmp_path / "run")
    lines = (run / "history.csv").read_text().splitlines(keepends=True)
    (folder / "history.csv").write_text("".join(lines[:3]))
    training.train(prepared, folder, epochs=2, verbose=0, **TINY)
    assert [row["epoch"] for row in training.read_history(folder)] == [1, 2]
    np.testing.assert_allclose(losses(folder), losses(run)[:2], rtol=1e-4)


def test_killed_training_goes_on(run, prepared, tmp_path):
    folder = tmp_path / "run"
    arguments = f"--width 8 --size 64 --batch-size 4 --epochs 500 -o {folder}".split()
    process = start("-m", "colornet", "train", prepared, *arguments)
    while process.poll() is None and not (folder / "last.keras").exists():
        time.sleep(0.01)
    time.sleep(0.1)  # into the next epoch
    process.kill()
    output = process.communicate()[0]
    assert (folder / "last.keras").exists(), output
    rows = len(training.read_history(folder))
    assert 1 <= rows < 500
    training.train(prepared, folder, epochs=rows + 1, verbose=0, **TINY)
    assert [row["epoch"] for row in training.read_history(folder)] == list(range(1, rows + 2))
    assert {file.name for file in folder.iterdir() if not file.name.startswith(".tmp")} == FILES
    same = min(rows + 1, 6)
    np.testing.assert_allclose(losses(folder)[:same], losses(run)[:same], rtol=1e-4)


@pytest.mark.parametrize(
    "change, named",
    [
        (dict(seed=1), "seed"),
        (dict(model="eight_conv"), "model"),
        (dict(options=dict(width=16)), "options"),
        (dict(loss="mae"), "loss"),
        (dict(optimizer="sgd"), "optimizer"),
    ],
)
def test_a_run_goes_on_only_as_it_began(begun, prepared, change, named):
    before = content(begun)
    with pytest.raises(ValueError, match=f"another {named}") as error:
        training.train(prepared, begun, epochs=2, verbose=0, **TINY | change)
    assert "\n" not in str(error.value) and content(begun) == before


def test_other_photos_are_refused(begun, prepared, tmp_path):
    other = shutil.copytree(prepared, tmp_path / "other")
    manifest = (other / "manifest.csv").read_text()
    (other / "manifest.csv").write_text(manifest.replace(",validation,", ",train,", 1))
    with pytest.raises(ValueError, match="another data"):
        training.train(other, begun, epochs=2, verbose=0, **TINY)


def test_sets_without_photos_are_refused(prepared, tmp_path):
    with pytest.raises(PhotoError, match="manifest.csv"):
        training.train(tmp_path, tmp_path / "run", verbose=0, **TINY)
    other = shutil.copytree(prepared, tmp_path / "other")
    manifest = (other / "manifest.csv").read_text()
    (other / "manifest.csv").write_text(manifest.replace(",validation,", ",train,"))
    with pytest.raises(PhotoError, match="no validation photos"):
        training.train(other, tmp_path / "run", verbose=0, **TINY)
    assert not (tmp_path / "run").exists()


def test_a_loss_that_explodes_leaves_the_last_epoch(begun, prepared, tmp_path):
    folder = shutil.copytree(begun, tmp_path / "run")
    state = (folder / "last.keras").read_bytes()
    with pytest.raises(ValueError, match="no longer finite in epoch 2"):
        training.train(prepared, folder, epochs=2, verbose=0, **TINY | dict(learning_rate=1e30))
    assert (folder / "last.keras").read_bytes() == state
    assert len(training.read_history(folder)) == 1


def test_jax_trains_the_same_network(jax_process):
    folder = jax_process["run"]
    assert {file.name for file in folder.iterdir()} == FILES
    assert jax_process["steps"] == 2
    assert np.isfinite(losses(folder)).all() and losses(folder).shape == (2, 2)
    assert json.loads((folder / "config.json").read_text())["versions"]["backend"] == "jax"
    # What one backend saved, the other loads: the same colours.
    network = models.load(folder / "last.keras")
    assert keras.backend.backend() == os.environ.get("KERAS_BACKEND", "tensorflow")
    ab = network.predict_on_batch(jax_process["L"])
    np.testing.assert_allclose(ab, jax_process["ab"], atol=1e-3)
