"""Colours told of films: they stay on their things along the motion, and end where they should."""

import csv
import os

import cv2
import numpy as np
import pytest
from PIL import Image

from colornet.__main__ import main
from colornet.color import lab
from colornet.color.hints import Hint
from colornet.data import samples

av = pytest.importorskip("av", reason="the video extra is not installed")
from colornet.inference.colorizer import load
from colornet.inference.guide import Found
from colornet.inference.palette import palette as palette_of
from colornet.photos.photo import Photo
from colornet.video.film import FilmOrder, colorize_video
from colornet.video.guide import read_guides
from colornet.video.look import Look, shown
from colornet.video.marks import xmp_of_film
from colornet.video.reading import reading
from colornet.video.shots import shots, write_shots
from colornet.video.told import Moment, Told, read_told, told
from colornet.video.tracks import FADE, track

RIGHT, DOWN = 3, 1.5  # pixels a frame that the window moves
SIZE = 192, 256
BLUE = Hint(200, 140, (10.0, -50.0))


def window(name, number, colour=False):
    """A window that moves over a photo, uint8 RGB frames of a known motion."""
    photo = samples.sample(name)
    scale = max(
        (SIZE[0] + DOWN * number) / photo.shape[0], (SIZE[1] + RIGHT * number) / photo.shape[1]
    )
    photo = cv2.resize(photo, None, fx=scale * 1.02, fy=scale * 1.02, interpolation=cv2.INTER_AREA)
    if not colour:
        photo = np.repeat(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=-1)
    centres = ((127.5 + RIGHT * i, 95.5 + DOWN * i) for i in range(number))
    return [cv2.getRectSubPix(photo, SIZE[::-1], centre) for centre in centres]


def film(path, frames, rate=25):
    with av.open(path, "w") as out:
        stream = out.add_stream("ffv1", rate=rate)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "bgr0"
        for rgb in frames:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, "rgb24")))
        out.mux(stream.encode())
    return path


@pytest.fixture(scope="module")
def colorizer():
    return load("colornet")


@pytest.fixture(scope="module")
def two_shots(tmp_path_factory):
    """Thirty frames of one photo, then twenty of another, behind five black ones."""
    path = tmp_path_factory.mktemp("films") / "two.mkv"
    dark = [np.zeros((*SIZE, 3), np.uint8)] * 5
    return film(path, dark + window("astronaut", 30) + window("coffee", 20))


def pictures_of(path, colorizer):
    with reading(path, colorizer.network) as found:
        yield from found


def tracked(path, colorizer, told=(), guides=()):
    """The hints of each frame: lists of pairs of hint and weight."""
    tracks = track(pictures_of(path, colorizer), told, guides)
    return [[*zip(*tracks.at(picture))] for picture in pictures_of(path, colorizer)]


class Once:
    """A guide that tells one colour of each shot; notes what it was asked of."""

    def __init__(self, *hints, palettes=()):
        self.asked, self._hints, self._palettes = [], list(hints), list(palettes)

    def find(self, photo, before=()):
        self.asked.append(photo.pixels)
        return Found(self._hints, self._palettes.pop(0) if self._palettes else None, [])


def test_a_shot_has_the_palette_that_a_guide_finds_for_it(two_shots, colorizer):
    palette = palette_of(samples.sample("coffee"))
    guides = [Once(palettes=[None, palette]), Once()]
    tracks, seen = track(pictures_of(two_shots, colorizer), [], guides), 0
    for picture in pictures_of(two_shots, colorizer):
        found = tracks.palette(picture)
        assert found is (palette if picture.number >= 35 else None)
        if picture.number in (20, 40):
            wanted = colorizer.predict(Photo(picture.pixels)).ab(0.6, found)
            look = Look(colorizer, 0.6, tracks)(picture)[..., :2]
            np.testing.assert_allclose(look, wanted, atol=1e-4)
            seen += 1
    assert seen == 2


