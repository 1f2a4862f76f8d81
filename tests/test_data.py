"""Prepared sets: what is left out and why, splits, resuming after a kill."""

import base64
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter

import cv2
import numpy as np
import pytest
from conftest import crops, limited, start
from PIL import Image
from skimage import color

from colornet.data import dataset, duplicates
from colornet.data import prepare as prepare_module
from colornet.data.dataset import summary
from colornet.data.prepare import prepare, search
from colornet.data.samples import sample
from colornet.errors import PhotoError
from colornet.photos import resize


def save(path, pixels, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return path


def by_file(rows):
    return {row["file"]: row for row in rows}


def kept_pixels(folder, row):
    return np.asarray(Image.open(folder / "photos" / f"{row['photo']}.png"))


def with_chroma(pixels, gain):
    Lab = color.rgb2lab(pixels) * [1, gain, gain]
    return np.round(color.lab2rgb(Lab) * 255).astype(np.uint8)


def test_reasons(tmp_path):
    photos, astronaut, coffee = tmp_path / "photos", sample("astronaut"), sample("coffee")
    luma = np.asarray(Image.fromarray(coffee).convert("L"))
    whole = save(photos / "good.jpg", sample("chelsea"), quality=95).read_bytes()
    (photos / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (photos / "text.jpg").write_text("not a photo")
    (photos / "empty.png").write_bytes(b"")
    save(photos / "small.png", astronaut[:90, :90])
    save(photos / "grey.png", np.repeat(luma[..., None], 3, axis=-1))
    save(photos / "one-channel.png", luma)
    save(photos / "sepia.png", np.round(luma[..., None] * [1, 0.87, 0.7]).astype(np.uint8))
    wall = np.random.default_rng(0).normal([180, 90, 60], 2, (200, 200, 3))
    save(photos / "wall.png", wall.astype(np.uint8))
    poster = coffee.copy()
    poster[:200, :300] = 20, 60, 220
    save(photos / "poster.png", poster)
    save(photos / "soft.png", cv2.GaussianBlur(sample("rocket"), (0, 0), 12))
    rows = prepare([photos], tmp_path / "prepared", size=128)
    assert {row["file"]: row["reason"] for row in rows} == {
        "good.jpg": "",
        "cut.jpg": "unreadable",
        "text.jpg": "unreadable",
        "empty.png": "unreadable",
        "small.png": "too small",
        "grey.png": "grey",
        "one-channel.png": "grey",
        "sepia.png": "one tint",
        "wall.png": "blank",
        "poster.png": "drawn",
        "soft.png": "blurred",
    }
    for row in rows:
        assert row["kept"] == int(not row["reason"])
        assert bool(row["split"]) == bool(row["kept"])
    assert [row["file"] for row in dataset.read_manifest(tmp_path / "prepared")] == sorted(
        file.name for file in photos.iterdir()
    )


@pytest.mark.parametrize("name", ["astronaut", "coffee", "chelsea", "rocket"])
def test_pale_photos_stay(tmp_path, name):
    # Down to a fifth of the chroma, as long as any of it is over GREY_CHROMA.
    save(tmp_path / "photos" / "pale.png", with_chroma(sample(name), 0.2))
    (row,) = prepare([tmp_path / "photos"], tmp_path / "prepared", size=128)
    assert row["kept"], row


def test_copies_are_found_whatever_their_format_and_size(tmp_path):
    first, copies = tmp_path / "first", tmp_path / "copies"
    photo = sample("astronaut")
    save(first / "photo.png", photo)
    save(copies / "same.bmp", photo)
    save(copies / "deep/same.webp", photo, lossless=True)
    save(copies / "small.png", np.asarray(Image.fromarray(photo).resize((300, 300))))
    save(copies / "jpeg.jpg", photo, quality=60)
    save(copies / "mirror.png", photo[:, ::-1])
    save(copies / "small-mirror.jpg", cv2.resize(photo[:, ::-1], (280, 280)), quality=80)
    save(copies / "other.png", sample("coffee"))
    prepare([first], tmp_path / "prepared", size=128)
    rows = prepare([first, copies], tmp_path / "prepared", size=128)
    assert {row["file"]: row["reason"] for row in rows} == {
        "photo.png": "",
        "same.bmp": "duplicate",
        "deep/same.webp": "duplicate",
        "small.png": "near duplicate",
        "jpeg.jpg": "near duplicate",
        "mirror.png": "near duplicate",
        "small-mirror.jpg": "near duplicate",
        "other.png": "",
    }
    assert len(list((tmp_path / "prepared" / "photos").iterdir())) == 2


def test_many_copies_at_once(tmp_path):
    # Threads write the same prepared photo at the same time.
    for i in range(24):
        save(tmp_path / "photos" / f"{i}.png", sample("chelsea"), compress_level=1)
    rows = prepare([tmp_path / "photos"], tmp_path / "prepared", size=128)
    assert Counter(row["reason"] for row in rows) == {"": 1, "duplicate": 23}


def test_split_shares():
    count = Counter(duplicates._split(f"photo {i}") for i in range(30_000))
    assert count["test"] / 30_000 == pytest.approx(0.10, abs=0.008)
    assert count["validation"] / 30_000 == pytest.approx(0.18, abs=0.01)
    assert count["train"] / 30_000 == pytest.approx(0.72, abs=0.012)


@pytest.fixture(scope="module")
def related(tmp_path_factory):
    """Photos that overlap their neighbours, and the set prepared from them."""
    folder = tmp_path_factory.mktemp("related")
    for name in ("astronaut", "coffee", "rocket"):
        pixels = sample(name)
        for step in range(30):
            left = 4 * step
            save(folder / "photos" / f"{name}{step}.png", pixels[:200, left : left + 200])
    prepare([folder / "photos"], folder / "prepared", size=128)
    return folder


def likenesses(folder):
    """The kept photos' splits, and how alike each two are: by thumbnails, in plain numpy."""
    records = [json.loads(line) for line in open(folder / "records.jsonl")][1:]
    thumbs = {r["photo"]: base64.b64decode(r["thumb"]) for r in records if "thumb" in r}
    rows = [row for row in dataset.read_manifest(folder) if row["kept"] == "1"]
    vectors = {False: [], True: []}
    for row in rows:
        thumb = np.frombuffer(thumbs[row["photo"]], np.uint8).reshape(16, 16).astype(float)
        for mirrored, picture in ((False, thumb), (True, thumb[:, ::-1])):
            down, right = picture[1:] - picture[:-1], picture[:, 1:] - picture[:, :-1]
            vector = np.concatenate([down.ravel(), right.ravel()])
            vectors[mirrored].append(vector / np.sqrt((vector**2).sum()))
    plain, mirrored = np.array(vectors[False]), np.array(vectors[True])
    likeness = np.maximum(plain @ plain.T, mirrored @ plain.T)
    np.fill_diagonal(likeness, 0)
    return np.array([row["split"] for row in rows]), likeness


def test_near_duplicates_go_and_relatives_share_a_split(related):
    splits, likeness = likenesses(related / "prepared")
    alike = np.argwhere(likeness > 0.7 + 1e-4)
    assert len(alike) > 4  # or the rest shows nothing
    assert len(set(splits)) > 1
    assert likeness.max() < 0.9 + 1e-4
    assert all(splits[i] == splits[j] for i, j in alike)


def test_added_photos_move_none(related, tiles, tmp_path):
    folder = shutil.copytree(related / "prepared", tmp_path / "prepared")
    before = by_file(dataset.read_manifest(folder))
    hash_before = dataset.fingerprint(folder)
    rows = prepare([related / "photos", tiles], folder, size=128)
    after = by_file(dataset.read_manifest(folder))
    assert len(rows) == len(before) + 22
    assert all(after[file] == row for file, row in before.items())
    assert dataset.fingerprint(folder) != hash_before
    # The first set may be gone: what was seen stays known.
    assert prepare([tiles], folder, size=128) == rows


def test_second_run_does_nothing(prepared, tiles, tmp_path):
    folder = shutil.copytree(prepared, tmp_path / "prepared")
    seen = {file: (file.stat().st_mtime_ns, file.read_bytes()) for file in folder.rglob("*.*")}
    prepare([tiles], folder, size=128)
    assert seen == {f: (f.stat().st_mtime_ns, f.read_bytes()) for f in folder.rglob("*.*")}


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """A set whose making was killed half-way, and the same photos prepared without a break."""
    folder = tmp_path_factory.mktemp("killed")
    for i, pixels in enumerate(crops(200, 220)):
        save(folder / "photos" / f"{i}.png", pixels, compress_level=1)
    for i, pixels in enumerate(crops(12, 220)):  # copies of earlier ones
        save(folder / "photos" / f"copy{i}.bmp", pixels)
    code = "import sys; from colornet.data.prepare import prepare\n"
    code += "prepare([sys.argv[1]], sys.argv[2], 128)"
    journal = folder / "broken" / "records.jsonl"
    process = start("-c", code, folder / "photos", folder / "broken")
    while process.poll() is None and not (journal.exists() and journal.stat().st_size > 2000):
        time.sleep(0.002)
    process.kill()
    process.communicate()
    assert 1 < len(journal.read_bytes().splitlines()) < 213
    assert not (folder / "broken" / "manifest.csv").exists()
    prepare([folder / "photos"], folder / "whole", size=128)
    return folder


@pytest.mark.parametrize("tail", [None, b'{"file": "7.png", "by', b"\xff"])
def test_killed_run_goes_on_as_if_unbroken(killed, tmp_path, tail):
    folder, whole = shutil.copytree(killed / "broken", tmp_path / "broken"), killed / "whole"
    journal = folder / "records.jsonl"
    if tail:  # the kill came in the middle of a line
        lines = journal.read_bytes().splitlines(keepends=True)
        journal.write_bytes(b"".join(lines[:-1]) + tail)
    prepare([killed / "photos"], folder, size=128)
    assert (folder / "manifest.csv").read_bytes() == (whole / "manifest.csv").read_bytes()
    photos = {file.name: file.read_bytes() for file in (folder / "photos").iterdir()}
    assert photos == {file.name: file.read_bytes() for file in (whole / "photos").iterdir()}
    assert dataset.fingerprint(folder) == dataset.fingerprint(whole)
    assert len(dataset.read_manifest(folder)) == 212


def test_limit(tiles, tmp_path):
    rows = prepare([tiles], tmp_path / "prepared", size=128, limit=5)
    assert sum(row["kept"] for row in rows) == 5
    assert prepare([tiles], tmp_path / "prepared", size=128, limit=5) == rows
    # A fair sample: not the first five by name.
    assert sorted(r["file"] for r in rows) != sorted(f.name for f in tiles.iterdir())[:5]
    more = by_file(prepare([tiles], tmp_path / "prepared", size=128, limit=9))
    assert sum(row["kept"] for row in more.values()) == 9
    assert all(more[row["file"]] == row for row in rows)


def test_prepared_photos_are_the_square_without_loss(tmp_path):
    photo = sample("coffee")
    save(tmp_path / "photos" / "coffee.png", photo)
    (row,) = prepare([tmp_path / "photos"], tmp_path / "prepared", size=96)
    stored = kept_pixels(tmp_path / "prepared", row)
    assert stored.shape == (96, 96, 3)
    assert np.array_equal(stored, resize.square(photo, 96))
    (file,) = (tmp_path / "prepared" / "photos").iterdir()
    assert np.array_equal(dataset.read_prepared(file), stored)
    # The middle 400x400 of 400x600, each pixel the mean of its area.
    tiny = resize.square(photo, 100).astype(float)
    means = photo[:, 100:500].reshape(100, 4, 100, 4, 3).mean((1, 3))
    assert np.abs(tiny - means).max() <= 0.51


def test_depths_palettes_alpha_and_orientation(tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    deep = sample("astronaut").astype(np.uint16) * 257
    cv2.imwrite(str(photos / "deep.png"), deep[..., ::-1])
    palette = Image.fromarray(sample("coffee")).quantize(200)
    palette.save(photos / "palette.png")
    clear = np.dstack([sample("chelsea"), np.full(sample("chelsea").shape[:2], 200, np.uint8)])
    save(photos / "alpha.png", clear)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter clockwise
    save(photos / "turned.png", np.rot90(sample("rocket")), exif=exif.tobytes())
    rows = by_file(prepare([photos], tmp_path / "prepared", size=128))
    expected = {
        "deep.png": sample("astronaut"),
        "palette.png": np.asarray(palette.convert("RGB")),
        "alpha.png": sample("chelsea"),
        "turned.png": sample("rocket"),
    }
    for name, pixels in expected.items():
        assert rows[name]["kept"], rows[name]
        stored = kept_pixels(tmp_path / "prepared", rows[name])
        assert np.array_equal(stored, resize.square(pixels, 128)), name
    assert (rows["turned.png"]["width"], rows["turned.png"]["height"]) == (640, 427)


def test_another_size_is_refused(prepared, tiles):
    with pytest.raises(PhotoError, match="was prepared at size 128") as error:
        prepare([tiles], prepared, size=256)
    assert "\n" not in str(error.value)


def test_missing_source_is_refused(tmp_path):
    with pytest.raises(PhotoError, match="nowhere"):
        prepare([tmp_path / "nowhere"], tmp_path / "prepared", size=128)
    assert not (tmp_path / "prepared").exists()


def same_name_and_length(tmp_path):
    """Two folders, each with a photo.bmp of the same number of bytes."""
    for name in ("astronaut", "coffee"):
        save(tmp_path / name / "photo.bmp", sample(name)[:300, :300])
    return tmp_path / "astronaut", tmp_path / "coffee"


def test_same_names_in_two_folders(tmp_path):
    folders, out = same_name_and_length(tmp_path), tmp_path / "prepared"
    rows = prepare(folders, out, size=128)
    assert [(row["file"], row["kept"]) for row in rows] == [("photo.bmp", 1)] * 2
    assert prepare(folders, out, size=128) == rows


def test_same_names_in_folders_added_later(tmp_path):
    first, second = same_name_and_length(tmp_path)
    prepare([first], tmp_path / "prepared", size=128)
    rows = prepare([second], tmp_path / "prepared", size=128)
    assert [row["kept"] for row in rows] == [1, 1]


def test_prepared_set_within_its_source(tmp_path):
    save(tmp_path / "photo.png", sample("astronaut"))
    rows = prepare([tmp_path], tmp_path / "prepared", size=128)
    assert prepare([tmp_path], tmp_path / "prepared", size=128) == rows
    assert len(rows) == 1


@pytest.mark.skipif(os.name != "posix", reason="such names exist on POSIX systems alone")
def test_names_that_are_not_utf8(tmp_path):
    save(tmp_path / "photos" / "x.png", sample("astronaut"))
    os.rename(tmp_path / "photos" / "x.png", os.fsencode(tmp_path / "photos") + b"/caf\xe9.png")
    prepare([tmp_path / "photos"], tmp_path / "prepared", size=128)
    (row,) = dataset.read_manifest(tmp_path / "prepared")
    assert os.fsencode(row["file"]) == b"caf\xe9.png" and row["kept"] == "1"


def test_split_files_and_summary(prepared):
    files = {
        split: dataset.split_files(prepared, split) for split in ("train", "validation", "test")
    }
    assert sum(map(len, files.values())) == 22 and all(files.values())
    assert all(file.is_file() for found in files.values() for file in found)
    text = summary(dataset.read_manifest(prepared))
    assert ["kept", "22"] in [line.split() for line in text.splitlines()]
    with pytest.raises(PhotoError, match="colornet prepare"):
        dataset.split_files(prepared / "nowhere", "train")


# Folders as they are


def out_of_reach(folder):
    """A folder so deep that no path leads to it, which root cannot open either."""
    folder.mkdir()
    last = os.open(folder, os.O_RDONLY)
    for _ in range(18):
        os.mkdir("d" * 250, dir_fd=last)
        last, before = os.open("d" * 250, os.O_RDONLY, dir_fd=last), last
        os.close(before)
    os.close(last)


def test_what_is_out_of_reach_costs_nothing_else(tmp_path, monkeypatch, capsys):
    photos = tmp_path / "photos"
    save(photos / "good.png", sample("coffee"))
    save(photos / "vanishes.png", sample("chelsea"))
    save(tmp_path / "elsewhere.png", sample("astronaut"))
    (photos / "dead.jpg").symlink_to("nowhere.jpg")
    (photos / "loop.png").symlink_to("loop.png")
    (photos / "linked.png").symlink_to(tmp_path / "elsewhere.png")
    (photos / "up").symlink_to(tmp_path)
    (photos / "cut.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    for name in ("a.mov", "b.MOV", "c.xmp", "readme", ".hidden.png", ".DS_Store"):
        (photos / name).write_text("no photo")
    os.mkfifo(photos / "pipe.png")
    out_of_reach(photos / "deep")
    look = search

    def look_and_lose(sources):
        found = look(sources)
        (photos / "vanishes.png").unlink(missing_ok=True)
        return found

    monkeypatch.setattr("colornet.data.prepare.search", look_and_lose)
    rows = prepare([photos], tmp_path / "prepared", size=128)
    reasons = {row["file"]: row["reason"] for row in rows if not row["file"].startswith("deep")}
    assert reasons == {
        "good.png": "", "linked.png": "", "cut.jpg": "unreadable",
        "dead.jpg": "out of reach", "loop.png": "out of reach", "vanishes.png": "out of reach",
    }  # fmt: skip
    (deep,) = (row for row in rows if row["file"].startswith("deep"))
    assert deep["reason"] == "out of reach"
    assert "out of reach      4" in " ".join(summary(rows).splitlines())
    lines = [line for line in capsys.readouterr().err.splitlines() if "colornet:" in line]
    for name in ("dead.jpg", "loop.png", "vanishes.png", "cut.jpg"):
        (line,) = (line for line in lines if f"{photos / name}: " in line)
    assert any("cannot be opened (File name too long)" in line for line in lines)
    closing = lines.pop()
    assert sorted(closing.partition("not read: ")[2].split(", ")) == [
        "1 .xmp", "1 linked folder", "1 special file", "1 without suffix", "2 .mov"
    ]  # fmt: skip
    assert len(lines) == 5
    # What comes within reach is taken.
    save(photos / "nowhere.jpg", sample("rocket"))
    after = by_file(prepare([photos], tmp_path / "prepared", size=128))
    assert after["dead.jpg"]["kept"] + after["nowhere.jpg"]["kept"] == 1
    assert sum(row["kept"] for row in after.values()) == 3 and len(after) == 7


def prepare_as_typed(source, folder, **options):
    command = [sys.executable, "-m", "colornet", "prepare", source, "-o", folder, "--size", "128"]
    return subprocess.run([*map(str, command)], capture_output=True, text=True, **options)


def one_error(process):
    """The one line of an error, behind the progress bar."""
    assert process.returncode == 1, process.stderr
    lines = [line for line in process.stderr.splitlines() if line.strip() and "/22 [" not in line]
    assert len(lines) == 1 and lines[0].startswith("colornet: "), process.stderr
    return lines[0]


@pytest.mark.parametrize("size", [2000, 30_000])
def test_a_file_that_finds_no_room(tiles, tmp_path, size):
    folder = tmp_path / "prepared"
    error = one_error(prepare_as_typed(tiles, folder, preexec_fn=lambda: limited(size)))
    assert f"colornet: {folder}/" in error and "larger than a file may be" in error
    assert all(np.asarray(Image.open(file)).any() for file in (folder / "photos").iterdir())
    assert sum(row["kept"] for row in prepare([tiles], folder, size=128)) == 22


def test_a_full_disk_is_called_that(tiles, small_disk, tmp_path):
    disk = small_disk(300_000)
    error = one_error(prepare_as_typed(tiles, disk / "prepared"))
    assert f"colornet: {disk}/prepared/" in error
    assert "cannot be written (the disk is full); make room" in error
    done = len(list((disk / "prepared/photos").iterdir()))
    assert 0 < done < 22
    subprocess.run(["mount", "-o", "remount,size=9m", disk], check=True)
    assert sum(row["kept"] for row in prepare([tiles], disk / "prepared", size=128)) == 22


def test_interrupted_as_typed(killed, tmp_path):
    folder = tmp_path / "prepared"
    process = start("-m", "colornet", "prepare", killed / "photos", "-o", folder, "--size", 128)
    while process.poll() is None and not [*folder.glob("photos/*.png")]:
        time.sleep(0.002)
    process.send_signal(signal.SIGINT)
    output = process.communicate()[0]
    assert process.returncode == 130, output
    assert output.splitlines()[-1] == "colornet: interrupted; the same command does what is left"
    assert "Traceback" not in output and not (folder / "manifest.csv").exists()
    prepare([killed / "photos"], folder, size=128)
    assert dataset.fingerprint(folder) == dataset.fingerprint(killed / "whole")


def test_photos_that_join_a_set_are_told(tiles, tmp_path, capsys):
    save(tmp_path / "first" / "a.png", sample("coffee"))
    prepare([tmp_path / "first"], tmp_path / "prepared", size=128)
    assert "join" not in capsys.readouterr().err
    prepare([tiles], tmp_path / "prepared", size=128)
    error = capsys.readouterr().err
    assert "has 1 photos from before, of which 1 were kept; 22 more may join them" in error


def test_a_missing_photo_is_made_again(prepared, tiles, tmp_path, capsys):
    folder = shutil.copytree(prepared, tmp_path / "prepared")
    first, *_ = dataset.split_files(folder, "train")
    content = first.read_bytes()
    first.unlink()
    assert first not in dataset.present_files(folder, "train")
    error = capsys.readouterr().err
    assert error.startswith(f"colornet: {first}: missing, with it 1 of") and error.count("\n") == 1
    with pytest.raises(PhotoError, match="missing or damaged; delete it, then prepare"):
        dataset.read_prepared(first)
    prepare([tiles], folder, size=128)
    assert first.read_bytes() == content
    assert dataset.fingerprint(folder) == dataset.fingerprint(prepared)


def test_108_megapixels_in_less_than_a_gigabyte(tmp_path):
    (tmp_path / "photos").mkdir()
    # Enlarged, not tiled, so that it is no drawing; a second one that is held in memory as a whole.
    large = Image.fromarray(sample("coffee")).resize((12000, 9000), Image.Resampling.BILINEAR)
    exif = Image.Exif()
    exif[0x0112] = 6
    large.save(tmp_path / "photos/turned.jpg", quality=90, exif=exif.tobytes())
    large.transpose(Image.Transpose.FLIP_TOP_BOTTOM).save(
        tmp_path / "photos/progressive.jpg", quality=80, progressive=True
    )
    for i, pixels in enumerate(crops(8, 220)):
        save(tmp_path / "photos" / f"{i}.jpg", cv2.resize(pixels, (4000, 4000)), quality=90)
    # Not by getrusage, which counts what the tests had used before this process became its own.
    code = (
        "import re, sys; from colornet.__main__ import main; main(sys.argv[1:]);"
        "print('peak', re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1])"
    )
    output = tmp_path / "prepared"
    process = start("-c", code, "prepare", tmp_path / "photos", "-o", output, "--size", "128")
    text = process.communicate()[0]
    assert process.returncode == 0, text
    assert int(text.split("peak")[1]) < 1_000_000, text  # KiB
    rows = by_file(dataset.read_manifest(output))
    assert (rows["turned.jpg"]["width"], rows["turned.jpg"]["height"]) == ("9000", "12000")
    assert (rows["progressive.jpg"]["width"], rows["progressive.jpg"]["height"]) == (
        "12000",
        "9000",
    )
    assert rows["turned.jpg"]["reason"] in ("", "blurred")
    assert not [row for row in rows.values() if row["reason"] == "unreadable"]


# Batches


def test_an_unforeseen_error_costs_no_other_photo(tmp_path, monkeypatch, capsys):
    for i, pixels in enumerate(crops(3, 130)):
        save(tmp_path / "photos" / f"{i}.png", pixels)
    judge = prepare_module._judged

    def fail_once(file, *rest):
        if file.name == "1.png":
            raise RuntimeError("of a kind nobody foresaw")
        return judge(file, *rest)

    monkeypatch.setattr("colornet.data.prepare._judged", fail_once)
    rows = by_file(prepare([tmp_path / "photos"], tmp_path / "prepared", size=64))
    assert {name for name, row in rows.items() if row["reason"] == "unreadable"} == {"1.png"}
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "1.png" in line]
    assert "nobody foresaw" in line
    log = re.search(r"report it with (\S+)", line)[1]
    assert "RuntimeError" in open(log).read()
