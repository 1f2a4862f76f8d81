"""Repair on the page: a switch, and a brush for what is marked."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from colornet.color.lab import luma
from colornet.data import samples
from colornet.photos import xmp
from colornet.photos.photo import Photo
from colornet.photos.read import read_photo
from colornet.photos.write import write_photo

pytest.importorskip("visits", reason="the web or dev extra is not installed")
from axe_playwright_python.sync_playwright import Axe
from visits import PHONE, answers, expect, opened, pixels_of, saved, seen, settled, spot

GREY = luma(samples.sample("coffee"))
SCRATCH = (0.2, 0.3), (0.5, 0.6)  # shares of the photo


@pytest.fixture(scope="module")
def scratched(tmp_path_factory):
    """A photo with one wide scratch as a file, and where it is."""
    height, width = GREY.shape
    ends = [(int(x * width), int(y * height)) for x, y in SCRATCH]
    mask = cv2.line(np.zeros(GREY.shape, np.uint8), *ends, 255, 5) > 0
    file = tmp_path_factory.mktemp("old") / "old.png"
    write_photo(file, Photo(np.where(mask, 255, GREY).astype(np.uint8)))
    return file, mask


def nothing(page):
    """The server finds nothing, so that the brush alone marks."""
    empty = io.BytesIO()
    Image.fromarray(np.zeros_like(GREY)).save(empty, "PNG")
    answer = dict(body=empty.getvalue(), content_type="image/png")
    page.route("**/api/damage", lambda route: route.fulfill(**answer))


def stroke(page, ends):
    page.mouse.move(*spot(page, *ends[0]))
    page.mouse.down()
    page.mouse.move(*spot(page, *ends[1]), steps=5)
    page.mouse.up()


def error(pixels, mask):
    """How far from the whole photo a coloured one is in lightness, levels, where it is marked."""
    return np.abs(luma(np.ascontiguousarray(pixels)).astype(float) - GREY)[mask].mean()


def test_the_brush_marks_and_unmarks(visit, scratched):
    file, mask = scratched
    page = visit()
    nothing(page)
    opened(page, file)
    before = seen(page)
    switch = page.get_by_role("switch", name="Repair", exact=True)
    answers(page, lambda: (switch.focus(), page.keyboard.press("Space")))
    expect(page.locator("#banner")).to_contain_text("No scratches found")
    assert switch.is_checked() and np.array_equal(seen(page), before)

    page.click("#paint")
    expect(page.locator("#banner")).to_contain_text("Paint over")
    answers(page, lambda: stroke(page, SCRATCH))
    painted = seen(page)
    expect(page.locator("#said")).to_contain_text("Repaired: ")
    assert error(painted, mask) < 0.3 * error(before, mask)
    away = ~cv2.dilate(mask.view(np.uint8), np.ones((31, 31), np.uint8)).astype(bool)
    assert error(painted, away) < 1
    assert page.locator("#popover").is_hidden()  # a stroke is no tap

    page.click("#erase")
    answers(page, lambda: stroke(page, ((0.2, 0.3), (0.35, 0.45))))
    assert error(before, mask) > error(seen(page), mask) > 2 * error(painted, mask)
    page.click("#erase")
    expect(page.locator("#damage")).to_be_hidden()
    answers(page, lambda: page.click("#undo"))
    assert np.array_equal(seen(page), painted)

    name, data = saved(page)
    result, packet = pixels_of(data), read_photo(_kept(file, data)).metadata.xmp
    assert name == "old-coloured.png" and error(result, mask) < 0.3 * error(before, mask)
    assert (
        b"repaired: " in packet
        and b"marked by a mask" in packet
        and xmp.value(packet, "Iptc4xmpExt:AISystemUsed")
    )
    answers(page, switch.click)  # off
    assert np.array_equal(seen(page), before)
    expect(page.locator("#brushes")).to_be_hidden()


def _kept(file, data):
    target = file.with_name("saved.png")
    target.write_bytes(data)
    return target


def test_a_repair_is_kept_over_a_reload(visit, scratched):
    page = visit()
    nothing(page)
    opened(page, scratched[0])
    answers(page, page.get_by_role("switch").click)
    page.click("#paint")
    answers(page, lambda: stroke(page, SCRATCH))
    painted = seen(page)
    page.reload()
    settled(page)
    assert page.get_by_role("switch").is_checked() and np.array_equal(seen(page), painted)


@pytest.mark.parametrize("options", [{}, PHONE], ids=["desktop", "phone"])
def test_switch_and_brushes_are_for_everyone(visit, scratched, options):
    page = visit(**options)
    nothing(page)
    opened(page, scratched[0])
    page.get_by_role("switch").focus()
    answers(page, lambda: page.keyboard.press("Space"))
    for one in page.locator("#mend, #brushes button").all():
        box = one.bounding_box()
        assert box["height"] >= 44 and box["width"] >= 44
        assert box["x"] >= 0 and box["x"] + box["width"] <= page.viewport_size["width"]
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.click("#paint")
    found = Axe().run(page).response["violations"]
    assert found == [], [one["id"] for one in found]


def test_a_server_without_repairs_shows_no_switch(visit):
    page = visit()
    page.route(
        "**/engine.json",
        lambda route: route.fulfill(json=route.fetch().json() | dict(repairs=False)),
    )
    page.reload()
    page.locator("#samples button").first.click()
    settled(page)
    expect(page.locator("#mend")).to_be_hidden()
