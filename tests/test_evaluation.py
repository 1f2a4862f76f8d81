"""The evaluation of a tiny set against outside references: its table, its groups, going on."""

import json
import shutil
import signal
import time

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import colours, start
from PIL import Image
from skimage import color
from skimage.metrics import peak_signal_noise_ratio
from test_metrics import grey_of

from colornet import models
from colornet.__main__ import main
from colornet.color import lab
from colornet.data import dataset
from colornet.data.samples import sample
from colornet.errors import PhotoError
from colornet.evaluation import breakdown, metrics, tables
from colornet.evaluation import evaluate as evaluation
from colornet.evaluation.evaluate import evaluate
from colornet.evaluation.metrics import DIFFERENCE, Measured
from colornet.evaluation.skin import Skin
from colornet.evaluation.testset import read_test_set
from colornet.inference import steering
from colornet.inference.compose import compose
from colornet.photos import resize

ROWS = {
    "true",
    "grey",
    "dataset mean ab",
    "oracle mean ab",
    "model",
    "model, luma input",
}


def strict(report):
    """JSON of a report, without the NaN and Infinity that JSON does not know."""
    return json.dumps(report, allow_nan=False)


@pytest.fixture(scope="module")
def evaluated(run, prepared):
    return evaluate(models.load(run), [prepared], size=128)


def test_table_of_a_prepared_set(evaluated, prepared):
    report, photos = evaluated
    files = dataset.split_files(prepared, "test")
    assert photos.pop("names") == [file.stem for file in files]
    assert report["photos"] == len(files) == 2
    assert set(report["rows"]) == set(photos) == ROWS
    assert set(report["gain_over_grey"]) == set(metrics.METRICS)
    assert set(report["rows"]["true"]) == {"colourfulness"}
    strict(report)
    differences = report["rows"]["model"][DIFFERENCE]["mean"]
    assert differences == pytest.approx(
        np.subtract(photos["model"]["colourfulness"], photos["true"]["colourfulness"]).mean()
    )
    for i, file in enumerate(files):
        true = np.asarray(Image.open(file))
        grey = grey_of(true)
        values = {metric: values[i] for metric, values in photos["grey"].items()}
        assert values["psnr"] == pytest.approx(peak_signal_noise_ratio(true, grey), abs=0.02)
        assert values["ssim"] == pytest.approx(float(tf.image.ssim(true, grey, 255)), abs=2e-3)
        # scikit-image's own is not quite 0: its ab 0 rounds to 128, 128, 127 at times.
        assert values["colourfulness"] == pytest.approx(metrics.colourfulness(grey), abs=0.2)
        assert values["colourfulness"] < 0.2
        difference = color.deltaE_ciede2000(color.rgb2lab(true), color.rgb2lab(grey)).mean()
        assert values["ciede2000"] == pytest.approx(difference, abs=0.02)
        assert photos["true"]["colourfulness"][i] == metrics.colourfulness(true)
        assert photos["oracle mean ab"]["psnr"][i] > values["psnr"]
    for metric in metrics.METRICS:
        gain = np.subtract(photos["model"][metric], photos["grey"][metric]).mean()
        assert report["gain_over_grey"][metric]["mean"] == pytest.approx(gain)
        mean = np.mean(photos["model"][metric])
        assert report["rows"]["model"][metric]["mean"] == pytest.approx(mean)


def test_dataset_mean_ab_is_that_of_the_training_photos(prepared):
    mean_ab = read_test_set([prepared], 128).mean_ab
    files = dataset.split_files(prepared, "train")
    expected = [color.rgb2lab(np.asarray(Image.open(f)))[..., 1:].mean((0, 1)) for f in files]
    np.testing.assert_allclose(mean_ab, np.mean(expected, axis=0), atol=1e-3)


def test_pooled_psnr_is_that_of_all_pixels(evaluated, prepared):
    report, _ = evaluated
    true = np.stack([np.asarray(Image.open(f)) for f in dataset.split_files(prepared, "test")])
    grey = np.stack([grey_of(photo) for photo in true])
    pooled = report["other_formulas"]["grey"]["PSNR of the pooled error, sRGB"]
    assert pooled == pytest.approx(peak_signal_noise_ratio(true, grey), abs=0.02)


def test_table_renders(evaluated):
    report, _ = evaluated
    lines = tables.table(report).splitlines()
    first, second = lines[: lines.index("")], lines[lines.index("") + 1 :]
    for part in (first, second):
        assert len({line.count("|") for line in part}) == 1
    names = [line.split("|")[1].strip() for line in first[2:]]
    assert set(names) == ROWS | {"*model minus grey, per photo*"}
    psnr = report["rows"]["grey"]["psnr"]["mean"]
    assert any(line.startswith(f"| grey | {psnr:.2f} ± ") for line in first)


