"""The page for everyone: by touch, by keyboard alone, on narrow screens, light and dark."""

import pytest

pytest.importorskip("visits", reason="the web or dev extra is not installed")
from axe_playwright_python.sync_playwright import Axe
from visits import NARROW, PHONE, ab, answers, expect, opened, saved, seen, settled, tap

LARGE_ENOUGH = 44  # px of what is to be tapped


def violations(page):
    """What axe-core finds wrong, and where."""
    found = Axe().run(page).response["violations"]
    return [(one["id"], [node["html"] for node in one["nodes"]]) for one in found]


def too_small(page):
    """What can be tapped, is in view and smaller than a finger."""
    return page.evaluate(
        """least => [...document.querySelectorAll(
            "button, label:has(input), [role=slider], #handle span, a, input[type=range]")]
          .filter(one => one.checkVisibility({visibilityProperty: true}))
          .map(one => [one, one.getBoundingClientRect()])
          .filter(([one, box]) => Math.min(box.width, box.height) < least - 0.01)
          .map(([one, box]) => `${one.outerHTML.slice(0, 60)} ${box.width}x${box.height}`)""",
        LARGE_ENOUGH,
    )


@pytest.mark.parametrize(
    "look",
    [dict(), PHONE | dict(color_scheme="dark"), NARROW],
    ids=["desktop", "phone, dark", "narrow"],
)
def test_accessible_in_every_state(visit, grey_photos, look):
    page = visit(reduced_motion="reduce", **look)
    states = {}

    def check(state):
        states[state] = violations(page), too_small(page)
        width = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert width[0] <= width[1], (state, width)

    check("empty")
    opened(page, grey_photos["coffee"], grey_photos["chelsea"])
    expect(page.locator("#album [data-state=ready]")).to_have_count(2)
    check("coloured")
    tap(page, 0.3, 0.6)
    answers(page, lambda: page.locator("#likely button").nth(2).click())
    check("popover")
    page.click("#done")
    page.click("#versions")
    expect(page.locator("#tray")).to_have_attribute("aria-busy", "false")
    check("versions")
    page.click("#versions")
    page.click("#guess")
    check("guess")
    page.click("#guess")
    page.click("#more")
    check("more")
    page.keyboard.press("Escape")
    page.click("#anew")
    check("anew")
    assert all(found == ([], []) for found in states.values()), states


