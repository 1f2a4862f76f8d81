"""Training on a tiny set: what a run holds, and how it goes on after a break."""

import json
import resource
import shutil
import signal
import time
from pathlib import Path

import keras
import numpy as np
import pytest
from conftest import SMALL, TINY, start, tiny
from PIL import Image
from skimage import color

from colornet import models
from colornet.color import bins
from colornet.data import dataset
from colornet.data.batches import PhotoBatches
from colornet.errors import PhotoError
from colornet.evaluation.outcome import outcome
from colornet.models import efficientnet_lite
from colornet.models.recipe import Recipe
from colornet.storage import NoRoom
from colornet.training.callbacks import Cosine, preview
from colornet.training.run import read_history
from colornet.training.train import compile_network, train

PLAIN = Recipe(size=64).plain()

FILES = {
    "config.json",
    "history.csv",
    "best.weights.h5",
    "last.weights.h5",
    "previews",
    "curves.png",
}


def losses(run):
    return np.array([(row["loss"], row["val_loss"]) for row in read_history(run)])


def content(folder):
    return {f: (f.stat().st_mtime_ns, f.read_bytes()) for f in folder.rglob("*.*") if f.is_file()}


@pytest.fixture(scope="module")
def begun(prepared, tmp_path_factory):
    """A run of one epoch."""
    folder = tmp_path_factory.mktemp("runs") / "begun"
    train(prepared, folder, epochs=1, verbose=0, **TINY)
    return folder


def test_a_run_holds_what_it_says(run, prepared):
    assert {file.name for file in run.iterdir()} == FILES
    previews = sorted((run / "previews").iterdir())
    assert [file.name for file in previews] == [f"{epoch:03d}.png" for epoch in range(1, 7)]
    assert Image.open(previews[0]).size == (3 * 64, 64)  # three validation photos
    config = json.loads((run / "config.json").read_text())
    assert config["model"] == "encoder_decoder" and config["options"] == dict(width=8)
    assert config["data"] == dataset.fingerprint(prepared)
    assert config["photos"] == dict(train=17, validation=3)
    assert config["versions"]["keras"] == keras.__version__
    (stage,) = config["stages"]
    assert (stage["from_epoch"], stage["size"], stage["learning_rate"]) == (1, 64, 1e-3)
    history = read_history(run)
    assert [row["epoch"] for row in history] == [1, 2, 3, 4, 5, 6]
    assert [row["steps"] for row in history] == [5, 10, 15, 20, 25, 30]


def test_the_loss_falls(run):
    assert losses(run)[-1, 0] < 0.7 * losses(run)[0, 0]


def test_best_weights_are_those_of_the_lowest_validation_loss(run, prepared):
    network = models.load(run)
    L, ab = PhotoBatches(dataset.split_files(prepared, "validation"), PLAIN)[0]
    error = np.mean((network.predict_on_batch(L) - ab) ** 2)
    assert error == pytest.approx(losses(run)[:, 1].min(), rel=1e-4)


def test_same_seed_same_run(begun, run):
    np.testing.assert_allclose(losses(begun), losses(run)[:1], rtol=1e-5)


def test_a_resumed_run_equals_an_unbroken_one(begun, run, prepared, tmp_path):
    folder = shutil.copytree(begun, tmp_path / "run")
    train(prepared, folder, epochs=2, verbose=0, **TINY)
    np.testing.assert_allclose(losses(folder), losses(run)[:2], rtol=1e-4)
    # On to a larger size at a lower rate: the best weights are then the best at that size.
    before = (folder / "best.weights.h5").read_bytes()
    second = TINY | dict(size=96, learning_rate=1e-4)
    train(prepared, folder, epochs=3, verbose=0, **second)
    history = read_history(folder)
    assert [row["size"] for row in history] == [64, 64, 96]
    assert history[-1]["learning_rate"] == 1e-4
    stages = json.loads((folder / "config.json").read_text())["stages"]
    assert [(s["from_epoch"], s["size"]) for s in stages] == [(1, 64), (3, 96)]
    assert (folder / "best.weights.h5").read_bytes() != before


