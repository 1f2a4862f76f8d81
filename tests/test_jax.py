"""Keras on JAX: the same colours, and networks that train; one process does it all."""

import json
import os

import keras
import numpy as np
import pytest
from conftest import start, tiny
from skimage import color
from test_lab import CUBE, wild
from test_training import FILES, losses

from colornet import models
from colornet.color import lab

JAX = """
import sys
import jax, keras, numpy as np
from colornet.color import lab
from colornet.data import dataset
from colornet.training.train import train
from colornet.data.batches import PhotoBatches
from colornet.models.recipe import Recipe
sys.path.insert(0, sys.argv[5])
from test_lab import CUBE, slab, wild

assert keras.backend.backend() == "jax"
prepared, run, own_run, out = sys.argv[1:5]
corners = np.float32([[0, 0, 0], [1, 1, 1], [-2, 3, 0.5]])
beyond = np.float32([[0, 0, 0], [100, 0, 0], [50, 300, -300], [1, -110, 110]])
gradient = lambda function, x: jax.jit(jax.grad(lambda x: function(x).sum()))(x)
to_lab, to_rgb, fit = map(jax.jit, (lab.rgb_to_lab, lab.lab_to_rgb, lab.fit_gamut))
back = np.round(np.asarray(to_rgb(to_lab(slab(77)))) * 255)
network = train(
    prepared, run, "encoder_decoder", dict(width=8), epochs=2, size=64, batch_size=17, verbose=0
)
own = train(
    prepared, own_run, options=dict(width=24), epochs=1, size=64, batch_size=17, verbose=0
)
L, _ = PhotoBatches(dataset.split_files(prepared, "validation"), Recipe(size=64).plain())[0]
np.savez(
    out,
    lab=to_lab(CUBE[::7]),
    rgb=to_rgb(wild(500)),
    fitted=fit(wild(500)),
    gradients=np.concatenate(
        [gradient(lab.rgb_to_lab, corners), gradient(lab.lab_to_rgb, beyond)]
    ),
    exact=np.array_equal(back, np.round(slab(77) * 255)),
    steps=int(network.optimizer.iterations),
    L=L,
    ab=network.predict_on_batch(L),
    own_ab=own.predict_on_batch(L),
)
"""


@pytest.fixture(scope="module")
def jax_process(prepared, tmp_path_factory):
    """What one process under KERAS_BACKEND=jax computed and trained, see JAX.

    `run` and `own_run` are its runs, of an encoder_decoder and of a colornet.
    """
    pytest.importorskip("jax")
    folder = tmp_path_factory.mktemp("jax")
    process = start(
        "-c",
        JAX,
        prepared,
        folder / "run",
        folder / "own_run",
        folder / "out.npz",
        os.path.dirname(__file__),
        KERAS_BACKEND="jax",
        XLA_FLAGS="--xla_backend_optimization_level=0",  # compiles in less time
    )
    output = process.communicate()[0]
    assert process.returncode == 0, output
    return dict(np.load(folder / "out.npz")) | dict(run=folder / "run", own_run=folder / "own_run")


def test_jax_gives_the_same(jax_process):
    # Its way back differs from TensorFlow's only in the last bits of float32 power.
    np.testing.assert_allclose(jax_process["lab"], color.rgb2lab(CUBE[::7]), atol=1e-3)
    np.testing.assert_allclose(jax_process["rgb"], lab.lab_to_rgb(wild(500)), atol=1e-3)
    np.testing.assert_allclose(jax_process["fitted"], lab.fit_gamut(wild(500)), atol=0.15)
    assert np.isfinite(jax_process["gradients"]).all()
    assert jax_process["exact"]


def test_jax_trains_the_same_network(jax_process):
    folder = jax_process["run"]
    assert {file.name for file in folder.iterdir()} == FILES
    assert jax_process["steps"] == 2
    assert np.isfinite(losses(folder)).all() and losses(folder).shape == (2, 2)
    assert json.loads((folder / "config.json").read_text())["versions"]["backend"] == "jax"
    # What one backend saved, the other loads: the same colours.
    network = tiny("encoder_decoder")
    network.load_weights(folder / "last.weights.h5")
    assert keras.backend.backend() == os.environ.get("KERAS_BACKEND", "tensorflow")
    ab = network.predict_on_batch(jax_process["L"])
    np.testing.assert_allclose(ab, jax_process["ab"], atol=1e-3)


def test_jax_trains_colornet(jax_process):
    folder = jax_process["own_run"]
    assert {file.name for file in folder.iterdir()} == FILES
    assert np.isfinite(losses(folder)).all() and losses(folder).shape == (1, 2)
    ab = models.load(folder).predict_on_batch(jax_process["L"])
    np.testing.assert_allclose(ab, jax_process["own_ab"], atol=1e-3)
