"""Photo files of every kind, read and written by colornet and checked by other readers.

`test_odd_input` also writes outputs/odd_inputs.md, the table of what becomes of each kind.
"""

import io
import os
import struct
import sys
import zlib
from pathlib import Path

import cv2
import imagecodecs
import keras
import numpy as np
import pillow_heif
import pytest
import tifffile
from PIL import Image, ImageCms, ImageOps
from skimage.color import rgb2lab

from colornet.errors import PhotoError
from colornet.inference.colorizer import Colorizer
from colornet.inference.folders import colorize_files
from colornet.photos import profiles
from colornet.photos.photo import WRITTEN, Photo, find_photos
from colornet.photos.read import read_photo
from colornet.photos.write import write_photo

pillow_heif.register_heif_opener()
WIDTH, HEIGHT = 24, 16
X, Y = np.meshgrid(np.linspace(0, 1, WIDTH), np.linspace(0, 1, HEIGHT))
# No two edges alike, so that a turned or mirrored photo is noticed.
GREY16 = np.round(65535 * (0.05 + 0.6 * X + 0.3 * Y)).astype(np.uint16)
GREY = (GREY16 >> 8).astype(np.uint8)
RGB16 = np.stack([0.2 + 0.6 * X, 0.3 + 0.5 * Y, 0.7 - 0.4 * X], -1)
RGB16 = np.round(65535 * RGB16).astype(np.uint16)
RGB = (RGB16 >> 8).astype(np.uint8)
ALPHA16 = np.round(65535 * X * Y).astype(np.uint16)
ALPHA = (ALPHA16 >> 8).astype(np.uint8)
BITS = (GREY > 128).astype(np.uint8) * 255


# Colour profiles, built from the ICC specification.


def _fixed(*values):
    return np.round(np.array(values) * 65536).astype(">i4").tobytes()


def _profile(space, tags, pcs=b"XYZ ", kind=b"mntr"):
    white = b"XYZ \0\0\0\0" + _fixed(0.9642, 1, 0.8249)
    tags = {b"desc": _text("test " + space), b"wtpt": white, **tags}
    start, table, body = 132 + 12 * len(tags), b"", b""
    for name, data in tags.items():
        table += struct.pack(">4sII", name, start + len(body), len(data))
        body += data + b"\0" * (-len(data) % 4)
    header = bytearray(128)
    header[0:4] = struct.pack(">I", start + len(body))
    header[8:12] = b"\x02\x40\0\0"
    header[12:16], header[16:20], header[20:24], header[36:40] = kind, space.encode(), pcs, b"acsp"
    header[68:80] = _fixed(0.9642, 1, 0.8249)
    return bytes(header) + struct.pack(">I", len(tags)) + table + body


def _text(text):
    data = text.encode() + b"\0"
    return b"desc\0\0\0\0" + struct.pack(">I", len(data)) + data + bytes(78)


def _gamma(value):
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(value * 256))


def _rgb_profile(gamma=2.2):
    # The colorants of Adobe RGB (1998) under D50.
    colorants = {
        b"rXYZ": (0.60974, 0.31111, 0.01947),
        b"gXYZ": (0.20528, 0.62567, 0.06087),
        b"bXYZ": (0.14919, 0.06322, 0.74457),
    }
    tags = {name: b"XYZ \0\0\0\0" + _fixed(*xyz) for name, xyz in colorants.items()}
    return _profile("RGB ", tags | {name: _gamma(gamma) for name in (b"rTRC", b"gTRC", b"bTRC")})


def _cmyk_profile():
    inks = np.array(np.meshgrid(*[[0, 1]] * 4, indexing="ij")).reshape(4, 16)
    light = (1 - inks[3]) * (1 - 0.3 * inks[:3].sum(axis=0))
    lut = np.stack([light * 255, np.full(16, 128), np.full(16, 128)], axis=-1).astype(np.uint8)
    ramp = bytes(range(256))
    body = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + _fixed(1, 0, 0, 0, 1, 0, 0, 0, 1)
    return _profile("CMYK", {b"A2B0": body + 4 * ramp + lut.tobytes() + 3 * ramp}, b"Lab ", b"prtr")


SRGB_PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
RGB_PROFILE = _rgb_profile()
GREY_PROFILE = _profile("GRAY", {b"kTRC": _gamma(1.5)})
CMYK_PROFILE = _cmyk_profile()


def _encoded(linear):
    """sRGB's encoding of linear light, IEC 61966-2-1."""
    return np.where(linear > 0.0031308, 1.055 * linear ** (1 / 2.4) - 0.055, 12.92 * linear)


# Readers that are not colornet's.


def _read(path):
    """A file as float sRGB in [0, 1] under its profile, alpha or None, and bits a sample."""
    raw = cv2.imread(str(path), cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION)
    image = Image.open(path)
    icc = image.info.get("icc_profile")
    if raw is not None and raw.dtype == np.uint16:
        pixels = raw[..., ::-1] if raw.shape[-1] == 3 else raw[..., [2, 1, 0, 3]]
        peak = 65535
    else:
        pixels, peak = np.asarray(image), 255
    alpha = pixels[..., 3] if pixels.shape[-1] == 4 else None
    pixels = pixels[..., :3] / peak
    if icc:
        shown = Image.fromarray(np.round(pixels * 255).astype(np.uint8))
        profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        shown = ImageCms.profileToProfile(shown, profile, ImageCms.createProfile("sRGB"))
        pixels = np.asarray(shown) / 255
    return pixels, alpha, 16 if peak == 65535 else 8


def _lightness(pixels):
    pixels = np.asarray(pixels)
    if pixels.dtype != float:
        pixels = pixels / np.iinfo(pixels.dtype).max
    return rgb2lab(pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, -1))[..., 0]


# Makers of odd inputs: each writes one file.


def pillow(pixels, mode=None, **options):
    def make(path):
        image = Image.fromarray(pixels) if isinstance(pixels, np.ndarray) else pixels
        image = image.convert(mode) if mode else image
        image.save(path, **options)

    return make