@pytest.fixture(scope="module")
def guess():
    """A network that paints everything in one brown."""
    L = keras.Input((None, None, 1))
    return keras.Model(L, keras.layers.Lambda(lambda x: 0 * x + [0.05, 0.1])(L))


def test_loose_photos(guess, tmp_path, capsys):
    for name in ("astronaut", "coffee"):
        Image.fromarray(sample(name)).save(tmp_path / f"{name}.png")
    Image.fromarray(grey_of(sample("rocket"))).save(tmp_path / "colourless.png")
    Image.fromarray(lab.luma(sample("rocket"))).save(tmp_path / "one-channel.png")
    (tmp_path / "broken.jpg").write_text("not a photo")
    report, photos = evaluate(guess, [tmp_path], size=96)
    assert photos["names"] == ["astronaut.png", "coffee.png"] and report["photos"] == 2
    assert "96x96" in report["protocol"] and "grey" in report["protocol"]
    strict(report)
    errors = capsys.readouterr().err
    for name in ("broken.jpg", "colourless.png", "one-channel.png"):
        assert name in errors
    one, _ = evaluate(guess, [tmp_path / "coffee.png"], size=96)
    assert one["photos"] == 1
    limited, photos = evaluate(guess, read_test_set([tmp_path], 96, limit=1))
    assert photos["names"] == ["astronaut.png"]


def test_nothing_to_compare_with(guess, prepared, tmp_path):
    Image.fromarray(grey_of(sample("rocket"))).save(tmp_path / "colourless.png")
    for target, words in ((tmp_path, "no colour photos"), (tmp_path / "nowhere", "no such file")):
        with pytest.raises(PhotoError, match=words):
            evaluate(guess, [target])
    for split in ("test", "train"):
        other = shutil.copytree(prepared, tmp_path / split)
        manifest = (other / "manifest.csv").read_text()
        (other / "manifest.csv").write_text(manifest.replace(f",{split},", ",validation,"))
        with pytest.raises(PhotoError, match="prepare more"):
            evaluate(guess, [other])


def test_prepared_photo_with_a_colourless_square(guess, prepared, tmp_path, capsys):
    # Its colours lay outside the square: against itself, grey would score infinity.
    folder = shutil.copytree(prepared, tmp_path / "prepared")
    file, other = dataset.split_files(folder, "test")
    Image.fromarray(grey_of(np.asarray(Image.open(file)))).save(file)
    report, photos = evaluate(guess, [folder], size=128)
    assert photos["names"] == [other.stem]
    strict(report)
    assert file.stem in capsys.readouterr().err


def test_a_network_with_a_distribution_is_run_once_for_all_its_answers(beginner, tmp_path):
    Image.fromarray(sample("coffee")).save(tmp_path / "coffee.png")
    Image.fromarray(sample("astronaut")).save(tmp_path / "astronaut.png")
    _, photos = evaluate(beginner, [tmp_path], size=64)
    answers = {"model": 0, "model, as by default": steering.VIVIDNESS, "model, vivid": 1}
    for i, name in enumerate(photos["names"]):
        true = resize.square(np.asarray(Image.open(tmp_path / name)), 64)
        fields = {row: colours(beginner, true, v) for row, v in answers.items()}
        fields["model, luma input"] = colours(beginner, lab.luma(true), 0)
        for row, ab in fields.items():
            expected = metrics.scores(Measured(true), Measured(compose(true, ab)))
            for metric, value in expected.items():
                assert photos[row][metric][i] == pytest.approx(value, abs=1e-3), (row, metric)


def test_a_released_network_has_the_figures_of_its_keras_model(truth):
    # It is run without Keras, as for who colours, by weights of 16 bits with their norms folded in.
    _, photos = evaluate("colornet", [truth], size=96)
    _, keras_photos = evaluate(models.load("colornet"), [truth], size=96)
    assert set(photos) - ROWS - {"names"} == {"model, as by default", "model, vivid"}
    for row in set(photos) - {"names"}:
        for metric, values in photos[row].items():
            bound = dict(psnr=0.05, ssim=2e-3, auc=2e-3).get(metric, 0.5)
            assert values == pytest.approx(keras_photos[row][metric], abs=bound), (row, metric)


# Going on


