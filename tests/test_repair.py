"""Damage mended where it is marked, nothing else changed, and all of it told."""

import json
import subprocess
import sys

import cv2
import numpy as np
import pytest
from PIL import Image
from skimage.color import rgb2lab
from skimage.measure import label, regionprops
from skimage.metrics import structural_similarity
from skimage.restoration import inpaint_biharmonic

from colornet.__main__ import main
from colornet.data import samples
from colornet.errors import PhotoError
from colornet.inference import mending
from colornet.inference.damage import THRESHOLDS
from colornet.inference.mending import mend
from colornet.inference.repair import Repair, read_mask, repaired
from colornet.inference.tone import evened
from colornet.photos import history, xmp
from colornet.photos.damage import Damage
from colornet.photos.metadata import Metadata
from colornet.photos.photo import Photo
from colornet.photos.read import read_photo
from colornet.photos.write import write_photo

RGB = samples.sample("chelsea")
GREY = cv2.cvtColor(RGB, cv2.COLOR_RGB2GRAY)


def scratches(shape, seed=0, count=12):
    """Lines and specks, bool."""
    rng = np.random.default_rng(seed)
    mask = np.zeros(shape[:2], np.uint8)
    for width in rng.integers(1, 5, count).tolist():
        ends = rng.integers(0, shape[:2][::-1], (2, 2))
        cv2.line(mask, *ends.tolist(), 255, width)
        cv2.circle(mask, rng.integers(0, shape[:2][::-1]).tolist(), width, 255, -1)
    return mask > 0


def psnr(one, other, mask):
    return 10 * np.log10(255**2 / np.square(one[mask] - other[mask].astype(float)).mean())


def of_kind(dtype, colours):
    pixels = RGB if colours else GREY
    return pixels if dtype == np.uint8 else pixels.astype(np.uint16) * 257 + 17


# mend


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("colours", [False, True])
def test_only_what_is_marked_changes(dtype, colours):
    original, mask = of_kind(dtype, colours), scratches(GREY.shape)
    damaged = original.copy()
    damaged[mask] = np.iinfo(dtype).max
    before = damaged.copy()
    result = mend(damaged, mask)
    assert result.dtype == dtype and result.shape == original.shape
    assert np.array_equal(result[~mask], original[~mask]) and np.array_equal(damaged, before)
    scale = 255 / np.iinfo(dtype).max
    assert psnr(result * scale, original * scale, mask) > 27


def test_what_lies_under_the_mask_does_not_count():
    mask, rng = scratches(GREY.shape), np.random.default_rng(0)
    damaged = np.where(mask, rng.integers(0, 256, GREY.shape), GREY).astype(np.uint8)
    assert np.array_equal(mend(damaged, mask), mend(GREY, mask))


@pytest.mark.parametrize("name", ["chelsea", "coffee", "rocket"])
def test_better_than_opencv_as_good_as_scikit_image(name):
    grey = cv2.cvtColor(samples.sample(name), cv2.COLOR_RGB2GRAY)
    mask = scratches(grey.shape, seed=5)
    damaged = np.where(mask, 255, grey).astype(np.uint8)
    telea = cv2.inpaint(damaged, mask.astype(np.uint8), 3, cv2.INPAINT_TELEA)
    biharmonic = 255 * inpaint_biharmonic(damaged / 255, mask, split_into_regions=True)
    ours = mend(damaged, mask, grain=False)
    assert psnr(ours, grey, mask) > psnr(telea, grey, mask) + 0.5
    assert psnr(ours, grey, mask) > psnr(biharmonic, grey, mask) - 0.15


def test_slopes_go_on():
    y, x = np.mgrid[:200, :300]
    slope = (20 + 0.3 * x + 0.5 * y).round().astype(np.uint8)
    mask = scratches(slope.shape)
    assert np.abs(mend(slope, mask).astype(int) - slope).max() <= 2


@pytest.mark.parametrize("hole", [np.s_[40:160, 30:200], np.s_[:90, :90], np.s_[-3:, :]])
def test_large_holes_stay_within_what_surrounds_them(hole):
    mask = np.zeros(GREY.shape, bool)
    mask[hole] = True
    around = cv2.dilate(mask.view(np.uint8), np.ones((9, 9), np.uint8)).astype(bool) & ~mask
    result = mend(np.where(mask, 255, GREY).astype(np.uint8), mask)
    assert int(GREY[around].min()) - 20 <= result[mask].min()
    assert result[mask].max() <= int(GREY[around].max()) + 20