def opencv(pixels, *flags):
    def make(path):
        bgr = pixels if pixels.ndim == 2 else pixels[..., [2, 1, 0, 3][: pixels.shape[-1]]]
        path.write_bytes(cv2.imencode(path.suffix, bgr, flags)[1].tobytes())

    return make


def tiff(pixels, **options):
    return lambda path: tifffile.imwrite(path, pixels, **options)


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(pixels, colour, depth, interlaced=False, extra=b"", size=None):
    """A PNG written from the specification, for what no encoder here writes."""
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    height, width = pixels.shape[:2]
    passes = [(0, 0, 1, 1)]
    if interlaced:  # Adam7
        passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2)]
        passes += [(0, 1, 2, 2), (1, 0, 2, 1)]
    lines = b""
    for top, left, down, right in passes:
        for row in pixels[top::down, left::right]:
            lines += b"\0" + row.astype(row.dtype.newbyteorder(">")).tobytes() if row.size else b""
    width, height = size or (width, height)
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, int(interlaced))
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra
    data += chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
    return lambda path: path.write_bytes(data)


def changed(make, change):
    """What `make` writes, its bytes put through `change`."""

    def both(path):
        make(path)
        path.write_bytes(change(path.read_bytes()))

    return both


def named(make, suffix):
    """What `make` writes for another suffix, under the name that was asked for."""

    def both(path):
        make(path.with_name("other" + suffix))
        path.with_name("other" + suffix).rename(path)

    return both


def jpeg2000(pixels, **options):
    return lambda path: path.write_bytes(imagecodecs.jpeg2k_encode(pixels, level=0, **options))


def turned(pixels, orientation, **options):
    def make(path):
        exif = Image.Exif()
        exif[0x0112] = orientation
        Image.fromarray(pixels).save(path, exif=exif.tobytes(), **options)

    return make


def cmyk(pixels):
    grey = 255 - pixels
    return Image.merge("CMYK", [Image.fromarray(a) for a in (0 * grey, 0 * grey, 0 * grey, grey)])


