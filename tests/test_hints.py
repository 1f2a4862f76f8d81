"""Hints: what may be typed, where they are planted, and those drawn for training."""

import cv2
import numpy as np
import pytest
from skimage.color import rgb2lab

from colornet.color import lab
from colornet.color.hints import Hint, as_hint, parse, plant, read_hints, reveal, spread
from colornet.data import augment
from colornet.data.augment import random_hints

GREY = np.full((64, 96, 1), 50, np.float32)

# What is told by typing


@pytest.mark.parametrize(
    "text, x, y",
    [("120,80,#c03028", 120, 80), (" 1.5 , 0 ,#C03028 \n", 1.5, 0), ("7.,3,#c03028", 7, 3)],
)
def test_hint_as_typed(text, x, y):
    hint = parse(text)
    assert (hint.x, hint.y) == (x, y)
    np.testing.assert_allclose(
        hint.ab, rgb2lab(np.array([[[0xC0, 0x30, 0x28]]]) / 255)[0, 0, 1:], atol=1e-3
    )


def test_colours_are_those_of_scikit_image():
    for rgb in np.random.default_rng(0).integers(0, 256, (50, 3)):
        hint = parse("0,0,#" + "".join(f"{value:02x}" for value in rgb))
        np.testing.assert_allclose(hint.ab, rgb2lab(rgb[None, None] / 255)[0, 0, 1:], atol=1e-3)


BAD = [
    "", "red", "1,2", "1,2,", "1,2,red", "1,2,c03028", "1,2,#c0302", "1,2,#c030288", "1,2,#c0302g",
    "1,2,#fff", "-1,2,#c03028", "1,-2,#c03028", "1 2 #c03028", "1;2;#c03028", "1,2,3,#c03028",
    "nan,2,#c03028", "inf,2,#c03028", "1e3,2,#c03028", ".,2,#c03028", "1,2,#c03028 # the door",
    "1,2,#c03028\n3,4,#c03028", "0x1,2,#c03028", "1,2,# c03028", "1,2,#c03028,", "1,2,#c03028,far",
    "1,2,#c03028,nan", "1,2,#c03028,-0.1", "1,2,#c03028,0.1,0.2",
]  # fmt: skip


@pytest.mark.parametrize("text", BAD)
def test_other_forms_are_refused_in_one_line(text):
    with pytest.raises(ValueError, match="x,y,#rrggbb") as error:
        parse(text)
    assert "\n" not in str(error.value) and repr(text.strip()) in str(error.value)


@pytest.mark.parametrize("text, reach", [("0.25", 0.25), (" .1 ", 0.1), ("1", 1)])
def test_reach_as_typed(text, reach):
    hint = parse(f"120,80,#c03028,{text}")
    assert hint == parse("120,80,#c03028")._replace(reach=reach)
    assert as_hint((120, 80, "#c03028", reach)) == hint
    assert as_hint((120, 80, "#c03028", None)) == parse("120,80,#c03028")


@pytest.mark.parametrize("reach", ["0", "0.0", "1.01", "20"])
def test_reach_out_of_range(reach):
    with pytest.raises(ValueError, match="above 0, up to 1"):
        parse(f"1,2,#c03028,{reach}")


def test_reach_is_a_bell_around_the_nearest_hint():
    hints = [Hint(30, 10, (0, 0), 0.1), Hint(90, 55, (0, 0), 0.3)]
    share = spread(hints, 60, 100, (12, 20))
    assert share.shape == (12, 20, 1) and share.dtype == np.float32
    for row in range(12):
        for column in range(20):
            x, y = (column + 0.5) * 5, (row + 0.5) * 5
            near = np.hypot(x - 30, y - 10) / 10, np.hypot(x - 90, y - 55) / 30
            wanted = max(np.exp(-(d**2)) for d in near)
            assert share[row, column, 0] == pytest.approx(wanted, abs=1e-6)


def test_hint_file(tmp_path):
    file = tmp_path / "hints.txt"
    file.write_text("# the roof\n10,20,#c03028\n\n   \n  # the sky\n 30.5,0,#3060ff,0.2\r\n")
    assert read_hints(file) == [parse("10,20,#c03028"), parse("30.5,0,#3060ff,0.2")]
    file.write_text("# nothing yet\n")
    assert read_hints(str(file)) == []


@pytest.mark.parametrize("bad", BAD[1:16])
def test_bad_line_is_named(bad, tmp_path):
    file = tmp_path / "hints.txt"
    file.write_text(f"10,20,#c03028\n# é\n\n{bad}\n10,20,#c03028\n", encoding="utf-8")
    with pytest.raises(ValueError) as error:
        read_hints(file)
    assert str(error.value).startswith(f"{file}, line 4: ") and "\n" not in str(error.value)


def test_files_that_are_no_hints_are_named(tmp_path):
    (tmp_path / "binary").write_bytes(bytes(range(256)))
    (tmp_path / "folder").mkdir()
    for name in ("missing", "binary", "folder"):
        with pytest.raises(ValueError) as error:
            read_hints(tmp_path / name)
        assert str(error.value).startswith(f"{tmp_path / name}: ")
        assert "\n" not in str(error.value)


# What a network sees of them


