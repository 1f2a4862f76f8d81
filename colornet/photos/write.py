"""Photos to files: JPEG, PNG, WebP, TIFF and BMP."""

import io
import os
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, TiffImagePlugin

from colornet.errors import PhotoError, reason
from colornet.photos import profiles
from colornet.photos.photo import WRITTEN, Photo
from colornet.storage import FULL, NoRoom, atomic


def write_photo(path: str | os.PathLike, photo: Photo, quality: int = 95):
    """Writes a photo atomically, in the format that the suffix names.

    JPEG is written at `quality` without chroma subsampling, WebP losslessly; 16 bits a sample
    go to PNG and TIFF.

    Raises:
        PhotoError: a suffix that is no photo format or cannot hold alpha, 16 bits or so many
            pixels; a folder that cannot be written.
        NoRoom: the disk is full.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in WRITTEN:
        raise PhotoError(f"{path}: no photo format; choose one of {', '.join(WRITTEN)}")
    deep = photo.pixels.dtype == np.uint16
    if deep and suffix not in (".png", ".tif", ".tiff"):
        raise PhotoError(f"{path}: {suffix} cannot hold 16 bits; name it .png or .tif")
    if photo.alpha is not None and suffix in (".jpg", ".jpeg"):
        raise PhotoError(f"{path}: {suffix} cannot hold transparency; name it .png")
    try:
        with atomic(path) as temporary:
            (_write16 if deep else _write8)(temporary, photo, suffix, quality)
    except NoRoom as error:
        if error.errno in FULL:
            raise  # whatever comes after it would find no room either
        raise PhotoError(str(error)) from None
    # Pillow tells some limits of a format, such as WebP's 16383 pixels, as ValueError.
    except Exception as error:
        raise PhotoError(
            f"{path}: cannot be written ({reason(error)}); choose another place or format"
        ) from None


def _write8(path, photo, suffix, quality):
    pixels = photo.pixels
    if photo.icc and pixels.ndim == 3 and suffix != ".bmp":
        pixels = profiles.from_srgb(pixels, photo.icc)
    image = Image.fromarray(pixels)
    if photo.alpha is not None:
        image.putalpha(Image.fromarray(photo.alpha))
        if suffix == ".bmp":  # where Pillow drops alpha
            bgra = np.asarray(image.convert("RGBA"))[..., [2, 1, 0, 3]]
            path.write_bytes(cv2.imencode(".bmp", bgra)[1].tobytes())
            return
    if suffix in (".tif", ".tiff"):
        path.write_bytes(_tiff(np.asarray(image), photo))
        return
    options = {
        ".png": dict(compress_level=4),
        ".webp": dict(lossless=True, quality=50, exact=True),  # exact: under clear pixels too
        ".bmp": {},
    }.get(suffix, dict(quality=quality, subsampling=0))
    if photo.icc and suffix != ".bmp":
        options["icc_profile"] = photo.icc
    if photo.exif and suffix != ".bmp":
        options["exif"] = photo.exif
    if photo.dpi and suffix != ".webp":
        options["dpi"] = photo.dpi
    if photo.comment and suffix in (".jpg", ".jpeg"):
        options["comment"] = photo.comment
    image.save(path, **options)


def _write16(path, photo, suffix, quality):
    pixels = photo.pixels
    if photo.icc and pixels.ndim == 3:
        pixels = profiles.from_srgb(pixels, photo.icc)
    if photo.alpha is not None:
        pixels = np.dstack([pixels, photo.alpha])
    if suffix != ".png":
        path.write_bytes(_tiff(pixels, photo))
        return
    bgr = pixels[..., [2, 1, 0, 3][: pixels.shape[-1]]] if pixels.ndim == 3 else pixels
    data = cv2.imencode(".png", bgr)[1].tobytes()
    # OpenCV's encoder writes neither; both have their place right behind the header.
    chunks = _chunk(b"iCCP", b"icc\0\0" + zlib.compress(photo.icc)) if photo.icc else b""
    if photo.exif:
        chunks += _chunk(b"eXIf", photo.exif.removeprefix(b"Exif\0\0"))
    if photo.dpi:
        dots = [round(side / 0.0254) for side in photo.dpi]  # a metre
        chunks += _chunk(b"pHYs", struct.pack(">IIB", *dots, 1))
    path.write_bytes(data[:33] + chunks + data[33:])


def _chunk(kind, body):
    checksum = zlib.crc32(kind + body)
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", checksum)


def _tiff(pixels, photo):
    """A TIFF by hand, of one strip: Pillow has no 16-bit RGB, and tifffile writes no EXIF."""
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    strip = zlib.compress(np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("<")), 6)
    tags = TiffImagePlugin.ImageFileDirectory_v2(b"II*\0\0\0\0\0")
    if photo.exif:
        exif = Image.Exif()
        exif.load(photo.exif)
        for tag in list(exif):
            tags[tag] = exif.get_ifd(tag) if tag in (0x8769, 0x8825) else exif[tag]
            if tag == 0x8769:
                tags[tag].pop(0xA005, None)  # a pointer to where nothing is any more
    if photo.dpi and 282 not in tags:
        tags[282], tags[283], tags[296] = *photo.dpi, 2
    tags[256], tags[257] = pixels.shape[1], pixels.shape[0]
    tags[258] = (8 * pixels.itemsize,) * channels
    tags[259] = 8  # deflate
    tags[262] = 2 if channels > 2 else 1  # RGB or black is zero
    tags[273], tags[278], tags[279] = 0, pixels.shape[0], len(strip)
    tags[277] = channels
    if photo.alpha is not None:
        tags[338] = 2  # alpha, colours not multiplied by it
    if photo.icc:
        tags.tagtype[34675] = 7
        tags[34675] = photo.icc
    file = io.BytesIO()
    tags.save(file)  # moves the strip's place to right behind the tags
    return file.getvalue() + strip
