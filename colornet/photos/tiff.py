"""TIFF files to pixels, strictly: by tifffile, with nothing made up where a file is damaged."""

import io
from collections.abc import Callable
from typing import NamedTuple

import imagecodecs
import numpy as np
import tifffile

from colornet.errors import Unsupported
from colornet.photos import jpeg
from colornet.photos.metadata import TAGS

STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
CHANNELS = dict(MINISWHITE=1, MINISBLACK=1, PALETTE=1, RGB=3, YCBCR=3, SEPARATED=4)
SAID = dict(MINISWHITE="grey", MINISBLACK="grey", SEPARATED="CMYK")
FAX = {
    2: lambda data, width, options: imagecodecs.ccittrle_decode(data, 0, width),
    3: lambda data, width, options: imagecodecs.ccittfax3_decode(data, 0, width, t4options=options),
    4: lambda data, width, options: imagecodecs.ccittfax4_decode(data, 0, width),
}
JPEG = (6, 7, 34892, 33007)  # what tifffile takes for JPEG


class Picture(NamedTuple):
    """One picture of a TIFF, as it lies in the file.

    pixels: uint8 or uint16, `(H, W)` grey, `(H, W, 3)` RGB or `(H, W, 4)` CMYK.
    alpha: `(H, W)` of the same dtype, or None.
    icc: its profile as bytes, or None.
    orientation: as of EXIF, not applied.
    bits: a sample, in the file.
    pictures: how many there are in the file, previews not counted.
    tags: the bytes of those that hold XMP and IPTC, by number.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None
    icc: bytes | None
    orientation: int
    bits: int
    pictures: int
    tags: dict


def read(data: bytes, number: int, check: Callable) -> tuple:
    """The picture of that number, from 0, in a TIFF's bytes.

    `check` is called with width and height before anything is decoded.

    Raises:
        Unsupported: of a kind that is not read.
        Exception: damaged, in the words of the library that noticed.
    """
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        pages = [page for page in file.pages if not (page.is_reduced or page.is_mask)]
        if not pages and 330 in file.pages[0].tags:
            raise Unsupported("a raw photo behind a preview")
        pages = pages or file.pages[:1]
        page = pages[number]
        check(page.imagewidth, page.imagelength)
        kind, bits = _kind(page)
        _check_segments(page, data)
        pixels, alpha = _decode(page, kind, bits)
        icc, orientation = (page.tags.valueof(tag) for tag in (34675, 274))
        tags = {}
        for tag in filter(None, (page.tags.get(number) for number in TAGS.values())):
            tags[tag.code] = data[tag.valueoffset : tag.valueoffset + tag.valuebytecount]
        return Picture(pixels, alpha, icc and bytes(icc), orientation or 1, bits, len(pages), tags)


def _kind(page):
    """Name of the colours and bits a sample, of what is read."""
    kind = getattr(page.photometric, "name", str(page.photometric))
    said, bits = SAID.get(kind, kind), set(np.ravel(page.bitspersample).tolist())
    most = max(bits)
    if kind not in CHANNELS or page.sampleformat not in (1, 4) or most > 16:
        raise Unsupported(f"{most}-bit {said} ({page.dtype})")
    if page.imagedepth > 1:
        raise Unsupported(f"{page.imagedepth} layers of depth")
    if len(bits) > 1 or page.samplesperpixel < CHANNELS[kind]:
        raise Unsupported(f"{said} of {page.samplesperpixel} channels, {page.bitspersample} bits")
    if kind == "YCBCR" and (page.compression not in JPEG or page.planarconfig != 1):
        raise Unsupported("YCbCr without JPEG")
    codecs = tifffile.TIFF.DECOMPRESSORS
    if page.compression not in (1, *JPEG, *FAX) and page.compression not in codecs:
        raise Unsupported(f"packed by {getattr(page.compression, 'name', page.compression)}")
    return kind, most


def _check_segments(page, data):
    """Raises where strips or tiles are missing, or their decoder would go on after damage."""
    places = [*zip(page.dataoffsets, page.databytecounts)]
    count = np.prod(page.chunked)
    if len(places) < count or any(not size or at + size > len(data) for at, size in places[:count]):
        raise ValueError("a part is missing")
    tiled, length = page.is_tiled, page.imagelength
    rows = page.tilelength if tiled else min(page.rowsperstrip, length)
    width = page.tilewidth if tiled else page.imagewidth
    for number, (at, size) in enumerate(places[:count]):
        part = data[at : at + size]
        if page.compression in JPEG:
            jpeg.check(jpeg.joined(page.jpegtables, part))
        elif page.compression in FAX:
            if page.fillorder == 2:
                part = imagecodecs.bitorder_decode(part)
            options = page.tags.valueof(292) or 0
            found = len(FAX[page.compression](part, width, options))
            top = number % -(-length // rows) * rows  # each plane begins anew
            wanted = rows if tiled else min(rows, length - top)
            if found != wanted:
                raise ValueError(f"{found} rows where {wanted} should be")


def _decode(page, kind, bits):
    """Pixels and alpha."""
    planes = page.asarray(squeeze=False)[:, 0]  # planes, height, width, samples
    pixels = planes[0] if len(planes) == 1 else np.moveaxis(planes[..., 0], 0, -1)
    if kind == "PALETTE":
        return (page.colormap >> 8).astype(np.uint8).T[pixels[..., 0]], None
    peak, dtype = (255, np.uint8) if bits <= 8 else (65535, np.uint16)
    if bits not in (8, 16):
        levels = np.round(np.linspace(0, peak, 2**bits)).astype(dtype)
        pixels = levels[pixels.astype(dtype, copy=False)]
    channels = CHANNELS[kind]
    extra = page.extrasamples[0] if pixels.shape[2] > channels and page.extrasamples else 0
    alpha = pixels[..., channels] if extra in (1, 2) else None
    pixels = pixels[..., 0] if channels == 1 else pixels[..., :channels]
    if kind == "MINISWHITE":
        pixels = peak - pixels
    if extra == 1:  # colours were multiplied by alpha
        scale = peak / np.maximum(alpha, 1).astype(np.float32)
        scale = scale if pixels.ndim == 2 else scale[..., None]
        pixels = np.minimum(np.round(pixels * scale), peak).astype(dtype)
    return pixels, alpha