@pytest.mark.parametrize("at", [5, 20, 34])
def test_told_colours_follow_their_thing_both_ways_within_the_shot(at, two_shots, colorizer):
    found = tracked(two_shots, colorizer, [Told(Moment(at), BLUE)])
    number = 0
    for i, pairs in enumerate(found):
        for hint, weight in pairs:
            x, y = BLUE.x - RIGHT * (i - at), BLUE.y - DOWN * (i - at)
            assert np.hypot(hint.x - x, hint.y - y) < 2 and 0 <= weight <= 1
            assert hint.ab == BLUE.ab and 5 <= i < 35
            number += 1
    inside = [i for i in range(5, 35) if 0 <= BLUE.x - RIGHT * (i - at) < SIZE[1]]
    assert number >= len(inside) - 2


def test_a_colour_ends_when_it_is_told_to(two_shots, colorizer):
    for last, until in ((12, Moment(12)), (15, Moment(0.6, True))):
        found = tracked(two_shots, colorizer, [Told(Moment(8), BLUE, until)])
        assert [i for i, pairs in enumerate(found) if pairs] == [*range(5, last + 1)]
        weights = [pairs[0][1] for pairs in found[8 : last + 1]]
        assert weights[-1] == pytest.approx(1 / FADE) and np.all(np.diff(weights) < 0)


def test_seconds_are_those_of_the_film(two_shots, colorizer):
    told = [Told(Moment(0.4, True), BLUE)]  # the tenth frame
    (hint, _), *_ = tracked(two_shots, colorizer, told)[10]
    assert (hint.x, hint.y) == pytest.approx((BLUE.x, BLUE.y), abs=0.5)


def test_guides_are_asked_at_the_first_good_frame_of_each_shot(two_shots, colorizer):
    guide = Once(BLUE)
    found = tracked(two_shots, colorizer, guides=(guide,))
    pixels = [picture.pixels for picture in pictures_of(two_shots, colorizer)]
    assert [next(i for i, p in enumerate(pixels) if np.array_equal(p, a)) for a in guide.asked] == [
        5,
        35,
    ]
    assert not any(found[:5]) and all(found[5:20]) and all(found[35:50])


def test_what_is_covered_is_lost_and_found_again_behind_it(tmp_path, colorizer):
    frames = [window("astronaut", 1)[0].copy() for _ in range(40)]
    rng = np.random.default_rng(0)
    for i in range(14, 20):  # something else stands over the place of a camera that stands still
        frames[i][110:170, 170:230] = rng.integers(0, 255, (60, 60, 1))
    found = tracked(film(tmp_path / "a.mkv", frames), colorizer, [Told(Moment(0), BLUE)])
    assert all(found[:14]) and not any(found[15:20]) and all(found[20:])
    weights = [pairs[0][1] if pairs else 0 for pairs in found]
    assert weights[0] == weights[39] == 1 and max(np.abs(np.diff(weights))) < 0.2
    for hint, _ in (pairs[0] for pairs in found if pairs):
        assert (hint.x, hint.y) == pytest.approx((BLUE.x, BLUE.y), abs=1)


def coloured(path, colorizer, tracks):
    """The ab of each frame."""
    from colornet.video.steady import steadied

    found = ((picture, picture.grey) for picture in pictures_of(path, colorizer))
    return [shown(x) for _, x in steadied(found, Look(colorizer, None, tracks))]


def test_the_told_colour_is_seen_on_its_thing_and_in_no_other_shot(two_shots, colorizer):
    tracks = track(pictures_of(two_shots, colorizer), [Told(Moment(20), BLUE)], ())
    plain = track(pictures_of(two_shots, colorizer), [], ())
    told, bare = (coloured(two_shots, colorizer, one) for one in (tracks, plain))
    for i in (8, 14, 20, 26, 32):
        height, width = told[i].shape[:2]
        x, y = BLUE.x - RIGHT * (i - 20), BLUE.y - DOWN * (i - 20)
        place = int(y * height / SIZE[0]), int(x * width / SIZE[1])
        assert np.hypot(*(told[i][place] - BLUE.ab)) < 12
        assert np.hypot(*(bare[i][place] - BLUE.ab)) > 30
    for i in range(35, 55):
        np.testing.assert_array_equal(told[i], bare[i])


