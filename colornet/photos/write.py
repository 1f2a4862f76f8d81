"""Photos to files: JPEG, PNG, WebP, TIFF and BMP."""

import io
import os
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, TiffImagePlugin

from colornet.errors import PhotoError, reason
from colornet.photos import chunks, exif, history, metadata, profiles, xmp
from colornet.photos.photo import WRITTEN, Photo
from colornet.storage import FULL, NoRoom, atomic

# What the formats have no place for, as a person would say it.
WANTING = {
    ".png": (),
    ".jpg": ("text",),
    ".tif": ("comment", "text"),
    ".webp": ("resources", "comment", "text"),
    ".bmp": ("exif", "xmp", "resources", "comment", "text"),
}
SAID = dict(exif="EXIF", xmp="XMP", resources="IPTC", comment="comment", text="PNG text")
SAME = {".jpeg": ".jpg", ".tiff": ".tif"}
SEGMENT = 65_533  # bytes of a JPEG's segment
HEADS, XMP_HEAD = dict(exif=6, resources=14, comment=0), 29  # of these, before what they carry


def write_photo(
    path: str | os.PathLike,
    photo: Photo,
    quality: int = 95,
    mark: bool = True,
    sign: Callable[[Path], None] | None = None,
) -> list[str]:
    """Writes a photo atomically, in the format that the suffix names.

    JPEG is written at `quality` without chroma subsampling, WebP losslessly; 16 bits a sample
    go to PNG and TIFF. All that the photo's `metadata` says is written where the format holds it.

    Args:
        mark: write what was done to the photo, its `step`, into XMP, see `history`.
        sign: is called with the path of the whole file, to sign what was done; or None.

    Returns:
        What the file does not hold, a word or two each.

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
    kind = SAME.get(suffix, suffix)
    sign = sign if photo.step else None
    photo, left = _fitted(photo, kind, mark)
    if sign and kind == ".bmp":
        sign = left.append("content credentials")
    try:
        with atomic(path) as temporary:
            WRITERS[kind](temporary, photo, quality)
            if sign:
                sign(temporary)
    except PhotoError:
        raise
    except NoRoom as error:
        if error.errno in FULL:
            raise  # whatever comes after it would find no room either
        raise PhotoError(str(error)) from None
    # Pillow tells some limits of a format, such as WebP's 16383 pixels, as ValueError.
    except Exception as error:
        raise PhotoError(
            f"{path}: cannot be written ({reason(error)}); choose another place or format"
        ) from None
    return left


def _fitted(photo, kind, mark):
    """The photo with the metadata that a format holds, its mark in it, and what is left out."""
    known, left = photo.metadata, []

    def leave(name):
        nonlocal known
        if getattr(known, name):
            left.append(SAID[name])
            known = known._replace(**{name: metadata.Metadata._field_defaults[name]})

    for name in WANTING[kind]:
        leave(name)
    if kind == ".jpg":
        for name, head in HEADS.items():
            body = getattr(known, name) or b""
            size = len(metadata.packed(body) if name == "resources" else body)
            if size + head > SEGMENT:
                leave(name)
    step = photo.step if mark else None
    if kind == ".bmp":
        left += ["mark"] * (step is not None) + ["colour profile"] * (photo.icc is not None)
        return photo._replace(metadata=known, icc=None), left
    if kind == ".webp" and known.dpi:
        known = known._replace(exif=exif.with_dpi(known.exif, known.dpi))
    packet, damaged = history.marked(known.xmp, step) if step else xmp.renewed(known.xmp)
    if damaged and step:
        left.append("XMP (it is damaged)")
    if kind == ".jpg" and packet and len(packet) + XMP_HEAD > SEGMENT:
        left.append("XMP (over 64 kB)")
        packet = history.marked(None, step)[0] if step else None
    return photo._replace(metadata=known._replace(xmp=packet)), left


def _in_profile(photo):
    """The pixels in the photo's own profile, with alpha where there is some: `(H, W, 3 or 4)`."""
    pixels = photo.pixels
    if photo.icc and pixels.ndim == 3:
        pixels = profiles.from_srgb(pixels, photo.icc)
    return pixels if photo.alpha is None else np.dstack([pixels, photo.alpha])


def _options(**options):
    return {name: value for name, value in options.items() if value}


