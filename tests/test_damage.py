"""Damage that code makes, the network that finds it, and its release."""

import json

import cv2
import numpy as np
import pytest
from conftest import crops
from skimage.filters import apply_hysteresis_threshold

from colornet import models
from colornet.__main__ import main
from colornet.color import lab
from colornet.data import dataset
from colornet.data.damaged import DamagedBatches
from colornet.data.samples import TILED, sample
from colornet.data.wear import KINDS, VEILS, VISIBLE, worn
from colornet.inference import damage
from colornet.inference.damage import THRESHOLDS, DamageFinder, hysteresis, network_L
from colornet.models.releases import RELEASED
from colornet.training.train import train

LOST = [kind for kind in KINDS if kind not in VEILS]
STEP = 1 / 255


def greys(count=6, side=160):
    return [lab.luma(one) for one in crops(count, side)]


@pytest.fixture(scope="module")
def finder():
    return DamageFinder.load()


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_makes_the_same_damage(kind):
    grey = greys(1)[0]
    first, again, other = (worn(grey, np.random.default_rng(seed), (kind,)) for seed in (1, 1, 2))
    assert np.array_equal(first[0], again[0]) and np.array_equal(first[1], again[1])
    assert not np.array_equal(first[0], other[0])
    assert first[0].dtype == np.uint8 and first[1].dtype == bool and first[2].keys() == {kind}


@pytest.mark.parametrize("shape", [(64, 64), (97, 160), (300, 80)], ids=str)
@pytest.mark.parametrize("kind", LOST)
def test_the_mask_is_what_changed(kind, shape):
    grey, seen, changed = cv2.resize(greys(1)[0], shape[::-1]), 0, []
    for seed in range(12):
        after, lost, masks = worn(grey, np.random.default_rng(seed), (kind,))
        change = np.abs(after.astype(float) - grey) / 255
        assert after.shape == lost.shape == shape
        assert change[~lost].max() <= VISIBLE + STEP
        changed += [change[lost] > VISIBLE - STEP]
        assert np.array_equal(lost, masks[kind])
        seen += lost.any()
    assert seen >= 6
    # Where something covers the photo, here and there the two are alike.
    assert np.concatenate(changed).mean() > 0.75


@pytest.mark.parametrize("kind", VEILS)
def test_under_a_veil_nothing_is_lost(kind):
    grey = greys(1)[0]
    after, lost, _ = worn(grey, np.random.default_rng(0), (kind,))
    assert not lost.any() and np.abs(after.astype(int) - grey).max() > 8


def test_every_kind_occurs_by_itself():
    grey, seen = greys(1, 64)[0], set()
    for seed in range(60):
        _, lost, masks = worn(grey, np.random.default_rng(seed))
        assert np.array_equal(lost, np.any([*masks.values(), np.zeros_like(lost)], axis=0))
        seen |= masks.keys()
    assert seen == KINDS.keys()


def test_batches_hold_damaged_and_whole_photos(prepared):
    files = dataset.split_files(prepared, "train")
    recipe = models.recipe_of("damage").but(batch_size=17, size=64)
    batches = DamagedBatches(files, recipe, shuffle=True)
    L, lost = batches[0]
    assert L.shape == lost.shape == (17, 64, 64, 1) and L.dtype == lost.dtype == np.float32
    assert set(np.unique(lost)) == {0, 1} and -1 <= L.min() < 0 < L.max() <= 1
    damaged = lost.any((1, 2, 3)).mean()
    assert 0.3 < damaged < 0.95
    batches.start(1)
    assert not np.array_equal(batches[0][0], L)
    plain = DamagedBatches(files, recipe.plain())
    before = plain[0]
    plain.on_epoch_end()
    assert all(map(np.array_equal, before, plain[0]))  # losses of epochs can be compared


def test_L_is_that_of_training():
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    of_rgb = lab.rgb_to_lab(np.repeat(grey[..., None], 3, axis=-1).astype(np.float32) / 255)
    wanted = np.asarray(lab.to_network(of_rgb)[0])[..., 0]
    for pixels in (grey, grey.astype(np.uint16) * 257, np.repeat(grey[..., None], 3, axis=-1)):
        np.testing.assert_allclose(network_L(pixels), wanted, atol=1e-5)


def test_the_network_is_small_and_takes_any_size():
    network = models.build("damage")
    assert network.count_params() <= 1_000_000
    assert f"{network.count_params():,} parameters" in models.builder("damage").__doc__
    assert network(np.zeros((2, 64, 96, 1), np.float32)).shape == (2, 64, 96, 1)
    with pytest.raises(ValueError, match="multiples of 32"):
        network(np.zeros((1, 40, 64, 1), np.float32))


def test_training_learns_goes_on_and_says_what_it_came_to(prepared, tmp_path, capsys):
    settings = dict(model="damage", options=dict(width=8), size=64, batch_size=4, verbose=0)
    run = tmp_path / "run"
    train(prepared, run, epochs=2, **settings)
    train(prepared, run, epochs=4, **settings)
    rows = np.genfromtxt(run / "history.csv", delimiter=",", names=True)
    assert len(rows) == 4 and rows["loss"][3] < rows["loss"][0]
    assert len(list((run / "previews").iterdir())) == 4
    command = ["train", str(prepared), "-o", str(run), "--model", "damage", "--epochs", "4"]
    assert main([*command, "--width", "8", "--size", "64", "--batch-size", "4"]) == 0
    assert "of made damage it finds" in capsys.readouterr().out


