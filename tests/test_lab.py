"""Lab against scikit-image, over the whole of 8-bit sRGB and beyond its gamut."""

import ast
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from skimage import color

import colornet
from colornet.color import gamut, lab

AXIS = np.linspace(0, 255, 33).round()
CUBE = np.stack(np.meshgrid(AXIS, AXIS, AXIS, indexing="ij"), -1).reshape(-1, 3) / 255


def slab(red):
    """All 65,536 8-bit colours of one red value, float32 RGB in [0, 1]."""
    green, blue = np.meshgrid(np.arange(256), np.arange(256), indexing="ij")
    return np.stack([np.full_like(green, red), green, blue], -1).astype(np.float32) / 255


def wild(count=20_000, seed=0):
    """Lab colours most of which sRGB cannot show."""
    rng = np.random.default_rng(seed)
    L, hue = rng.uniform(2, 98, count), rng.uniform(0, 2 * np.pi, count)
    chroma = rng.uniform(0, 250, count)
    return np.stack([L, chroma * np.cos(hue), chroma * np.sin(hue)], -1).astype(np.float32)


# The same code runs on numpy's arrays and on a backend's tensors.
both = pytest.mark.parametrize("given", [np.float32, tf.constant])


@both
def test_agrees_with_scikit_image(given):
    ours = np.asarray(lab.rgb_to_lab(given(CUBE)))
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, color.rgb2lab(CUBE), atol=1e-3)


@both
def test_way_back_agrees_with_scikit_image(given):
    Lab = color.rgb2lab(CUBE)
    np.testing.assert_allclose(lab.lab_to_rgb(given(Lab)), color.lab2rgb(Lab), atol=1e-4)


@both
def test_every_8_bit_colour_comes_back(given):
    for red in range(256):
        rgb = slab(red)
        Lab = lab.rgb_to_lab(given(rgb))
        # What is in gamut is not touched by fit_gamut, see below; leaving it out saves a minute.
        assert np.all(lab.in_gamut(Lab))
        back = np.round(np.asarray(lab.lab_to_rgb(Lab, fitted=True)) * 255)
        assert np.array_equal(back, np.round(rgb * 255))


@pytest.mark.parametrize("red", [0, 1, 50, 128, 200, 254, 255])
def test_colours_in_gamut_stay_as_they_are(red):
    Lab = np.asarray(lab.rgb_to_lab(slab(red)))
    assert np.array_equal(lab.fit_gamut(Lab), Lab)
    back = np.round(np.asarray(lab.lab_to_rgb(Lab)) * 255)
    assert np.array_equal(back, np.round(slab(red) * 255))


