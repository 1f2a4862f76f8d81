"""The page as visitors use it: by its API, and in a real browser where there is one.

`test_what_visitors_see_of_odd_files` writes outputs/uploads.md, the table of it.
"""

import os
import shutil
import signal
import socket
import stat
import time
import urllib.error
import urllib.request
import zipfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from conftest import start
from PIL import Image
from test_photos import ODD, no_permission

from colornet.color import lab
from colornet.color.lab import luma
from colornet.data import samples
from colornet.inference.colorizer import load
from colornet.photos.photo import Photo
from colornet.photos.read import read_photo
from colornet.photos.write import write_photo

pytest.importorskip("gradio", reason="the web extra is not installed")
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from colornet.web import page as web

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


@contextmanager
def served(folder, name="colornet"):
    """The address of a page of its own, which keeps its files in a folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(folder))
        built = web.build(load(name))
        _, address, _ = built.launch(
            prevent_thread_lock=True,
            quiet=True,
            server_name="127.0.0.1",
            max_file_size=web.MEGABYTES * 10**6,
        )
        yield address
        built.close()


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Where the page keeps its visitors' files."""
    return tmp_path_factory.mktemp("kept")


@pytest.fixture(scope="module")
def url(kept):
    with served(kept) as address:
        yield address


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
    vivid, _ = client.predict(1, api_name="/vividness")
    before, after = (
        np.asarray(Image.open(pictures[1])).std(-1).mean() for pictures in (pair, vivid)
    )
    assert after > before
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


def said_of(url, client, file):
    """What the page says of an upload, good or bad."""
    try:
        return client.predict(handle_file(file), 0.5, api_name="/open")[0]
    except AppError as error:
        return f"Error: {error}"


def test_what_visitors_see_of_odd_files(url, kept, tmp_path):
    client, rows = Client(url, verbose=False), []
    for what, name, make, expected, pixels, _ in ODD:
        file = tmp_path / what.replace("/", "-") / name
        file.parent.mkdir()
        make(file)
        if not file.is_file() or make is no_permission:
            continue  # nothing that could be sent
        seen = said_of(url, client, file)
        rows.append((what, seen))
        if pixels is not None or "cannot hold" in expected:  # as PNG, the results can hold it
            height, width = Image.open(file).size[::-1] if pixels is None else pixels.shape[:2]
            assert seen.startswith(f"{width} x {height} pixels, ") and seen.endswith("."), what
        else:
            assert seen.startswith(f"Error: {name}: ") and "; " in seen, (what, seen)
            assert expected in seen.replace("No such", "no such"), (what, seen)
            assert str(kept) not in seen and "\n" not in seen, what
    huge = tmp_path / "huge.png"
    with open(huge, "wb") as file:
        file.truncate((web.MEGABYTES + 1) * 10**6)
    with pytest.raises(Exception, match="413|too large|exceeds|Payload") as refusal:
        client.predict(handle_file(huge), 0.5, api_name="/open")
    seen = str(refusal.value).splitlines()[0].replace(str(huge), huge.name)
    rows.append((f"{web.MEGABYTES + 1} MB", f"Error: {seen}"))
    assert len(rows) > 90
    table = Path(__file__).parents[1] / "outputs" / "uploads.md"
    table.parent.mkdir(exist_ok=True)
    lines = [f"| {what} | {seen} |\n" for what, seen in rows]
    table.write_text(
        "| upload | what the page says |\n|---|---|\n" + "".join(lines), encoding="utf-8"
    )