def test_what_is_done_is_not_done_again(guess, prepared, tmp_path, monkeypatch):
    journal = tmp_path / "new/figures.jsonl"
    first = evaluate(guess, [prepared], size=96, journal=journal)
    lines = journal.read_text().splitlines()
    assert [json.loads(line)["photo"] for line in lines] == first[1]["names"]
    scored, score = [], evaluation._score
    monkeypatch.setattr(evaluation, "_score", lambda *args: scored.append(args) or score(*args))
    assert evaluate(guess, [prepared], size=96, journal=journal) == first
    assert not scored
    journal.write_text(lines[0] + "\n" + lines[1][:-9])  # as a kill leaves it
    assert evaluate(guess, [prepared], size=96, journal=journal) == first
    assert len(scored) == 1 and journal.read_text().splitlines() == lines
    # Other weights, sizes and things wanted are other figures.
    L = keras.Input((None, None, 1))
    other = keras.Model(L, keras.layers.Lambda(lambda x: 0 * x + [0.05, -0.1])(L))
    changed, _ = evaluate(other, [prepared], size=96, journal=journal)
    assert len(scored) == 3
    assert changed["rows"]["model"] != first[0]["rows"]["model"]
    evaluate(guess, [prepared], size=64, journal=journal)
    evaluate(guess, [prepared], size=96, wanted=[Skin()], journal=journal)
    assert len(scored) == 7
    assert evaluate(guess, [prepared], size=96, journal=journal) == first
    assert len(scored) == 7


def test_interrupted_it_says_so_and_goes_on(tiles, run, tmp_path):
    photos = tmp_path / "photos"
    for i in range(10):
        shutil.copytree(tiles, photos / str(i))
    report = tmp_path / "report.json"
    process = start("-m", "colornet", "evaluate", photos, "--model", run, "--json", report)
    journal, deadline = tmp_path / "report.photos.jsonl", time.time() + 400
    while time.time() < deadline and process.poll() is None:
        if journal.exists() and journal.read_text().count("\n") > 2:
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    output = process.communicate(timeout=100)[0]
    assert process.returncode == 130, output
    said = [line for line in output.splitlines() if line.startswith("colornet: ")]
    assert said == ["colornet: interrupted; the same command does what is left"]
    assert "Traceback" not in output and not report.exists()
    done = journal.read_text().splitlines()
    assert 2 < len(done) < 10 * len(list(tiles.iterdir()))


# Groups


def test_groups_are_told_by_folder_name_and_colourfulness(guess, tmp_path):
    (tmp_path / "cats").mkdir()
    for name, where in (
        ("astronaut", "people-1.png"),
        ("chelsea", "cats/1.png"),
        ("coffee", "people-2.png"),
        ("rocket", "people-3.png"),
        ("astronaut", "cats/2.png"),
    ):
        photo = sample(name)[len(where) :]  # no two alike
        Image.fromarray(photo).save(tmp_path / where)
    report, photos = evaluate(guess, [tmp_path], size=64)
    gains = np.subtract(photos["model"]["psnr"], photos["grey"]["psnr"])
    by_set = {group["name"]: group for group in report["by"]["set"]}
    assert {name: group["photos"] for name, group in by_set.items()} == {"cats": 2, "people": 3}
    for name, group in by_set.items():
        chosen = [i for i, own in enumerate(photos["names"]) if name in own]
        assert group["gain"]["model"]["mean"] == pytest.approx(gains[chosen].mean())
    quarters = report["by"]["colourfulness"]
    assert [group["photos"] for group in quarters] == [2, 1, 1, 1]
    true = [group["colourfulness"]["true"] for group in quarters]
    assert true == sorted(true)
    for what in ("set", "colourfulness"):
        lines = breakdown.table(report, what).splitlines()
        assert len({line.count("|") for line in lines}) == 1
        assert len(lines) == 2 + len(report["by"][what])


# Anybody's pictures


@pytest.fixture
def truth(tmp_path):
    folder = tmp_path / "truth"
    folder.mkdir()
    for name in ("astronaut", "coffee", "rocket"):
        Image.fromarray(sample(name)).save(folder / f"{name}.png")
    return folder


