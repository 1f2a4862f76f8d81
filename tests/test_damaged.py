"""Damaged files of every kind: an error, or a picture of the file's own bytes alone."""

import io
import json
import os
import re
import resource
import subprocess
import sys

import numpy as np
import pytest
import tifffile
from PIL import Image

from colornet.errors import PhotoError
from colornet.photos.read import read_photo

RNG = np.random.default_rng(0)
Y, X = np.mgrid[:96, :104]
RGB = np.dstack([X, X + Y, 255 - 2 * Y]) + RNG.integers(0, 20, (96, 104, 3))
RGB = np.clip(RGB, 0, 255).astype(np.uint8)
BITS = (X // 7 + Y // 9) % 2 == RNG.random((96, 104)) // 0.97
DEEP = RGB.astype(np.uint16) * 257


def tiff(pixels, **options):
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, rowsperstrip=20, **options)
    return file.getvalue()


def pillow(pixels, kind, **options):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


def heif():
    pytest.importorskip("pillow_heif").register_heif_opener()
    return pillow(RGB, "HEIF")


# name: maker
KINDS = {
    **{
        f"{packing}-{bits}.tif": lambda packing=packing, pixels=pixels: tiff(
            pixels, compression=packing if packing != "none" else None, photometric="rgb"
        )
        for packing in ("none", "lzw", "deflate", "packbits", "zstd")
        for bits, pixels in ((8, RGB), (16, DEEP))
    },
    "lzma.tif": lambda: tiff(RGB, compression="lzma", photometric="rgb"),
    "jpeg.tif": lambda: tiff(RGB, compression="jpeg", photometric="rgb"),
    "g4.tif": lambda: pillow(BITS, "TIFF", compression="group4"),
    "g3.tif": lambda: pillow(BITS, "TIFF", compression="group3"),
    "rle.tif": lambda: pillow(BITS, "TIFF", compression="tiff_ccitt"),
    "grey.jpg": lambda: pillow(RGB[..., 0], "JPEG"),
    "rgb.jpg": lambda: pillow(RGB, "JPEG"),
    "progressive.jpg": lambda: pillow(RGB, "JPEG", progressive=True),
    "rgb.png": lambda: pillow(RGB, "PNG"),
    "bits.png": lambda: pillow(BITS, "PNG"),
    "lossy.webp": lambda: pillow(RGB, "WEBP"),
    "lossless.webp": lambda: pillow(RGB, "WEBP", lossless=True),
    "rgb.bmp": lambda: pillow(RGB, "BMP"),
    "rgb.gif": lambda: pillow(RGB, "GIF"),
    "rgb.jp2": lambda: pillow(RGB, "JPEG2000"),
    "rgb.avif": lambda: pillow(RGB, "AVIF"),
    "rgb.heic": heif,
}
READ = """
import hashlib, json, sys
from pathlib import Path
from colornet.errors import PhotoError
from colornet.photos.read import read_photo
found = {}
for file in sorted(Path(sys.argv[1]).iterdir()):
    try:
        photo = read_photo(file)
        found[file.name] = hashlib.sha256(photo.pixels.tobytes()).hexdigest()
    except PhotoError as error:
        found[file.name] = "error: " + str(error)
print(json.dumps(found))
"""


