"""The API of the page as programs use it, and as an attacker would."""

import base64
import json

import numpy as np
import pytest
from PIL import Image
from served import error_of

pytest.importorskip("fastapi", reason="the web extra is not installed")
pytest.importorskip("multipart", reason="the web extra is not installed")

from colornet.color.lab import luma
from colornet.data.samples import sample
from colornet.inference.colorizer import load
from colornet.inference.palette import read_palette
from colornet.inference.steering import VIVIDNESS
from colornet.photos.mark import corner_mark
from colornet.photos.metadata import Metadata
from colornet.photos.photo import Photo
from colornet.photos.read import read_photo
from colornet.web.describe import describe

pytestmark = pytest.mark.usefixtures("one_moment")
HINTS = [dict(x=300, y=200, color="#c03028", reach=0.1)]
TOLD = [(300, 200, "#c03028", 0.1)]
SLOW = dict(settings=json.dumps(dict(versions=True, picture=False)))  # a second of work


@pytest.fixture(scope="module")
def model():
    return load("colornet")


def numbers(text, dtype, *shape):
    return np.frombuffer(base64.b64decode(text), dtype).reshape(shape)


# What each endpoint gives


def test_an_answer_holds_what_the_python_answer_says(server, photo, model):
    settings = dict(hints=HINTS, levels=[0, 0.3, 1], versions=True)
    told = server.post("/api/answer", photo, data=dict(settings=json.dumps(settings))).json()
    assert (told["name"], told["width"], told["height"]) == ("old cup.png", 600, 400)
    assert told["said"] == "600 x 400 pixels; grey." and told["model"] == "colornet"
    own, *others = model.variants(photo, 5, TOLD)
    assert len(told["others"]) == 4
    for given, answer in zip([told, *told["others"]], [own, *others]):
        h, w = given["grid"]["height"], given["grid"]["width"]
        assert (h, w) == answer.ab().shape[:2]
        for level, text in zip(told["levels"], given["ab"]):
            ab = numbers(text, "<i2", h, w, 2) / 100
            np.testing.assert_allclose(ab, answer.ab(level), atol=0.01)
        sure = numbers(given["confidence"], np.uint8, h, w) / 255
        np.testing.assert_allclose(sure, answer.confidence(), atol=0.003)
        likely = numbers(given["likely"], "<i2", h, w, 6, 2) / 100
        np.testing.assert_allclose(likely, answer.likely_everywhere(), atol=0.01)
    shown = np.frombuffer(base64.b64decode(told["picture"]), np.uint8)
    assert shown[:2].tobytes() == b"\xff\xd8"
    with Image.open(photo) as grey:
        away = np.abs(cv_read(shown).astype(int) - np.asarray(grey))
    assert away.max() <= 2 and away.mean() < 0.3


def cv_read(data):
    import cv2

    return cv2.imdecode(data, cv2.IMREAD_UNCHANGED)


def test_one_version_alone_and_no_picture(server, photo, model):
    settings = dict(version=3, levels=[0.5], picture=False)
    told = server.post("/api/answer", photo, data=dict(settings=json.dumps(settings))).json()
    assert "picture" not in told and "others" not in told and told["levels"] == [0.5]
    ab = model.variants(photo, 5)[3].ab(0.5)
    np.testing.assert_allclose(numbers(told["ab"][0], "<i2", *ab.shape) / 100, ab, atol=0.01)


@pytest.mark.parametrize(
    "settings, steering",
    [
        ({}, dict(vividness=VIVIDNESS)),
        (dict(vividness=0.9, hints=HINTS), dict(vividness=0.9, hints=TOLD)),
        (
            dict(hints=[dict(x=0.5, y=399.9, color="#3060FF")]),
            dict(hints=[(0.5, 399.9, "#3060FF")]),
        ),
    ],
)
def test_a_coloured_file_is_that_of_the_colorizer(
    settings, steering, server, photo, model, tmp_path
):
    response = server.post("/api/colorize", photo, data=dict(settings=json.dumps(settings)))
    assert response.headers["content-type"] == "image/png"
    assert "old%20cup-coloured.png" in response.headers["content-disposition"]
    model.colorize(photo, **dict(vividness=VIVIDNESS) | steering).save(tmp_path / "wanted.png")
    assert response.content == (tmp_path / "wanted.png").read_bytes()


def test_a_version_after_a_reference_with_a_mark(server, photo, model, tmp_path):
    Image.fromarray(sample("rocket")).save(tmp_path / "rocket.png")
    files = {key: open(tmp_path / "rocket.png", "rb") for key in ["reference"]}
    files["photo"] = ("a.b.webp", photo.read_bytes())
    settings = json.dumps(dict(version=2, vividness=0.7, mark=True, format="tiff"))
    response = server.client.post("/api/colorize", files=files, data=dict(settings=settings))
    assert response.headers["content-type"] == "image/tiff"
    assert 'filename="a.b-coloured.tif"' in response.headers["content-disposition"]
    (tmp_path / "found.tif").write_bytes(response.content)
    palette = read_palette(tmp_path / "rocket.png")
    wanted = corner_mark(model.variants(photo, 5)[2].paint(0.7, palette))
    np.testing.assert_array_equal(read_photo(tmp_path / "found.tif").pixels, wanted.pixels)


