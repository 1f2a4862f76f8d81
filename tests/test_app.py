"""The page as visitors use it: by its API, and in a real browser where there is one."""

import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from colornet import lab, light, samples
from colornet.metrics import luma
from colornet.photos import Photo, read_photo, write_photo

pytest.importorskip("gradio", reason="the web extra is not installed")
from gradio_client import Client, handle_file  # noqa: E402
from gradio_client.exceptions import AppError  # noqa: E402

from colornet import app  # noqa: E402

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def url():
    page = app.build(light.load("colornet")).queue()
    _, address, _ = page.launch(
        prevent_thread_lock=True, quiet=True, server_name="127.0.0.1", max_file_size=app.MEGABYTES * 10**6
    )
    yield address
    page.close()


@pytest.fixture(scope="module")
def photo(tmp_path_factory):
    """A grey photo larger than what the page shows."""
    path = tmp_path_factory.mktemp("photos") / "old cup.png"
    grey = luma(samples.sample("coffee"))
    write_photo(path, Photo(np.repeat(np.repeat(grey, 4, axis=0), 4, axis=1)[:1500, :2000]))
    return path


def lightness(pixels):
    return lab.lightness(np.atleast_3d(pixels).repeat(3 if pixels.ndim == 2 else 1, -1) / 255)


def coloured(path, of):
    """Whether a result has its photo's size and lightness, and colours."""
    result, photo = (read_photo(file).pixels for file in (path, of))
    away = np.abs(lightness(result) - lightness(photo))
    return (
        result.shape == (*photo.shape[:2], 3) and away.max() < 1 and result.std(axis=-1).mean() > 3
    )


def test_a_photo_through_the_api(url, photo):
    client = Client(url, verbose=False)
    said, pair, _ = client.predict(handle_file(photo), 0.5, api_name="/open")
    assert said == "2000 x 1500 pixels, 8 bits; grey."
    assert [Image.open(picture).size for picture in pair] == [(1200, 900)] * 2
    for kind, suffix in (("PNG", ".png"), ("JPEG", ".jpg")):
        file = client.predict(0.5, kind, 100, api_name="/download")
        assert Path(file).name == f"old cup-coloured{suffix}"
        if kind == "PNG":
            assert coloured(file, photo)


def test_visitors_get_their_own_photos(url, photo, tmp_path):
    small = tmp_path / "small.png"
    write_photo(small, Photo(luma(samples.sample("chelsea"))))
    one, two = Client(url, verbose=False), Client(url, verbose=False)
    one.predict(handle_file(photo), 0.5, api_name="/open")
    two.predict(handle_file(small), 0.5, api_name="/open")
    assert coloured(one.predict(0.5, "PNG", 95, api_name="/download"), photo)
    assert coloured(two.predict(0.5, "PNG", 95, api_name="/download"), small)


def test_several_photos_come_in_one_zip(url, photo, tmp_path):
    bad = tmp_path / "bad.png"
    bad.write_bytes(photo.read_bytes()[:500])
    client = Client(url, verbose=False)
    gallery, archive, report = client.predict(
        [handle_file(file) for file in (photo, bad, photo)], 0.5, api_name="/several"
    )
    assert len(gallery) == 2 and report.startswith("2 of 3 photos coloured.")
    assert "bad.png: damaged or cut short" in report
    with zipfile.ZipFile(archive) as found:
        assert found.namelist() == ["01-old cup.png", "03-old cup.png"]
        found.extractall(tmp_path)
    assert coloured(tmp_path / "01-old cup.png", photo)


