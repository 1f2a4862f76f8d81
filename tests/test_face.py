"""What a user imports: ten names, a Colorizer, an Answer that is painted again and again."""

import subprocess
import sys
from threading import Thread

import numpy as np
import pytest
from conftest import tiny
from PIL import Image

import colornet
import colornet.color.lab
from colornet.__main__ import main
from colornet.color.bins import centres, expectation
from colornet.color.lab import luma
from colornet.data.samples import sample
from colornet.inference.colorizer import Colorizer
from colornet.inference.steering import Steering
from colornet.models.network import Network

HINT = (120, 80, "#c03028")


@pytest.fixture(scope="module")
def model():
    return colornet.load("colornet")


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """A grey photo as a file."""
    path = tmp_path_factory.mktemp("photo") / "old.png"
    Image.fromarray(luma(sample("chelsea"))).save(path)
    return path


@pytest.fixture
def counted(beginner):
    """A Colorizer whose network tells how often it ran."""
    colorizer = Colorizer(beginner)
    colorizer.network.runs, run = 0, colorizer.network.run

    def once_more(x):
        colorizer.network.runs += 1
        return run(x)

    colorizer.network.run = once_more
    return colorizer


def chroma(answer, *vividness):
    return np.hypot(*np.moveaxis(answer.ab(*vividness), -1, 0)).mean()


def test_import_loads_nothing_heavy():
    heavy = {"keras", "tensorflow", "jax", "cv2", "numpy", "PIL", "matplotlib"}
    code = f"import sys, colornet; print(*{heavy} & {{*sys.modules}})"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == []


def test_the_names_are_there():
    for name in colornet.__all__:
        assert getattr(colornet, name).__name__ == name and name in dir(colornet)
    assert len(colornet.__all__) == 10
    with pytest.raises(AttributeError, match="no attribute 'colour'"):
        getattr(colornet, "colour")  # noqa: B009


@pytest.mark.usefixtures("one_moment")
def test_a_photo_is_coloured_as_by_the_command(model, file, tmp_path):
    model.colorize(file, vividness=0.8, hints=[HINT]).save(tmp_path / "python.png")
    typed = ["--vividness", "0.8", "--hint", "120,80,#c03028"]
    assert main(["colorize", str(file), "-o", str(tmp_path / "typed.png"), *typed]) == 0
    assert (tmp_path / "python.png").read_bytes() == (tmp_path / "typed.png").read_bytes()


def test_what_people_have_is_taken(model, file):
    grey = np.asarray(Image.open(file))
    expected = model.colorize(file).pixels
    turned = Image.open(file)
    turned.getexif()[0x0112] = 1
    for given in (str(file), grey, grey[..., None], turned, colornet.read_photo(file)):
        np.testing.assert_array_equal(model.colorize(given).pixels, expected)
    true = sample("chelsea")
    np.testing.assert_array_equal(
        model.colorize(Image.fromarray(true)).pixels, model.colorize(true).pixels
    )
    clear = np.dstack([true, grey])
    for given in (clear, Image.fromarray(clear)):
        found = model.colorize(given)
        np.testing.assert_array_equal(found.alpha, grey)
        np.testing.assert_array_equal(found.pixels, model.colorize(true).pixels)
    deep = model.colorize(grey.astype(np.uint16) * 257)
    assert deep.pixels.dtype == np.uint16


@pytest.mark.parametrize(
    "given", [np.zeros((9, 9)), np.zeros((9, 9, 5), np.uint8), np.zeros(9, np.uint8), 7, None]
)
def test_what_is_no_photo_is_refused_in_words(model, given):
    with pytest.raises(ValueError, match="give ") as error:
        model.colorize(given)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("wrong", [dict(vividness=1.1), dict(vividness=-1), dict(hints=[(1, 2)])])
def test_wrong_steering_is_refused_in_words(model, file, wrong):
    with pytest.raises(ValueError, match="vividness|hint") as error:
        model.colorize(file, **wrong)
    assert "\n" not in str(error.value)


def test_one_run_gives_everything_that_is_steered(counted, file):
    answer = counted.predict(file)
    assert chroma(answer, 0) < chroma(answer) < chroma(answer, 1)
    assert answer.paint(vividness=0.2).pixels.shape == answer.paint().pixels.shape
    assert 0 <= answer.confidence().min() < answer.confidence().max() <= 1
    assert 1 < len(answer.likely(120, 80)) <= 6
    assert counted.network.runs == 1
    counted.predict(file, [HINT]).confidence()  # once with the hints and once without
    assert counted.network.runs == 3


def test_likely_colours_are_unlike_each_other_and_can_be_told(model, file):
    likely = model.predict(file).likely(120, 80, 4)
    apart = [np.hypot(*np.subtract(a.ab, b.ab)) for a in likely for b in likely if a is not b]
    assert len(likely) == 4 and min(apart) > 15
    for hint in likely[1:]:
        told = model.predict(file, [hint])
        ab = told.ab(0)
        row, column = (int(hint.y * ab.shape[0] / 300), int(hint.x * ab.shape[1] / 451))
        plain = model.predict(file).ab(0)[row, column]
        assert np.hypot(*(ab[row, column] - hint.ab)) < np.hypot(*(plain - hint.ab))
    with pytest.raises(ValueError, match="500,80: lies outside the photo of 451x300"):
        model.predict(file).likely(500, 80)