def half(data):
    return data[: len(data) // 2]


def no_permission(path):
    pillow(GREY)(path)
    path.chmod(0)


PALETTE = Image.fromarray(RGB).quantize(64, dither=Image.Dither.NONE)
PALETTE_RGB = np.asarray(PALETTE.convert("RGB"))
CLEAR = np.asarray(PALETTE) != 5
LINE = (np.arange(20_000) % 251).astype(np.uint8)
F32 = GREY.astype(np.float32) / 255
LA, RGBA = np.dstack([GREY, ALPHA]), np.dstack([RGB, ALPHA])
RGBA16 = np.dstack([RGB16, ALPHA16])
GREY_SEEN = _encoded((GREY / 255) ** 1.5)
FRAMES = dict(save_all=True, append_images=[Image.fromarray(255 - RGB)])
REDUCED = np.round(RGBA16[..., :3] * (ALPHA16[..., None] / 65535)).astype(np.uint16)
INKS16 = np.round((1 - RGB16 / 65535) * (1 - ALPHA16[..., None] / 65535) * 65535).astype(np.uint16)
RGB12 = np.round((RGB16 >> 4) * (65535 / 4095)).astype(np.uint16)
DEFLATE = dict(compression="deflate")
ICC = ImageCms.ImageCmsProfile(io.BytesIO(CMYK_PROFILE))
CMYK_SEEN = np.asarray(
    ImageCms.profileToProfile(cmyk(GREY), ICC, ImageCms.createProfile("sRGB"), outputMode="RGB")
)

# (what, file name, maker, result as "mode bits" or a part of the error, pixels that are meant,
# alpha). Results lossless to lossless are held to the lightness of the pixels that are meant.
ODD = [
    ("PNG, 8-bit grey", "a.png", pillow(GREY), "RGB 8", GREY, None),
    ("PNG, 8-bit grey + alpha", "a.png", pillow(LA), "RGBA 8", GREY, ALPHA),
    ("PNG, 8-bit RGB", "a.png", pillow(RGB), "RGB 8", RGB, None),
    ("PNG, 8-bit RGBA", "a.png", pillow(RGBA), "RGBA 8", RGB, ALPHA),
    ("PNG, palette", "a.png", pillow(PALETTE), "RGB 8", PALETTE_RGB, None),
    (
        "PNG, palette with a clear colour",
        "a.png",
        pillow(PALETTE, transparency=5),
        "RGBA 8",
        PALETTE_RGB,
        CLEAR * np.uint8(255),
    ),
    (
        "PNG, grey with a clear level",
        "a.png",
        pillow(GREY, transparency=int(GREY[3, 3])),
        "RGBA 8",
        GREY,
        (GREY != GREY[3, 3]) * np.uint8(255),
    ),
    ("PNG, 1 bit", "a.png", pillow(BITS, "1"), "RGB 8", BITS, None),
    ("PNG, interlaced", "a.png", png(RGB, 2, 8, interlaced=True), "RGB 8", RGB, None),
    ("PNG, 16-bit grey", "a.png", opencv(GREY16), "RGB 16", GREY16, None),
    (
        "PNG, 16-bit grey + alpha",
        "a.png",
        png(np.dstack([GREY16, ALPHA16]), 4, 16),
        "RGBA 16",
        GREY16,
        ALPHA16,
    ),
    ("PNG, 16-bit RGB", "a.png", opencv(RGB16), "RGB 16", RGB16, None),
    ("PNG, 16-bit RGBA", "a.png", opencv(RGBA16), "RGBA 16", RGB16, ALPHA16),
    (
        "PNG, 16-bit RGB, interlaced",
        "a.png",
        png(RGB16, 2, 16, interlaced=True),
        "RGB 16",
        RGB16,
        None,
    ),
    (
        "PNG, 16-bit grey with a clear level",
        "a.png",
        png(GREY16, 0, 16, extra=chunk(b"tRNS", struct.pack(">H", GREY16[3, 3]))),
        "RGBA 16",
        GREY16,
        (GREY16 != GREY16[3, 3]) * np.uint16(65535),
    ),
    ("JPEG, grey", "a.jpg", pillow(GREY, quality=95), "RGB 8", GREY, None),
    ("JPEG, RGB", "a.jpeg", pillow(RGB, quality=95), "RGB 8", RGB, None),
    ("JPEG, progressive", "a.jpg", pillow(RGB, quality=95, progressive=True), "RGB 8", RGB, None),
    ("JPEG, CMYK", "a.jpg", pillow(cmyk(GREY), quality=95), "RGB 8", GREY, None),
    (
        "JPEG, CMYK with a profile",
        "a.jpg",
        pillow(cmyk(GREY), quality=95, icc_profile=CMYK_PROFILE),
        "RGB 8",
        CMYK_SEEN,
        None,
    ),
    *(
        (
            f"JPEG, EXIF orientation {n}",
            "a.jpg",
            turned(RGB, n, quality=95),
            "RGB 8",
            np.asarray(Image.fromarray(RGB).transpose(how) if how is not None else RGB),
            None,
        )
        for n, how in enumerate(
            [
                None,
                Image.Transpose.FLIP_LEFT_RIGHT,
                Image.Transpose.ROTATE_180,
                Image.Transpose.FLIP_TOP_BOTTOM,
                Image.Transpose.TRANSPOSE,
                Image.Transpose.ROTATE_270,
                Image.Transpose.TRANSVERSE,
                Image.Transpose.ROTATE_90,
            ],
            1,
        )
    ),
    (
        "JPEG with a preview behind it (MPO)",
        "a.jpg",
        named(pillow(RGB, quality=95, format="MPO", **FRAMES), ".mpo"),
        "RGB 8",
        RGB,
        None,
    ),
    ("WebP, lossy", "a.webp", pillow(RGB, quality=95), "RGB 8", RGB, None),
    ("WebP, lossless", "a.webp", pillow(RGB, lossless=True), "RGB 8", RGB, None),
    ("WebP, alpha", "a.webp", pillow(RGBA, lossless=True, exact=True), "RGBA 8", RGB, ALPHA),
    (
        "WebP, animated, lossless",
        "a.webp",
        pillow(RGB, lossless=True, **FRAMES),
        "RGB 8",
        RGB,
        None,
    ),
    ("TIFF, 8-bit grey", "a.tif", tiff(GREY), "RGB 8", GREY, None),
    ("TIFF, 8-bit RGB, LZW", "a.tif", pillow(RGB, compression="tiff_lzw"), "RGB 8", RGB, None),
    (
        "TIFF, 8-bit RGB, JPEG inside",
        "a.tif",
        pillow(RGB, compression="jpeg", quality=95),
        "RGB 8 lossy",
        RGB,
        None,
    ),
    ("TIFF, 8-bit RGBA", "a.tiff", tiff(RGBA, extrasamples=["unassalpha"]), "RGBA 8", RGB, ALPHA),
    ("TIFF, tiled", "a.tif", tiff(RGB, tile=(16, 16)), "RGB 8", RGB, None),
    (
        "TIFF, planes apart",
        "a.tif",
        tiff(np.moveaxis(RGB, -1, 0), photometric="rgb", planarconfig="separate"),
        "RGB 8",
        RGB,
        None,
    ),
    (
        "TIFF, white is zero",
        "a.tif",
        tiff(255 - GREY, photometric="miniswhite"),
        "RGB 8",
        GREY,
        None,
    ),
    ("TIFF, 1 bit", "a.tif", pillow(BITS, "1", compression="group4"), "RGB 8", BITS, None),
    ("TIFF, CMYK", "a.tif", pillow(cmyk(GREY)), "RGB 8", GREY, None),
    ("TIFF, 16-bit grey", "a.tif", tiff(GREY16), "RGB 16", GREY16, None),
    ("TIFF, 16-bit grey, big-endian", "a.tif", tiff(GREY16, byteorder=">"), "RGB 16", GREY16, None),
    (
        "TIFF, 16-bit grey, white is zero",
        "a.tif",
        tiff(65535 - GREY16, photometric="miniswhite"),
        "RGB 16",
        GREY16,
        None,
    ),
    (
        "TIFF, 16-bit grey + alpha",
        "a.tif",
        tiff(
            np.dstack([GREY16, ALPHA16]),
            photometric="minisblack",
            extrasamples=["unassalpha"],
            planarconfig="contig",
        ),
        "RGBA 16",
        GREY16,
        ALPHA16,
    ),
    (
        "TIFF, 16-bit RGB, deflate",
        "a.tif",
        tiff(RGB16, photometric="rgb", predictor=True, **DEFLATE),
        "RGB 16",
        RGB16,
        None,
    ),
    (
        "TIFF, 16-bit RGB, LZW",
        "a.tif",
        opencv(RGB16, cv2.IMWRITE_TIFF_COMPRESSION, 5),
        "RGB 16",
        RGB16,
        None,
    ),
    (
        "TIFF, 16-bit RGB, planes apart",
        "a.tif",
        tiff(np.moveaxis(RGB16, -1, 0), photometric="rgb", planarconfig="separate"),
        "RGB 16",
        RGB16,
        None,
    ),
    (
        "TIFF, 16-bit RGB, tiled",
        "a.tif",
        tiff(RGB16, photometric="rgb", tile=(16, 16)),
        "RGB 16",
        RGB16,
        None,
    ),
    (
        "TIFF, 16-bit RGBA",
        "a.tif",
        tiff(RGBA16, photometric="rgb", extrasamples=["unassalpha"]),
        "RGBA 16",
        RGB16,
        ALPHA16,
    ),
    ("TIFF, BigTIFF", "a.tif", tiff(GREY16, bigtiff=True), "RGB 16", GREY16, None),
    (
        "TIFF with a thumbnail page",
        "a.tif",
        lambda path: (
            tiff(RGB)(path),
            tifffile.imwrite(path, RGB[::2, ::2], append=True, subfiletype=1),
        ),
        "RGB 8",
        RGB,
        None,
    ),
    (
        "TIFF, two pages",
        "a.tif",
        tiff(np.stack([RGB, 255 - RGB]), photometric="rgb"),
        "RGB 8",
        RGB,
        None,
    ),
    ("TIFF, float", "a.tif", tiff(F32), "32-bit", None, None),
    (
        "TIFF, float RGB",
        "a.tif",
        tiff(np.dstack([F32] * 3), photometric="rgb"),
        "32-bit",
        None,
        None,
    ),
    ("TIFF, 16-bit CMYK", "a.tif", tiff(RGBA16, photometric="separated"), "RGB 16", INKS16, None),
    ("TIFF, CIELAB", "a.tif", tiff(RGB, photometric="cielab"), "8-bit CIELAB", None, None),
    (
        "TIFF, 5 channels",
        "a.tif",
        tiff(np.dstack([RGB, RGB[..., :2]]), photometric="rgb", extrasamples=["unspecified"] * 2),
        "RGB 8",
        RGB,
        None,
    ),
    ("BMP, 1 bit", "a.bmp", pillow(BITS, "1"), "RGB 8", BITS, None),
    ("BMP, 8 bits", "a.bmp", pillow(GREY), "RGB 8", GREY, None),
    ("BMP, 24 bits", "a.bmp", pillow(RGB), "RGB 8", RGB, None),
    ("BMP, 32 bits with alpha", "a.bmp", opencv(RGBA), "RGBA 8", RGB, ALPHA),
    ("1x1 pixel", "a.png", pillow(GREY[:1, :1]), "RGB 8", GREY[:1, :1], None),
    ("1x20000 pixels", "a.png", pillow(LINE[:, None]), "RGB 8", LINE[:, None], None),
    ("20000x1 pixels", "a.png", pillow(LINE[None]), "RGB 8", LINE[None], None),
    ("PNG named .jpg", "a.jpg", named(pillow(GREY), ".png"), "RGB 8", GREY, None),
    (
        "JPEG named .png",
        "a.png",
        named(pillow(GREY, quality=95), ".jpg"),
        "RGB 8 lossy",
        GREY,
        None,
    ),
    (
        "PNG with alpha named .jpg",
        "a.jpg",
        named(pillow(LA), ".png"),
        "cannot hold transparency",
        None,
        None,
    ),
    (
        "16-bit PNG named .jpg",
        "a.jpg",
        named(opencv(GREY16), ".png"),
        "cannot hold 16 bits",
        None,
        None,
    ),
    (
        "spaces and umlauts in the name",
        "Großmutter, 1923 – 母.png",
        pillow(GREY),
        "RGB 8",
        GREY,
        None,
    ),
    ("profile: sRGB", "a.png", pillow(RGB, icc_profile=SRGB_PROFILE), "RGB 8", RGB, None),
    (
        "profile: grey, on 8-bit grey",
        "a.png",
        pillow(GREY, icc_profile=GREY_PROFILE),
        "RGB 8",
        GREY_SEEN,
        None,
    ),
    (
        "profile: grey, on grey + alpha",
        "a.png",
        pillow(LA, icc_profile=GREY_PROFILE),
        "RGBA 8",
        GREY_SEEN,
        ALPHA,
    ),
    (
        "profile: grey, on 16-bit grey",
        "a.tif",
        tiff(GREY16, iccprofile=GREY_PROFILE),
        "RGB 16",
        _encoded((GREY16 / 65535) ** 1.5),
        None,
    ),
    (
        "profile: of RGB, on grey",
        "a.png",
        pillow(GREY, icc_profile=RGB_PROFILE),
        "RGB 8",
        GREY,
        None,
    ),
    (
        "profile: of grey, on RGB",
        "a.png",
        pillow(RGB, icc_profile=GREY_PROFILE),
        "RGB 8",
        RGB,
        None,
    ),
    ("profile: broken", "a.png", pillow(RGB, icc_profile=b"no profile"), "RGB 8", RGB, None),
    (
        "EXIF: broken",
        "a.jpg",
        pillow(RGB, quality=95, exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff\1"),
        "RGB 8",
        RGB,
        None,
    ),
    (
        "PNG, data with a wrong checksum",
        "a.png",
        changed(pillow(RGB), lambda data: data[:-13] + b"\0" + data[-12:]),
        "damaged",
        None,
        None,
    ),
    (
        "PNG, header with a wrong checksum",
        "a.png",
        changed(pillow(RGB), lambda data: data[:29] + b"\0\0\0\0" + data[33:]),
        "damaged",
        None,
        None,
    ),
    (
        "PNG, damaged data",
        "a.png",
        changed(pillow(RGB), lambda data: data[:60] + bytes(40) + data[100:]),
        "damaged",
        None,
        None,
    ),
    ("PNG, cut short", "a.png", changed(pillow(RGB), half), "damaged", None, None),
    ("PNG, 16-bit, cut short", "a.png", changed(opencv(RGB16), half), "damaged", None, None),
    (
        "JPEG, cut short",
        "a.jpg",
        changed(pillow(RGB), lambda data: data[:-60]),
        "damaged",
        None,
        None,
    ),
    ("WebP, cut short", "a.webp", changed(pillow(RGB), half), "damaged", None, None),
    ("TIFF, cut short", "a.tif", changed(pillow(RGB), half), "damaged", None, None),
    (
        "TIFF, 16-bit, cut short",
        "a.tif",
        changed(tiff(RGB16, photometric="rgb"), half),
        "damaged",
        None,
        None,
    ),
    ("BMP, cut short", "a.bmp", changed(pillow(RGB), half), "damaged", None, None),
    ("no bytes at all", "a.jpg", lambda path: path.touch(), "is empty", None, None),
    (
        "text named .jpg",
        "a.jpg",
        lambda path: path.write_text("Dear Sir,"),
        "not a JPEG",
        None,
        None,
    ),
    ("SVG named .png", "a.png", lambda path: path.write_text("<svg/>"), "not a JPEG", None, None),
    (
        "HTML named .jpg",
        "a.jpg",
        lambda path: path.write_text("<!doctype html>404"),
        "not a JPEG",
        None,
        None,
    ),
    (
        "JPEG, 12 bits",
        "a.jpg",
        lambda path: path.write_bytes(imagecodecs.jpeg8_encode(GREY16 >> 4, bitspersample=12)),
        "a JPEG of a kind that is not read",
        None,
        None,
    ),
    (
        "JPEG, lossless",
        "a.jpg",
        lambda path: path.write_bytes(imagecodecs.ljpeg_encode(GREY16)),
        "a JPEG of a kind that is not read",
        None,
        None,
    ),
    (
        "BMP, 64 bits",
        "a.bmp",
        lambda path: path.write_bytes(
            struct.pack(
                "<2sIHHIIiiHHIIiiII", b"BM", 118, 0, 0, 54, 40, 2, 4, 1, 64, 0, 64, *[0] * 4
            )
            + bytes(64)
        ),
        "a BMP of a kind that is not read",
        None,
        None,
    ),
    (
        "PDF named .tif",
        "a.tif",
        lambda path: path.write_bytes(b"%PDF-1.7\n"),
        "not a JPEG",
        None,
        None,
    ),
    ("GIF", "a.gif", pillow(PALETTE), "RGB 8", PALETTE_RGB, None),
    (
        "GIF, animated",
        "a.gif",
        pillow(PALETTE, save_all=True, append_images=[Image.fromarray(BITS)]),
        "RGB 8",
        PALETTE_RGB,
        None,
    ),
    ("AVIF", "a.avif", pillow(RGB, quality=95), "RGB 8 lossy", RGB, None),
    ("HEIC", "a.heic", pillow(RGB, format="HEIF", quality=95), "RGB 8 lossy", RGB, None),
    (
        "HEIC, turned by its camera",
        "a.heic",
        turned(RGB, 6, format="HEIF", quality=95),
        "RGB 8 lossy",
        np.rot90(RGB, -1),
        None,
    ),
    (
        "AVIF, turned by its camera",
        "a.avif",
        turned(RGB, 6, quality=95),
        "RGB 8 lossy",
        np.rot90(RGB, -1),
        None,
    ),
    ("JPEG 2000", "a.jp2", pillow(RGB), "RGB 8", RGB, None),
    ("JPEG 2000, grey + alpha", "a.jp2", pillow(LA), "RGBA 8", GREY, ALPHA),
    ("JPEG 2000, 16-bit grey", "a.jp2", jpeg2000(GREY16), "RGB 16", GREY16, None),
    ("JPEG 2000, 16-bit RGBA", "a.jp2", jpeg2000(RGBA16), "RGBA 16", RGB16, ALPHA16),
    (
        "JPEG 2000, 12-bit RGB, no box",
        "a.j2k",
        jpeg2000(RGB16 >> 4, codecformat="j2k", bitspersample=12),
        "RGB 16",
        RGB12,
        None,
    ),
    (
        "JPEG without its end",
        "a.jpg",
        changed(pillow(RGB, quality=95), lambda data: data[:-2]),
        "RGB 8",
        RGB,
        None,
    ),
    (
        "PNG that claims 100000x100000",
        "a.png",
        png(GREY, 0, 8, size=(100_000, 100_000)),
        "100000x100000 is over",
        None,
        None,
    ),
    (
        "TIFF that claims 100000x100000",
        "a.tif",
        changed(
            tiff(GREY16),
            lambda data: data.replace(
                struct.pack("<HHII", 256, 4, 1, WIDTH), struct.pack("<HHII", 256, 4, 1, 100_000)
            ).replace(
                struct.pack("<HHII", 257, 4, 1, HEIGHT), struct.pack("<HHII", 257, 4, 1, 100_000)
            ),
        ),
        "100000x100000 is over",
        None,
        None,
    ),
    ("folder named .png", "a.png", lambda path: path.mkdir(), "no photos found", None, None),
    (
        "link to nothing",
        "a.png",
        lambda path: path.symlink_to("gone.png"),
        "no such file",
        None,
        None,
    ),
    ("file without permission to read", "a.png", no_permission, "cannot be read", None, None),
]


@pytest.fixture(scope="module")
def network():
    """A network of visible colours that change from place to place."""
    L = keras.Input((None, None, 1))
    weights = keras.initializers.RandomNormal(stddev=0.05, seed=1)
    return Colorizer(
        keras.Model(L, keras.layers.Conv2D(2, 9, padding="same", kernel_initializer=weights)(L))
    )


@pytest.fixture(scope="module")
def rows():
    """Gathers what each odd input gives; written as a table when the last one is through."""
    found = {}
    yield found
    if len(found) == len(ODD):
        table = Path(__file__).parents[1] / "outputs" / "odd_inputs.md"
        table.parent.mkdir(exist_ok=True)
        lines = [f"| {what} | {found[what]} |\n" for what, *_ in ODD]
        head = "| input | what colorize gives |\n|---|---|\n"
        table.write_text(head + "".join(lines), encoding="utf-8")


@pytest.mark.parametrize("what, name, make, expected, pixels, alpha", ODD, ids=[o[0] for o in ODD])
def test_odd_input(what, name, make, expected, pixels, alpha, network, rows, tmp_path, capfd):
    file, out = tmp_path / name, tmp_path / "out"
    make(file)
    if pixels is None:
        rows[what] = "not tried: these tests ran as root, who may read everything"
        if make is no_permission and os.access(file, os.R_OK):
            pytest.skip("this user may read everything")
        try:
            report = colorize_files(network, [file], out)
            assert report["failed"] == [file] and not report["done"]
            message = capfd.readouterr().err.removeprefix("colornet: ").rstrip("\n")
        except PhotoError as error:
            message = str(error)
        assert expected in message and str(file) in message or str(out / name) in message
        assert "; " in message and "\n" not in message  # names the remedy, in one line
        assert not [p for p in out.rglob("*") if p.is_file()]
        rows[what] = "error: " + message.replace(f"{tmp_path}/", "")
        return
    report = colorize_files(network, [file], out)
    name += "" if file.suffix in WRITTEN else ".png"
    told = capfd.readouterr().err
    assert [p.name for p in report["done"]] == [name], told
    assert all(line.startswith("colornet: ") for line in told.splitlines())
    seen, seen_alpha, bits = _read(out / name)
    kind = f"{'RGB' if seen_alpha is None else 'RGBA'} {bits}"
    assert kind == expected.removesuffix(" lossy") and seen.shape[:2] == pixels.shape[:2]
    error = np.abs(_lightness(seen) - _lightness(pixels))
    lossy = expected.endswith("lossy") or name.endswith((".jpg", ".jpeg")) or "lossy" in what
    profiled = "profile" in what  # rounded to 8 bits twice
    most, mean = (4, 1) if lossy else (0.6, 0.2) if profiled else (0.3, 0.1)
    if "16" in expected:
        most, mean = 0.02, 0.002
    assert error.max() < most and (error.mean() < mean or error.size == 1)
    if alpha is not None:
        np.testing.assert_array_equal(seen_alpha, alpha)
    if "1 bit" not in what:  # black and white have no colour
        assert np.ptp(seen, axis=-1).max() > 0.05
    mode, bits = kind.split()
    rows[what] = f"{seen.shape[1]}x{seen.shape[0]}, {mode}, {bits} bits"


def _exif(path):
    image = Image.open(path)
    exif = image.getexif()
    return exif, exif.get_ifd(0x8769), exif.get_ifd(0x8825)


@pytest.mark.parametrize("suffix, deep", [
    (".jpg", False), (".png", False), (".webp", False), (".tif", False),
    (".png", True), (".tif", True),
])  # fmt: skip
def test_exif_is_kept_but_for_orientation(suffix, deep, tmp_path):
    exif = Image.Exif()
    exif[0x010F], exif[0x0112], exif[0x011A] = "Agfa", 6, 300.0
    exif.get_ifd(0x8769)[0x9003] = "1923:05:01 12:00:00"
    exif.get_ifd(0x8825)[1] = "N"
    file, out = tmp_path / "in.jpg", tmp_path / f"out{suffix}"
    Image.fromarray(RGB).save(file, exif=exif.tobytes(), quality=95)
    photo = read_photo(file)
    assert photo.pixels.shape == (WIDTH, HEIGHT, 3)
    if deep:
        photo = photo._replace(pixels=photo.pixels.astype(np.uint16) * 257)
    write_photo(out, photo)
    main, detail, place = _exif(out)
    assert main[0x010F] == "Agfa" and main[0x011A] == 300 and main.get(0x0112, 1) == 1
    assert detail[0x9003] == "1923:05:01 12:00:00" and place[1] == "N"
    again = read_photo(out)  # the tags of storage did no harm
    if suffix != ".jpg":
        np.testing.assert_array_equal(again.pixels, photo.pixels)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("packing", ["none", "tiff_lzw", "16 bits", "PNG, 16 bits", "webp"])
def test_every_orientation_in_every_decoder(orientation, packing, tmp_path):
    file = tmp_path / (
        "in.png" if "PNG" in packing else "in.webp" if packing == "webp" else "in.tif"
    )
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = io.BytesIO()
    Image.fromarray(RGB).save(picture, "PNG", exif=exif.tobytes())
    upright = np.asarray(ImageOps.exif_transpose(Image.open(picture)))
    if "PNG" in packing:
        png(RGB16, 2, 16, extra=chunk(b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0")))(file)
    elif packing == "16 bits":
        tifffile.imwrite(
            file, RGB16, photometric="rgb", extratags=[(0x0112, 3, 1, orientation, True)]
        )
    elif packing == "webp":
        Image.fromarray(RGB).save(file, lossless=True, exif=exif.tobytes())
    else:
        compression = None if packing == "none" else packing
        Image.fromarray(RGB).save(file, compression=compression, tiffinfo={0x0112: orientation})
    pixels = read_photo(file).pixels
    np.testing.assert_array_equal(pixels >> 8 if pixels.dtype == np.uint16 else pixels, upright)


@pytest.mark.parametrize("tiff_options", [
    dict(tile=(16, 16), compression="deflate", predictor=True),
    dict(planarconfig="separate", rowsperstrip=4),
    dict(byteorder=">"),
])  # fmt: skip
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_tiff_tags_of_storage_stay_behind(tiff_options, dtype, tmp_path):
    pixels = (RGB16 >> 8).astype(dtype) if dtype == np.uint8 else RGB16
    planar = "planarconfig" in tiff_options
    given = np.moveaxis(pixels, -1, 0) if planar else pixels
    tifffile.imwrite(
        tmp_path / "in.tif",
        given,
        photometric="rgb",
        description="Oma",
        metadata=None,
        **tiff_options,
    )
    write_photo(tmp_path / "out.tif", read_photo(tmp_path / "in.tif"))
    with tifffile.TiffFile(tmp_path / "out.tif") as out:
        np.testing.assert_array_equal(out.asarray(), pixels)
        assert out.pages[0].description == "Oma"


GENTLE = (RGB * 0.4 + 77).astype(np.uint8)  # within sRGB whatever the profile


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
@pytest.mark.parametrize("profile", [SRGB_PROFILE, RGB_PROFILE], ids=["sRGB", "Adobe-like"])
def test_rgb_profile_is_followed_and_kept(suffix, profile, tmp_path):
    file, out = tmp_path / "in.png", tmp_path / f"out{suffix}"
    Image.fromarray(GENTLE).save(file, icc_profile=profile)
    photo = read_photo(file)
    seen, *_ = _read(file)
    assert np.abs(photo.pixels / 255 - seen).max() < 1.5 / 255
    assert (np.abs(photo.pixels - GENTLE.astype(int)).max() > 5) == (profile == RGB_PROFILE)
    write_photo(out, photo)
    assert Image.open(out).info["icc_profile"] == profile
    assert np.abs(_read(out)[0] - seen).max() < (7.5 if suffix == ".jpg" else 2.5) / 255


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_rgb_profile_at_16_bits(suffix, tmp_path):
    file, out = tmp_path / "in.tif", tmp_path / f"out{suffix}"
    pixels = GENTLE.astype(np.uint16) * 257
    tifffile.imwrite(file, pixels, photometric="rgb", iccprofile=RGB_PROFILE)
    photo = read_photo(file)
    assert np.abs(photo.pixels / 257 - _under(RGB_PROFILE, GENTLE)).max() < 1.5
    assert np.abs(photo.pixels.astype(int) - pixels).max() > 1000
    write_photo(out, photo)
    back = cv2.imread(str(out), cv2.IMREAD_UNCHANGED)[..., ::-1].astype(int)
    assert np.abs(back - pixels).max() <= 2
    tags = tifffile.TiffFile(out).pages[0].tags if suffix == ".tif" else {}
    assert (
        bytes(tags[34675].value) if tags else Image.open(out).info["icc_profile"]
    ) == RGB_PROFILE


def _under(profile, pixels):
    """8-bit pixels under a profile as sRGB, by LittleCMS."""
    return ImageCms.profileToProfile(
        Image.fromarray(pixels),
        ImageCms.ImageCmsProfile(io.BytesIO(profile)),
        ImageCms.createProfile("sRGB"),
        ImageCms.Intent.RELATIVE_COLORIMETRIC,  # no compensation of the curve's black
        "RGB",
    )


@pytest.mark.parametrize("curve", [
    (0, [2.2]),
    (1, [2.2, 0.9, 0.1]),
    (2, [2.2, 0.9, 0.05, 1 - 0.95**2.2]),
    (3, [2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045]),
    (4, [2.4, 0.94082, 0.055, 1 / 12.92, 0.04045, 0.01, 0.01022]),  # ends at 1, has no jump
    "table",
], ids=str)  # fmt: skip
def test_curves_are_those_of_littlecms(curve):
    if curve == "table":
        table = (np.linspace(0, 1, 64) ** 1.9 * 65535).astype(">u2")
        tag = b"curv\0\0\0\0" + struct.pack(">I", 64) + table.tobytes()
    else:
        tag = b"para\0\0\0\0" + struct.pack(">HH", curve[0], 0) + _fixed(*curve[1])
    profile = _profile("GRAY", {b"kTRC": tag})
    levels = np.arange(256, dtype=np.uint8)[None]
    expected = np.asarray(_under(profile, levels))[..., 1]
    got, icc, _ = profiles.to_srgb(levels.astype(np.uint16) * 257, profile)
    assert icc is None and np.abs(got / 257 - expected).max() < 1.5


def test_linear_grey_profile_is_exact(tmp_path):
    profile = _profile("GRAY", {b"kTRC": b"curv\0\0\0\0" + struct.pack(">I", 0)})
    levels = np.arange(256, dtype=np.uint8)[None]
    Image.fromarray(levels).save(tmp_path / "in.png", icc_profile=profile)
    expected = 255 * _encoded(levels / 255)
    assert np.abs(read_photo(tmp_path / "in.png").pixels - expected).max() <= 0.501
    deep, *_ = profiles.to_srgb(levels.astype(np.uint16) * 257, profile)
    assert np.abs(deep / 257 - expected).max() < 0.01


def test_profile_without_a_way_back_is_used_but_not_attached(tmp_path):
    ramp = bytes(range(256))
    corners = np.array(np.meshgrid(*[[0, 1]] * 3, indexing="ij")).reshape(3, 8)
    lut = np.stack([corners.mean(axis=0) * 255, np.full(8, 128), np.full(8, 128)], -1).astype(
        np.uint8
    )
    body = b"mft1\0\0\0\0" + bytes([3, 3, 2, 0]) + _fixed(1, 0, 0, 0, 1, 0, 0, 0, 1)
    profile = _profile(
        "RGB ", {b"A2B0": body + 3 * ramp + lut.tobytes() + 3 * ramp}, b"Lab ", b"scnr"
    )
    Image.fromarray(RGB).save(tmp_path / "in.png", icc_profile=profile)
    photo = read_photo(tmp_path / "in.png")
    assert photo.icc is None
    assert np.abs(photo.pixels / 255 - _read(tmp_path / "in.png")[0]).max() < 0.01
    assert np.ptp(photo.pixels.astype(int), axis=-1).max() <= 2  # it shows greys only


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_profile_whose_way_back_is_wrong_is_left_out_and_told_of(dtype, tmp_path):
    ramp, tags = bytes(range(256)), {}
    corners = np.array(np.meshgrid(*[[0, 1]] * 3, indexing="ij")).reshape(3, 8)
    light = np.stack([corners.mean(axis=0) * 255, np.full(8, 128), np.full(8, 128)], -1)
    for name, table in ((b"A2B0", light), (b"B2A0", 0 * light)):  # all back to black
        body = b"mft1\0\0\0\0" + bytes([3, 3, 2, 0]) + _fixed(1, 0, 0, 0, 1, 0, 0, 0, 1)
        tags[name] = body + 3 * ramp + table.astype(np.uint8).tobytes() + 3 * ramp
    profile = _profile("RGB ", tags, b"Lab ")
    pixels = RGB if dtype == np.uint8 else RGB16
    tifffile.imwrite(tmp_path / "in.tif", pixels, photometric="rgb", iccprofile=profile)
    photo = read_photo(tmp_path / "in.tif")
    assert photo.icc is None and "no true way back" in photo.notes[0]
    shown = np.asarray(_under(profile, RGB)) / 255
    assert np.abs(photo.pixels / np.iinfo(dtype).max - shown).max() < 1.5 / 255
    write_photo(tmp_path / "out.png", photo)
    assert "icc_profile" not in Image.open(tmp_path / "out.png").info
    assert np.abs(_read(tmp_path / "out.png")[0] - shown).max() < 1.5 / 255


def test_pictures_of_one_file(tmp_path):
    pages = [RGB, 255 - RGB, RGB[..., ::-1]]
    more = dict(save_all=True, append_images=[Image.fromarray(page) for page in pages[1:]])
    for suffix, options in ((".tif", {}), (".webp", dict(lossless=True)), (".png", {})):
        Image.fromarray(pages[0]).save(tmp_path / f"a{suffix}", **options, **more)
        for number, page in enumerate(pages):
            photo = read_photo(tmp_path / f"a{suffix}", number=number)
            assert photo.pictures == 3
            np.testing.assert_array_equal(photo.pixels, page)


def test_heic_without_its_library_names_it(tmp_path, monkeypatch):
    Image.fromarray(RGB).save(tmp_path / "a.heic")
    monkeypatch.delitem(Image.OPEN, "HEIF")
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(
        PhotoError, match=r"needs pillow_heif; install it: pip install 'colornet\[heif\]'"
    ):
        read_photo(tmp_path / "a.heic")


def test_jpeg_2000_profile_is_followed(tmp_path):
    data = imagecodecs.jpeg2k_encode(GENTLE, level=0)
    at = data.index(b"colr")
    size = int.from_bytes(data[at - 4 : at])
    box = struct.pack(">I", 11 + len(RGB_PROFILE)) + b"colr\2\0\0" + RGB_PROFILE
    head = data.index(b"jp2h") - 4
    grown = int.from_bytes(data[head : head + 4]) + len(box) - size
    data = data[: at - 4] + box + data[at - 4 + size :]
    (tmp_path / "a.jp2").write_bytes(data[:head] + struct.pack(">I", grown) + data[head + 4 :])
    photo = read_photo(tmp_path / "a.jp2")
    assert photo.icc == RGB_PROFILE
    assert np.abs(photo.pixels - np.asarray(_under(RGB_PROFILE, GENTLE)).astype(int)).max() <= 2


def test_jpeg_has_full_colour_resolution_and_the_quality_asked_for(tmp_path):
    sizes = {}
    for quality in (50, 95):
        file = tmp_path / f"{quality}.jpg"
        write_photo(file, Photo(RGB), quality)
        image = Image.open(file)
        assert [part[1:3] for part in image.layer] == [(1, 1)] * 3  # 4:4:4
        Image.fromarray(RGB).save(tmp_path / "same.jpg", quality=quality, subsampling=0)
        assert image.quantization == Image.open(tmp_path / "same.jpg").quantization
        sizes[quality] = file.stat().st_size
    assert sizes[50] < sizes[95]


@pytest.mark.parametrize("photo, name, fragment", [
    (Photo(RGB), "a.gif", "no photo format"),
    (Photo(RGB16), "a.jpg", "cannot hold 16 bits"),
    (Photo(RGB, ALPHA), "a.jpg", "cannot hold transparency"),
    (Photo(np.zeros((1, 20_000, 3), np.uint8)), "a.webp", "cannot be written"),
    (Photo(np.zeros((1, 70_000, 3), np.uint8)), "a.jpg", "cannot be written"),
    (Photo(RGB), "file/a.png", "cannot be written"),
])  # fmt: skip
def test_what_cannot_be_written_leaves_nothing_behind(photo, name, fragment, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(PhotoError, match=fragment) as error:
        write_photo(tmp_path / name, photo)
    assert str(tmp_path / name) in str(error.value) and "\n" not in str(error.value)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_failed_writing_keeps_the_file_that_was_there(tmp_path):
    out = tmp_path / "a.webp"
    write_photo(out, Photo(RGB))
    before = out.read_bytes()
    with pytest.raises(PhotoError):
        write_photo(out, Photo(np.zeros((1, 20_000, 3), np.uint8)))
    assert out.read_bytes() == before and list(tmp_path.iterdir()) == [out]


def test_a_bomb_is_refused_by_its_header(tmp_path, monkeypatch):
    png(GREY, 0, 8, size=(100_000, 100_000))(tmp_path / "a.png")
    monkeypatch.setattr(Image.Image, "load", lambda *_: pytest.fail("decoded"))
    with pytest.raises(PhotoError, match="over 500 megapixels"):
        read_photo(tmp_path / "a.png")


def test_find_photos(tmp_path):
    for name in ("b.PNG", "a/c.jpg", ".hidden.png", ".cache/d.png", "notes.txt", "e.gif", "h.HEIC"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "f.png").mkdir()
    (tmp_path / "g.png").symlink_to("nothing")
    found = find_photos([tmp_path, tmp_path / "e.gif", tmp_path / "b.PNG"])
    assert {name for _, name in found} == {"b.PNG", "a/c.jpg", "g.png", "e.gif", "h.HEIC"}
    assert [file for file, _ in found] == sorted(file for file, _ in found)
    with pytest.raises(PhotoError, match="nowhere: no such file or folder"):
        find_photos([tmp_path / "nowhere"])


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".bmp"])
@pytest.mark.parametrize("source", ["a.jpg", "a.png", "a.tif", "turned.jpg"])
def test_dots_an_inch_and_the_comment_are_kept(tmp_path, source, suffix, deep):
    if deep and suffix in (".jpg", ".bmp"):
        pytest.skip("holds no 16 bits")
    exif, options = Image.Exif(), {}
    if source == "turned.jpg":
        exif[0x0112] = 6
    if source.endswith("jpg"):
        options = dict(comment=b"Grandmother, 1931", exif=exif.tobytes())
    Image.fromarray(np.full((40, 60, 3), 90, np.uint8)).save(
        tmp_path / source, dpi=(600, 300), **options
    )
    photo = read_photo(tmp_path / source)
    if deep:
        photo = photo._replace(pixels=photo.pixels.astype(np.uint16) * 257)
    write_photo(tmp_path / f"new{suffix}", photo)
    with Image.open(tmp_path / f"new{suffix}") as new:
        expected = (300, 600) if source == "turned.jpg" else (600, 300)
        assert [float(side) for side in new.info["dpi"]] == pytest.approx(expected, rel=1e-3)
        if suffix == ".jpg" and source.endswith("jpg"):
            assert new.info["comment"] == b"Grandmother, 1931"