def test_a_finished_run_is_left_as_it_is(run, prepared):
    before = content(run)
    network = train(prepared, run, epochs=6, verbose=0, **TINY)
    assert content(run) == before
    last = tiny("encoder_decoder")
    last.load_weights(run / "last.weights.h5")
    for mine, saved in zip(network.get_weights(), last.get_weights()):
        assert np.array_equal(mine, saved)


def test_a_row_without_its_state_is_done_again(begun, run, prepared, tmp_path):
    # A kill between history.csv and last.weights.h5: the second epoch is in one, not in the other.
    folder = shutil.copytree(begun, tmp_path / "run")
    lines = (run / "history.csv").read_text().splitlines(keepends=True)
    (folder / "history.csv").write_text("".join(lines[:3]))
    train(prepared, folder, epochs=2, verbose=0, **TINY)
    assert [row["epoch"] for row in read_history(folder)] == [1, 2]
    np.testing.assert_allclose(losses(folder), losses(run)[:2], rtol=1e-4)


def test_killed_training_goes_on(run, prepared, tmp_path):
    folder = tmp_path / "run"
    arguments = "--model encoder_decoder --width 8 --size 64 --batch-size 4 --epochs 500".split()
    process = start("-m", "colornet", "train", prepared, *arguments, "-o", folder)
    while process.poll() is None and not (folder / "last.weights.h5").exists():
        time.sleep(0.01)
    time.sleep(0.1)  # into the next epoch
    process.kill()
    output = process.communicate()[0]
    assert (folder / "last.weights.h5").exists(), output
    rows = len(read_history(folder))
    assert 1 <= rows < 500
    train(prepared, folder, epochs=rows + 1, verbose=0, **TINY)
    assert [row["epoch"] for row in read_history(folder)] == list(range(1, rows + 2))
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
        (dict(initial="imagenet"), "initial"),
    ],
)
def test_a_run_goes_on_only_as_it_began(begun, prepared, change, named):
    before = content(begun)
    with pytest.raises(ValueError, match=f"another {named}") as error:
        train(prepared, begun, epochs=2, verbose=0, **TINY | change)
    assert "\n" not in str(error.value) and content(begun) == before


@pytest.mark.parametrize("name", ["AdamW", "adamw"])
def test_an_optimizer_given_as_a_dict_stays_as_it_is(name):
    given = dict(class_name=name, config=dict(weight_decay=0.5))
    network = models.build("encoder_decoder", width=4)
    compile_network(network, Recipe("mse", given))
    assert network.optimizer.weight_decay == 0.5
    assert given == dict(class_name=name, config=dict(weight_decay=0.5))


def test_other_photos_are_refused(begun, prepared, tmp_path):
    other = shutil.copytree(prepared, tmp_path / "other")
    manifest = (other / "manifest.csv").read_text()
    (other / "manifest.csv").write_text(manifest.replace(",validation,", ",train,", 1))
    with pytest.raises(ValueError, match="another data"):
        train(other, begun, epochs=2, verbose=0, **TINY)


def test_sets_without_photos_are_refused(prepared, tmp_path):
    with pytest.raises(PhotoError, match="manifest.csv"):
        train(tmp_path, tmp_path / "run", verbose=0, **TINY)
    other = shutil.copytree(prepared, tmp_path / "other")
    manifest = (other / "manifest.csv").read_text()
    (other / "manifest.csv").write_text(manifest.replace(",validation,", ",train,"))
    with pytest.raises(PhotoError, match="no validation photos"):
        train(other, tmp_path / "run", verbose=0, **TINY)
    assert not (tmp_path / "run").exists()


def test_a_missing_photo_is_a_line_and_a_damaged_one_too(prepared, tmp_path, capfd):
    folder = shutil.copytree(prepared, tmp_path / "prepared")
    gone, *_, spoilt = dataset.split_files(folder, "train")
    gone.unlink()
    train(folder, tmp_path / "run", epochs=1, verbose=0, **TINY)
    (line,) = (line for line in capfd.readouterr().err.splitlines() if "colornet:" in line)
    assert f"{gone}: missing, with it 1 of 17 train photos" in line
    assert json.loads((tmp_path / "run/config.json").read_text())["photos"]["train"] == 16
    spoilt.write_bytes(b"no photo")
    with pytest.raises(PhotoError, match="damaged") as error:
        train(folder, tmp_path / "run", epochs=2, verbose=0, **TINY)
    assert str(error.value).startswith(f"{spoilt}: ") and "\n" not in str(error.value)


