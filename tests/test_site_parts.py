"""Each part of the site's JavaScript against the same in Python, in a real browser."""

import cv2
import numpy as np
import pytest
from hosted import blank, got, hosted, made, of_png, packages, png, send
from visits import chromium

from colornet.color import bins, gamut, lab
from colornet.color.hints import as_hint
from colornet.data.samples import sample
from colornet.inference import palette
from colornet.inference.answer import Answer
from colornet.inference.colorizer import load
from colornet.inference.compose import compose, without_colour
from colornet.inference.inputs import network_input
from colornet.inference.steering import colour
from colornet.inference.steering import confidence as sureness
from colornet.photos.photo import Photo


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """An empty page of the site."""
    site = made(tmp_path_factory.mktemp("host"), packages(tmp_path_factory.mktemp("packages")))
    with chromium() as browser, hosted(site) as url:
        yield blank(browser, url)


@pytest.fixture(scope="module")
def colorizer():
    return load()


def test_colours_as_in_python(page):
    rng = np.random.default_rng(0)
    colours = rng.uniform([0, -110, -110], [100, 110, 110], (4000, 3)).astype(np.float32)
    rgb = rng.integers(0, 256, (4000, 3), dtype=np.uint8)
    found = page.evaluate(
        """async ([colours, rgb]) => {
      const color = await import("./color.js");
      const shades = Array.from(floats(colours)), levels = Array.from(bytes(rgb));
      const each = (values, work) => text(new Float32Array(
        values.flatMap((_, i) => (i % 3 ? [] : work(values.slice(i, i + 3))))));
      return [each(shades, color.labToRgb), each(shades, color.fitGamut),
        each(levels, (one) => color.rgbToLab(one.map((v) => v / 255))),
        each(levels, (one) => color.lightness(...one)),
        color.labToHex(50, [200, 0]), color.hexToAb("#c03028")];
    }""",
        [send(colours), send(rgb)],
    )
    shown, fitted, labs = (got(one, -1, 3) for one in found[:3])
    # Where a bisection stops at another half, chroma is off by one part in 4096.
    assert np.abs(shown - lab.lab_to_rgb(colours)).max() < 1 / 255
    assert np.abs(fitted - lab.fit_gamut(colours)).max() < 0.05
    assert np.abs(lab.lightness(shown) - colours[:, 0]).max() < 0.01  # chroma is lost alone
    assert np.abs(labs - gamut.rgb_to_lab(rgb[None])[0]).max() < 0.01
    assert np.abs(got(found[3], -1) - gamut.lightness(rgb[None])[0]).max() < 0.01
    (L,) = lab.lightness(np.float32([[int(found[4][i : i + 2], 16) for i in (1, 3, 5)]]) / 255)
    assert abs(L - 50) < 0.3
    assert np.allclose(found[5], as_hint((0, 0, "#c03028")).ab, atol=1e-3)


@pytest.mark.parametrize("tile", [None, 128])
def test_the_composer_composes_as_python_does(page, tile):
    pixels = sample("chelsea")
    grids = np.random.default_rng(0).normal(0, 30, (2, 17, 23, 2)).astype(np.float32)
    found = page.evaluate(
        """async ([photo, low, high, tile]) => {
      const { Composer } = await import("./composer.js");
      const options = { premultiplyAlpha: "none" };
      const bitmap = await createImageBitmap(file(photo), options);
      const { width, height } = bitmap;
      const composer = new Composer(new OffscreenCanvas(1, 1));
      const confidence = new Float32Array(17 * 23);
      composer.setAnswer({ grid: { width: 23, height: 17 }, levels: [0, 1],
        ab: [floats(low), floats(high)], confidence });
      const result = [];
      for (const vividness of [null, 0, 0.25, 1]) {
        const whole = new OffscreenCanvas(width, height), context = whole.getContext("2d");
        const side = tile ?? Math.max(width, height);
        for (let y = 0; y < height; y += side) for (let x = 0; x < width; x += side) {
          const [w, h] = [Math.min(side, width - x), Math.min(side, height - y)];
          const part = await createImageBitmap(bitmap, x, y, w, h, options);
          composer.setPicture(part, { x, y, width, height });
          composer.draw(vividness);
          context.drawImage(composer.canvas, x, y);
        }
        result.push(text(await (await whole.convertToBlob()).arrayBuffer()));
      }
      return result;
    }""",
        [send(png(pixels)), send(grids[0]), send(grids[1]), tile],
    )
    wanted = [without_colour(pixels)]
    wanted += [compose(pixels, (1 - share) * grids[0] + share * grids[1]) for share in (0, 0.25, 1)]
    for one, other in zip(found, wanted):
        away = np.abs(of_png(one).astype(int) - other)
        assert away.mean() < 0.05
        assert np.mean(away > 1) < 0.001  # of colours at the hollow of the gamut near yellow


