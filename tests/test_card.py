"""A release made from a tiny run: what it holds, and that nothing got lost on the way."""

import csv
import json
import re
import shutil

import h5py
import numpy as np
import pytest
from conftest import TINY

from colornet import models
from colornet.checksums import check_sums
from colornet.color import lab
from colornet.data import dataset
from colornet.data.batches import PhotoBatches
from colornet.evaluation import tables
from colornet.export.card import card
from colornet.export.release import release
from colornet.models.recipe import Recipe
from colornet.models.releases import RELEASED
from colornet.storage import atomic, write_json
from colornet.training.train import train

RELEASES = sorted(file.parent for file in RELEASED.glob("*/config.json"))


@pytest.fixture(scope="module")
def released(run, prepared, tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved_models") / "tiny"
    return folder, release(run, prepared, folder)


def test_release_holds_what_accounts_for_it(released, run):
    folder, _ = released
    assert {file.name for file in folder.iterdir()} == {
        "README.md",
        "SHA256SUMS",
        "best.weights.h5",
        "config.json",
        "history.csv",
        "metrics.json",
        "per_photo.csv",
    }
    for name in ("config.json", "history.csv"):
        assert (folder / name).read_bytes() == (run / name).read_bytes()


def test_weights_are_small_and_give_the_same_colours(released, run, prepared):
    folder, _ = released
    small = folder / "best.weights.h5"
    # Float16 and without the optimizer's two moments: a sixth, were there no overhead.
    assert small.stat().st_size < 0.3 * (run / "best.weights.h5").stat().st_size
    dtypes = {1: set(), 2: set()}
    with h5py.File(small) as file:
        assert "optimizer" not in file
        file.visititems(
            lambda _, item: (
                dtypes[min(2, item.ndim)].add(item.dtype.name)
                if isinstance(item, h5py.Dataset) and item.ndim
                else None
            )
        )
    assert dtypes == {1: {"float32"}, 2: {"float16"}}
    L, _ = PhotoBatches(dataset.split_files(prepared, "train"), Recipe(size=128).plain())[0]
    before, after = (models.load(path).predict_on_batch(L) for path in (run, folder))
    assert np.abs(before).max() * lab.AB_SCALE > 5
    assert np.abs(before - after).max() * lab.AB_SCALE < 0.5


def test_card_is_filled_and_agrees_with_the_metrics(released, run):
    folder, table = released
    text = (folder / "README.md").read_text(encoding="utf-8")
    report = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    assert not re.search(r"[{}]", text)
    assert report["model"] == "tiny" and report["photos"] == 2
    assert table == tables.table(report)
    assert table in text and report["protocol"] in text
    assert "# tiny\n" in text and "262,572 parameters" in text
    assert text.startswith("---\nlicense: apache-2.0\n")
    assert "| 1 to 6 | 64 | 4 | 0.001, constant |" in text
    assert "17 photos for training, 3 for validation" in text


def test_weights_are_checked_by_the_list_beside_them(released, run, prepared, tmp_path):
    folder = shutil.copytree(released[0], tmp_path / "tiny")
    (folder / "README.md").write_text("edited")
    models.load(folder)
    with open(folder / "best.weights.h5", "r+b") as file:
        file.write(b"other")
    with pytest.raises(ValueError, match="best.weights.h5: is not the file that SHA256SUMS lists"):
        models.load(folder)
    release(run, prepared, folder)  # again, over what is there
    models.load(folder)


@pytest.mark.parametrize("folder", RELEASES, ids=lambda folder: folder.name)
def test_releases_have_their_list_and_todays_card(folder):
    check_sums(folder)
    listed = [line.split()[1] for line in (folder / "SHA256SUMS").read_text().splitlines()]
    there = {"best.weights.h5", "light.tflite"} & {file.name for file in folder.iterdir()}
    assert set(listed) == there
    text = card(folder, models.load(folder, folded=False))
    assert (folder / "README.md").read_text(encoding="utf-8") == text


def test_an_optimizer_with_settings_is_told(released, tmp_path):
    folder = shutil.copytree(released[0], tmp_path / "other")
    config = json.loads((folder / "config.json").read_text())
    config["optimizer"] = dict(class_name="AdamW", config=dict(weight_decay=1e-3, beta_2=0.99))
    write_json(folder / "config.json", config)
    text = card(folder, models.load(folder, folded=False))
    assert "Optimizer AdamW (weight_decay 0.001, beta_2 0.99), loss " in text


def test_per_photo_values_have_the_means_of_the_report(released):
    folder, _ = released
    report = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    with open(folder / "per_photo.csv", newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 2 * len(report["rows"])
    for row, means in report["rows"].items():
        for metric, value in means.items():
            values = [float(line[metric]) for line in lines if line["row"] == row]
            assert np.mean(values) == pytest.approx(value["mean"], abs=1e-4)  # of rounded values
    assert all(line["psnr"] == "" for line in lines if line["row"] == "true")


def test_two_stages_are_told_apart(released, run, tmp_path):
    folder = shutil.copytree(released[0], tmp_path / "staged")
    config = json.loads((folder / "config.json").read_text())
    config["stages"].append(config["stages"][0] | dict(from_epoch=5, size=96, learning_rate=1e-4))
    write_json(folder / "config.json", config)
    text = card(folder, models.load(folder, folded=False))
    assert "| 1 to 4 | 64 | 4 | 0.001, constant |" in text
    assert "| 5 to 6 | 96 | 4 | 0.0001, constant |" in text


def test_other_photos_are_refused(run, prepared, tmp_path):
    other = shutil.copytree(prepared, tmp_path / "other")
    manifest = (other / "manifest.csv").read_text()
    (other / "manifest.csv").write_text(manifest.replace(",test,", ",train,", 1))
    with pytest.raises(ValueError, match="not the prepared set"):
        release(run, other, tmp_path / "out")
    with pytest.raises(ValueError, match="no trained network"):
        release(tmp_path / "nowhere", prepared, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_another_set_may_be_scored_on(released, run, prepared, tmp_path):
    folder, table = released
    other = shutil.copytree(prepared, tmp_path / "other")
    manifest = (other / "manifest.csv").read_text()
    (other / "manifest.csv").write_text(re.sub(",train,", ",,", manifest, count=1))
    assert release(run, prepared, tmp_path / "tiny", test=other).splitlines()[2] in table
    (other / "manifest.csv").write_text(manifest.replace(",train,", ",test,", 1))
    with pytest.raises(ValueError, match="was trained on this test photo"):
        release(run, prepared, tmp_path / "out", test=other)
    assert not (tmp_path / "out").exists()


def test_a_run_tells_what_its_first_weights_came_from(released, run, prepared, tmp_path):
    begun = tmp_path / "begun"
    train(prepared, begun, epochs=1, initial=released[0], verbose=0, **TINY)
    config = json.loads((begun / "config.json").read_text())
    assert config["initial"] == "tiny"
    (first,) = config["before"]
    assert first["photos"] == 17 and first["to_epoch"] == 6 and first["size"] == 64
    text = card(begun, models.load(begun, folded=False))
    assert text.index("| 1 to 6 | 64 |") < text.index("| 1 to 1 | 64 |")


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_atomic_leaves_nothing_behind(tmp_path, kind):
    def fill(path, text):
        if kind == "folder":
            path.mkdir()
            path = path / "file.txt"
        path.write_text(text)

    target = tmp_path / "deep" / "target.tar.gz"
    with pytest.raises(KeyboardInterrupt), atomic(target) as temporary:
        fill(temporary, "half")
        assert temporary.name.endswith(".tar.gz")  # writers choose the format by it
        raise KeyboardInterrupt
    assert not list((tmp_path / "deep").iterdir())
    with atomic(target) as temporary:
        fill(temporary, "whole")
        assert not target.exists()
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["target.tar.gz"]
    assert (target / "file.txt" if kind == "folder" else target).read_text() == "whole"
