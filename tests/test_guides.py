"""Colours after references and remembered things: found where they belong, and nowhere else."""

import json
import shutil

import numpy as np
import pytest

from colornet.__main__ import main
from colornet.checksums import digest
from colornet.color import lab
from colornet.color.hints import Hint
from colornet.color.lab import luma
from colornet.data import samples
from colornet.errors import PhotoError
from colornet.evaluation.metrics import psnr
from colornet.inference import matching
from colornet.inference.colorizer import load
from colornet.inference.memory import read_memory
from colornet.inference.order import Order
from colornet.inference.palette import palette
from colornet.inference.reference import Reference, know, read_reference
from colornet.inference.steering import Steering
from colornet.photos.photo import Photo
from colornet.photos.read import read_photo
from colornet.photos.write import write_photo

SAUCER = 230, 270  # of the cup's photo


def true(name):
    return samples.sample(name)


def grey(name):
    return Photo(luma(true(name)))


@pytest.fixture(scope="module")
def network():
    return load("colornet")


@pytest.fixture(scope="module")
def coffee():
    return Reference([know(Photo(true("coffee")), "coffee.png")])


def gains(network, guide, photo, pixels):
    """PSNR of a photo coloured by a guide, by the palette that it finds alone, and without."""
    order = Order(guides=(guide,)).guided(photo)
    alone = Order().answers(network, photo)[0]
    return [
        psnr(pixels, one.pixels)
        for one in (
            next(order.results(photo, order.answers(network, photo))),
            alone.paint(palette=order.steering.palette),
            alone.paint(),
        )
    ]


def test_the_file_is_that_of_the_encoder():
    from colornet.models import efficientnet_lite

    x = np.random.default_rng(0).uniform(-1, 1, (1, 96, 64, 1)).astype(np.float32)
    expected = np.asarray(efficientnet_lite.imagenet("lite0")(x)[3])[0]
    found = matching.runner(matching.encoder_file())(x=x)["features"][0]
    assert found.shape == (6, 4, matching.FEATURES)
    assert np.abs(found - expected).max() < 0.01 * np.abs(expected).max()


def test_two_crops_of_a_photo_are_laid_upon_each_other():
    """Where a place lies in the other crop is known; 12.5 pixels are a cell."""
    side, (down, right) = 300, (0, 120)
    pixels = true("chelsea")
    first, second = pixels[:side, :side], pixels[down:, right:][:side, :side]
    found = matching.match(matching.see(first), matching.see(second))
    rows, columns = found.sure.shape
    cell = side / rows
    y, x = ((np.indices((rows, columns)).reshape(2, -1) + 0.5) * cell).astype(np.float32)
    there = np.stack([found.shares @ y, found.shares @ x])
    sure = (found.sure > 0.6).ravel()
    assert 0.3 < sure.mean() < 0.9
    away = np.hypot(there[0] - (y - down), there[1] - (x - right))[sure]
    assert np.median(away) < 5 and (away < cell).mean() > 0.9
    unlike = matching.match(matching.see(first), matching.see(true("rocket")))
    assert (unlike.sure > 0.6).mean() < 0.02


def test_a_photo_after_itself_and_after_another(network, coffee):
    matched, alone, none = gains(network, coffee, grey("coffee"), true("coffee"))
    assert matched > none + 3 and matched > alone + 1
    for name in ("rocket", "chelsea"):  # which show nothing of a cup
        matched, alone, _ = gains(network, coffee, grey(name), true(name))
        assert matched > alone - 0.3, name


def test_each_photo_takes_the_reference_that_is_most_like_it():
    both = Reference([know(Photo(true(name)), name) for name in ("rocket", "chelsea")])
    crop = Photo(luma(true("chelsea"))[40:, 30:])
    found = both.find(crop)
    assert found.told[0]["reference"] == "chelsea" and found.told[0]["places"] > 10
    np.testing.assert_array_equal(found.palette, palette(true("chelsea")))
    for hint in found.hints:
        assert 0 <= hint.x < crop.pixels.shape[1] and 0 <= hint.y < crop.pixels.shape[0]


def test_what_a_person_tells_comes_first(coffee):
    own = Order(guides=(coffee,)).guided(grey("coffee")).steering.hints
    told = Hint(own[9].x + 9, own[9].y, (0.0, 60.0))
    hints = Order(Steering(hints=[told]), guides=(coffee,)).guided(grey("coffee")).steering.hints
    assert hints[0] == told and own[0] in hints and own[9] not in hints


