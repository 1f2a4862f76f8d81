"""Colours at any size, the photo's own lightness, and whole folders of photos."""

import os
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest
from conftest import colours, tiny
from PIL import Image
from skimage.color import lab2rgb, rgb2lab

from colornet import errors, models
from colornet.data import samples
from colornet.errors import PhotoError
from colornet.inference.colorizer import Colorizer
from colornet.inference.compose import compose
from colornet.inference.folders import colorize_files
from colornet.inference.order import Order
from colornet.photos.metadata import Metadata
from colornet.photos.photo import Photo
from colornet.photos.read import read_photo
from colornet.photos.write import write_photo


def lightness(pixels):
    pixels = pixels / np.iinfo(pixels.dtype).max
    return rgb2lab(pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, -1))[..., 0]


@pytest.fixture(scope="module")
def network():
    """A network of strong colours that change from place to place, many outside of sRGB."""
    L = keras.Input((None, None, 1))
    weights = keras.initializers.RandomNormal(stddev=0.2, seed=1)
    ab = keras.layers.Conv2D(2, 9, padding="same", activation="tanh", kernel_initializer=weights)(L)
    return Colorizer(keras.Model(L, ab))


@pytest.fixture(scope="module")
def cat():
    return np.asarray(Image.fromarray(samples.sample("chelsea")).convert("L"))


def smooth_ab(height, width, seed=0, strength=40):
    rng = np.random.default_rng(seed)
    coarse = rng.normal(0, strength, (5, 5, 2)).astype(np.float32)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


# compose


@pytest.mark.parametrize("dtype, most, mean", [(np.uint8, 0.3, 0.1), (np.uint16, 0.02, 0.001)])
@pytest.mark.parametrize("colours", ["grey", "RGB"])
@pytest.mark.parametrize("strength", [10, 80])
def test_lightness_is_the_photos_own(dtype, most, mean, colours, strength):
    rng = np.random.default_rng(3)
    shape = (97, 131) if colours == "grey" else (97, 131, 3)
    pixels = rng.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)
    result = compose(pixels, smooth_ab(32, 64, strength=strength))
    assert result.dtype == dtype and result.shape == (97, 131, 3)
    error = np.abs(lightness(result) - lightness(pixels))
    assert error.max() < most and error.mean() < mean


@pytest.mark.parametrize("size", [(301, 203), (40, 64), (7, 500), (500, 7), (1, 1)])
def test_colours_are_the_bicubic_enlargement(size):
    ab = smooth_ab(40, 64, strength=8)
    grey = np.full(size, 40_000, np.uint16)
    enlarged = cv2.resize(ab, size[::-1], interpolation=cv2.INTER_CUBIC).reshape(*size, 2)
    seen = rgb2lab(compose(grey, ab) / 65535)[..., 1:]
    assert np.abs(seen - enlarged).max() < 0.05


def test_enlarged_colours_have_no_blocks():
    ab = smooth_ab(8, 8, strength=15)
    seen = rgb2lab(compose(np.full((256, 256), 40_000, np.uint16), ab) / 65535)[..., 1:]
    # Repeated pixels would stand still, then jump by the whole difference of two neighbours.
    jumps = max(np.abs(np.diff(seen, axis=axis)).max() for axis in (0, 1))
    neighbours = max(np.abs(np.diff(ab, axis=axis)).max() for axis in (0, 1))
    assert jumps < neighbours / 16