def test_a_full_disk_leaves_the_last_epoch(begun, prepared, tmp_path):
    folder = shutil.copytree(begun, tmp_path / "run")
    state = (folder / "last.weights.h5").read_bytes()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(state) // 2, before[1]))
    try:
        with pytest.raises(NoRoom, match=r"weights\.h5: cannot be written") as error:
            train(prepared, folder, epochs=2, verbose=0, **TINY)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "\n" not in str(error.value)
    assert (folder / "last.weights.h5").read_bytes() == state
    train(prepared, folder, epochs=2, verbose=0, **TINY)
    assert [row["epoch"] for row in read_history(folder)] == [1, 2]


def test_interrupted_as_typed(prepared, tmp_path):
    folder = tmp_path / "run"
    arguments = "--model encoder_decoder --width 8 --size 64 --batch-size 4 --epochs 500".split()
    process = start("-m", "colornet", "train", prepared, *arguments, "-o", folder)
    while process.poll() is None and not (folder / "last.weights.h5").exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    output = process.communicate()[0]
    assert process.returncode == 130, output
    done = len(read_history(folder))
    line = f"colornet: interrupted; {folder}: the same command goes on behind epoch {done}"
    assert output.splitlines()[-1] == line


def test_outcome_stands_beside_grey(run, prepared):
    history = read_history(run)
    best = min(history, key=lambda row: row["val_loss"])
    first, second = outcome(run, prepared).splitlines()
    assert f"6 epochs; the best is {best['epoch']}, validation loss {best['val_loss']:.5f}" in first
    L, ab = PhotoBatches(dataset.split_files(prepared, "validation"), PLAIN)[0]
    assert float(first.rpartition("grey's ")[2]) == pytest.approx(np.mean(ab**2), abs=1e-5)
    Lab = (
        np.concatenate([(L + 1) * 50, 0 * ab], axis=-1),
        np.concatenate([(L + 1) * 50, ab * 110], -1),
    )
    grey, true = (np.round(color.lab2rgb(x) * 255) for x in Lab)
    psnr = [10 * np.log10(255**2 / np.mean((a - b) ** 2)) for a, b in zip(grey, true)]
    assert "on 3 validation photos of 64x64" in second
    said = float(second.rpartition("grey ")[2].split()[0])
    assert said == pytest.approx(np.mean(psnr), abs=0.05)


def test_a_loss_that_explodes_leaves_the_last_epoch(begun, prepared, tmp_path):
    folder = shutil.copytree(begun, tmp_path / "run")
    state = (folder / "last.weights.h5").read_bytes()
    with pytest.raises(ValueError, match="no longer finite in epoch 2"):
        train(prepared, folder, epochs=2, verbose=0, **TINY | dict(learning_rate=1e30))
    assert (folder / "last.weights.h5").read_bytes() == state
    assert len(read_history(folder)) == 1


# colornet

OWN = dict(options=SMALL["colornet"], size=64, batch_size=4, verbose=0)


