"""The page as visitors use it, in a real Chromium with the real server."""

import io
import shutil
import zipfile

import cv2
import numpy as np
import pytest
from PIL import Image

from colornet.color.lab import luma
from colornet.data import samples
from colornet.inference.colorizer import load
from colornet.inference.palette import read_palette
from colornet.inference.steering import VIVIDNESS
from colornet.photos.photo import Photo
from colornet.photos.write import write_photo

pytest.importorskip("visits", reason="the web or dev extra is not installed")
from served import served
from visits import (
    ab,
    answers,
    chroma,
    expect,
    opened,
    pixels_of,
    saved,
    seen,
    settled,
    spot,
    tap,
    tell,
)


def test_from_the_photo_to_the_file(visit, grey_photos):
    page = opened(visit(), grey_photos["large"])
    assert "2400 x 900" in page.inner_text("#said")
    model, shown = load("colornet"), seen(page)
    expected = model.colorize(grey_photos["large"]).pixels
    small = np.array(Image.fromarray(expected).resize(shown.shape[1::-1], Image.Resampling.BOX))
    assert np.abs(shown.astype(float) - small).mean() < 1.5  # other filters made it smaller
    name, data = saved(page)
    assert name == "old large-coloured.png"
    away = np.abs(pixels_of(data).astype(float) - expected)
    assert away.mean() < 0.1 and np.quantile(away, 0.99) <= 1

    page.locator("#strength").focus()
    page.keyboard.press("End")
    assert chroma(seen(page)) > 1.2 * chroma(shown)
    page.click("#more")
    page.get_by_label("JPEG", exact=True).check()
    page.get_by_label("in a corner").check()
    name, data = saved(page)
    vivid = model.colorize(grey_photos["large"], vividness=1).pixels.astype(float)
    away = np.abs(pixels_of(data) - vivid).mean(-1)
    assert name == "old large-coloured.jpg" and np.median(away) < 2
    assert away[-100:, -800:].mean() > 2 * away[:-200].mean()  # the mark
    assert not any(str(grey_photos["large"].parent) in (ask.post_data or "") for ask in page.asked)


def test_dropped_pasted_and_no_photo(visit, grey_photos):
    page = visit()
    page.evaluate(
        """async () => {
            const blob = await (await fetch("samples/coffee.jpg")).blob();
            const carried = new DataTransfer();
            carried.items.add(new File([blob], "dropped.jpg", {type: blob.type}));
            const event = (type, more) => new (more.clipboardData ? ClipboardEvent : DragEvent)(
                type, {bubbles: true, cancelable: true, ...more});
            document.getElementById("empty").dispatchEvent(event("drop", {dataTransfer: carried}));
            document.body.dispatchEvent(event("paste", {clipboardData: carried}));
        }"""
    )
    settled(page)
    expect(page.locator("#album li")).to_have_count(2)
    page.set_input_files("#file", dict(name="a.txt", mimeType="text/plain", buffer=b"no"))
    expect(page.locator("#status")).to_have_text("That was no photo.")


def test_a_tap_corrects_a_colour(visit, grey_photos):
    page = opened(visit(), grey_photos["coffee"])
    before, markers = seen(page), page.locator("#markers button")
    tap(page, 0.3, 0.8)
    names = page.locator("#likely button").all_inner_texts()
    assert len(names) == 6 and len(set(names)) == 6
    answers(page, lambda: page.locator("#likely button").last.click())
    page.keyboard.press("Escape")
    expect(markers).to_have_count(1)
    told = markers.first.evaluate("one => one.style.getPropertyValue('--colour')")
    told = ab([int(told[i : i + 2], 16) for i in (1, 3, 5)])
    away = np.hypot(*(ab(np.array([before[320, 180], seen(page, 0.3, 0.8)])) - told).T)
    assert away[1] < away[0] / 2

    page.click("#undo")  # buttons and keys; the first answer is known
    settled(page)
    expect(markers).to_have_count(0)
    assert np.array_equal(seen(page), before)
    answers(page, lambda: page.keyboard.press("Control+Shift+Z"))
    expect(markers).to_have_count(1)
    markers.first.click()  # a second tap at the same place replaces
    answers(page, lambda: page.fill("#any", "#d02020"))
    expect(markers).to_have_count(1)
    assert ab(seen(page, 0.3, 0.8))[0] > 20
    everywhere = np.abs(ab(seen(page)) - ab(before)).sum(-1)
    page.locator("#reach").focus()
    answers(page, lambda: page.keyboard.press("Home"))  # this place alone
    here = np.abs(ab(seen(page)) - ab(before)).sum(-1)
    assert ab(seen(page, 0.3, 0.8))[0] > 20 and (here > 5).mean() < (everywhere > 5).mean() / 2
    page.click("#done")
    expect(page.locator("#popover")).to_be_hidden()

    page.mouse.move(*spot(page, 0.3, 0.8))
    page.mouse.down()
    page.mouse.move(*spot(page, 0.6, 0.9), steps=5)
    answers(page, page.mouse.up)
    assert ab(seen(page, 0.6, 0.9))[0] > 20 > ab(seen(page, 0.3, 0.8))[0]
    markers.first.click()
    page.click("#delete")
    settled(page)
    expect(markers).to_have_count(0)
    assert np.array_equal(seen(page), before)