def test_a_release_is_scored_by_the_experiment(prepared, tmp_path, capsys):
    settings = dict(model="damage", options=dict(width=8), size=64, batch_size=4, verbose=0)
    train(prepared, tmp_path / "run", epochs=1, **settings)
    out = tmp_path / "mine"
    assert main(["release", str(tmp_path / "run"), str(prepared), "-o", str(out)]) == 0
    assert "experiments/damage.py" in capsys.readouterr().out
    assert {"best.weights.h5", "light.tflite", "README.md", "SHA256SUMS"} <= {
        file.name for file in out.iterdir()
    }
    assert "gives no colours" in (out / "README.md").read_text()
    found = DamageFinder.load(out).find(greys(1, 96)[0])
    assert found.shape == (96, 96) and 0 <= found.min() <= found.max() <= 1
    (out / "light.tflite").write_bytes(b"other")
    with pytest.raises(ValueError, match="is not the file that SHA256SUMS lists"):
        DamageFinder.load(out)


COLOURING = [
    "colorize photo.png -o x.png --model damage",
    "evaluate photo.png --model damage",
    "benchmark prepared -o runs --model damage",
    "export damage -o out --format keras",
]


@pytest.mark.parametrize("command", COLOURING, ids=lambda command: command.split()[0])
def test_colouring_refuses_it_in_one_line(command, prepared, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    cv2.imwrite("photo.png", sample("chelsea"))
    (tmp_path / "prepared").symlink_to(prepared)
    assert main(command.split()) == 1
    error = capsys.readouterr().err
    assert "damage: finds damage and gives no colours" in error and error.count("\n") == 1
    assert not {file.name for file in tmp_path.iterdir()} - {"photo.png", "prepared"}


def test_what_finds_no_damage_is_refused():
    with pytest.raises(ValueError, match="colornet: finds no damage; take damage"):
        DamageFinder.load("colornet")
    with pytest.raises(ValueError, match="light.tflite: not there"):
        DamageFinder.load("encoder_decoder")


def test_it_is_no_network_of_the_leaderboard():
    assert "damage" not in models.names()
    assert models.FINDERS == ("damage",)


def test_released_file_says_what_keras_says(finder):
    network = models.load("damage")
    for side in (64, 96):  # larger photos are looked at from afar too
        grey = worn(greys(1, side)[0], np.random.default_rng(0))[0]
        logits = np.asarray(network(network_L(grey)[None, ..., None]))[0, ..., 0]
        found, wanted = finder.find(grey), 1 / (1 + np.exp(-logits))
        # Its weights are rounded to float16 once more, after normalisation was folded into them.
        difference = np.abs(found - wanted)
        assert difference.mean() < 2e-3 and difference.max() < 0.1
        for threshold in sum(THRESHOLDS.values(), ()):
            assert ((found >= threshold) != (wanted >= threshold)).mean() < 1e-3


def test_released_network_finds_made_scratches(finder):
    found = lost = marked = 0
    for seed, grey in enumerate(greys(8, 192)):
        after, mask, _ = worn(grey, np.random.default_rng(seed), ("scratch",))
        mine = finder.mark(after, "strong")
        near = cv2.dilate(mine.astype(np.uint8), np.ones((3, 3))) > 0
        found, lost, marked = found + (near & mask).sum(), lost + mask.sum(), marked + mine.sum()
    assert found > 0.15 * lost and marked < lost


@pytest.mark.parametrize("strength", THRESHOLDS)
def test_released_network_leaves_whole_photos_alone(finder, strength):
    marked = [finder.mark(sample(name), strength).mean() for name in TILED]
    assert np.mean(marked) < 0.005


def test_thresholds_are_those_that_the_experiment_chose():
    report = json.loads((RELEASED / "damage" / "damage.json").read_text())
    chosen = {name: tuple(one["thresholds"]) for name, one in report["strengths"].items()}
    assert chosen == THRESHOLDS
    undamaged = {name: one["undamaged"] for name, one in report["strengths"].items()}
    assert undamaged["mild"] < 0.0005 and undamaged["strong"] < 0.001
    assert report["sha256"] == DamageFinder.load().sha256


@pytest.mark.parametrize("shape", [(1, 1), (5, 300), (33, 64), (200, 331)], ids=str)
def test_any_size_is_answered(finder, shape):
    rng = np.random.default_rng(0)
    found = finder.find(rng.integers(0, 256, shape, dtype=np.uint8))
    assert found.shape == shape and found.dtype == np.float32 and np.isfinite(found).all()


def test_tiles_do_not_show(finder, monkeypatch):
    grey = worn(lab.luma(sample("coffee"))[:256, :384], np.random.default_rng(3))[0]
    whole = finder.mark(grey, "strong")
    monkeypatch.setattr(damage, "TILE", 224)
    marks = whole, finder.mark(grey, "strong")
    assert marks[0].any() and (marks[0] != marks[1]).mean() < 0.002


@pytest.mark.parametrize("seed", range(4))
def test_what_hangs_together_is_what_scikit_image_says(seed):
    found = cv2.GaussianBlur(np.random.default_rng(seed).random((60, 90)), (0, 0), 2)
    likely, sure = np.quantile(found, (0.8, 0.97))
    wanted = apply_hysteresis_threshold(found, likely, sure)
    mine = hysteresis(found, sure, likely)
    assert np.array_equal(mine, wanted) and 0 < mine.sum() < (found >= likely).sum()


@pytest.mark.parametrize("kind", ["stain", "tear"])
def test_what_is_large_is_found_from_afar(finder, monkeypatch, kind):
    scans = []
    for seed, grey in enumerate(greys(16, 256)):
        after, mask, _ = worn(grey, np.random.default_rng(seed), (kind,))
        scans.append((after, mask))

    def found():
        return sum((finder.mark(after, "strong") & mask).sum() for after, mask in scans)

    afar = found()
    monkeypatch.setattr(damage, "SMALLEST", 10_000)
    assert afar > 1.2 * found()
