"""TIFF of every make, by tifffile and libtiff: what comes out are the pixels that went in."""

from itertools import count, product

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps

from colornet.errors import PhotoError
from colornet.photos.read import read_photo

HEIGHT, WIDTH = 37, 51  # no multiple of tiles and strips
RNG = np.random.default_rng(0)
SAMPLES = RNG.integers(0, 65536, (HEIGHT, WIDTH, 4), np.uint16)
ORIENTATION = 0x0112


def upright(pixels, orientation):
    """Turned as Pillow turns it."""
    height, width = pixels.shape[:2]
    places = Image.fromarray(np.arange(height * width, dtype=np.int32).reshape(height, width))
    places.getexif()[ORIENTATION] = orientation
    places = np.asarray(ImageOps.exif_transpose(places))
    return pixels.reshape(height * width, *pixels.shape[2:])[places]


def check(file, colours, alpha, orientation, most=0):
    photo = read_photo(file)
    assert photo.pixels.dtype == colours.dtype
    expected = upright(colours, orientation).astype(int)
    assert photo.pixels.shape == expected.shape
    assert np.abs(photo.pixels - expected).max() <= most
    if alpha is None:
        assert photo.alpha is None
    else:
        np.testing.assert_array_equal(photo.alpha, upright(alpha, orientation))


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("packing", [None, "lzw", "deflate", "packbits", "zstd"])
def test_pixels_are_those_that_went_in(packing, bits, tmp_path):
    file, turn = tmp_path / "a.tif", count()
    samples = SAMPLES if bits == 16 else (SAMPLES >> 8).astype(np.uint8)
    layouts = product(
        (1, 2, 3, 4), ("contig", "separate"), (False, True) if packing else (False,), "<>",
        (dict(rowsperstrip=7), dict(tile=(16, 32)), dict(rowsperstrip=HEIGHT)), (1, 2),
    )  # fmt: skip
    for channels, planes, predictor, order, layout, half in layouts:
        if channels == 1 and planes == "separate":
            continue
        orientation = (next(turn) // 2 * 2 + half) % 8 + 1  # each with all, in time
        pixels = samples[..., :channels] if channels > 1 else samples[..., 0]
        tifffile.imwrite(
            file,
            np.moveaxis(pixels, -1, 0) if planes == "separate" else pixels,
            photometric="rgb" if channels > 2 else "minisblack",
            planarconfig=planes if channels > 1 else None,
            extrasamples=["unassalpha"] if channels in (2, 4) else None,
            compression=packing,
            predictor=predictor,
            byteorder=order,
            extratags=[(ORIENTATION, 3, 1, orientation, True)],
            metadata=None,
            **layout,
        )
        colours = pixels if channels in (1, 3) else pixels[..., :-1]
        colours = colours[..., 0] if channels == 2 else colours
        check(file, colours, pixels[..., -1] if channels in (2, 4) else None, orientation)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("layout", [dict(rowsperstrip=16), dict(tile=(16, 32))], ids=str)
@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_inside(channels, layout, orientation, tmp_path):
    y, x = np.mgrid[:32, :64]  # whole tiles: beyond the edges of others JPEG has nothing to hold to
    pixels = np.dstack([3 * x, 6 * y, 2 * x + y]).astype(np.uint8)[..., :channels].squeeze()
    tifffile.imwrite(
        tmp_path / "a.tif", pixels, photometric="rgb" if channels > 1 else "minisblack",
        compression="jpeg", compressionargs=dict(level=98),
        extratags=[(ORIENTATION, 3, 1, orientation, True)], **layout,
    )  # fmt: skip
    check(tmp_path / "a.tif", pixels, None, orientation, most=6)


@pytest.mark.parametrize("packing", ["group3", "group4", "tiff_ccitt", "tiff_lzw", None])
def test_one_bit(packing, tmp_path):
    bits = SAMPLES[..., 0] > 40_000
    for orientation, order, strip in product(range(1, 9), (1, 2), (70, 10_000)):
        info = {ORIENTATION: orientation, 266: order} if packing else {ORIENTATION: orientation}
        Image.fromarray(bits).save(
            tmp_path / "a.tif", compression=packing, tiffinfo=info, strip_size=strip
        )
        check(tmp_path / "a.tif", bits * np.uint8(255), None, orientation)
    assert "1 bit" in read_photo(tmp_path / "a.tif").notes[0]


@pytest.mark.parametrize("bits", [2, 4, 10, 12, 14])
def test_odd_depths(bits, tmp_path):
    values = SAMPLES[..., :3] >> (16 - bits)
    dtype = np.uint8 if bits < 8 else np.uint16
    tifffile.imwrite(
        tmp_path / "a.tif", values.astype(dtype), photometric="rgb", bitspersample=bits
    )
    peak = np.iinfo(dtype).max
    check(tmp_path / "a.tif", np.round(values * (peak / (2**bits - 1))).astype(dtype), None, 1)


@pytest.mark.parametrize("bits", [8, 16])
def test_inks(bits, tmp_path):
    samples = SAMPLES if bits == 16 else (SAMPLES >> 8).astype(np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", samples, photometric="separated")
    light = 1 - samples / (2**bits - 1)
    colours = np.round(light[..., :3] * light[..., 3:] * (2**bits - 1)).astype(samples.dtype)
    check(tmp_path / "a.tif", colours, None, 1)


@pytest.mark.parametrize("bits", [8, 16])
def test_alpha_that_colours_were_multiplied_by(bits, tmp_path):
    samples = SAMPLES if bits == 16 else (SAMPLES >> 8).astype(np.uint8)
    alpha = samples[..., 3] | np.iinfo(samples.dtype).max // 2 + 1
    share = alpha[..., None] / np.iinfo(samples.dtype).max
    given = np.round(samples[..., :3] * share).astype(samples.dtype)
    tifffile.imwrite(
        tmp_path / "a.tif",
        np.dstack([given, alpha]),
        photometric="rgb",
        extrasamples=["assocalpha"],
    )
    check(tmp_path / "a.tif", samples[..., :3], alpha, 1, most=1)


def test_palette(tmp_path):
    palette = Image.fromarray((SAMPLES[..., :3] >> 8).astype(np.uint8)).quantize(32)
    palette.save(tmp_path / "a.tif")
    check(tmp_path / "a.tif", np.asarray(palette.convert("RGB")), None, 1)


@pytest.mark.parametrize("options", [
    dict(bigtiff=True), dict(bigtiff=True, byteorder=">"), dict(byteorder=">"),
])  # fmt: skip
def test_headers(options, tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", SAMPLES[..., :3], photometric="rgb", **options)
    check(tmp_path / "a.tif", SAMPLES[..., :3], None, 1)


FLOAT = (SAMPLES[..., 0] / 65535).astype(np.float32)


def ycbcr(file):
    Image.fromarray((SAMPLES[..., :3] >> 8).astype(np.uint8)).convert("YCbCr").save(
        file, compression="tiff_lzw"
    )


def raw(file):
    with tifffile.TiffWriter(file) as tiff:
        tiff.write(SAMPLES[..., 0], subfiletype=1, subifds=1)
        tiff.write(SAMPLES[..., 0], photometric="cfa")


@pytest.mark.parametrize("make, said", [
    (lambda file: tifffile.imwrite(file, FLOAT), "32-bit grey (float32)"),
    (lambda file: tifffile.imwrite(file, FLOAT, tile=(16, 16)), "32-bit grey (float32)"),
    (lambda file: tifffile.imwrite(file, SAMPLES[..., 0].astype(np.int16)), "16-bit grey (int16)"),
    (lambda file: tifffile.imwrite(file, SAMPLES[..., :3], photometric="cielab"), "CIELAB"),
    (lambda file: tifffile.imwrite(file, SAMPLES[..., 0], photometric="cfa"), "CFA"),
    (lambda file: tifffile.imwrite(file, np.stack([SAMPLES[..., 0]] * 2), volumetric=True,
                                   tile=(2, 16, 16)), "2 layers of depth"),
    (ycbcr, "YCbCr without JPEG"),
    (raw, "a raw photo behind a preview"),
])  # fmt: skip
def test_kinds_that_are_not_read_are_called_so(make, said, tmp_path):
    make(tmp_path / "a.tif")
    with pytest.raises(PhotoError, match="a TIFF of a kind that is not read") as error:
        read_photo(tmp_path / "a.tif")
    assert said in str(error.value) and "; save it as 8- or 16-bit" in str(error.value)


def test_pages_and_previews(tmp_path):
    file, pages = tmp_path / "a.tif", [(SAMPLES[..., n] >> 8).astype(np.uint8) for n in range(3)]
    with tifffile.TiffWriter(file) as tiff:
        tiff.write(pages[0][::2, ::2], subfiletype=1)
        for number, page in enumerate(pages):
            tiff.write(page, extratags=[(ORIENTATION, 3, 1, 3 * number + 1, True)])
            tiff.write(page[::2, ::2], subfiletype=1)
    for number, page in enumerate(pages):
        photo = read_photo(file, number=number)
        assert photo.pictures == 3
        np.testing.assert_array_equal(photo.pixels, upright(page, 3 * number + 1))


def test_a_missing_part_is_damage(tmp_path):
    file = tmp_path / "a.tif"
    tifffile.imwrite(file, SAMPLES[..., 0], rowsperstrip=10, compression="lzw")
    with tifffile.TiffFile(file, mode="r+b") as tiff:
        counts = tiff.pages[0].databytecounts
        tiff.pages[0].tags["StripByteCounts"].overwrite((*counts[:-1], 0))
    with pytest.raises(PhotoError, match="a part is missing"):
        read_photo(file)
