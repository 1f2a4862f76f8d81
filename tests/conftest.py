"""Small photo sets, and one tiny trained network, that several tests share."""

import os
import resource
import signal
import subprocess
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import pytest

from colornet import models
from colornet.color.lab import luma
from colornet.data import samples
from colornet.data.prepare import prepare
from colornet.inference.colorizer import Colorizer
from colornet.inference.steering import Steering
from colornet.photos.photo import Photo
from colornet.photos.write import write_photo
from colornet.training.train import train

# Seconds an epoch, not minutes.
TINY = dict(model="encoder_decoder", options=dict(width=8), size=64, batch_size=4)
SMALL = dict(
    colornet=dict(width=24),
    encoder_decoder=dict(width=8),
    eight_conv=dict(width=8),
    cic=dict(width=4),
    hypercolumn=dict(width=4, deep=16),
    user_guided=dict(width=4),
    pix2pix=dict(width=4),
    dcgan=dict(width=4),
    let_there_be_color=dict(width=4, size=64),
    diverse=dict(width=4, size=64),
    lightweight=dict(width=8),
)


def tiny(name, **options):
    """A small fresh network by name."""
    return models.build(name, **SMALL.get(name, dict(width=8)) | options)


def colours(network, pixels, vividness=None, hints=(), palette=None):
    """The ab that a network, a Keras model or a `Colorizer`, gives a photo."""
    colorizer = network if isinstance(network, Colorizer) else Colorizer(network)
    steering = Steering(vividness, hints, palette)
    colorizer.check(steering)
    return colorizer.predict(pixels, steering.hints).ab(vividness, palette)


def interruptible():
    """Undoes, in a child, that shells make what they run in the background deaf to Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def start(*arguments, **environment):
    """A Python process of its own, for what kills it or needs another backend."""
    return subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        env=os.environ | dict(TF_CPP_MIN_LOG_LEVEL="3") | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=interruptible,
    )


def limited(size):
    """In a child: no file may become larger than `size` bytes."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


@pytest.fixture(scope="module")
def one_moment():
    """The time that marks tell stands still, so that results are the same to the byte."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOURCE_DATE_EPOCH", "1790000000")
        yield


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The page's server, up, as a process of its own."""
    from served import served  # with httpx

    with served(tmp_path_factory.mktemp("kept")) as server:
        yield server


@pytest.fixture(scope="module")
def photo(tmp_path_factory):
    """A grey photo as a file, to be sent to the server."""
    from served import cup

    return cup(tmp_path_factory.mktemp("photo") / "old cup.png")


@pytest.fixture
def small_disk(tmp_path):
    """A function that gives a folder on a disk of so many bytes, where the system lets us."""
    mounted = []

    def mount(size):
        folder = tmp_path / "disk"
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(folder)]
        if subprocess.run(command, capture_output=True).returncode:
            pytest.skip("no right to mount")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def crops(count, side, seed=0):
    """Random crops of the sample photos, uint8 RGB; some of them overlap."""
    rng = np.random.default_rng(seed)
    photos = [samples.sample(name) for name in samples.TILED]
    for i in range(count):
        photo = photos[i % len(photos)]
        top, left = (rng.integers(0, full - side + 1) for full in photo.shape[:2])
        yield np.ascontiguousarray(photo[top : top + side, left : left + side])


@pytest.fixture(scope="session")
def tiles(tmp_path_factory):
    """22 colour photos of 192x192."""
    return samples.write_tiles(tmp_path_factory.mktemp("photos") / "tiles")


@pytest.fixture(scope="session")
def prepared(tiles, tmp_path_factory):
    """The tiles as a prepared set at size 128."""
    folder = tmp_path_factory.mktemp("data") / "prepared"
    prepare([tiles], folder, size=128)
    return folder


@pytest.fixture(scope="session")
def run(prepared, tmp_path_factory):
    """An unbroken run of 6 epochs on the prepared set."""
    folder = tmp_path_factory.mktemp("runs") / "unbroken"
    train(prepared, folder, epochs=6, verbose=0, **TINY)
    return folder


@pytest.fixture(scope="session")
def beginner(prepared, tmp_path_factory):
    """A tiny colornet at the start of its training: ImageNet's encoder, the photos' prior."""
    keras.utils.set_random_seed(0)
    options = dict(options=SMALL["colornet"], size=64)
    return train(prepared, tmp_path_factory.mktemp("runs") / "none", epochs=0, **options)


@pytest.fixture(scope="session")
def url(tmp_path_factory):
    """The page's address, on a server of its own."""
    served = pytest.importorskip("served").served
    with served(tmp_path_factory.mktemp("server")) as server:
        yield server.url + "/"


@pytest.fixture(scope="session")
def browser():
    with pytest.importorskip("visits").chromium() as started:
        yield started


@pytest.fixture
def visit(browser, url):
    """A function that gives a visitor at the page; see `visits.visiting`."""
    with pytest.importorskip("visits").visiting(browser, url) as visitor:
        yield visitor


@pytest.fixture(scope="session")
def grey_photos(tmp_path_factory):
    """Grey photos, by name: one larger than the screen, three small."""
    folder, found = tmp_path_factory.mktemp("photos"), {}
    grey = luma(samples.sample("coffee"))
    large = np.repeat(np.repeat(grey, 4, axis=0), 4, axis=1)[400:1300]
    for name, pixels in dict(large=large, coffee=grey).items():
        found[name] = folder / f"old {name}.png"
        write_photo(found[name], Photo(pixels))
    for name in ("astronaut", "chelsea"):
        found[name] = folder / f"{name}.jpg"
        write_photo(found[name], Photo(luma(samples.sample(name))))
    return found