def test_a_network_without_hints_takes_the_palette_alone(coffee):
    order = Order(guides=(coffee,)).guided(grey("coffee"), takes_hints=False)
    assert order.steering.hints == () and order.found[0]["places"] == 0
    np.testing.assert_array_equal(order.steering.palette, palette(true("coffee")))


def test_folders_of_references(tmp_path, capsys):
    write_photo(tmp_path / "in/cup.png", Photo(true("coffee")))
    write_photo(tmp_path / "in/grey.png", grey("rocket"))
    (tmp_path / "in/broken.jpg").write_bytes(b"\xff\xd8\xff no photo")
    found = read_reference([tmp_path / "in"]).find(grey("coffee"))
    assert found.told[0]["reference"] == "cup.png"
    assert found.told[0]["sha256"] == digest(tmp_path / "in/cup.png")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2 and all("left out" in line for line in lines)
    for name, reason in (("grey.png", "is grey; choose a photo in colour"), ("broken.jpg", "")):
        with pytest.raises(PhotoError, match=f"{name}: {reason}"):
            read_reference([tmp_path / "in", tmp_path / "in" / name])
    shutil.rmtree(tmp_path / "in/..", ignore_errors=True)
    (tmp_path / "none").mkdir(parents=True)
    with pytest.raises(PhotoError, match="none: no photo in colour"):
        read_reference([tmp_path / "none"])


@pytest.fixture(scope="module")
def album(tmp_path_factory):
    """A folder of grey photos, and a memory of the saucer of one of them."""
    folder = tmp_path_factory.mktemp("album")
    pixels = luma(true("coffee"))
    write_photo(folder / "in/cup.png", Photo(pixels))
    deep = pixels[20:, 40:][:, ::-1].astype(np.uint16) * 257  # the other way round
    write_photo(folder / "in/turned.png", Photo(np.repeat(deep[..., None], 3, axis=-1), deep))
    write_photo(folder / "in/rocket.png", grey("rocket"))
    write_photo(folder / "in/cat.jpg", grey("chelsea"))
    asked = ["remember", str(folder / "in/cup.png"), "--as", "saucer"]
    asked += ["--memory", str(folder / "album.json")]
    assert main([*asked, "--hint", "{},{},#b02020".format(*SAUCER)]) == 0
    return folder


def test_a_thing_is_found_again_and_nowhere_else(album):
    memory = read_memory(album / "album.json")
    first, *_ = memory.find(read_photo(album / "in/cup.png")).told
    assert np.hypot(first["x"] - SAUCER[0], first["y"] - SAUCER[1]) < 20 and first["sure"] > 0.9
    turned = memory.find(read_photo(album / "in/turned.png")).hints
    width = 560
    assert turned and np.allclose(turned[0].ab, lab.rgb_to_lab(np.float32([176, 32, 32]) / 255)[1:])
    x, y = width - 1 - SAUCER[0], SAUCER[1] - 20
    assert min(np.hypot(one.x - x, one.y - y) for one in turned) < 60
    for name in ("rocket.png", "cat.jpg"):
        assert memory.find(read_photo(album / "in" / name)).hints == []