def test_shots_are_those_that_were_cut(two_shots, colorizer, tmp_path, capsys):
    assert main(["shots", str(two_shots), "-o", str(tmp_path / "shots")]) in (0, None)
    rows = list(csv.DictReader(open(tmp_path / "shots" / "shots.csv", encoding="utf-8")))
    assert [(row["first"], row["last"], row["frame"]) for row in rows] == [
        ("0", "4", "0"),
        ("5", "34", "5"),
        ("35", "54", "35"),
    ]
    assert [row["seconds"] for row in rows] == ["0.000", "0.200", "1.400"]
    pixels = [picture.pixels for picture in pictures_of(two_shots, colorizer)]
    for row in rows:
        saved = np.asarray(Image.open(tmp_path / "shots" / row["file"]).convert("L"))
        np.testing.assert_array_equal(saved, pixels[int(row["frame"])])
    assert main(["shots", str(two_shots), "-o", str(tmp_path / "shots")]) == 1
    assert "is there already" in capsys.readouterr().err


def test_a_fade_is_waited_for(tmp_path, colorizer):
    frames = window("astronaut", 40)
    faded = [np.uint8(frame * min(1, i / 20)) for i, frame in enumerate(frames)]
    path = film(tmp_path / "a.mkv", faded)
    (shot,) = [shot for shot, frames in shots(pictures_of(path, colorizer)) if list(frames)]
    assert 14 <= shot.good.number <= 21 and (shot.first, shot.last) == (0, 39)


def test_a_film_is_coloured_after_pictures_of_its_shots(tmp_path, colorizer):
    true = window("coffee", 16, colour=True)
    source = film(tmp_path / "a.mkv", window("coffee", 16))
    write_shots(source, tmp_path / "guide", colorizer.network)
    (name,) = (file for file in os.listdir(tmp_path / "guide") if file.endswith("png"))
    errors = []
    for colours in (None, true[0]):
        if colours is not None:
            Image.fromarray(colours).save(tmp_path / "guide" / name)
        order = FilmOrder(told=tuple(read_guides(tmp_path / "guide")), force=True)
        colorize_video(colorizer, source, tmp_path / "out.mp4", order)
        with av.open(tmp_path / "out.mp4") as out:
            last = [frame.to_ndarray(format="rgb24") for frame in out.decode(video=0)][-1]
        ab = [np.asarray(lab.rgb_to_lab(x / np.float32(255)))[..., 1:] for x in (last, true[-1])]
        errors.append(np.hypot(*np.moveaxis(ab[0] - ab[1], -1, 0)).mean())
    assert errors[1] < 0.6 * errors[0]  # a picture left grey tells nothing
    assert b"frame 0 guide sha256" in xmp_of_film(tmp_path / "out.mp4")


GOOD = {
    "12,3,4,#ff0000": (Moment(12), None, None),
    "12.5s,3,4,#ff0000,0.1": (Moment(12.5, True), None, 0.1),
    " 7s , 3 , 4.5 , #FF0000 until 9s ": (Moment(7, True), Moment(9, True), None),
    "0,3,4,#ff0000,.25 until 40": (Moment(0), Moment(40), 0.25),
}


@pytest.mark.parametrize("line", GOOD)
def test_lines_of_told_colours(line):
    found = told(line)
    assert (found.at, found.until, found.hint.reach) == GOOD[line]