@pytest.fixture(scope="module")
def own(prepared, tmp_path_factory):
    """A tiny colornet's unbroken run of 2 epochs; its folder as a kill in the second left it."""
    folder, killed = (tmp_path_factory.mktemp("own") / name for name in ("unbroken", "killed"))
    draw = preview

    def copy_and_draw(network, photos, path):
        if path.name == "002.png":  # the second epoch's row is written, its state is not
            shutil.copytree(folder, killed)
        draw(network, photos, path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("colornet.training.callbacks.WARM_UP", 8)
        patch.setattr("colornet.training.train.preview", copy_and_draw)
        network = train(prepared, folder, epochs=2, **OWN)
    return dict(network=network, run=folder, killed=killed)


def test_colornet_trains_by_its_recipe(own):
    assert {file.name for file in own["run"].iterdir()} == FILES
    config = json.loads((own["run"] / "config.json").read_text())
    recipe = models.recipe_of("colornet")
    assert config["model"] == "colornet" and config["options"] == dict(width=24)
    assert [config[key] for key in ("initial", "loss", "optimizer")] == [
        "imagenet", "distribution", "adamw"
    ]  # fmt: skip
    (stage,) = config["stages"]
    departures = dict(from_epoch=1, size=64, batch_size=4)
    kept = ("learning_rate", "schedule", "augment", "mixed", "hints", "age")
    assert {key: stage[key] for key in (*departures, *kept)} == departures | {
        key: getattr(recipe, key) for key in kept
    }
    assert np.isfinite(losses(own["run"])).all()
    assert losses(own["run"])[1, 0] < losses(own["run"])[0, 0]
    previews = sorted((own["run"] / "previews").iterdir())
    assert [Image.open(file).size for file in previews] == [(3 * 64, 64)] * 2


def test_what_train_returns_gives_colours(own):
    network = own["network"]
    assert network.name == "colornet" and network.output_shape[-1] == 2
    last = tiny("colornet")
    trained = keras.Model(last.input, last.get_layer("logits").output)
    trained.load_weights(own["run"] / "last.weights.h5")
    x = np.random.default_rng(0).uniform(-1, 1, (1, 64, 64, 4)).astype(np.float32)
    assert np.array_equal(last(x), network(x))
    # The best weights are whole by themselves, the prior among them.
    best = models.load(own["run"])
    assert np.array_equal(best.get_layer("mean").prior, network.get_layer("mean").prior)
    assert best(x).shape == (1, 64, 64, 2)


def test_prior_is_that_of_the_training_photos(own, prepared):
    prior = np.asarray(own["network"].get_layer("mean").prior)
    assert prior.shape == (261,) and (prior >= 0).all()
    assert prior.sum() == pytest.approx(1, abs=1e-5)
    found = PhotoBatches(dataset.split_files(prepared, "train"), PLAIN)
    seen = found[0][1].reshape(-1, 2) * 110
    # The encoding keeps means; and near bins are counted, far ones are not.
    np.testing.assert_allclose(prior @ bins.centres(), seen.mean(0), atol=0.5)
    empty = np.array([np.hypot(*(seen - centre).T).min() > 30 for centre in bins.centres()])
    assert empty.any() and prior[empty].max() < 1e-4 < prior[~empty].max()


def test_frozen_layers_stay_as_imagenet_left_them(own):
    encoder = efficientnet_lite.imagenet()
    for layer in encoder.layers:
        same = own["network"].get_layer(layer.name).get_weights()
        assert all(map(np.array_equal, layer.get_weights(), same)), layer.name
    frozen = {layer.name for layer in encoder.layers}
    assert all(name.startswith(models.recipe_of("colornet").frozen) for name in frozen - {"L"})
    keras.utils.set_random_seed(0)
    for layer in tiny("colornet").layers:
        if layer.name not in frozen and layer.trainable_weights:
            moved = own["network"].get_layer(layer.name).get_weights()[0]
            assert not np.array_equal(layer.get_weights()[0], moved), layer.name


def test_learning_rate_warms_up_and_falls(own, monkeypatch):
    # At the last of an epoch's 5 steps: 5 of 8 warm-up steps, then 9 of 10 steps along the cosine.
    rates = [row["learning_rate"] for row in read_history(own["run"])]
    assert rates == pytest.approx([5 / 8 * 1e-3, (0.01 + 0.99 * 0.0244717) * 1e-3], rel=1e-4)
    # Every step of epochs 3 to 6, 50 steps each.
    monkeypatch.setattr("colornet.training.callbacks.WARM_UP", 20)
    cosine, seen = Cosine(peak=1e-2, first=2, last=6, steps=50), []
    cosine.set_model(keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)]))
    cosine.model.compile("sgd", "mse")
    for epoch in range(2, 6):
        cosine.on_epoch_begin(epoch)
        for batch in range(50):
            cosine.on_train_batch_begin(batch)
            seen.append(float(cosine.model.optimizer.learning_rate))
    assert seen[:19] == pytest.approx([1e-2 * step / 20 for step in range(1, 20)], rel=1e-4)
    assert (np.diff(seen[:20]) > 0).all() and (np.diff(seen[20:]) < 0).all()
    assert seen[100] == pytest.approx(0.505e-2, rel=1e-4)  # half-way
    assert seen[-1] == pytest.approx(1e-4, rel=0.01)


