"""A visitor's browser at the page: starting it, and what tests of the page do and look at."""

import io
import shutil
import urllib.request
from contextlib import contextmanager

import numpy as np
import pytest
from PIL import Image

from colornet.color import lab

for needed in ("fastapi", "httpx", "playwright", "axe_playwright_python"):
    pytest.importorskip(needed, reason="the web or dev extra is not installed")
from playwright.sync_api import expect, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
FLAGS += ["--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync"]
DESKTOP = dict(viewport=dict(width=1280, height=800))
PHONE = dict(viewport=dict(width=390, height=844), has_touch=True, is_mobile=True)
NARROW = dict(viewport=dict(width=320, height=568), has_touch=True, is_mobile=True)
PATIENCE = 60_000  # ms until a test gives up, on a busy machine
expect.set_options(timeout=PATIENCE)


@contextmanager
def chromium():
    if not CHROMIUM:
        pytest.skip("no Chromium")
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)


@contextmanager
def visiting(browser, url):
    """A function that gives a visitor at the page.

    Behind each visit stands that nothing went wrong unseen: no error in the console but those of
    `refused` requests, and no request to another host.
    """
    visits = []

    def visitor(refused=0, address=url, **options):
        context = browser.new_context(**(DESKTOP | options))
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        page.wrong, page.refused, page.asked = [], refused, []
        page.on("pageerror", lambda error: page.wrong.append(str(error)))
        page.on("console", lambda line: line.type == "error" and page.wrong.append(line.text))
        page.on("request", lambda request: page.asked.append(request))
        page.goto(address)
        page.locator("#samples img").first.wait_for(state="attached")  # it listens
        visits.append((page, address))
        return page

    yield visitor
    for page, address in visits:
        assert len(page.wrong) == page.refused, page.wrong
        others = [request.url for request in page.asked if not request.url.startswith(address)]
        assert all(other.startswith("blob:") for other in others), others
        page.context.close()


def opened(page, *files):
    """The page with files chosen, once the first is coloured."""
    page.set_input_files("#file", [str(file) for file in files])
    settled(page)
    return page


def settled(page):
    """The page once its photo is coloured and the colours have come in."""
    expect(page.locator("#stage")).to_have_attribute("aria-busy", "false")
    expect(page.locator("#save")).to_be_enabled()
    expect(page.locator("#handle")).to_have_attribute("aria-valuenow", "0")


def seen(page, x=None, y=None):
    """What the stage's canvas shows, uint8 RGB: all of it, or the place at shares x, y."""
    picture = page.evaluate(
        """() => {
            const shown = document.getElementById("colour");
            const copy = document.createElement("canvas");
            Object.assign(copy, {width: shown.width, height: shown.height});
            copy.getContext("2d").drawImage(shown, 0, 0);
            return copy.toDataURL();
        }"""
    )
    with urllib.request.urlopen(picture) as data:
        pixels = np.array(Image.open(io.BytesIO(data.read())).convert("RGB"))
    return pixels if x is None else pixels[int(y * len(pixels)), int(x * pixels.shape[1])]


def ab(colour):
    return lab.rgb_to_lab(np.float32(colour) / 255)[..., 1:]


def chroma(pixels):
    return np.hypot(*np.moveaxis(ab(pixels), -1, 0)).mean()


def spot(page, x, y):
    """Where a place of the photo, in shares, is in the window."""
    box = page.locator("#photo").bounding_box()
    return box["x"] + x * box["width"], box["y"] + y * box["height"]


def tap(page, x, y):
    """A tap at a place of the photo; the popover is open then."""
    if page.viewport_size["width"] < 800:
        page.touchscreen.tap(*spot(page, x, y))
    else:
        page.mouse.click(*spot(page, x, y))
    expect(page.locator("#popover")).to_be_visible()


def tell(page, x, y, colour):
    """Tells the colour of a place by the colour field, and waits for the answer to it."""
    tap(page, x, y)
    answers(page, lambda: page.fill("#any", colour))
    page.keyboard.press("Escape")


def answers(page, action):
    """Does something, and waits for the answer that it asks for."""
    with page.expect_response("**/api/answer"):
        action()
    settled(page)


def saved(page, button="#save"):
    """The name and the bytes of what a button saves."""
    with page.expect_download() as waiting:
        page.click(button)
    with open(waiting.value.path(), "rb") as file:
        return waiting.value.suggested_filename, file.read()


def pixels_of(data):
    with Image.open(io.BytesIO(data)) as image:
        return np.array(image)
