"""The benchmark of the literature: resumable, honest arithmetic, one table."""

import json

import numpy as np
import pytest
from conftest import colours, start

from colornet import models
from colornet.__main__ import main
from colornet.data import dataset
from colornet.evaluation import leaderboard
from colornet.evaluation.metrics import psnr
from colornet.evaluation.testset import read_test_set
from colornet.inference.compose import compose

TWO = ["eight_conv", "encoder_decoder"]


@pytest.fixture(scope="module")
def field(prepared, tmp_path_factory):
    out = tmp_path_factory.mktemp("field")
    results = leaderboard.benchmark(prepared, out, budget=20, photos=2, size=64, names=TWO)
    return out, results


def test_the_table_says_what_the_runs_are(field, prepared):
    out, results = field
    text = leaderboard.table(results)
    rows = {line.split(" | ")[0].strip("| "): line for line in text.splitlines() if " | " in line}
    assert set(TWO) | {"grey", "dataset mean ab", "true"} <= set(rows)
    assert text == (out / "table.md").read_text()
    assert results == leaderboard.read_results(out / "results.json")
    train = len(dataset.split_files(prepared, "train"))
    epochs = -(-20 // train)
    assert f"{epochs * train:,} photos at 64x64" in text and "2 test photos" in text
    network = models.load(out / "encoder_decoder")
    read = read_test_set([prepared]).read
    true = [psnr(read(i), compose(read(i), colours(network, read(i)))) for i in range(2)]
    assert f"| {np.mean(true):.2f} ± " in rows["encoder_decoder"]
    assert results["networks"]["encoder_decoder"]["scores"]["psnr"] == pytest.approx(true, abs=1e-3)


def test_what_is_done_is_not_done_again(field, prepared):
    out, results = field
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.h5")}
    scores = {path: path.stat().st_mtime_ns for path in out.rglob("*.json")}
    assert leaderboard.benchmark(prepared, out, budget=20, photos=2, size=64, names=TWO) == results
    assert before == {path: path.stat().st_mtime_ns for path in out.rglob("*.h5")}
    assert scores == {path: path.stat().st_mtime_ns for path in out.rglob("*.json")}


def test_a_larger_budget_trains_on_and_scores_again(field, prepared):
    out, results = field
    longer = leaderboard.benchmark(
        prepared, out, budget=50, photos=2, size=64, names=["eight_conv"]
    )
    done = longer["networks"]
    assert done["eight_conv"]["epochs"] > done["encoder_decoder"]["epochs"]
    assert done["eight_conv"]["seconds"] > results["networks"]["eight_conv"]["seconds"]
    # What was done is as it was, but timed anew beside what is new.
    timed = dict(milliseconds=done["encoder_decoder"]["milliseconds"])
    assert done["encoder_decoder"] == results["networks"]["encoder_decoder"] | timed
    config = json.loads((out / "eight_conv" / "config.json").read_text())
    assert config["options"] == dict(size=64)


def test_by_command(prepared, tmp_path, capsys):
    command = ["benchmark", prepared, "-o", tmp_path / "out", "--size", 64]
    assert main([*map(str, command), "--model", "resnet"]) == 1
    assert "there are: colornet, " in capsys.readouterr().err
    told = ["--model", "eight_conv", "--budget", 1, "--photos", 1]
    process = start("-m", "colornet", *command, *told)
    output = process.communicate()[0]
    assert process.returncode == 0, output
    assert "| eight_conv | " in output and output.splitlines()[-1].endswith("table.md")
