"""Colouring after another photo's palette."""

import numpy as np
import pytest
from conftest import colours
from scipy.optimize import linear_sum_assignment

from colornet.color import bins
from colornet.color.lab import luma
from colornet.data import samples
from colornet.errors import PhotoError
from colornet.evaluation.metrics import psnr
from colornet.inference import palette
from colornet.inference.colorizer import load
from colornet.inference.compose import compose
from colornet.photos import resize
from colornet.photos.photo import Photo
from colornet.photos.write import write_photo


def test_a_palette_is_what_a_photo_is_made_of():
    half = np.zeros((60, 80, 3), np.uint8)
    half[:, :40] = 200, 40, 40
    shares = palette.palette(half)
    assert shares.sum() == pytest.approx(1, abs=1e-5)
    ab = bins.centres()
    red = np.hypot(*(ab - [60, 38]).T) < 20
    assert shares[red].sum() == pytest.approx(0.5, abs=0.1)
    assert shares[np.hypot(*ab.T) < 15].sum() == pytest.approx(0.5, abs=0.1)
    deep = palette.palette(np.uint16(half) * 257)
    np.testing.assert_allclose(deep, shares, atol=1e-4)


def test_a_palette_held_fully_is_the_best_plan(monkeypatch):
    """As many places as colours, and sure of them: as good as the Hungarian method's plan."""
    monkeypatch.setattr(palette, "HOLD", 1)
    monkeypatch.setattr(palette, "ITERATIONS", 500)
    count = len(bins.centres())
    rng = np.random.default_rng(0)
    likely = rng.uniform(0, 40, (count, count)) + rng.uniform(
        0, 60, count
    )  # some colours everywhere
    moved = palette.transport(likely[None], np.full(count, 1 / count))[0]
    plan = np.exp(moved - moved.max(-1, keepdims=True))
    plan /= plan.sum(-1, keepdims=True)
    np.testing.assert_allclose(plan.sum(0), 1, atol=0.05)
    best = likely[linear_sum_assignment(-likely)].sum()
    greedy = likely.max(-1).sum()  # breaks the palette
    assert abs((plan * likely).sum() - best) < 0.02 * best < 0.2 * (greedy - best)


def test_colours_come_near_to_the_palette():
    network, grey = load("colornet"), luma(samples.sample("chelsea"))
    for name in ("coffee", "rocket"):
        wanted = palette.palette(samples.sample(name))
        own, told = (
            palette.palette(compose(grey, colours(network, grey, palette=p)))
            for p in (None, wanted)
        )
        assert np.abs(told - wanted).sum() < 0.8 * np.abs(own - wanted).sum(), name


def test_a_photos_own_palette_brings_it_nearer_to_the_truth():
    network, gains = load("colornet"), []
    for name in samples.SAMPLES:
        true = resize.square(samples.sample(name), 256)
        by = [
            psnr(true, compose(true, colours(network, luma(true), 0, palette=p)))
            for p in (None, palette.palette(true))
        ]
        gains.append(by[1] - by[0])
    assert np.mean(gains) > 1, gains


def test_grey_photos_have_no_palette(tmp_path):
    write_photo(tmp_path / "grey.png", Photo(luma(samples.sample("coffee"))))
    with pytest.raises(PhotoError, match="grey.png: is grey and has no palette; choose"):
        palette.read_palette(tmp_path / "grey.png")
    with pytest.raises(PhotoError, match="nowhere.png"):
        palette.read_palette(tmp_path / "nowhere.png")