def test_colours_are_taken_from_photos(visit, grey_photos, tmp_path):
    page = opened(visit(), grey_photos["coffee"])
    source = tmp_path / "green.png"
    write_photo(source, Photo(np.full((200, 300, 3), (20, 160, 40), np.uint8)))
    tap(page, 0.3, 0.8)
    with page.expect_file_chooser() as chooser:
        page.click("#elsewhere")
    chooser.value.set_files(source)
    expect(page.locator("#banner")).to_contain_text("Tap the colour to take")
    answers(page, lambda: page.mouse.click(*spot(page, 0.5, 0.5)))
    assert ab(seen(page, 0.3, 0.8))[0] < -20  # green
    page.click("#done")
    tap(page, 0.7, 0.2)
    page.click("#dropper")
    answers(page, lambda: page.mouse.click(*spot(page, 0.32, 0.82)))
    assert ab(seen(page, 0.7, 0.2))[0] < -10
    expect(page.locator("#recent button")).to_have_count(2)


def test_versions_guesses_and_another_photo(visit, grey_photos, tmp_path):
    page = opened(visit(), grey_photos["astronaut"])
    first, model = seen(page), load("colornet")
    page.click("#versions")
    expect(page.locator("#tray")).to_have_attribute("aria-busy", "false")
    third = page.locator("#tray button").nth(3)
    answers(page, third.click)
    expect(third).to_have_attribute("aria-pressed", "true")
    expected = model.variants(grey_photos["astronaut"], 5)[3].paint().pixels
    assert np.abs(seen(page).astype(float) - expected).mean() < 1
    _, data = saved(page)  # JPEG, as it came
    assert np.abs(pixels_of(data).astype(float) - expected).mean() < 2
    page.click("#versions")
    page.keyboard.press("Control+z")
    settled(page)
    page.click("#guess")
    expect(page.locator("#banner")).to_have_text("Yellow: sure. Blue: a guess.")
    sure = model.predict(grey_photos["astronaut"]).confidence()
    yellow = ab(seen(page))[..., 1]
    yellow = np.array(Image.fromarray(yellow).resize(sure.shape[::-1], Image.Resampling.BOX))
    assert np.corrcoef(yellow.ravel(), sure.ravel())[0, 1] > 0.9
    page.click("#guess")
    assert np.array_equal(seen(page), first)
    reference = tmp_path / "leaves.png"
    write_photo(reference, Photo(np.full((64, 64, 3), (30, 140, 40), np.uint8)))
    with page.expect_file_chooser() as chooser:
        page.click("#like")
    answers(page, lambda: chooser.value.set_files(reference))
    expect(page.locator("#like")).to_have_text("After leaves.png")
    answer = model.predict(grey_photos["astronaut"])
    painted = answer.paint(VIVIDNESS, read_palette(reference)).pixels
    assert np.abs(seen(page).astype(float) - painted).mean() < 1


def test_several_photos(visit, grey_photos, tmp_path):
    bad, twin = tmp_path / "bad.png", tmp_path / "twin" / "chelsea.jpg"
    bad.write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    twin.parent.mkdir()
    shutil.copy(grey_photos["astronaut"], twin)
    page = visit(refused=2)  # opened and saved in vain
    opened(page, grey_photos["chelsea"], bad, twin, grey_photos["coffee"])
    thumbnails = page.locator("#album li button")
    expect(page.locator("#album [data-state=ready]")).to_have_count(3)
    thumbnails.nth(1).click()
    expect(page.locator("#banner")).to_contain_text("bad.png: ")
    thumbnails.nth(2).click()
    settled(page)
    assert seen(page).shape[:2] == samples.sample("astronaut").shape[:2]
    tell(page, 0.5, 0.6, "#2040c0")
    page.get_by_label("All photos").check()
    page.locator("#strength").focus()
    page.keyboard.press("Home")
    name, data = saved(page, "#zip")
    assert name == "coloured.zip"
    expect(page.locator("#status")).to_contain_text("1 of the photos could not be saved")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["chelsea.jpg", "chelsea (2).jpg", "old coffee.png"]
        safe = load("colornet").colorize(grey_photos["coffee"], vividness=0).pixels.astype(float)
        assert np.abs(pixels_of(archive.read("old coffee.png")) - safe).mean() < 0.1
        place = pixels_of(archive.read("chelsea (2).jpg"))[307, 256]
        assert ab(place)[1] < -20  # the one that was corrected