BAD = {
    "3,4,#ff0000": "frame,x,y,#rrggbb",
    "1.5,3,4,#ff0000": "frame,x,y,#rrggbb",
    "-1,3,4,#ff0000": "frame,x,y,#rrggbb",
    "1,3,4,red": "frame,x,y,#rrggbb",
    "1,3,4,#ff0000,7": "reach",
    "9,3,4,#ff0000 until 3": "ends before it begins",
    "9,3,4,#ff0000 until": "frame,x,y,#rrggbb",
}


@pytest.mark.parametrize("line", BAD)
def test_bad_lines_are_named_with_the_remedy(line, tmp_path):
    path = tmp_path / "hints.txt"
    path.write_text(f"# colours\n\n{line}\n")
    with pytest.raises(ValueError) as error:
        read_told(path)
    assert str(error.value).startswith(f"{path}, line 3: ") and BAD[line] in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "line, words",
    [
        ("500,3,4,#ff0000", "there is no frame 500"),
        ("0,300,4,#ff0000", "outside the picture"),
        ("99s,3,4,#ff0000", "there is no 99 s"),
    ],
)
def test_what_does_not_fit_the_film_is_named(line, words, two_shots, tmp_path, capsys):
    hints, target = tmp_path / "hints.txt", tmp_path / "out.mp4"
    hints.write_text(line)
    assert main(["video", str(two_shots), str(target), "--hints", str(hints)]) == 1
    *_, last = capsys.readouterr().err.strip().splitlines()
    assert f"{hints}, line 1: " in last and words in last
    assert os.listdir(tmp_path) == ["hints.txt"]


def test_guides_that_do_not_fit_are_named(two_shots, tmp_path, colorizer):
    folder = tmp_path / "guide"
    with pytest.raises(ValueError, match="no such file or folder"):
        read_guides(folder)
    folder.mkdir()
    with pytest.raises(ValueError, match="holds no pictures"):
        read_guides(folder)
    Image.new("RGB", (20, 10), "red").save(folder / "shot-0001-frame-000005.png")
    order = FilmOrder(told=tuple(read_guides(folder)))
    with pytest.raises(ValueError, match=r"000005.png: is 20x10, the film 256x192"):
        colorize_video(colorizer, two_shots, tmp_path / "out.mp4", order)
    Image.new("RGB", (20, 10), "red").save(folder / "mine.png")
    with pytest.raises(ValueError, match="mine.png: is not named as shots names it"):
        read_guides(folder)


def test_the_mark_tells_what_was_told(tmp_path, colorizer):
    source = film(tmp_path / "a.mkv", window("coffee", 4))
    order = FilmOrder(told=(Told(Moment(1), BLUE, Moment(3)),))
    colorize_video(colorizer, source, tmp_path / "out.mp4", order)
    packet = xmp_of_film(tmp_path / "out.mp4")
    assert b"frame 1 hint x 200 y 140 ab 10,-50 until frame 3" in packet


def test_what_the_network_knows_nothing_of_stays_grey_unless_it_is_told(tmp_path, colorizer):
    blobs = cv2.GaussianBlur(np.random.default_rng(0).normal(0, 300, SIZE), (0, 0), 4) + 110
    frame = np.repeat(np.clip(blobs, 0, 255).astype(np.uint8)[..., None], 3, axis=-1)
    path, hint = film(tmp_path / "a.mkv", [frame] * 6), BLUE._replace(reach=0.1)
    alone = np.hypot(*np.moveaxis(colorizer.predict(frame).ab(), -1, 0)).mean()
    bare, told = (
        coloured(path, colorizer, track(pictures_of(path, colorizer), given, ()))
        for given in ([], [Told(Moment(0), hint)])
    )
    for one, other in zip(bare, told):
        assert np.hypot(*np.moveaxis(one, -1, 0)).mean() < 0.1 * alone
        height, width = other.shape[:2]
        place = int(BLUE.y * height / SIZE[0]), int(BLUE.x * width / SIZE[1])
        assert np.hypot(*(other[place] - BLUE.ab)) < 15
        np.testing.assert_allclose(other[:5, :5], one[:5, :5], atol=0.5)