def test_a_memory_is_what_was_saved(album, tmp_path):
    memory = read_memory(album / "album.json")
    assert [*memory.things] == ["saucer"] and memory.things["saucer"].colour == "#b02020"
    memory.save(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == (album / "album.json").read_bytes()
    memory.remember("saucer", read_photo(album / "in/turned.png"), "300,200,#102030,0.2", "t.png")
    assert memory.things["saucer"].colour == "#102030" and len(memory.things["saucer"].places) == 2
    assert {hint.reach for hint in memory.find(read_photo(album / "in/cup.png")).hints} == {0.2}


def test_damaged_memories_are_one_line(album, tmp_path, capsys):
    whole = json.loads((album / "album.json").read_text())

    def change(edit):
        told = json.loads(json.dumps(whole))
        edit(told)
        return json.dumps(told).encode()

    def place(told):
        return told["things"]["saucer"]["places"][0]

    damaged = {
        "is no memory": [
            b"",
            b"[]",
            b"{}",
            b"\xff\xfe",
            (album / "album.json").read_bytes()[:900],
            change(lambda told: told.update(things=3)),
            change(lambda told: told["things"]["saucer"].update(colour="navy")),
            change(lambda told: told["things"]["saucer"].update(reach=7)),
            change(lambda told: place(told).pop("mean")),
            change(lambda told: place(told).update(place="AAAA")),
            change(lambda told: place(told).update(place=5)),
            change(lambda told: place(told).update(place="")),
        ],
        "was written by another colornet": [change(lambda told: told.update(encoder="00" * 32))],
    }
    for reason, contents in damaged.items():
        for content in contents:
            (tmp_path / "m.json").write_bytes(content)
            for asked in (
                ["colorize", album / "in", "-o", tmp_path / "out", "--memory", tmp_path / "m.json"],
                ["remember", album / "in/cup.png", "--as", "x", "--hint", "1,2,#102030"]
                + ["--memory", tmp_path / "m.json"],
            ):
                assert main([*map(str, asked)]) == 1
                line = capsys.readouterr().err
                assert f"m.json: {reason}" in line and line.count("\n") == 1, content[:80]
            assert (tmp_path / "m.json").read_bytes() == content
    assert not (tmp_path / "out").exists()


def test_a_folder_by_memory_and_reference(album, tmp_path, capsys):
    """The record names what was taken from where, and makes the same bytes again."""
    write_photo(tmp_path / "ref.png", Photo(true("coffee")[:, 100:]))
    asked = ["colorize", album / "in", "-o", tmp_path / "out", "--record", tmp_path / "r.jsonl"]
    asked += ["--memory", album / "album.json", "--reference", tmp_path / "ref.png"]
    assert main([*map(str, asked)]) == 0
    entries = map(json.loads, (tmp_path / "r.jsonl").read_text().splitlines())
    found = {entry["photo"].split("/")[-1]: entry["settings"] for entry in entries}
    assert len(found) == 4
    for name, settings in found.items():
        remembered = [one for one in settings["found"] if "remembered" in one]
        (reference,) = [one for one in settings["found"] if "reference" in one]
        assert reference["sha256"] == digest(tmp_path / "ref.png")
        assert len(settings["hints"]) == len(remembered) + reference["places"]
        assert bool(remembered) == (name in ("cup.png", "turned.png"))
        mark = read_photo(tmp_path / "out" / name).metadata.xmp.decode()
        assert f"reference ref.png sha256 {digest(tmp_path / 'ref.png')}" in mark
        assert ("remembered saucer colour #b02020" in mark) == bool(remembered)
    turned = read_photo(tmp_path / "out/turned.png")
    assert turned.pixels.dtype == np.uint16 and turned.alpha is not None
    assert main(["recolor", str(tmp_path / "r.jsonl"), "-o", str(tmp_path / "again")]) == 0
    for name in found:
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "out" / name).read_bytes()


def test_networks_that_cannot_be_guided(album, tmp_path, capsys):
    write_photo(tmp_path / "ref.png", Photo(true("coffee")))
    for options, reason in (
        (["--reference", tmp_path / "ref.png"], "gives one answer"),
        (["--memory", album / "album.json"], "takes no hints"),
    ):
        asked = ["colorize", album / "in", "-o", tmp_path / "out", "--model", "encoder_decoder"]
        assert main([*map(str, [*asked, *options])]) == 1
        assert f"encoder_decoder: {reason}" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_place_outside_the_photo_is_refused(album, tmp_path, capsys):
    asked = ["remember", album / "in/cup.png", "--as", "x", "--memory", tmp_path / "m.json"]
    assert main([*map(str, asked), "--hint", "1,4000,#102030"]) == 1
    assert "cup.png: 1,4000 lies outside the photo of 600x400" in capsys.readouterr().err
    assert not (tmp_path / "m.json").exists()


def test_a_film_after_a_reference_and_a_memory(album, tmp_path, capsys):
    av = pytest.importorskip("av", reason="the video extra is not installed")
    from test_film_hints import film, window

    from colornet.video.marks import xmp_of_film

    film(tmp_path / "grey.mkv", window("coffee", 12))
    truth = window("coffee", 12, colour=True)
    write_photo(tmp_path / "ref.png", Photo(true("coffee")))
    told = ["--reference", tmp_path / "ref.png", "--memory", album / "album.json"]
    scores = {}
    for name, more in dict(told=told, none=[]).items():
        out = tmp_path / f"{name}.mp4"
        assert main([*map(str, ["video", tmp_path / "grey.mkv", out, *more])]) == 0
        with av.open(out) as new:
            frames = [frame.to_ndarray(format="rgb24") for frame in new.decode(video=0)]
        scores[name] = np.mean([psnr(a, b) for a, b in zip(truth, frames, strict=True)])
    assert scores["told"] > scores["none"] + 2
    mark = xmp_of_film(tmp_path / "told.mp4").decode()
    assert f"reference ref.png sha256 {digest(tmp_path / 'ref.png')}" in mark
    assert "remembered saucer #b02020" in mark
