"""Training on a GPU, fed by many processes: `experiments/gpu.py`, tried on the CPU in small."""

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import SMALL, start, tiny

from colornet import models
from colornet.data import dataset
from colornet.training.run import read_history

SCRIPT = Path(__file__).parents[1] / "experiments" / "gpu.py"


def test_a_run_within_a_time(prepared, tmp_path):
    pytest.importorskip("jax")
    first, run = tmp_path / "first", tmp_path / "run"
    first.mkdir()
    options = SMALL["colornet"] | dict(encoder="lite0")
    tiny("colornet", encoder="lite0").save_weights(first / "best.weights.h5")
    told = dict(model="colornet", options=options, stages=[], photos={}, before=[])
    (first / "config.json").write_text(json.dumps(told))
    process = start(
        SCRIPT,
        *(prepared, "-o", run, "--initial", first, "--minutes", "0.1", "--workers", "1"),
        *("--sizes", "64,96", "--batch", "4"),
        KERAS_BACKEND="jax",
        XLA_FLAGS="--xla_backend_optimization_level=0",  # compiles in less time
    )
    output = process.communicate()[0]
    assert process.returncode == 0, output
    assert models.load(run).predict_on_batch(np.zeros((1, 64, 64, 1))).shape == (1, 64, 64, 2)
    rows = read_history(run)
    assert [row["size"] for row in rows] == [64, 96]
    assert np.isfinite([(row["loss"], row["val_loss"]) for row in rows]).all()
    assert 0 < rows[0]["steps"] < rows[1]["steps"]
    config = json.loads((run / "config.json").read_text())
    assert config["options"] == options and config["initial"] == "first"
    assert config["data"] == dataset.fingerprint(prepared)
    assert [stage["batch_size"] for stage in config["stages"]] == [4, 2]
    # A folder with a run in it is not written over.
    process = start(SCRIPT, prepared, "-o", run, KERAS_BACKEND="jax")
    assert "choose a new folder" in process.communicate()[0] and process.returncode