@pytest.mark.parametrize("side", range(1, 10))
@pytest.mark.parametrize("row, column", [(12, 15), (0, 0), (23, 31), (0, 31), (1, 29), (22, 2)])
def test_planted_patch_is_the_square_around_its_centre(side, row, column):
    planes = np.full((24, 32, 3), 7, np.float32)
    plant(planes, (55, -11), row, column, side)
    rows, columns = np.mgrid[:24, :32]
    # An even side has one pixel more above and to the left.
    reach = [-(side // 2), (side - 1) // 2]
    inside = (rows - row >= reach[0]) & (rows - row <= reach[1])
    inside &= (columns - column >= reach[0]) & (columns - column <= reach[1])
    assert inside[row, column]
    assert (planes[~inside] == 7).all()
    np.testing.assert_allclose(planes[inside], [[0.5, -0.1, 1]] * inside.sum(), rtol=1e-6)


@pytest.fixture(scope="module")
def noise():
    return np.random.default_rng(1).normal(0, 30, (24, 32, 2)).astype(np.float32)


@pytest.mark.parametrize("row, column", [(12, 15), (0, 0), (23, 31)])
@pytest.mark.parametrize("side", [1, 4, 9])
def test_revealed_patch_has_its_true_mean(row, column, side, noise):
    planes = np.zeros((24, 32, 3), np.float32)
    reveal(planes, noise, row, column, side)
    there = planes[..., 2] == 1
    assert there[row, column] and 1 <= there.sum() <= side**2
    assert np.ptp(planes[there], axis=0).max() == 0
    mean = planes[row, column, :2] * lab.AB_SCALE
    np.testing.assert_allclose(mean, noise[there].mean(0), atol=1e-3)


def test_drawn_hints(monkeypatch):
    monkeypatch.setattr(augment, "DYED", 0)
    # Colours that are the places themselves, so that each hint says where it was taken.
    ramp = np.stack(np.mgrid[:64, :96], axis=-1).astype(np.float32)
    rng, found = np.random.default_rng(0), []
    for _ in range(1500):
        ab, planes = random_hints(GREY, ramp, rng)
        assert ab is ramp and planes.shape == (64, 96, 3) and planes.dtype == np.float32
        mask = planes[..., 2]
        assert np.isin(mask, (0, 1)).all() and (planes[mask == 0] == 0).all()
        colours, places = planes[mask == 1][:, :2] * lab.AB_SCALE, np.argwhere(mask == 1)
        assert np.abs(colours - places).max(initial=0) < augment.PATCH_SIDES[1] / 2 + 1e-3
        patches = np.unique(colours, axis=0)
        if len(patches) == 1:  # not overlapped by another: the mean of the whole patch
            np.testing.assert_allclose(patches[0], places.mean(0), atol=1e-3)
        found.append((len(patches), mask.sum()))
    counts, areas = np.array(found).T
    assert np.mean(counts == 0) == pytest.approx(augment.UNHINTED, abs=0.04)
    assert counts[counts > 0].mean() == pytest.approx(1 / augment.STOPPING, rel=0.15)
    alone = set(areas[counts == 1])
    assert {1, 4, 9, 81} <= alone and max(alone) <= 81


def test_drawn_hints_are_fixed_by_the_generator(noise):
    def first(seed):
        rng = np.random.default_rng(seed)
        return [x for _ in range(8) for x in random_hints(GREY[:24, :32], noise, rng)]

    assert all(map(np.array_equal, first(3), first(3)))
    assert not all(map(np.array_equal, first(3), first(4)))


def test_dye_stays_on_the_thing():
    # A disc on a ground of another colour, and a second disc like it elsewhere.
    L, rng = np.full((64, 96, 1), 50, np.float32), np.random.default_rng(0)
    rows, columns = np.mgrid[:64, :96]
    first, second = ((rows - 32) ** 2 + (columns - x) ** 2 < 200 for x in (24, 72))
    ab = np.where((first | second)[..., None], [30, 30], [-20, 10]).astype(np.float32)
    for _ in range(20):
        changed = np.hypot(*np.moveaxis(augment.dyed(L, ab, 32, 24, rng) - ab, -1, 0))
        assert (
            changed[~cv2.dilate(first.astype(np.uint8), np.ones((9, 9))).astype(bool)].max() < 0.1
        )
        inside = changed[cv2.erode(first.astype(np.uint8), np.ones((9, 9))).astype(bool)]
        assert np.ptp(inside) < 0.1 and inside.min() > 0
    assert inside.min() > 5


def test_dyed_colours_are_told_and_to_be_learnt(monkeypatch):
    monkeypatch.setattr(augment, "DYED", 1)
    monkeypatch.setattr(augment, "UNHINTED", 0)
    ab, rng = np.full((64, 96, 2), 10, np.float32), np.random.default_rng(0)
    for _ in range(50):
        learnt, planes = random_hints(GREY, ab, rng)
        told = planes[..., 2] == 1
        colours = planes[told][:, :2] * lab.AB_SCALE
        np.testing.assert_allclose(colours, learnt[told], atol=0.5)
        assert np.asarray(lab.in_gamut(np.concatenate([GREY, learnt], axis=-1))).mean() > 0.99
    assert (ab == 10).all()