@pytest.mark.parametrize("kind, suffix", [("png", ".png"), ("tiff", ".tif")])
def test_what_a_photo_carries_comes_back(kind, suffix, server, model, tmp_path):
    grey = luma(sample("chelsea"))
    known = Metadata(dpi=(300.0, 300.0))
    deep = Photo(np.uint16(grey) * 257, np.uint16(255 - grey) * 257, metadata=known)
    deep.save(tmp_path / "deep.tif")
    settings = json.dumps(dict(format=kind))
    response = server.post("/api/colorize", tmp_path / "deep.tif", data=dict(settings=settings))
    found, wanted = tmp_path / f"found{suffix}", tmp_path / f"wanted{suffix}"
    found.write_bytes(response.content)
    model.colorize(tmp_path / "deep.tif", vividness=VIVIDNESS).save(wanted)
    assert found.read_bytes() == wanted.read_bytes()
    settings = json.dumps(dict(format="jpeg"))
    refused = server.post("/api/colorize", tmp_path / "deep.tif", data=dict(settings=settings))
    assert refused.status_code == 400
    assert error_of(refused) == "old cup.png: JPEG cannot hold its transparency; choose PNG or TIFF"


def test_jpeg_has_the_quality_that_was_chosen(server, photo):
    sizes = []
    for quality in (30, 95):
        settings = json.dumps(dict(format="jpeg", quality=quality))
        response = server.post("/api/colorize", photo, data=dict(settings=settings))
        assert response.headers["content-type"] == "image/jpeg"
        sizes.append(len(response.content))
    assert 2 * sizes[0] < sizes[1]


def test_likely_colours_of_a_place(server, photo, model):
    settings = json.dumps(dict(x=300, y=200))
    told = server.post("/api/likely", photo, data=dict(settings=settings)).json()["likely"]
    wanted = model.predict(photo).likely(300, 200)
    np.testing.assert_allclose([one["ab"] for one in told], [hint.ab for hint in wanted])
    grey = luma(sample("coffee"))[200, 300]
    for one in told:
        rgb = [int(one["color"][i : i + 2], 16) for i in (1, 3, 5)]
        assert abs(np.dot(rgb, [0.2126, 0.7152, 0.0722]) - grey) < 25


def test_health_docs_and_page(server):
    health = server.client.get("/api/health").json()
    assert health["status"] == "ok" and health["model"] == "colornet" and health["workers"] >= 1
    assert health["waiting"] == 0
    engine = server.client.get("/engine.json").json()
    assert engine["engine"] == "server" and engine["limits"]["bytes"] == 60_000_000
    described = server.client.get("/openapi.json").json()
    assert {"/api/answer", "/api/colorize", "/api/likely", "/api/video"} <= {*described["paths"]}
    for path in ("/", "/docs", "/engine_server.js"):
        response = server.client.get(path)
        assert response.status_code == 200
        assert "https://" not in response.text.replace("https://github.com", "")
    assert (
        server.client.get("/engine_server.js").headers["content-type"].startswith("text/javascript")
    )


def test_what_is_said_of_photos():
    grey = luma(sample("coffee"))
    assert describe(Photo(grey)) == "600 x 400 pixels; grey."
    sepia = np.uint8(np.clip(grey[..., None] * np.array([1.0, 0.85, 0.65]), 0, 255))
    assert "toned, such as sepia" in describe(Photo(sepia))
    assert "in colour" in describe(Photo(sample("coffee")))
    deep = Photo(np.uint16(sample("coffee")) * 257)
    assert describe(deep).startswith("600 x 400 pixels, 16 bits; in colour")


def test_what_was_told_is_found_in_another_photo(server, photo, tmp_path):
    cup = luma(sample("coffee"))
    Photo(cup[20:, 60:]).save(tmp_path / "nearer.png")  # the same cup, further up and left
    wanted = dict(hints=[dict(x=193, y=310, color="#B03018")])

    def hints(name, **more):
        shown = dict(
            photo=(name, (tmp_path / name).read_bytes()),
            shown=("old cup.png", photo.read_bytes()),
        )
        settings = dict(settings=json.dumps(wanted | more))
        return server.client.post("/api/alike", files=shown, data=settings)

    found = hints("nearer.png").json()["hints"]
    assert 1 <= len(found) <= 4 and {one["color"] for one in found} == {"#b03018"}
    best = max(found, key=lambda one: one["sure"])
    assert best["sure"] >= 0.7 and np.hypot(best["x"] - 133, best["y"] - 290) < 40
    told = [{key: value for key, value in one.items() if key != "sure"} for one in found]
    assert hints("nearer.png", own=told).json() == dict(hints=[])
    Photo(luma(sample("rocket"))).save(tmp_path / "rocket.png")
    assert hints("rocket.png").json() == dict(hints=[])
    away = hints("nearer.png", hints=[dict(x=5000, y=1, color="#B03018")])
    assert away.status_code == 400 and error_of(away).startswith("old cup.png: 5000,1 lies outside")
    assert hints("nearer.png", hints=[]).status_code == 400