@pytest.mark.parametrize("tile", [64, 144])
def test_tiles_are_seamless(tile, monkeypatch):
    mask = scratches(GREY.shape)
    mask[100:190, 50:160] = True
    whole = mend(GREY, mask).astype(int)
    monkeypatch.setattr(mending, "TILE", tile)
    assert np.abs(mend(GREY, mask) - whole).max() <= 1


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (50, 1), (2, 3), (7, 500), (33, 35)])
def test_any_size(size):
    mask = np.zeros(size, bool)
    mask.flat[mask.size // 2 :: 7] = True
    pixels = np.full(size, 40_000, np.uint16)
    if mask.all():
        with pytest.raises(ValueError, match="whole photo"):
            mend(pixels, mask)
    else:
        assert np.array_equal(mend(np.where(mask, 0, pixels).astype(np.uint16), mask), pixels)


def test_grain_goes_on_and_smoothness_too():
    rng, mask = np.random.default_rng(0), scratches((300, 300))
    mask[100:150, 100:150] = True
    grainy = np.clip(rng.normal(120, 8, mask.shape), 0, 255).astype(np.uint8)
    result = mend(grainy, mask)
    assert 0.6 < result[mask].std() / grainy[~mask].std() < 1.2
    # An edge beside a marked place is no grain.
    half = np.full(mask.shape, 60, np.uint8)
    half[:, 150:] = 200
    result = mend(half, mask).astype(int)
    far = mask & (np.abs(np.arange(300) - 150) > 60)
    assert np.abs(result - half)[far].max() <= 1


def test_masks_that_do_not_fit():
    with pytest.raises(ValueError, match="size"):
        mend(GREY, np.ones((3, 3), bool))
    with pytest.raises(ValueError, match="whole photo"):
        mend(GREY, np.ones(GREY.shape, bool))


# tone


def test_tone_evens_light_and_range():
    clean = np.random.default_rng(0).integers(20, 236, (30, 45)).astype(np.uint8).repeat(10, 0)
    clean = clean.repeat(10, 1)
    faded = (60 + 100 * (clean / 255) * np.linspace(0.4, 1, 450)).astype(np.uint8)
    result = evened(faded)

    def unevenness(pixels):
        return (pixels[:, -150:].mean() - pixels[:, :150].mean()) / pixels[:, 150:-150].std()

    assert 0 < unevenness(result) < 0.7 * unevenness(faded)
    assert np.ptp(np.percentile(result, [1, 99])) > 1.15 * np.ptp(np.percentile(faded, [1, 99]))
    assert structural_similarity(result, clean) > structural_similarity(faded, clean)
    deep = evened(faded.astype(np.uint16) * 257)
    assert np.abs(deep / 257 - result).max() <= 1
    # Grey stays grey, whatever the shape.
    assert np.array_equal(evened(np.dstack([faded] * 3)), np.dstack([result] * 3))


# what is told


def test_boxes_are_those_of_the_places():
    mask = np.zeros((900, 1300), bool)
    mask[10:20, 30:34] = mask[500:700, 900:1000] = mask[899, 1299] = True
    places = regionprops(label(mask))
    boxes = {(x, y, right - x, below - y) for y, x, below, right in (one.bbox for one in places)}
    damage = Damage(mask, "mild", None)
    assert {*damage.boxes()} == boxes and damage.boxes()[0] == (900, 500, 100, 200)
    assert damage.share() == mask.mean() and damage.told()["places"] == 3
    assert "at 3 places" in damage.words() and "900,500 100x200" in damage.words()


def test_many_places_are_told_shortly():
    mask = np.random.default_rng(0).random((2000, 2000)) < 0.001
    damage = Damage(mask, "mild", None)
    assert len(damage.words()) < 500 and len(json.dumps(damage.told())) < 10_000


# the commands


@pytest.fixture
def places(tmp_path):
    """A damaged grey photo and its mask as files."""
    mask = scratches(GREY.shape)
    write_photo(tmp_path / "old.png", Photo(np.where(mask, 255, GREY).astype(np.uint8)))
    write_photo(tmp_path / "mask.png", Photo(mask * np.uint8(255)))
    return tmp_path, mask


def typed(*arguments):
    return main([*map(str, arguments)])


def failed(capsys, *arguments):
    assert typed(*arguments) == 1
    error = capsys.readouterr().err
    assert error.startswith("colornet: ") and error.count("\n") == 1
    return error


def test_lightness_outside_the_mask_is_the_photos_own(places):
    folder, mask = places
    before = read_photo(folder / "old.png").pixels
    write_photo(folder / "deep.tif", Photo(before.astype(np.uint16) * 257))
    for name, most in (("old.png", 0.3), ("deep.tif", 0.02)):
        out = folder / "out" / name
        assert typed("colorize", folder / name, "-o", out, "--mask", folder / "mask.png") == 0
        result = read_photo(out).pixels
        L = rgb2lab(result / np.iinfo(result.dtype).max)[..., 0]
        unmended, original = (
            rgb2lab(np.dstack([pixels] * 3) / 255)[..., 0] for pixels in (before, GREY)
        )
        assert np.abs(L - unmended)[~mask].max() < most
        assert np.abs(L - original)[mask].mean() < 4 < np.abs(L - unmended)[mask].mean()


def test_colours_do_not_see_the_damage(places):
    folder, mask = places
    at = dict(o=folder / "o.png", mask=folder / "m.png", plain=folder / "p.png")
    write_photo(folder / "whole.png", Photo(GREY))
    assert typed("colorize", folder / "whole.png", "-o", at["o"]) == 0
    mended = ["--mask", folder / "mask.png"]
    assert typed("colorize", folder / "old.png", "-o", at["mask"], *mended) == 0
    assert typed("colorize", folder / "old.png", "-o", at["plain"]) == 0
    true, with_mask, plain = (rgb2lab(read_photo(file).pixels)[..., 1:] for file in at.values())
    away = ~cv2.dilate(mask.view(np.uint8), np.ones((5, 5), np.uint8)).astype(bool)
    distances = [np.abs(true - one)[away].mean() for one in (with_mask, plain)]
    assert distances[0] < 0.5 * distances[1]


def test_repair_keeps_colours_alpha_depth_and_says_so(places, capsys):
    folder, mask = places
    deep = of_kind(np.uint16, True).copy()
    deep[mask] = 65535
    alpha = np.arange(GREY.size, dtype=np.uint16).reshape(GREY.shape)
    write_photo(folder / "deep.tif", Photo(deep, alpha))
    out = folder / "new.tif"
    assert typed("repair", folder / "deep.tif", "-o", out, "--mask", folder / "mask.png") == 0
    assert capsys.readouterr().out == f"1 repaired into {out}\n"
    result = read_photo(out)
    assert result.pixels.dtype == np.uint16 and np.array_equal(result.alpha, alpha)
    assert np.array_equal(result.pixels[~mask], deep[~mask])
    assert xmp.value(result.metadata.xmp, history.SOURCE) == history.ENHANCED
    assert b"AISystemUsed" not in result.metadata.xmp and b"coloured" not in result.metadata.xmp
    assert b"repaired: " in result.metadata.xmp and b"marked by a mask" in result.metadata.xmp


def test_repair_of_coloured_photo_leaves_its_mark(places):
    folder, _ = places
    mask = ["--mask", folder / "mask.png"]
    assert typed("colorize", folder / "old.png", "-o", folder / "one.png", *mask) == 0
    assert typed("repair", folder / "one.png", "-o", folder / "two.png", *mask) == 0
    packet = read_photo(folder / "two.png").metadata.xmp
    assert xmp.value(packet, history.SOURCE) == history.TRAINED
    assert xmp.value(packet, "Iptc4xmpExt:AISystemUsed") == "colornet, network colornet"
    assert packet.count(b"repaired: ") == 2 and packet.count(b"coloured: ") == 1


def test_jpeg_to_jpeg_keeps_metadata(places):
    folder, _ = places
    exif = Image.Exif()
    exif[0x010E], exif[0x9003] = "aunt Ada", "1912:06:01 00:00:00"
    known = Metadata(exif=exif.tobytes().removeprefix(b"Exif\0\0"), dpi=(600, 600))
    write_photo(folder / "old.jpg", Photo(read_photo(folder / "old.png").pixels, metadata=known))
    out = folder / "new.jpg"
    assert typed("repair", folder / "old.jpg", "-o", out, "--mask", folder / "mask.png") == 0
    with Image.open(out) as image:
        assert image.mode == "L" and image.info["dpi"] == (600, 600)
        assert image.getexif()[0x010E] == "aunt Ada"


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
def test_the_mask_comes_out_as_it_went_in(places, suffix):
    folder, mask = places
    out = folder / f"new{suffix}"
    command = ["repair", folder / "old.png", "-o", out, "--mask", folder / "mask.png"]
    assert typed(*command, "--write-mask") == 0
    assert np.array_equal(read_mask(folder / f"new-mask{suffix}", *mask.shape), mask)


def test_mask_painted_on_a_clear_layer(places):
    folder, mask = places
    layer = np.dstack([np.full((*mask.shape, 3), 255, np.uint8), mask * np.uint8(255)])
    Image.fromarray(layer).save(folder / "layer.png")
    assert np.array_equal(read_mask(folder / "layer.png", *mask.shape), mask)


def test_bad_masks_are_named(places, capsys):
    folder, mask = places
    write_photo(folder / "small.png", Photo(mask[1:] * np.uint8(255)))
    write_photo(folder / "white.png", Photo(np.full(mask.shape, 255, np.uint8)))
    write_photo(folder / "black.png", Photo(np.zeros(mask.shape, np.uint8)))
    (folder / "oops.png").write_text("oops")
    for name, words in {
        "small.png": f"is of {mask.shape[1]}x{mask.shape[0] - 1}, the photo of",
        "white.png": "marks the whole photo",
        "black.png": "marks nothing",
        "oops.png": "not a JPEG",
        "gone.png": "cannot be read",
    }.items():
        for command in ("repair", "colorize"):
            out = folder / "out.png"
            error = failed(capsys, command, folder / "old.png", "-o", out, "--mask", folder / name)
            assert f"{folder / name}: {words}" in error and not out.exists()


def test_options_that_do_not_fit(places, capsys):
    folder, _ = places
    write_photo(folder / "in/a.png", Photo(GREY))
    write_photo(folder / "in/b.png", Photo(GREY))
    options = ["-o", folder / "out", "--mask", folder / "mask.png"]
    assert "a mask is for one photo, here are 2" in failed(
        capsys, "repair", folder / "in", *options
    )
    for option in ("--write-mask", "--tone"):
        error = failed(capsys, "colorize", folder / "old.png", "-o", folder / "x.png", option)
        assert "ask for --repair too" in error
    with pytest.raises(ValueError, match="strength bold: choose mild or strong"):
        Repair("bold")


def test_record_and_the_same_again(places, capsys, one_moment):
    folder, mask = places
    record, options = folder / "r.jsonl", ["--mask", folder / "mask.png", "--tone"]
    options += ["--write-mask", "--record", record]
    assert typed("repair", folder / "old.png", "-o", folder / "a.png", *options) == 0
    assert typed("colorize", folder / "old.png", "-o", folder / "b.png", *options) == 0
    told = [json.loads(line) for line in record.read_text().splitlines()]
    for entry, model in zip(told, (None, "colornet")):
        assert entry["model"] == model and entry["settings"]["repair"]["tone"]
        assert entry["repair"]["found"] == "a mask" and entry["repair"]["tone"]
        assert entry["repair"]["share"] == pytest.approx(mask.mean(), abs=1e-6)
        assert entry["repair"]["places"] == len(entry["repair"]["boxes"])
    results = [folder / name for name in ("a.png", "a-mask.png", "b.png", "b-mask.png")]
    before = [file.read_bytes() for file in results]
    for file in results:
        file.unlink()
    assert typed("recolor", record) == 0 and [file.read_bytes() for file in results] == before
    write_photo(folder / "mask.png", Photo(~mask * np.uint8(255)))
    capsys.readouterr()
    assert "is not the mask of" in failed(capsys, "recolor", record)


def test_answers_in_python_tell_of_the_repair(places):
    folder, mask = places
    photo = repaired(read_photo(folder / "old.png"), Repair(mask=str(folder / "mask.png")))
    assert np.array_equal(photo.damage.mask, mask)
    with pytest.raises(PhotoError, match="gone.png: cannot be read"):
        repaired(photo, Repair(mask=str(folder / "gone.png")))


# what the network finds


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """A scratched photo repaired by the command: photo, results and masks by strength, record."""
    folder = tmp_path_factory.mktemp("found")
    before = np.where(scratches(GREY.shape, seed=3), 255, GREY).astype(np.uint8)
    write_photo(folder / "old.png", Photo(before))
    options, results, masks = ["--write-mask", "--record", folder / "r.jsonl"], {}, {}
    for strength in ("mild", "strong"):
        out = folder / f"{strength}.png"
        command = ["repair", folder / "old.png", "-o", out, "--strength", strength]
        assert typed(*command, *options) == 0
        results[strength] = read_photo(out).pixels
        masks[strength] = read_photo(folder / f"{strength}-mask.png").pixels > 127
    return before, results, masks, folder / "r.jsonl"


def test_found_damage_is_mended_and_nothing_else_changed(found):
    before, results, masks, _ = found
    true = scratches(GREY.shape, seed=3)
    beside = cv2.dilate(true.view(np.uint8), np.ones((7, 7), np.uint8)).astype(bool)
    for strength, mask in masks.items():
        assert mask.any() and np.array_equal(results[strength][~mask], before[~mask])
        assert beside[mask].mean() > 0.5  # white scratches are what it knows best
        both = mask & true
        assert psnr(results[strength], GREY, both) > psnr(before, GREY, both) + 6
    assert masks["strong"][masks["mild"]].all() and masks["strong"].sum() >= masks["mild"].sum()


def test_record_of_found_damage_makes_it_again(found, one_moment):
    record = found[3]
    told = [json.loads(line)["repair"] for line in record.read_text().splitlines()]
    assert [one["found"] for one in told] == ["mild", "strong"]
    assert len(told[0]["sha256"]) == 64 and 0 < told[0]["share"] <= told[1]["share"]
    results = [record.with_name(name) for name in ("mild.png", "strong-mask.png")]
    before = [file.read_bytes() for file in results]
    for file in results:
        file.unlink()
    assert typed("recolor", record) == 0 and [file.read_bytes() for file in results] == before


def test_a_folder_goes_on_past_a_bad_file_and_is_told_in_words(tmp_path):
    for name in ("a.png", "sub/b.jpg"):
        write_photo(tmp_path / "in" / name, Photo(GREY))
    (tmp_path / "in/bad.png").write_text("oops")
    command = [sys.executable, "-m", "colornet", "repair", "in", "-o", "out"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1 and done.stdout == "2 repaired into out\n"
    lines = [line for line in done.stderr.splitlines() if line.strip() and "%|" not in line]
    assert lines[0].startswith("colornet: in/bad.png: not a JPEG") and len(lines) == 2
    assert lines[1] == "1 could not be repaired, named above"
    assert (tmp_path / "out/a.png").exists() and (tmp_path / "out/sub/b.jpg").exists()


def test_much_that_is_marked_is_told(tmp_path, capsys, monkeypatch):
    everything = 0.0, 0.0  # nothing is left to mend from
    monkeypatch.setitem(THRESHOLDS, "mild", everything)
    write_photo(tmp_path / "a.png", Photo(GREY))
    assert typed("repair", tmp_path / "a.png", "-o", tmp_path / "b.png") == 0
    assert np.array_equal(read_photo(tmp_path / "b.png").pixels, GREY)
    rest = np.zeros(GREY.shape, bool)
    rest[:100] = True
    monkeypatch.setattr("colornet.inference.repair.find_damage", lambda pixels, strength: rest)
    assert typed("repair", tmp_path / "a.png", "-o", tmp_path / "c.png") == 0
    assert "33 % of it is marked as damage: look at it" in capsys.readouterr().err


def test_archives_are_mended_too(found, tmp_path):
    pytest.importorskip("pebble", reason="the archive extra is not installed")
    (tmp_path / "in").mkdir()
    (tmp_path / "in/old.png").write_bytes(found[3].with_name("old.png").read_bytes())
    assert typed("archive", tmp_path / "in", tmp_path / "out", "--repair", "--workers", 1) == 0
    result = read_photo(tmp_path / "out/old.png")
    assert b"repaired: " in result.metadata.xmp and b"coloured: " in result.metadata.xmp
    mask = found[2]["mild"]
    L = rgb2lab(result.pixels / 255)[..., 0]
    before = rgb2lab(np.dstack([found[0]] * 3) / 255)[..., 0]
    assert np.abs(L - before)[~mask].max() < 0.3 < np.abs(L - before)[mask].mean()