def test_what_was_told_in_one_photo_is_told_in_the_others(visit, grey_photos, tmp_path):
    nearer = tmp_path / "nearer.png"
    write_photo(nearer, Photo(luma(samples.sample("coffee"))[20:, 60:]))
    page = opened(visit(), grey_photos["coffee"], nearer, grey_photos["chelsea"])
    alike, thumbnails = page.locator("#alike"), page.locator("#album li button")
    expect(page.locator("#album [data-state=ready]")).to_have_count(3)
    expect(alike).to_be_hidden()
    tell(page, 0.32, 0.775, "#2040c0")
    answers(page, alike.click)
    expect(page.locator("#status")).to_contain_text("Told in 1 more.")
    thumbnails.nth(1).click()
    settled(page)
    assert 1 <= page.locator("#markers button").count() <= 4
    assert ab(seen(page)[290, 133])[1] < -20
    page.click("#undo")
    settled(page)
    expect(page.locator("#markers button")).to_have_count(0)
    thumbnails.nth(2).click()
    settled(page)
    expect(page.locator("#markers button")).to_have_count(0)


def test_what_waits_can_be_cancelled(visit, grey_photos):
    page = visit()
    page.set_input_files("#file", [str(grey_photos["large"])] * 6)
    page.click("#cancel")
    expect(page.locator("#album [data-state=working]")).to_have_count(0)
    stopped = page.locator("#album [data-state=stopped]")
    assert stopped.count() >= 4
    stopped.last.click()
    settled(page)


SPECKED, SPECK = 12, (40, 30)  # a frame with a white speck, and its place


def test_a_film(visit, tmp_path):
    av = pytest.importorskip("av")
    film = tmp_path / "walk.mp4"
    with av.open(film, "w") as target:
        stream = target.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        cup = np.dstack([luma(samples.sample("coffee"))[:240, :320]] * 3)
        for i in range(24):
            frame = np.roll(cup, i, 1)
            if i == SPECKED:
                cv2.circle(frame, SPECK, 4, (255, 255, 255), -1)
            target.mux(stream.encode(av.VideoFrame.from_ndarray(frame, "rgb24")))
        target.mux(stream.encode())
    page = visit()
    page.set_input_files("#file", film)
    page.click("#save")
    expect(page.locator("#banner")).to_contain_text("left")
    page.click("#stop")
    expect(page.locator("#save")).to_have_text("Colour this film")
    page.click("#save")
    expect(page.locator("#save")).to_have_text("Save film")
    frames = film_frames(page)
    assert len(frames) == 24 and chroma(frames[5]) > 3
    assert frames[SPECKED][SPECK[::-1]].min() > 200
    page.get_by_role("switch", name="Repair").check()
    expect(page.locator("#save")).to_have_text("Colour this film")  # not as it was wished before
    expect(page.locator("#banner")).to_contain_text("Specks")
    page.click("#save")
    expect(page.locator("#save")).to_have_text("Save film")
    assert film_frames(page)[SPECKED][SPECK[::-1]].min() < 150
    page.get_by_role("switch", name="Repair").uncheck()
    expect(page.locator("#save")).to_have_text("Colour this film")


def film_frames(page):
    """The frames of the film that the page saves."""
    name, data = saved(page)
    assert name == "walk-coloured.mp4"
    with pytest.importorskip("av").open(io.BytesIO(data)) as coloured:
        return [frame.to_ndarray(format="rgb24") for frame in coloured.decode(video=0)]


def test_an_answer_that_is_overtaken_is_let_go(visit, grey_photos):
    page = opened(visit(), grey_photos["large"])
    tap(page, 0.3, 0.8)
    page.fill("#any", "#d02020")
    expect(page.locator("#stage")).to_have_attribute("aria-busy", "true")
    page.fill("#any", "#20b020")
    settled(page)
    assert ab(seen(page, 0.3, 0.8))[0] < -5
    assert any(request.failure for request in page.asked if "answer" in request.url)


def test_nothing_is_lost_until_start_anew(visit, grey_photos, tmp_path):
    with served(tmp_path) as server:
        page = visit(refused=1, address=server.url + "/")
        opened(page, grey_photos["coffee"], grey_photos["chelsea"])
        tell(page, 0.3, 0.8, "#d02020")
        page.locator("#strength").focus()
        page.keyboard.press("End")
        left = seen(page)
        page.reload()
        settled(page)
        assert np.array_equal(seen(page), left)
        expect(page.locator("#markers button")).to_have_count(1)
        expect(page.locator("#album li")).to_have_count(2)
    page.keyboard.press("Control+z")
    tap(page, 0.8, 0.2)
    page.fill("#any", "#2040c0")
    expect(page.locator("#banner")).to_contain_text("cannot be reached")
    with served(tmp_path, port=server.port):
        page.keyboard.press("Escape")
        page.click("#stop")
        settled(page)
        expect(page.locator("#markers button")).to_have_count(2)
        page.click("#anew")
        page.get_by_role("button", name="Keep them").click()
        page.click("#anew")
        page.locator("#sure button[value=yes]").click()
        expect(page.locator("#empty")).to_be_visible()
        page.reload()
        expect(page.locator("#samples button").first).to_be_visible()
        expect(page.locator("#album li")).to_have_count(0)