def damaged(data, number, rng):
    """One of many ways in which a file can be spoilt."""
    at = int(rng.integers(len(data) // 20, len(data)))
    way = number % 4
    if way == 0:  # cut short
        return data[:at]
    if way == 1:  # a part lost
        return data[:at] + data[at + int(rng.integers(1, 300)) :]
    spoilt = bytearray(data)
    if way == 2:  # single bytes
        for place in rng.integers(len(data) // 20, len(data), rng.integers(1, 8)):
            spoilt[place] = rng.integers(256)
    else:  # a block of a disk
        size = min(200, len(data) - at)
        spoilt[at : at + size] = rng.bytes(size) if number % 8 == 3 else bytes(size)
    return bytes(spoilt)


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """What `read_photo` makes of 60 damaged files of each kind, twice, from differing memory."""
    folder, rng = tmp_path_factory.mktemp("damaged"), np.random.default_rng(1)
    for name, make in KINDS.items():
        try:
            whole = make()
        except pytest.skip.Exception:
            continue
        (folder / name).write_bytes(whole)
        for number in range(60):
            (folder / f"{number:02}-{name}").write_bytes(damaged(whole, number, rng))
    readers = [
        subprocess.Popen(
            [sys.executable, "-c", READ, folder],
            env=os.environ | dict(MALLOC_PERTURB_=dirt),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        # glibc fills what it hands out with the byte that it is told.
        for dirt in ("85", "170")
    ]
    found = [reader.communicate(timeout=200) for reader in readers]
    assert [errors for _, errors in found] == ["", ""]  # no library's chatter
    return [json.loads(said) for said, _ in found]


@pytest.mark.parametrize("name", KINDS)
def test_no_picture_holds_memory_of_the_process(name, seen):
    if name not in seen[0]:
        pytest.skip("pillow-heif is not installed")
    good = seen[0][name]
    assert not good.startswith("error")
    one, other = ([found[f"{number:02}-{name}"] for number in range(60)] for found in seen)
    assert one == other
    for said in one[::4]:  # cut where nothing is lost that is needed, or else noticed
        assert said.startswith("error") or said == good
    assert sum(said.startswith("error") for said in one) >= 15


@pytest.mark.parametrize(
    "options", [{}, dict(progressive=True), dict(restart_marker_rows=2)], ids=str
)
def test_a_jpeg_that_lacks_its_end_alone_is_taken(options, tmp_path):
    data = pillow(RGB, "JPEG", **options)
    (tmp_path / "a.jpg").write_bytes(data)
    whole = read_photo(tmp_path / "a.jpg").pixels
    (tmp_path / "a.jpg").write_bytes(data[:-2])
    np.testing.assert_array_equal(read_photo(tmp_path / "a.jpg").pixels, whole)
    for lost in (12, 100, 1000):
        for end in (b"", b"\xff\xd9"):
            (tmp_path / "a.jpg").write_bytes(data[:-lost] + end)
            with pytest.raises(PhotoError, match="damaged or cut short"):
                read_photo(tmp_path / "a.jpg")


def test_bytes_behind_a_jpeg_do_no_harm(tmp_path):
    data = pillow(RGB, "JPEG")
    for odd in (data + b"\0" * 5000, data[:-2] + b"\0\0\0" + data[-2:]):
        (tmp_path / "a.jpg").write_bytes(odd)
        assert read_photo(tmp_path / "a.jpg").pixels.shape == RGB.shape


@pytest.mark.parametrize("name, lost", [("rgb.png", 12), ("rgb.gif", 2), ("g4.tif", 0)])
def test_others_that_lack_their_end_alone_are_taken(name, lost, tmp_path):
    data = KINDS[name]()
    (tmp_path / name).write_bytes(data[: len(data) - lost])
    assert read_photo(tmp_path / name).pixels.shape[:2] == RGB.shape[:2]


LIMIT = 4 << 30  # bytes of address space, of which TensorFlow's interpreter alone wants half


def test_a_folder_of_changed_files(tmp_path):
    """As typed, in a process with little memory: a line of ours for each file that is refused."""
    photos, rng = tmp_path / "photos", np.random.default_rng(2)
    photos.mkdir()
    wholes = {name: make() for name, make in KINDS.items()}
    for number in range(300):
        name = list(KINDS)[number % len(KINDS)]
        data = damaged(wholes[name], number // len(KINDS), rng)
        if number % 7 == 0:  # the header too
            place = int(rng.integers(len(data) // 20 + 1))
            data = data[:place] + rng.bytes(2) + data[place + 2 :]
        (photos / f"{number:03}-{name}").write_bytes(data)
    done = subprocess.run(
        [sys.executable, "-m", "colornet", "colorize", photos, "-o", tmp_path / "out"],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (LIMIT, LIMIT)),
        capture_output=True,
        text=True,
        timeout=300,
    )
    lines = [line.strip() for line in re.split("[\r\n]", done.stderr) if line.strip()]
    said = [line for line in lines if not re.match(r"\d+%\|.*photo", line)]
    assert done.returncode == 1 and "Traceback" not in done.stderr
    results = [path for path in (tmp_path / "out").iterdir() if path.is_file()]
    summary = said.pop()
    assert summary == f"{300 - len(results)} could not be coloured, named above"
    assert done.stdout == f"{len(results)} coloured into {tmp_path / 'out'}\n"
    named = [re.match(rf"colornet: {photos}/(\d+)-\S+: .*", line) for line in said]
    assert all(named), [line for line, match in zip(said, named) if not match]
    assert len({match[1] for match in named}) == len(named)  # one a file
    assert not [line for line in said if "please report" in line]
    assert len(named) >= 300 - len(results) > 100 and len(results) > 50
    for result in results:
        with Image.open(result) as image:
            image.load()
