"""What an installation brings: weights with a wheel, colours without Keras, a line for the rest."""

import os
import subprocess
import sys
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest
import skimage.data
import tensorflow as tf

import colornet
from colornet.color.lab import luma
from colornet.data.samples import TILED, sample
from colornet.models.layers import Bilinear
from colornet.photos.photo import Photo
from colornet.photos.read import read_photo
from colornet.photos.write import write_photo

ROOT = Path(__file__).parents[1]

# A process that finds no library but those of `pip install colornet`.
LIGHT = """
import sys

ABSENT = "tensorflow keras jax torch h5py matplotlib skimage scipy av fastapi onnx tf2onnx IPython"


class Finder:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ABSENT.split():
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


sys.meta_path.insert(0, Finder())
import colornet
from colornet.__main__ import main
"""


def light(code, package, folder):
    """What a light process printed, stdout and stderr; `package`: where its colornet lies."""
    done = subprocess.run(
        [sys.executable, "-c", LIGHT + code],
        cwd=folder,
        env=os.environ | dict(PYTHONPATH=str(package)),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The package as pip installs it, not editable, without what it depends on."""
    pytest.importorskip("setuptools", minversion="77")
    source = tmp_path_factory.mktemp("source")  # pip leaves its work beside what it builds
    for name in ("colornet", "saved_models", "pyproject.toml", "setup.py", "README.md", "LICENSE"):
        (source / name).symlink_to(ROOT / name)
    target = tmp_path_factory.mktemp("installed")
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-compile", "--no-index"]
    command = [sys.executable, "-m", "pip", "install", *options, "--target", target, source]
    subprocess.run(command, check=True)
    return target


def test_a_wheel_holds_all_that_a_clone_holds(installed):
    modules = [path.relative_to(ROOT) for path in (ROOT / "colornet").rglob("*.py")]
    photos = [path.relative_to(ROOT) for path in (ROOT / "colornet").rglob("*.webp")]
    page = [p.relative_to(ROOT) for p in (ROOT / "colornet/web/static").rglob("*") if p.is_file()]
    page += [path.relative_to(ROOT) for path in (ROOT / "colornet/web").glob("*.json")]
    releases = [path.relative_to(ROOT) for path in (ROOT / "saved_models").glob("*/*")]
    assert len(photos) == len(TILED)
    assert {path.suffix for path in releases} >= {".h5", ".tflite", ".npy", ".json", ".md"}
    held = modules + photos + page + [Path("colornet") / path for path in releases]
    assert [path for path in held if not (installed / path).is_file()] == []
    assert not (installed / "tests").exists() and not (installed / "saved_models").exists()


COLOUR = """
model = colornet.load("colornet")
hints = [(60, 40, "#c03028")]
model.colorize("grey.png", vividness=0.8, hints=hints).save("python.png")
options = ["--vividness", "0.8", "--hint", "60,40,#c03028"]
assert main(["colorize", "grey.png", "-o", "command.png", *options]) == 0
assert main(["demo", "-o", "."]) == 0
assert main(["evaluate", "true.png", "--size", "64", "--by", "set"]) == 0
print(colornet.__file__)
"""


@pytest.mark.parametrize("kind", ["clone", "installed"])
def test_colours_come_without_keras(kind, request, tmp_path):
    package = ROOT if kind == "clone" else request.getfixturevalue(kind)
    grey = Photo(luma(sample("chelsea")))
    write_photo(tmp_path / "grey.png", grey)
    write_photo(tmp_path / "true.png", Photo(sample("chelsea")))
    printed, _ = light(COLOUR, package, tmp_path)
    assert printed.strip().endswith(str(package / "colornet" / "__init__.py"))
    steering = dict(vividness=0.8, hints=[(60, 40, "#c03028")])
    wanted = colornet.load("colornet").colorize(grey, **steering).pixels
    for name in ("python.png", "command.png"):
        assert np.array_equal(read_photo(tmp_path / name).pixels, wanted)
    # PSNR of the grey photos, which rests on the sample photos alone.
    for row in ("astronaut | 17.88", "coffee | 14.24", "chelsea | 19.42", "rocket | 22.23"):
        assert row in printed
    assert (tmp_path / "demo.png").is_file()


LINES = {
    "train x -o y": "train needs keras; install it: pip install 'colornet[train]'",
    "evaluate x --features": "evaluate needs keras; install it: pip install 'colornet[train]'",
    "colorize a.png -o b.png --model cic": "install it: pip install 'colornet[train]'",
    "colorize a.png -o b.png --model none": "none/config.json: no trained network there",
    "video a.mp4 b.mp4": "films need av; install it: pip install 'colornet[video]'",
    "serve": "install it: pip install 'colornet[web]'",
    "export colornet -o x": "export needs keras; install it: pip install 'colornet[export]'",
}

REFUSED = """
for line in LINES:
    assert main(line.split()) == 1
for wanted in ("build('cic')", "train"):
    try:
        eval(f"colornet.{wanted}")
        raise AssertionError(wanted)
    except ModuleNotFoundError as error:
        print(error)
assert not [name for name in sys.modules if name.split(".")[0] in ABSENT.split()]
"""


def test_what_is_missing_is_one_line_with_the_remedy(tmp_path):
    printed, refused = light(f"LINES = {[*LINES]}\n" + REFUSED, ROOT, tmp_path)
    assert len(refused.splitlines()) == len(LINES)
    for line, wanted in zip(refused.splitlines(), LINES.values()):
        assert line.startswith("colornet: ") and wanted in line
    remedy = "install it: pip install 'colornet[train]'"
    assert [remedy in line for line in printed.splitlines()] == [True] * 2


@pytest.mark.parametrize("name", TILED)
def test_sample_photos_are_those_of_scikit_image(name):
    assert np.array_equal(sample(name), getattr(skimage.data, name)())


@pytest.mark.parametrize("factor", [2, 4])
def test_bilinear_in_graphs_of_unknown_size(factor):
    L = keras.Input((None, None, 2))
    network = keras.Model(L, Bilinear(factor)(L))
    copy = network.from_config(network.get_config())
    x = np.random.default_rng(0).normal(size=(1, 5, 8, 2)).astype(np.float32)
    wanted = cv2.resize(x[0], (8 * factor, 5 * factor), interpolation=cv2.INTER_LINEAR)
    graph = tf.function(copy, input_signature=[tf.TensorSpec([None, None, None, 2])])
    for answer in (graph(x), copy(x), network.predict(x, verbose=0)):
        np.testing.assert_allclose(answer[0], wanted, atol=1e-6)