@pytest.mark.parametrize(
    "function, colour",
    [
        (lab.rgb_to_lab, [0, 0, 0]),
        (lab.rgb_to_lab, [1, 1, 1]),
        (lab.rgb_to_lab, [-2, 3, 0.5]),
        (lab.lab_to_rgb, [0, 0, 0]),
        (lab.lab_to_rgb, [100, 0, 0]),
        (lab.lab_to_rgb, [50, 300, -300]),
        (lab.lab_to_rgb, [1, -110, 110]),
    ],
)
def test_gradients_are_finite(function, colour):
    colour = tf.constant([colour], tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(colour)
        total = tf.reduce_sum(function(colour))
    assert np.isfinite(tape.gradient(total, colour)).all()


def test_gradient_in_gamut_is_the_slope():
    colour = np.array([[0.2, 0.5, 0.7]])
    with tf.GradientTape() as tape:
        x = tf.constant(colour, tf.float32)
        tape.watch(x)
        L = lab.rgb_to_lab(x)[0, 0]
    step = 1e-5
    slope = [
        (color.rgb2lab(colour + d) - color.rgb2lab(colour - d))[0, 0] / (2 * step)
        for d in np.eye(3) * step
    ]
    np.testing.assert_allclose(tape.gradient(L, x)[0], slope, rtol=1e-3)


@both
def test_what_is_out_of_gamut_keeps_lightness_and_hue(given):
    wanted = wild()
    outside = ~np.asarray(lab.in_gamut(given(wanted)))
    assert outside.mean() > 0.5
    shown = color.rgb2lab(np.asarray(lab.lab_to_rgb(given(wanted)), np.float64))
    assert np.abs(shown[:, 0] - wanted[:, 0]).max() < 0.02
    chroma, before = (np.hypot(c[:, 1], c[:, 2]) for c in (shown, wanted))
    assert (chroma <= before + 0.02).all()
    coloured = chroma > 1
    hue, hue_before = (np.arctan2(c[:, 2], c[:, 1])[coloured] for c in (shown, wanted))
    turned = np.angle(np.exp(1j * (hue - hue_before)), deg=True)
    assert np.abs(turned).max() < 1


@both
def test_fitted_colours_lie_at_the_edge(given):
    wanted = wild()
    wanted = wanted[~np.asarray(lab.in_gamut(wanted))]
    fitted = np.asarray(lab.fit_gamut(given(wanted)))
    assert np.all(lab.in_gamut(fitted))
    # Chroma is found to 1/4096 of what was asked for: leave out where that is over 1 %.
    chroma, before = (np.hypot(c[:, 1], c[:, 2]) for c in (fitted, wanted))
    found = before / 2**lab.GAMUT_STEPS < 0.005 * chroma
    assert found.mean() > 0.8
    beyond = fitted[found] * np.float32([1, 1.01, 1.01])
    assert not np.any(lab.in_gamut(beyond))
    # The same by scikit-image, which clips what it cannot show and so changes the colour.
    shown = color.rgb2lab(color.lab2rgb(beyond.astype(np.float64)))
    assert np.abs(shown - beyond).max(axis=1).min() > 1e-3


def test_lightness_is_clipped_to_the_scale():
    fitted = np.asarray(lab.fit_gamut([[-5.0, 20, 20], [120, 20, 20]]))
    np.testing.assert_array_equal(fitted[:, 0], [0, 100])
    np.testing.assert_allclose(lab.lab_to_rgb(fitted), [[0] * 3, [1] * 3], atol=2e-3)


def test_network_units_are_inverse_and_within_one():
    Lab = np.asarray(lab.rgb_to_lab(CUBE)).reshape(33, 33, 33, 3)
    L, ab = map(np.asarray, lab.to_network(Lab))
    assert L.shape == (33, 33, 33, 1) and ab.shape == (33, 33, 33, 2)
    assert np.abs(L).max() <= 1 + 1e-5 and np.abs(ab).max() < 1
    np.testing.assert_allclose(lab.from_network(L, ab), Lab, atol=1e-4)


def test_tensorflow_is_imported_by_export_and_for_several_devices_alone():
    package = Path(colornet.__file__).parent
    for file in package.rglob("*.py"):
        if file.parent.name == "export" or file == package / "training" / "devices.py":
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in getattr(node, "names", []) if hasattr(alias, "name")]
            names += [getattr(node, "module", None) or ""]
            assert not any(name.split(".")[0] == "tensorflow" for name in names), file


def test_the_table_of_the_gamut_agrees_with_the_bisection():
    rng = np.random.default_rng(5)
    colours = np.concatenate(
        [rng.uniform(0, 100, (300, 300, 1)), rng.normal(0, 60, (300, 300, 2))], axis=-1
    ).astype(np.float32)
    planes = [np.ascontiguousarray(colours[..., i]) for i in range(3)]
    gamut.fit(*planes)
    exact = np.asarray(lab.fit_gamut(colours))
    away = np.hypot(planes[1] - exact[..., 1], planes[2] - exact[..., 2])
    assert np.mean(away > 0.5) < 1e-3 and away.mean() < 0.03
    # What sRGB shows stays as it is, the yellows beyond the hollow of the gamut too.
    inside = np.asarray(lab.in_gamut(colours))
    assert (away[inside] == 0).all()
    for rgb in ([1, 1, 0], [1, 0, 0], [0, 0, 1], [0, 1, 1], [1, 1, 1], [0, 0, 0]):
        shown = np.array(lab.rgb_to_lab(np.float32(rgb))).reshape(3, 1, 1)
        before = shown.copy()
        gamut.fit(*shown)
        np.testing.assert_allclose(shown, before, atol=0.05)


def test_lightness_is_the_L_of_lab():
    np.testing.assert_array_equal(lab.lightness(CUBE), np.asarray(lab.rgb_to_lab(CUBE))[..., 0])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_lightness_by_table_is_that_of_the_formula(dtype):
    pixels = np.random.default_rng(2).integers(
        0, np.iinfo(dtype).max, (64, 64, 3), dtype, endpoint=True
    )
    pixels[:8] //= 32  # dark ones, on the straight part of the scale
    exact = lab.lightness(pixels.astype(np.float32) / np.iinfo(dtype).max)
    np.testing.assert_allclose(gamut.lightness(pixels), exact, atol=1e-3)