def test_a_killed_colornet_goes_on_as_if_unbroken(own, prepared, tmp_path, monkeypatch):
    monkeypatch.setattr("colornet.training.callbacks.WARM_UP", 8)
    folder = shutil.copytree(own["killed"], tmp_path / "run")
    assert len(read_history(folder)) == 2  # of which one will be done again
    network = train(prepared, folder, epochs=2, **OWN)
    history, whole = read_history(folder), read_history(own["run"])
    for key in ("epoch", "steps", "learning_rate"):
        assert [row[key] for row in history] == [row[key] for row in whole]
    np.testing.assert_allclose(losses(folder), losses(own["run"]), rtol=1e-3)
    assert len(json.loads((folder / "config.json").read_text())["stages"]) == 1
    prior, same = (net.get_layer("mean").prior for net in (network, own["network"]))
    assert np.array_equal(prior, same)


def test_initial_run_gives_the_layers_that_agree(own, prepared, tmp_path):
    source = models.load(own["run"], folded=False)
    wider = OWN | dict(options=dict(width=36))
    network = train(prepared, tmp_path / "run", epochs=0, initial=str(own["run"]), **wider)
    agree = {True: 0, False: 0}
    for layer in network.layers:
        mine, theirs = layer.get_weights(), source.get_layer(layer.name).get_weights()
        if mine:
            fits = [w.shape for w in mine] == [w.shape for w in theirs]
            agree[fits] += 1
            assert not fits or layer.name == "mean" or all(map(np.array_equal, mine, theirs))
    assert agree[True] > 60 and agree[False] > 5  # the encoder; the decoder is wider


def test_initial_may_be_a_path_and_is_written_down(run, prepared, tmp_path):
    start_from = TINY | dict(initial=Path(run), verbose=0)
    train(prepared, tmp_path / "run", epochs=1, **start_from)
    assert json.loads((tmp_path / "run/config.json").read_text())["initial"] == run.name
    # Begun where the other run ended, not with fresh weights.
    assert losses(tmp_path / "run")[0, 0] < losses(run)[1, 0]
    train(prepared, tmp_path / "run", epochs=1, **start_from)  # the same, so it may go on


def test_initial_that_is_nowhere_is_refused(prepared, tmp_path):
    with pytest.raises(ValueError, match="no trained network there") as error:
        train(prepared, tmp_path / "run", initial="nowhere", **OWN)
    assert "\n" not in str(error.value) and not (tmp_path / "run").exists()


def test_colornet_without_its_loss_trains_on_colours(prepared, tmp_path):
    network = train(prepared, tmp_path / "run", epochs=0, **OWN | dict(loss="mse"))
    assert network.loss == "mse"


# Trained with a discriminator; with hints that turn into palettes; with classes.
@pytest.mark.parametrize("name", ["pix2pix", "user_guided", "let_there_be_color"])
def test_objectives_train_and_go_on(name, prepared, tmp_path):
    """Two epochs in two calls: the second begins with the weights and steps of the first."""
    settings = dict(options=SMALL.get(name, dict(width=8)), size=64, batch_size=9, verbose=0)
    for epochs in (1, 2):
        train(prepared, tmp_path, name, epochs=epochs, **settings)
    assert {file.name for file in tmp_path.iterdir()} == FILES
    first, second = read_history(tmp_path)
    assert second["steps"] == 2 * first["steps"] == 4
    assert np.isfinite([first["loss"], second["val_loss"]]).all()
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["loss"] == models.recipe_of(name).loss
    assert ("classes" in config["options"]) == models.recipe_of(name).labels
    ab = models.load(tmp_path).predict_on_batch(np.zeros((1, 96, 64, 1), np.float32))
    assert ab.shape == (1, 96, 64, 2) and np.isfinite(ab).all()


def test_another_loss_than_the_recipes_is_of_colours_alone(prepared, tmp_path):
    settings = dict(options=SMALL["let_there_be_color"], size=64, batch_size=9, verbose=0)
    train(prepared, tmp_path, "let_there_be_color", epochs=1, loss="mse", **settings)
    assert np.isfinite(losses(tmp_path)).all()
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["options"] == SMALL["let_there_be_color"]  # no classes