def fetched(address):
    """Status and body of a GET, which keeps the address as it is."""
    try:
        with urllib.request.urlopen(address, timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def test_no_file_of_the_machine_can_be_read(url, photo, tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("sesame 4711")
    here = os.path.relpath(secret, os.getcwd())
    up = f"/../../../..{secret}", f"%2e%2e/%2e%2e/..{secret}"
    for place in (secret, here, *up, "/proc/self/environ"):
        for route in (
            "gradio_api/file=",
            "file=",
            "static/",
            "assets/",
            "gradio_api/proxy=file://",
        ):
            status, body = fetched(f"{url}{route}{place}")
            assert b"sesame" not in body and b"GRADIO" not in body, (route, place)
            assert status >= 400 or b"<html" in body[:500].lower(), (route, place, status)
    client = Client(url, verbose=False)
    for path in (str(secret), here, "/etc/passwd"):
        given = dict(path=path, orig_name="a.png", meta=dict(_type="gradio.FileData"))
        for arguments in ((given, 0.5), ([given], 0.5)):
            with pytest.raises(AppError) as error:
                name = "/several" if isinstance(arguments[0], list) else "/open"
                client.predict(*arguments, api_name=name)
            assert "sesame" not in str(error.value) and "root:" not in str(error.value)


def test_a_name_cannot_lead_out_of_the_folder(url, kept, photo):
    boundary, name = "b0undary", "../../../../evil.png"
    body = (
        (
            f'--{boundary}\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n'
            "Content-Type: image/png\r\n\r\n"
        ).encode()
        + photo.read_bytes()
        + f"\r\n--{boundary}--\r\n".encode()
    )
    request = urllib.request.Request(
        f"{url}gradio_api/upload",
        body,
        {"Content-Type": f"multipart/form-data; boundary={boundary}"},
    )
    with urllib.request.urlopen(request) as answer:
        assert b"evil.png" in answer.read()
    evil = [path for path in kept.rglob("*evil.png")]
    assert evil and not (kept.parents[2] / "evil.png").exists()


def test_photos_are_removed(photo, tmp_path, monkeypatch):
    monkeypatch.setattr(web, "SWEEP", 1)
    monkeypatch.setattr(web, "KEPT", 2)

    def photos():
        return [f for f in tmp_path.rglob("*") if f.is_file() and "old cup" in f.name]

    with served(tmp_path) as address:
        client = Client(address, verbose=False)
        client.predict(handle_file(photo), 0.5, api_name="/open")
        client.predict(0.5, "PNG", 95, api_name="/download")
        assert len(photos()) == 2
        until = time.time() + 30
        while photos() and time.time() < until:
            time.sleep(0.5)
        left = [f for f in tmp_path.rglob("*") if f.is_file() and "examples" not in str(f)]
        assert not photos(), left
        with pytest.raises(AppError, match="removed after"):
            client.predict(0.5, "PNG", 95, api_name="/download")


def test_a_full_queue_is_told_and_nobody_is_forgotten(photo, tmp_path, monkeypatch):
    monkeypatch.setattr(web, "QUEUE", 2)
    with served(tmp_path) as address:
        clients = [Client(address, verbose=False) for _ in range(10)]
        with ThreadPoolExecutor(len(clients)) as pool:
            said = list(pool.map(lambda client: _told(client, photo), clients))
    answered = said.count("2000 x 1500 pixels, 8 bits; grey.")
    refused = sum("full" in one for one in said)
    assert answered and refused and answered + refused == len(said), said


def _told(client, photo):
    try:
        return client.predict(handle_file(photo), 0.5, api_name="/open")[0]
    except Exception as error:  # the client's own kinds
        return str(error).lower()


def test_the_command_serves_this_machine_alone_and_clears_up(photo, tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = start("-m", "colornet", "serve", "--port", port, TMPDIR=str(tmp_path))
    until = time.time() + 60
    while time.time() < until:
        try:
            client = Client(f"http://127.0.0.1:{port}", verbose=False)
            break
        except Exception:  # not up yet
            time.sleep(0.3)
    client.predict(handle_file(photo), 0.5, api_name="/open")
    (kept,) = tmp_path.glob("colornet-*")
    assert stat.S_IMODE(kept.stat().st_mode) == 0o700 and [*kept.rglob("old cup.png")]
    with socket.socket() as other:
        with pytest.raises(OSError):
            other.connect((_own_address(), port))
    second = start("-m", "colornet", "serve", "--port", port)
    output = second.communicate(timeout=60)[0]
    assert second.returncode == 1 and str(port) in output.splitlines()[-1]
    server.send_signal(signal.SIGINT)
    server.communicate(timeout=30)
    assert not kept.exists()


def _own_address():
    """This machine's address towards others; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return "127.0.0.2"
        return probe.getsockname()[0]


def test_what_is_said_of_photos():
    grey = luma(samples.sample("coffee"))
    assert web.describe(Photo(grey)) == "600 x 400 pixels, 8 bits; grey."
    sepia = np.uint8(np.clip(grey[..., None] * np.array([1.0, 0.85, 0.65]), 0, 255))
    assert "toned, such as sepia" in web.describe(Photo(sepia))
    assert "in colour" in web.describe(Photo(samples.sample("coffee")))
    deep = Photo(np.uint16(samples.sample("coffee")) * 257)
    assert web.describe(deep).startswith("600 x 400 pixels, 16 bits; in colour")


def test_a_network_with_one_answer(photo, tmp_path):
    with served(tmp_path, "eight_conv") as address:
        client = Client(address, verbose=False)
        client.predict(handle_file(photo), 0.5, api_name="/open")
        assert coloured(client.predict(0.5, "PNG", 95, api_name="/download"), photo)


def clip(path, frames, rate):
    """A grey film of 128x96."""
    av = pytest.importorskip("av")
    grey = np.repeat(luma(samples.sample("coffee"))[:96, :128, None], 3, axis=-1)
    with av.open(path, "w") as target:
        stream = target.add_stream("libx264", rate=rate)
        stream.height, stream.width, stream.pix_fmt = 96, 128, "yuv420p"
        for _ in range(frames):
            target.mux(stream.encode(av.VideoFrame.from_ndarray(grey, "rgb24")))
        target.mux(stream.encode())
    return handle_file(path)


def test_long_films_are_refused(url, tmp_path, monkeypatch):
    client = Client(url, verbose=False)
    with pytest.raises(AppError, match="long.mp4: lasts 61 seconds, the page takes 60; .* video"):
        client.predict(clip(tmp_path / "long.mp4", 61, 1), 0.5, api_name="/film")
    monkeypatch.setattr(web, "WORK_MINUTES", 1 / 60)
    with pytest.raises(AppError, match="much.mp4: takes .* minutes, the page gives"):
        client.predict(clip(tmp_path / "much.mp4", 30, 25), 0.5, api_name="/film")


def test_a_film_through_the_api(url, tmp_path):
    av = pytest.importorskip("av")
    client = Client(url, verbose=False)
    answer = client.predict(clip(tmp_path / "clip.mp4", 10, 25), 0.5, api_name="/film")
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
    assert page.locator("#x input").input_value() == "780"
    changes(page, marked, lambda: page.locator("#swatches button img").nth(2).click())
    changes(page, marked, lambda: page.click("#use"))
    changes(page, marked, lambda: page.click("#undo"))
    # The same by keyboard alone: a place, its likely colours, one of these.
    page.locator("#x input").fill("300")
    page.locator("#y input").fill("200")
    page.locator("#look").focus()
    changes(page, "#swatches button img", lambda: page.keyboard.press("Enter"))
    page.locator("#swatches button:has(img)").first.focus()
    changes(page, marked, lambda: page.keyboard.press("Enter"))
    changes(page, marked, lambda: page.click("#clear"))

    page.click("#others button >> nth=0")
    page.click("#find")
    page.wait_for_selector("#variants button img")
    changes(page, marked, lambda: page.locator("#variants button img").nth(1).click())
    page.click("#sure button >> nth=0")
    page.click("#show")
    page.wait_for_selector("#confidence img")

    assert not page.get_by_label("Share").count()
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
    page.set_input_files("#photo input[type=file]", photo)
    page.wait_for_selector("#pair img")
    page.locator("#photo input[type=file]").set_input_files(bad)
    page.get_by_text("damaged or cut short").first.wait_for()
    page.wait_for_selector("#pair img", state="detached")  # the photo before is not taken for it


def test_another_photo_begins_anew(page, photo, tmp_path):
    page.set_input_files("#photo input[type=file]", photo)
    page.wait_for_selector("#pair img")
    page.click("#others button >> nth=0")
    page.click("#find")
    page.wait_for_selector("#variants button img")
    page.click("#save")
    page.wait_for_selector("#file a")
    page.get_by_label("Remove Image").first.click()
    page.wait_for_selector("#pair img", state="detached")
    page.wait_for_selector("#file a", state="detached")
    page.wait_for_selector("#variants button img", state="detached")
    assert page.inner_text("#said") == ""


def test_on_a_phone(page, photo):
    page.set_viewport_size(dict(width=390, height=800))
    page.set_input_files("#photo input[type=file]", photo)
    page.wait_for_selector("#pair img")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