def test_by_keyboard_alone(visit):
    page = visit()

    def reach(selector):
        """Tab until something has the focus; it shows that."""
        for _ in range(40):
            page.keyboard.press("Tab")
            if page.locator(selector).first.evaluate("one => one === document.activeElement"):
                assert page.locator(selector).first.evaluate("one => one.matches(':focus-visible')")
                return
        raise AssertionError(selector)

    reach("#samples button")
    page.keyboard.press("Enter")
    settled(page)
    before = seen(page)
    reach("#view")
    for key in ("ArrowDown", "ArrowDown", "ArrowRight", "Shift+ArrowRight"):
        page.keyboard.press(key)
    expect(page.locator("#status")).to_contain_text("% across")
    page.keyboard.press("Enter")
    expect(page.locator("#likely button").first).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    answers(page, lambda: page.keyboard.press("Enter"))
    page.keyboard.press("Escape")
    expect(page.locator("#view")).to_be_focused()
    told = seen(page)
    assert (told != before).any()
    page.keyboard.down("o")
    expect(page.locator("#colour")).to_be_hidden()
    page.keyboard.up("o")
    expect(page.locator("#colour")).to_be_visible()
    page.keyboard.press("+")
    page.keyboard.press("+")
    assert page.locator("#view").evaluate("one => one.classList.contains('zoomed')")
    page.keyboard.press("-")
    page.keyboard.press("-")

    reach("#markers button")
    answers(page, lambda: page.keyboard.press("ArrowRight"))
    page.keyboard.press("Enter")
    expect(page.locator("#popover")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("Delete")
    settled(page)
    assert (seen(page) == before).all()
    reach("#handle")
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    expect(page.locator("#handle")).to_have_attribute("aria-valuenow", "20")
    page.keyboard.press("Home")
    reach("#strength")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#strength")).to_have_attribute("aria-valuetext", "61 %")
    reach("#save")
    with page.expect_download() as waiting:
        page.keyboard.press("Enter")
    assert waiting.value.suggested_filename == "astronaut-coloured.jpg"


def fingers(page, *moves):
    """Touches the screen: each move is the places of all fingers; none lifts them."""
    session = page.context.new_cdp_session(page)
    kinds = ["touchStart"] + ["touchMove"] * (len(moves) - 1)
    for kind, places in zip([*kinds, "touchEnd"], [*moves, []]):
        points = [dict(x=x, y=y, id=i) for i, (x, y) in enumerate(places)]
        session.send("Input.dispatchTouchEvent", dict(type=kind, touchPoints=points))


def test_on_a_phone_by_touch(visit, grey_photos):
    page = visit(reduced_motion="reduce", **PHONE)
    expect(page.locator("#camera")).to_be_visible()
    assert page.locator("#shot").get_attribute("capture") == "environment"
    opened(page, grey_photos["coffee"])
    for part in ("#photo", "#strength", "#save", "#versions", "#undo"):
        box = page.locator(part).bounding_box()
        assert box["y"] + box["height"] <= 844, part  # without scrolling
    before = seen(page)

    track = page.locator("#strength").bounding_box()
    x, y = track["x"] + track["width"] * 0.9, track["y"] + 22
    fingers(page, [(x, y)], [(x + 2, y - 30)], [(x + 4, y - 90)])  # a swipe across it
    assert page.locator("#strength").input_value() == "0.6"
    fingers(page, [(x - 90, y)], [(x - 60, y)], [(x, y)])
    assert 0.8 < float(page.locator("#strength").input_value()) < 1
    assert (seen(page) != before).any()

    photo = page.locator("#photo").bounding_box()
    x, y = photo["x"] + photo["width"] / 2, photo["y"] + photo["height"] / 2
    fingers(page, *([(x - apart, y), (x + apart, y)] for apart in (40, 60, 80)))
    wide = page.locator("#photo").bounding_box()
    assert wide["width"] == pytest.approx(2 * photo["width"], rel=0.1)
    fingers(page, [(x, y)], [(x + 30, y)], [(x + 60, y)])
    assert page.locator("#photo").bounding_box()["x"] > wide["x"] + 40
    expect(page.locator("#popover")).to_be_hidden()
    page.tap("#out")
    page.tap("#out")
    page.tap("#out")

    handle = page.locator("#handle span").bounding_box()
    x, y = handle["x"] + 30, handle["y"] + 22
    fingers(page, [(x, y)], [(x + 60, y)], [(x + 150, y)])
    assert int(page.locator("#handle").get_attribute("aria-valuenow")) > 25
    fingers(page, [(x + 150, y)], [(x + 60, y)], [(0, y)])
    tap(page, 0.3, 0.9)
    assert place(page)[1] + 22 <= page.locator("#popover").bounding_box()["y"]  # in sight
    answers(page, lambda: page.locator("#likely button").last.tap())
    page.tap("#done")
    expect(page.locator("main")).to_have_css("translate", "none")
    fingers(page, [place(page)], [(150, 400)], [(200, 300)])
    settled(page)
    assert place(page) == pytest.approx((200, 300), abs=3)
    assert saved(page)[0] == "old coffee-coloured.png"


def place(page):
    """The middle of the only marker."""
    box = page.locator("#markers button").bounding_box()
    return box["x"] + 22, box["y"] + 22


def test_pressing_shows_the_original(visit, grey_photos):
    page = opened(visit(), grey_photos["coffee"])
    page.locator("#original").hover()
    page.mouse.down()
    expect(page.locator("#colour")).to_be_hidden()
    page.mouse.up()
    expect(page.locator("#colour")).to_be_visible()
    page.locator("#handle span").hover()
    page.mouse.down()
    page.mouse.move(640, 300)
    page.mouse.up()
    assert "inset(0px 0px 0px 50" in page.locator("#colour").evaluate("one => one.style.clipPath")
    page.mouse.move(500, 300)
    page.mouse.wheel(0, -100)
    photo = page.locator("#photo").bounding_box()
    assert photo["width"] > 1280 * 0.8
    page.click("#full")
    expect(page.locator("header")).to_be_hidden()
    page.keyboard.press("f")
    expect(page.locator("header")).to_be_visible()
    assert abs(ab(seen(page))).max() > 5