SIZES = [(400, 600), (1000, 1503), (100, 151), (200, 4000), (3000, 90), (512, 512), (33, 40)]


@pytest.mark.parametrize("height, width", SIZES)
def test_the_network_gets_what_python_gives_it(page, colorizer, height, width):
    pixels = cv2.resize(sample("coffee"), (width, height), interpolation=cv2.INTER_CUBIC)
    hints = [(0, 0, "#c03028"), (width - 1, height - 1, "#2040c0"), (width / 3, 20.5, "#208020")]
    found = page.evaluate(
        """async ([photo, hints]) => {
      const { hinted, networkInput } = await import("./input.js");
      const { hexToAb } = await import("./color.js");
      const { open, pixelsOf } = await import("./photo.js");
      const bitmap = await open(file(photo, "a.png"), { bytes: 1e9, pixels: 1e9 });
      const input = networkInput(pixelsOf(bitmap));
      const told = hints.map(([x, y, color]) => ({ x, y, ab: hexToAb(color) }));
      return [input.size, text(hinted(input, told, bitmap))];
    }""",
        [send(png(pixels)), hints],
    )
    wanted = network_input(colorizer.network, pixels, [as_hint(hint) for hint in hints])[0]
    x = got(found[1], found[0]["height"], found[0]["width"], 4)
    assert x.shape == wanted.shape
    assert np.abs(x[..., 1:] - wanted[..., 1:]).max() < 1e-5
    # Resized pixels are whole numbers; OpenCV's own roundings differ by one here and there.
    assert np.abs(x[..., 0] - wanted[..., 0]).mean() < 1e-3
    assert np.abs(x[..., 0] - wanted[..., 0]).max() < 0.03


@pytest.fixture(scope="module")
def answers(colorizer):
    """Logits of a small photo without and with a hint, and the shares of a palette."""
    pixels = sample("chelsea")[:128, :192]
    x = network_input(colorizer.network, pixels)
    told = network_input(colorizer.network, pixels, [as_hint((90, 60, "#c03028"))])
    logits = [colorizer.network.run(one)[0][0][:24, :30] for one in (x, told)]
    return [*(np.ascontiguousarray(one) for one in logits), palette.palette(sample("rocket"))]


def test_steering_as_in_python(page, answers, colorizer):
    own, told, shares = answers
    levels = [0, 0.25, 0.5, 1]
    small = cv2.resize(sample("rocket"), (64, 64), interpolation=cv2.INTER_AREA)
    found = page.evaluate(
        """async ([own, told, shares, small, levels]) => {
      const steering = await import("./steering.js");
      const { bins } = await (await fetch("engine.json")).json();
      [own, told, shares] = [own, told, shares].map(floats);
      const moved = steering.transport(own, shares);
      return [...steering.colours(own, levels, bins),
        ...steering.colours(told, levels, bins, own), ...steering.colours(moved, [0.5], bins),
        steering.confidence(own, shares.length), steering.likely(own, bins),
        steering.palette(bytes(small), bins)].map(text);
    }""",
        [send(own), send(told), send(shares), send(small), levels],
    )
    prior = colorizer.network.prior
    wanted = [colour(own, prior, level) for level in levels]
    wanted += [colour(told, prior, level, own) for level in levels]
    wanted += [colour(palette.transport(own, shares), prior, 0.5)]
    for one, other in zip(found, wanted):
        assert np.abs(got(one, *other.shape) - other).max() < 0.02
    sure, likely, own_shares = found[len(wanted) :]
    assert np.abs(got(sure, *own.shape[:2]) - sureness(own)).max() < 1e-4
    assert np.abs(got(own_shares, -1) - shares).max() < 1e-4
    answer = Answer(colorizer.network, Photo(small), own)
    assert np.mean(got(likely, *own.shape[:2], 6, 2) != answer.likely_everywhere()) < 1e-3
    assert len(bins.centres()) == own.shape[-1]