def test_pictures_of_another_colorizer_are_scored_as_a_network_is(guess, truth, tmp_path, capsys):
    # The network's own pictures, at another size, must get about the network's figures.
    results = tmp_path / "results"
    assert main(["colorize", str(truth), "-o", str(results), "--model", str(brown(tmp_path))]) == 0
    file = results / "coffee.png"
    picture = Image.open(file)
    picture.resize([side // 2 for side in picture.size], Image.Resampling.BOX).save(file)
    capsys.readouterr()
    report, photos = evaluate(guess, [truth], size=96, results=results)
    assert report["photos"] == 3 and "coffee.png: is 300x200, resized to 96x96" in (
        capsys.readouterr().err
    )
    np.testing.assert_allclose(photos["results"]["psnr"], photos["model"]["psnr"], atol=0.3)
    np.testing.assert_allclose(photos["results, own L"]["psnr"], photos["model"]["psnr"], atol=0.5)
    alone, others = evaluate(None, [truth], size=96, results=results)
    assert set(others) - {"names"} == ROWS - {"model", "model, luma input"} | {
        "results",
        "results, own L",
    }
    assert others["results"] == photos["results"] and others["grey"] == photos["grey"]
    gain = np.subtract(others["results"]["psnr"], others["grey"]["psnr"]).mean()
    assert alone["gain_over_grey"]["psnr"]["mean"] == pytest.approx(gain)
    assert "*results minus grey, per photo*" in tables.table(alone)


def brown(folder):
    L = keras.Input((None, None, 1))
    ab = keras.layers.Conv2D(2, 1, kernel_initializer="zeros")(L)
    network = keras.Model(L, ab)
    network.layers[-1].bias.assign([0.05, 0.1])
    network.save(folder / "brown.keras")
    return folder / "brown.keras"


def fade(photo, out):
    """A fifth of the way to grey."""
    true = np.asarray(Image.open(photo))
    faded = np.round(0.8 * true + 0.2 * lab.luma(true)[..., None])
    out.parent.mkdir(exist_ok=True)
    Image.fromarray(faded.astype(np.uint8)).save(out)


def test_missing_and_unfit_pictures_are_left_out_of_every_row(truth, tmp_path, capsys):
    results = tmp_path / "results"
    (results / "sub").mkdir(parents=True)
    with pytest.raises(PhotoError, match=r"results: no picture has the name .*astronaut\.png"):
        evaluate(None, [truth], size=64, results=results)
    with pytest.raises(PhotoError, match="gone: no such file or folder"):
        evaluate(None, [truth], size=64, results=tmp_path / "gone")
    (results / "coffee.jpg").write_text("not a photo")
    capsys.readouterr()
    with pytest.raises(PhotoError, match="none of the 3 photos has a result that can be compared"):
        evaluate(None, [truth], size=64, results=results)
    Image.fromarray(sample("rocket")[:, ::-1]).save(results / "rocket.webp", lossless=True)
    Image.fromarray(sample("astronaut")[:100, :300]).save(results / "astronaut.png")
    capsys.readouterr()
    report, photos = evaluate(None, [truth], size=64, results=results)
    assert photos["names"] == ["rocket.png"] and report["photos"] == 1
    *said, last = [line for line in capsys.readouterr().err.splitlines() if "colornet: " in line]
    said.sort()  # two threads read the photos
    assert len(said) == 2
    assert "astronaut.png: left out, " in said[0] and "is 300x100, the photo 512x512" in said[0]
    assert "coffee.png: left out, " in said[1] and "not a JPEG" in said[1]
    assert "2 of 3 photos left out of every row" in last
    shutil.copy(truth / "rocket.png", results / "rocket.png")
    with pytest.raises(PhotoError, match="none of the 3"):
        evaluate(None, [truth], size=64, results=results)
    assert "rocket.png: left out, 2 results" in capsys.readouterr().err
    with pytest.raises(PhotoError, match="none of the 3"):
        evaluate(None, [truth], size=64, results=truth)
    assert "rocket.png: left out, a result equals it in every pixel" in capsys.readouterr().err


def test_pictures_of_prepared_photos_by_either_name(prepared, tmp_path):
    rows = {row["photo"]: row for row in dataset.read_manifest(prepared)}
    files = dataset.split_files(prepared, "test")
    fade(files[0], tmp_path / files[0].name)
    fade(files[1], tmp_path / rows[files[1].stem]["file"])
    report, photos = evaluate(None, [prepared], size=128, results=tmp_path)
    assert report["photos"] == 2 and min(photos["results"]["ssim"]) > 0.97


def test_as_typed(truth, tmp_path, capsys):
    out, results = tmp_path / "report.json", tmp_path / "results"
    for file in truth.iterdir():
        fade(file, results / file.name)
    command = [
        "evaluate",
        str(truth),
        "--results",
        str(results),
        "--size",
        "64",
        "--json",
        str(out),
    ]
    command += ["--by", "set", "--by", "skin", "--by", "colourfulness", "--features"]
    assert main(command) == 0
    text, report = capsys.readouterr().out, json.loads(out.read_text())
    assert report["model"] is None and report["results"] == str(results)
    for word in ("by set", "by colourfulness", "y skin", "not FID", "3 photos"):
        assert word in text
    assert main(["evaluate", str(truth), "--results", str(tmp_path / "gone")]) == 1
    assert capsys.readouterr().err.splitlines()[-1].startswith("colornet: ")
