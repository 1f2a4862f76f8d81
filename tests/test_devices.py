"""Training on two devices: the same losses as on one."""

import shutil

import pytest
from conftest import TINY, start
from test_training import losses

from colornet.data import dataset
from colornet.training.train import train

# Two CPUs are made out of one.
TWO = """
import os, sys
backend, prepared, run, devices, optimizer = sys.argv[1:6]
os.environ["KERAS_BACKEND"] = backend
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"
if backend == "tensorflow":
    import tensorflow as tf
    cpu, half = tf.config.list_physical_devices("CPU")[0], tf.config.LogicalDeviceConfiguration()
    tf.config.set_logical_device_configuration(cpu, [half, half])
import keras
from colornet.data import dataset
from colornet.training.train import train
keras.backend.set_floatx("float32")
train(prepared, run, "encoder_decoder", dict(width=8), epochs=1, size=64, batch_size=4, verbose=0,
      devices=devices, optimizer=optimizer)
"""


@pytest.fixture(scope="module")
def even(prepared, tmp_path_factory):
    """The prepared set with whole batches to learn from, and an even number to validate by."""
    folder = shutil.copytree(prepared, tmp_path_factory.mktemp("even") / "prepared")
    for split, multiple in (("train", 4), ("validation", 2)):
        files = dataset.split_files(folder, split)
        for file in files[len(files) // multiple * multiple :]:
            file.unlink()
    return folder


# Adam makes much of how gradients near nothing were rounded, which under JAX differs.
@pytest.mark.parametrize("backend, optimizer", [("tensorflow", "adam"), ("jax", "sgd")])
def test_two_devices_learn_what_one_does(backend, optimizer, even, tmp_path):
    pytest.importorskip(backend)
    for devices in ("one", "all"):
        process = start("-c", TWO, backend, even, tmp_path / devices, devices, optimizer)
        said = process.communicate()[0]
        assert process.returncode == 0, said
    one, two = losses(tmp_path / "one"), losses(tmp_path / "all")
    # Under JAX on several devices Keras counts one batch twice in the first epoch's loss.
    shown = slice(None) if backend == "tensorflow" else slice(1, 2)
    assert two[:, shown] == pytest.approx(one[:, shown], abs=1e-4)


def test_unfit_wishes_are_one_line(prepared, tmp_path):
    with pytest.raises(ValueError, match="choose one or all"):
        train(prepared, tmp_path / "run", devices="two", **TINY)