@pytest.mark.parametrize("shape", [(2, 32_766), (2, 32_767), (2, 70_001), (40_000, 3), (33_000, 1)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_any_size(shape, dtype):
    rng = np.random.default_rng(2)
    pixels = rng.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)
    ab = np.broadcast_to(np.float32([90, -60]), (8, 8, 2)).copy()
    folded = compose(pixels.reshape(-1, 2 if shape[0] == 2 else 1)[:2000], ab)
    result = compose(pixels, ab)
    assert result.shape == (*shape, 3)
    flat = result.reshape(-1, 3)[: folded.shape[0] * folded.shape[1]].astype(int)
    assert np.abs(flat - folded.reshape(-1, 3)).max() <= 1


@pytest.mark.parametrize("strip", [1, 1000, 3333])
def test_strips_are_seamless(strip, monkeypatch):
    pixels = np.random.default_rng(5).integers(0, 65536, (50, 100), np.uint16)
    ab = smooth_ab(32, 32)
    whole = compose(pixels, ab).astype(int)
    monkeypatch.setattr("colornet.inference.compose.STRIP", strip)
    assert np.abs(compose(pixels, ab) - whole).max() <= 2  # of 65535: sums in another order


def test_colours_outside_of_srgb_lose_chroma_but_no_hue():
    grey = np.full((9, 9), 30_000, np.uint16)
    angles = np.linspace(0, 2 * np.pi, 81, endpoint=False).reshape(9, 9)
    ab = 200 * np.stack([np.cos(angles), np.sin(angles)], axis=-1).astype(np.float32)
    seen = rgb2lab(compose(grey, ab) / 65535)
    chroma = np.hypot(seen[..., 1], seen[..., 2])
    turned = np.abs(np.angle(np.exp(1j * (np.arctan2(seen[..., 2], seen[..., 1]) - angles))))
    assert turned.max() < 0.01 and chroma.min() > 20 and chroma.max() < 140
    # and no more chroma than needed: a little more would leave sRGB
    beyond = np.dstack([seen[..., :1], seen[..., 1:] * 1.02]).astype(np.float64)
    clipped = rgb2lab(lab2rgb(beyond))
    assert (np.abs(clipped - beyond).max(axis=-1) > 0.05).all()


# predict_ab


@pytest.mark.parametrize("shape, expected", [
    ((256, 256), (256, 256)),
    ((480, 640), (256, 352)),
    ((3000, 1000), (768, 256)),
    ((1, 1), (256, 256)),
    ((1, 20_000), (256, 1024)),
    ((20_000, 1), (1024, 256)),
])  # fmt: skip
def test_colours_are_predicted_near_the_size_of_training(shape, expected, network):
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    ab = colours(network, pixels)
    assert ab.shape == (*expected, 2) and ab.dtype == np.float32
    assert np.isfinite(ab).all() and np.abs(ab).max() <= 110


@pytest.mark.parametrize("name", models.names())
def test_every_network_colours_any_size(name):
    keras.utils.set_random_seed(0)
    built = tiny(name)
    pixels = np.random.default_rng(0).integers(0, 256, (100, 333), np.uint8)
    result = Colorizer(built).colorize(pixels)
    assert result.pixels.shape == (100, 333, 3)
    assert np.abs(lightness(result.pixels) - lightness(pixels)).max() < 0.3


def test_network_sees_lightness_alone(network, cat):
    L = rgb2lab(np.repeat(cat[..., None], 3, -1))
    L[..., 1:] = [12, -8]
    tinted = np.round(lab2rgb(L) * 65535).astype(np.uint16)
    of_grey, of_tinted = colours(network, cat), colours(network, tinted)
    # Dark and light pixels cannot be tinted at their L; the rest is the same photo in grey.
    assert np.abs(of_grey - of_tinted).mean() < 0.5 < np.abs(of_grey).mean()


def test_depth_makes_no_difference_to_colours(network, cat):
    deep = cat.astype(np.uint16) * 257
    assert np.abs(colours(network, cat) - colours(network, deep)).mean() < 0.5


def test_everything_else_of_a_photo_is_kept(network, cat):
    alpha = cat.T[: cat.shape[0], : cat.shape[1]]
    alpha = np.ascontiguousarray(np.resize(alpha, cat.shape))
    result = network.colorize(Photo(cat, alpha, b"icc", Metadata(b"exif")))
    assert result.icc == b"icc" and result.metadata.exif == b"exif"
    np.testing.assert_array_equal(result.alpha, alpha)


# Files and folders


@pytest.fixture
def folder(tmp_path, cat):
    """Four photos of which one is bad, two in a folder within."""
    small = cat[::8, ::8]
    for name in ("photos/a.png", "photos/in/a.png", "photos/in/b.jpg"):
        write_photo(tmp_path / name, Photo(small))
    (tmp_path / "photos/bad.jpg").write_text("not a photo")
    return tmp_path / "photos"


def files(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if not p.is_dir())


def contents(folder):
    return {name: (folder / name).read_bytes() for name in files(folder)}


def test_folder(folder, network, tmp_path, capsys):
    before, out = contents(folder), tmp_path / "new" / "out"
    report = colorize_files(network, [folder], out)
    captured = capsys.readouterr()
    assert files(out) == ["a.png", "in/a.png", "in/b.jpg"]
    assert len(report["done"]) == 3 and report["failed"] == [folder / "bad.jpg"]
    errors = [line for line in captured.err.splitlines() if line.startswith("colornet: ")]
    assert len(errors) == 1 and str(folder / "bad.jpg") in errors[0]
    assert "4/4" in captured.err and captured.out == ""  # progress
    assert contents(folder) == before
    for name in files(out):
        original = read_photo(folder / name).pixels
        assert Image.open(out / name).size == original.shape[::-1]


def test_what_is_there_is_kept_unless_forced(folder, network, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "a.png").write_text("mine")
    report = colorize_files(network, [folder], out)
    assert report["kept"] == [out / "a.png"] and (out / "a.png").read_text() == "mine"
    first = contents(out)
    report = colorize_files(network, [folder], out)
    assert len(report["kept"]) == 3 and not report["done"] and contents(out) == first
    report = colorize_files(network, [folder], out, Order(force=True))
    assert len(report["done"]) == 3 and Image.open(out / "a.png").mode == "RGB"


def test_results_inside_the_source_are_not_coloured_again(folder, network, tmp_path):
    other = tmp_path / "other"
    write_photo(other / "z.png", Photo(np.zeros((9, 9), np.uint8)))
    for _ in range(2):
        colorize_files(network, [folder, other], folder / "out", Order(force=True))
        assert files(folder / "out") == ["a.png", "in/a.png", "in/b.jpg", "z.png"]


@pytest.mark.parametrize(
    "how", ["folder", "spelling", "file", "symlink", "symlinked folder", "hard link"]
)
@pytest.mark.parametrize("force", [False, True])
def test_no_photo_is_ever_overwritten(how, force, folder, network, tmp_path):
    source, out = [folder], folder
    if how == "spelling":
        out = folder / "in" / ".."
    elif how == "file":
        source, out = [folder / "a.png"], folder / "a.png"
    elif how == "symlinked folder":
        out = tmp_path / "link"
        out.symlink_to(folder)
    elif how != "folder":
        out = tmp_path / "out"
        out.mkdir()
        if how == "symlink":
            (out / "a.png").symlink_to(folder / "a.png")
        else:
            os.link(folder / "a.png", out / "a.png")
    before = contents(folder)
    with pytest.raises(PhotoError, match="a.png: is one of the photos; choose another"):
        colorize_files(network, source, out, Order(force=force))
    assert contents(folder) == before


def test_result_of_one_photo_does_not_replace_another(folder, network, tmp_path):
    write_photo(tmp_path / "more/in/a.png", Photo(np.zeros((9, 9), np.uint8)))
    before = contents(folder)
    with pytest.raises(PhotoError, match="choose another place|has the same name"):
        colorize_files(network, [tmp_path / "more", folder / "in/a.png"], folder, Order(force=True))
    assert contents(folder) == before


def test_clashing_names_are_refused_before_any_work(folder, network, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(PhotoError, match="a.png has the same name; take them apart"):
        colorize_files(network, [folder / "a.png", folder / "in" / "a.png"], out)
    assert not out.exists()


@pytest.mark.parametrize("out, message", [
    ("file.txt", "is a file; give -o a folder"),
    ("file.txt/out", "cannot be written"),
    ("/proc/out", "cannot be written"),
    ("out.gif", "no photo format; choose one of .jpg"),
])  # fmt: skip
def test_unfit_out_is_refused_before_any_work(out, message, folder, network, tmp_path):
    (tmp_path / "file.txt").write_text("mine")
    before = contents(tmp_path)
    with pytest.raises(PhotoError, match=message) as error:
        colorize_files(network, [folder / "a.png"], tmp_path / out)
    assert str(tmp_path / out) in str(error.value) and "\n" not in str(error.value)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("quality", [0, 101, -5])
def test_quality_out_of_range(quality, folder, network, tmp_path):
    with pytest.raises(PhotoError, match="from 1 to 100"):
        colorize_files(network, [folder], tmp_path / "out", Order(quality=quality))


def test_an_unforeseen_error_costs_one_photo_alone(folder, network, tmp_path, monkeypatch, capsys):
    def read(file, **options):
        if file.name == "b.jpg":
            raise RuntimeError("no\nreason")
        return read_photo(file, **options)

    monkeypatch.setattr("colornet.inference.folders.read_photo", read)
    monkeypatch.setattr(errors, "_log", None)  # a file of this test's own
    report = colorize_files(network, [folder], tmp_path / "out")
    assert len(report["done"]) == 2 and folder / "in/b.jpg" in report["failed"]
    (line,) = [said for said in capsys.readouterr().err.splitlines() if "b.jpg" in said]
    assert f"{folder / 'in/b.jpg'}: RuntimeError (no reason); please report it with " in line
    log = Path(line.rsplit(" ", 1)[1])
    assert "Traceback" in log.read_text() and 'raise RuntimeError("no' in log.read_text()
    log.unlink()


def test_each_page(network, tmp_path, capsys):
    pages = [Image.fromarray(np.full((9, 9), level, np.uint8)) for level in (50, 100, 200)]
    file, out = tmp_path / "in/a.tif", tmp_path / "out"
    file.parent.mkdir()
    pages[0].save(file, save_all=True, append_images=pages[1:])
    assert colorize_files(network, [file], out)["done"] == [out / "a.tif"]
    assert f"{file}: the first of 3 pictures; --pages all takes each\n" in capsys.readouterr().err
    assert files(out) == ["a.tif"]
    assert colorize_files(network, [file], out, Order(every_page=True))["done"] == [out / "a.tif"]
    assert files(out) == ["a-page2.tif", "a-page3.tif", "a.tif"] and not capsys.readouterr().err
    for name, page in zip(("a", "a-page2", "a-page3"), pages):
        found = lightness(read_photo(out / f"{name}.tif").pixels)
        assert np.abs(found - lightness(np.asarray(page))).max() < 0.3
    assert colorize_files(network, [file], out, Order(every_page=True))["kept"] == [out / "a.tif"]


def test_pages_do_not_replace_another_photo(network, tmp_path, capsys):
    pages = [Image.fromarray(np.full((9, 9), level, np.uint8)) for level in (50, 100)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    pages[0].save(tmp_path / "a-page2.tif")
    report = colorize_files(network, [tmp_path], tmp_path / "out", Order(every_page=True))
    assert report["failed"] == [tmp_path / "a.tif"] and len(report["done"]) == 1
    assert "a-page2.tif: is of another photo" in capsys.readouterr().err


@pytest.mark.parametrize("name", [
    240 * "n" + ".png", 83 * "母" + ".png", "line\nbreak.png", "\x1b[1m.jpg"
], ids=["long", "long in bytes", "line break", "escape"])  # fmt: skip
def test_odd_names(name, network, tmp_path, capsys):
    file = tmp_path / name
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(file)
    report = colorize_files(network, [file], tmp_path / "out")
    assert report["done"] == [tmp_path / "out" / name] and files(tmp_path / "out") == [name]
    file.write_bytes(file.read_bytes()[:-20])
    colorize_files(network, [file], tmp_path / "out", Order(force=True))
    said = capsys.readouterr().err
    assert said.startswith("colornet: ") and said.count("\n") == 1 and "\x1b" not in said


def test_a_name_too_long_for_a_result_is_one_photos_matter(network, tmp_path, capsys):
    for name in (250 * "n" + ".gif", "a.png"):
        Image.fromarray(np.zeros((9, 9), np.uint8)).save(tmp_path / name)
    report = colorize_files(network, [tmp_path], tmp_path / "out")
    assert [file.name for file in report["failed"]] == [250 * "n" + ".gif"]
    assert len(report["done"]) == 1 and "name too long" in capsys.readouterr().err


def test_folder_where_a_result_should_go(folder, network, tmp_path, capsys):
    (tmp_path / "out/a.png").mkdir(parents=True)
    report = colorize_files(network, [folder], tmp_path / "out", Order(force=True))
    assert folder / "a.png" in report["failed"] and len(report["done"]) == 2
    assert "out/a.png: is a folder" in capsys.readouterr().err


def test_one_photo_into_another_format(folder, network, tmp_path):
    for name in ("x.jpg", "x.webp", "x.tif", "x.bmp", "deeper/x.png"):
        report = colorize_files(network, [folder / "a.png"], tmp_path / "out" / name)
        assert report["done"] == [tmp_path / "out" / name]
        with Image.open(tmp_path / "out" / name) as image:
            kind = {"jpg": "JPEG", "tif": "TIFF"}.get(name[-3:], image.format)
            assert image.format == kind and image.mode == "RGB"
    assert len(files(tmp_path / "out")) == 5


def test_no_photos(network, tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(PhotoError, match="no photos found; not read: 1 .txt; looked for .jpg"):
        colorize_files(network, [tmp_path], tmp_path / "out")
    with pytest.raises(PhotoError, match="gone: no such file or folder"):
        colorize_files(network, [tmp_path / "gone"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


# Variants and confidence maps


def test_folder_with_variants_and_confidence(folder, beginner, tmp_path):
    out = tmp_path / "out"
    report = colorize_files(Colorizer(beginner), [folder], out, Order(variants=2, confidence=True))
    names = [
        f"{base}{word}.{kind}"
        for base, kind in (("a", "png"), ("in/a", "png"), ("in/b", "jpg"))
        for word in ("", "-variant2", "-confidence")
    ]
    assert files(out) == sorted(names) and len(report["done"]) == 3
    for name in names:
        with Image.open(out / name) as image:
            assert image.mode == ("L" if "confidence" in name else "RGB")
    before = contents(out)
    assert len(colorize_files(Colorizer(beginner), [folder], out, Order(variants=2))["kept"]) == 3
    assert contents(out) == before


@pytest.mark.parametrize("word", ["variant2", "confidence"])
@pytest.mark.parametrize("force", [False, True])
def test_no_photo_is_overwritten_by_what_lies_beside_a_result(
    word, force, folder, beginner, tmp_path
):
    # The photo to be coloured has itself the name that goes with the result's.
    photo = folder / f"b-{word}.png"
    write_photo(photo, Photo(np.zeros((9, 9), np.uint8)))
    before = contents(folder)
    with pytest.raises(PhotoError, match="choose another"):
        colorize_files(
            Colorizer(beginner),
            [photo],
            folder / "b.png",
            Order(force=force, variants=2, confidence=True),
        )
    assert contents(folder) == before


def test_variants_do_not_replace_the_result_of_another_photo(folder, beginner, tmp_path):
    # "a-variant2.png" would be the name of two results.
    write_photo(folder / "a-variant2.png", Photo(np.zeros((9, 9), np.uint8)))
    with pytest.raises(PhotoError, match="same name|choose another"):
        colorize_files(Colorizer(beginner), [folder], tmp_path / "out", Order(variants=2))
    assert not (tmp_path / "out").exists()