def bomb():
    """A PNG of 60,000 x 60,000 pixels by its header, of a few hundred bytes."""
    import struct
    import zlib

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize(
    "name, content, part",
    [
        ("empty.png", lambda photo: b"", "the file is empty"),
        ("cut.png", lambda photo: photo[: len(photo) // 2], "damaged or cut short"),
        ("words.jpg", lambda photo: b"These are words.", "not a JPEG, PNG, WebP, TIFF or BMP"),
        ("bomb.png", lambda photo: bomb(), "60000x60000 is over 100 megapixels"),
    ],
)
def test_bad_files_are_told_and_the_next_visitor_is_served(name, content, part, url, photo, tmp_path):
    bad = tmp_path / name
    bad.write_bytes(content(photo.read_bytes()))
    client = Client(url, verbose=False)
    with pytest.raises(AppError) as error:
        client.predict(handle_file(bad), 0.5, api_name="/open")
    assert str(error.value).startswith(name) and part in str(error.value)
    assert str(tmp_path) not in str(error.value)
    said, *_ = Client(url, verbose=False).predict(handle_file(photo), 0.5, api_name="/open")
    assert said


def test_what_is_said_of_photos():
    grey = luma(samples.sample("coffee"))
    assert app.describe(Photo(grey)) == "600 x 400 pixels, 8 bits; grey."
    sepia = np.uint8(np.clip(grey[..., None] * np.array([1.0, 0.85, 0.65]), 0, 255))
    assert "toned, such as sepia" in app.describe(Photo(sepia))
    assert "in colour" in app.describe(Photo(samples.sample("coffee")))
    deep = Photo(np.uint16(samples.sample("coffee")) * 257)
    assert app.describe(deep).startswith("600 x 400 pixels, 16 bits; in colour")


def test_only_networks_over_bins():
    with pytest.raises(ValueError, match="gives one answer"):
        app.build(light.load("eight_conv"))


def test_a_film_through_the_api(url, tmp_path):
    av = pytest.importorskip("av")
    with av.open(tmp_path / "clip.mp4", "w") as film:
        stream = film.add_stream("libx264", rate=25)
        stream.height, stream.width, stream.pix_fmt = 96, 128, "yuv420p"
        grey = np.repeat(luma(samples.sample("coffee"))[:96, :128, None], 3, axis=-1)
        for _ in range(10):
            film.mux(stream.encode(av.VideoFrame.from_ndarray(grey, "rgb24")))
        film.mux(stream.encode())
    client = Client(url, verbose=False)
    answer = client.predict(handle_file(tmp_path / "clip.mp4"), 0.5, api_name="/film")
    with av.open(answer["video"] if isinstance(answer, dict) else answer) as film:
        frames = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
    assert len(frames) == 10 and frames[0].shape == (96, 128, 3)
    (tmp_path / "none.mp4").write_bytes(b"no film")
    with pytest.raises(AppError, match="none.mp4: cannot be read as a film"):
        client.predict(handle_file(tmp_path / "none.mp4"), 0.5, api_name="/film")


@pytest.fixture(scope="module")
def browser():
    driver = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    if not CHROMIUM:
        pytest.skip("no Chromium: apt-get install chromium")
    with driver.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser, url):
    """A tab that fails where anything is asked of another machine."""
    tab, asked = browser.new_page(viewport=dict(width=1280, height=1000)), []
    tab.set_default_timeout(60_000)
    tab.on("request", lambda request: asked.append(request.url))
    tab.goto(url)
    tab.wait_for_selector("#photo input[type=file]", state="attached")
    yield tab
    tab.close()
    assert asked and all(one.startswith((url, "data:", "blob:")) for one in asked)


def source(page, selector):
    return page.locator(selector).last.get_attribute("src")


def changes(page, selector, action):
    """Does something and waits until the picture there is another."""
    before = source(page, selector)
    action()
    page.wait_for_function(
        "([selector, before]) => [...document.querySelectorAll(selector)].at(-1)?.src != before",
        arg=[selector, before],
    )


def test_in_a_browser(page, photo, tmp_path):
    page.set_input_files("#photo input[type=file]", photo)
    page.wait_for_selector("#pair img")
    assert page.inner_text("#said") == "2000 x 1500 pixels, 8 bits; grey."
    page.click("#correct button")
    marked = "#marked img"
    page.wait_for_selector(marked)

    changes(page, marked, lambda: page.locator("#vividness input[type=range]").press("End"))
    place = page.locator(marked)
    place.scroll_into_view_if_needed()
    box = place.bounding_box()
    place.click(position=dict(x=box["width"] * 0.65, y=box["height"] * 0.55))
    page.wait_for_selector("#swatches button img")
    assert "choose a colour" in page.inner_text("#place")
    changes(page, marked, lambda: page.locator("#swatches button img").nth(2).click())
    changes(page, marked, lambda: page.click("#use"))
    changes(page, marked, lambda: page.click("#undo"))
    changes(page, marked, lambda: page.click("#clear"))

    page.click("#others button >> nth=0")
    page.click("#find")
    page.wait_for_selector("#variants button img")
    changes(page, marked, lambda: page.locator("#variants button img").nth(1).click())
    page.click("#sure button >> nth=0")
    page.click("#show")
    page.wait_for_selector("#confidence img")

    page.click("#save")
    page.wait_for_selector("#file a")
    with page.expect_download() as got:
        page.locator("#file a").first.click()
    got.value.save_as(tmp_path / "result.png")
    assert got.value.suggested_filename == "old cup-coloured.png"
    assert coloured(tmp_path / "result.png", photo)


def test_a_bad_file_is_told_in_the_browser(page, photo, tmp_path):
    bad = tmp_path / "cut.png"
    bad.write_bytes(photo.read_bytes()[:1000])
    page.set_input_files("#photo input[type=file]", bad)
    page.get_by_text("damaged or cut short").wait_for()


def test_on_a_phone(page, photo):
    page.set_viewport_size(dict(width=390, height=800))
    page.set_input_files("#photo input[type=file]", photo)
    page.wait_for_selector("#pair img")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