def test_likely_colours_of_every_place_are_those_of_each(model, file):
    answer = model.predict(file)
    everywhere, (h, w) = answer.likely_everywhere(5), answer.ab().shape[:2]
    assert everywhere.shape == (h, w, 5, 2) and everywhere.dtype == np.float32
    for row, column in ((0, 0), (h // 2, w // 3), (h - 1, w - 1)):
        x, y = (column + 0.5) * 451 / w, (row + 0.5) * 300 / h
        found = [hint.ab for hint in answer.likely(x, y, 5)]
        np.testing.assert_array_equal(everywhere[row, column], found)
    # By hand, at one place: down the list, what is like an earlier one left out.
    found, chances = [], answer._logits[h // 2, w // 3]
    for i in np.argsort(-chances, kind="stable"):
        if all(np.hypot(*(centres()[i] - other)) > 15 for other in found):
            found.append(centres()[i])
    np.testing.assert_allclose(everywhere[h // 2, w // 3], found[:5])
    many = answer.likely_everywhere(200)
    few = np.isnan(many[h // 2, w // 3]).all(axis=-1)
    assert few.sum() == 200 - len(found) and not few[: len(found)].any()


@pytest.mark.parametrize("count", [1, 3])
def test_a_reach_leaves_what_is_far_as_it_was(model, file, count):
    def answers(*hints):
        return np.stack([one.ab(0.7) for one in model.variants(file, count, hints)])

    plain, whole, near = answers(), answers(HINT), answers((*HINT, 0.05))
    h, w = plain.shape[1:3]
    y, x = (np.arange(h) + 0.5) * 300 / h, (np.arange(w) + 0.5) * 451 / w
    away = np.hypot(y[:, None] - HINT[1], x - HINT[0]) / 451
    np.testing.assert_array_equal(near[:, away > 0.5], plain[:, away > 0.5])
    assert np.abs(whole - plain)[:, away > 0.5].max() > 1
    changed = np.hypot(*np.moveaxis(near - plain, -1, 0))[0]
    assert changed[away < 0.02].mean() > 5 > changed[away > 0.15].max()
    # One hint without a reach, and all spread as the network takes them.
    other = (300, 200, "#3060ff")
    np.testing.assert_array_equal(answers((*HINT, 0.05), other), answers(HINT, other))


def test_a_reach_holds_for_a_network_without_bins(file):
    colorizer = Colorizer(tiny("user_guided"))
    plain, near = (colorizer.predict(file, hints).ab() for hints in ((), [(*HINT, 0.03)]))
    assert np.array_equal(near[-1, -1], plain[-1, -1]) and not np.array_equal(near, plain)


def test_threads_share_a_colorizer(model, file):
    expected, found = model.colorize(file).pixels, []
    threads = [Thread(target=lambda: found.append(model.colorize(file).pixels)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    for pixels in found:
        np.testing.assert_array_equal(pixels, expected)


# cic has bins and an answer of its own


@pytest.fixture(scope="module")
def cic():
    network = tiny("cic")
    layer = network.get_layer("annealed_mean")
    prior = np.full(261, 0.2 / 260, np.float32)
    prior[130] = 0.8
    layer.prior.assign(prior)
    return network


def test_cic_answers_with_its_own_annealed_mean(cic):
    grey = luma(sample("coffee"))[:256, :256]
    answer = Colorizer(cic).predict(grey)
    L = np.asarray(colornet.color.lab.rgb_to_lab(np.repeat(grey[..., None], 3, -1) / 255.0))
    own = cic.predict_on_batch(L[None, ..., :1] / 50 - 1)[0] * 110
    np.testing.assert_allclose(answer.ab(), own, atol=0.05)


def test_cic_is_steered_as_its_bins_allow(cic):
    grey = luma(sample("coffee"))[:256, :256]
    colorizer = Colorizer(cic)
    answer = colorizer.predict(grey)
    logits, _ = Network(cic).run(np.zeros((1, 64, 64, 1), np.float32))
    assert colorizer.has_bins and logits.shape == (1, 16, 16, 261)
    assert answer.ab(0).shape == (64, 64, 2) and answer.confidence().shape == (64, 64)
    assert np.abs(answer.ab(0) - answer.ab(1)).max() > 0
    chances = np.exp(answer._logits - answer._logits.max(-1, keepdims=True))
    mean = expectation(chances / chances.sum(-1, keepdims=True))
    np.testing.assert_allclose(answer.ab(0), mean, atol=1e-3)
    for refused in (lambda: colorizer.variants(grey, 2), lambda: colorizer.predict(grey, [HINT])):
        with pytest.raises(ValueError, match="cic: takes no hints"):
            refused()
    with pytest.raises(ValueError, match="takes no hints"):
        colorizer.check(Steering(hints=[HINT]))