def _jpeg(path, photo, quality):
    known, segments = photo.metadata, b""
    if known.resources:
        body = b"Photoshop 3.0\0" + metadata.packed(known.resources)
        segments = b"\xff\xed" + (len(body) + 2).to_bytes(2) + body
    options = _options(
        exif=known.exif and exif.PREFIX + known.exif,
        xmp=known.xmp,
        comment=known.comment,
        dpi=known.dpi,
        icc_profile=photo.icc,
        extra=segments,
    )
    Image.fromarray(_in_profile(photo)).save(path, quality=quality, subsampling=0, **options)


def _webp(path, photo, quality):
    known = photo.metadata
    options = _options(exif=known.exif, xmp=known.xmp, icc_profile=photo.icc)
    # Exact: under clear pixels too.
    image = Image.fromarray(_in_profile(photo))
    image.save(path, lossless=True, quality=50, exact=True, **options)


def _bmp(path, photo, quality):
    if photo.alpha is None:
        Image.fromarray(photo.pixels).save(path, **_options(dpi=photo.metadata.dpi))
    else:  # which Pillow drops
        rgba = np.dstack([*cv2.split(photo.pixels)[::-1], photo.alpha])
        path.write_bytes(cv2.imencode(".bmp", rgba)[1].tobytes())


def _png(path, photo, quality):
    pixels = _in_profile(photo)
    if pixels.dtype == np.uint16:
        bgr = pixels[..., [2, 1, 0, 3][: pixels.shape[-1]]] if pixels.ndim == 3 else pixels
        data = cv2.imencode(".png", bgr)[1].tobytes()
    else:
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "PNG", compress_level=4)
        data = file.getvalue()
    path.write_bytes(data[:33] + b"".join(_png_chunks(photo)) + data[33:])  # behind the header


def _png_chunks(photo):
    known = photo.metadata
    if photo.icc:
        yield chunks.chunk(b"iCCP", b"icc\0\0" + zlib.compress(photo.icc))
    if known.dpi:
        yield chunks.of_dpi(known.dpi)
    if known.exif:
        yield chunks.chunk(b"eXIf", known.exif)
    if known.xmp:
        yield chunks.of_xmp(known.xmp)
    if known.resources:
        yield chunks.of_raw_profile(b"iptc", metadata.packed(known.resources))
    if known.comment:
        yield chunks.of_comment(known.comment)
    for kind, body in known.text:
        yield chunks.chunk(kind, body)


def _tiff(path, photo, quality):
    """By hand, of one strip: Pillow has no 16-bit RGB, and tifffile writes no EXIF."""
    pixels, known = _in_profile(photo), photo.metadata
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    strip = zlib.compress(np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("<")), 6)
    tags = TiffImagePlugin.ImageFileDirectory_v2(b"II*\0\0\0\0\0")
    if known.exif:
        exif.into_tiff(known.exif, tags)
    if known.dpi and 282 not in tags:
        tags[282], tags[283], tags[296] = *known.dpi, 2
    iptc = dict(known.resources).get(metadata.IPTC)
    others = [pair for pair in known.resources if pair[0] != metadata.IPTC]
    for tag, body in (
        (metadata.TAGS["xmp"], known.xmp),
        (metadata.TAGS["iptc"], iptc),
        (metadata.TAGS["resources"], metadata.packed(others)),
        (34675, photo.icc),
    ):
        if body:
            tags.tagtype[tag] = 1 if tag == metadata.TAGS["xmp"] else 7  # bytes
            tags[tag] = body
    tags[256], tags[257] = pixels.shape[1], pixels.shape[0]
    tags[258] = (8 * pixels.itemsize,) * channels
    tags[259] = 8  # deflate
    tags[262] = 2 if channels > 2 else 1  # RGB or black is zero
    tags[273], tags[278], tags[279] = 0, pixels.shape[0], len(strip)
    tags[277] = channels
    if photo.alpha is not None:
        tags[338] = 2  # alpha, colours not multiplied by it
    file = io.BytesIO()
    tags.save(file)  # moves the strip's place to right behind the tags
    path.write_bytes(file.getvalue() + strip)


WRITERS = {".jpg": _jpeg, ".webp": _webp, ".bmp": _bmp, ".png": _png, ".tif": _tiff}
