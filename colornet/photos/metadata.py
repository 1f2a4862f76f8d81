"""What a photo file says of itself beside its pixels, as the bytes that the standards know.

Pillow finds it where a format has a place for it, and is the one to write it. Exiv2 was looked at
for this: under the GPL, 48 MB, a second pass over each file, one thread at a time, and no text of
PNG. What is here is what Pillow does not find: PNG's chunks behind the picture, boxes of JPEG 2000,
XMP of GIF and IPTC.
"""

import contextlib
import re
import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from colornet.photos import chunks, exif, xmp

IPTC, THUMBNAILS, RESOLUTION = 1028, (1033, 1036), 1005  # of Photoshop's image resources
ELSEWHERE = (RESOLUTION, 1039, 1058, 1059, 1060, *THUMBNAILS)  # profile, EXIF, XMP: kept apart
TURNED_BY_XMP = re.compile(rb'tiff:Orientation(?:="|>)([1-8])')
BOXES = dict(
    exif=bytes.fromhex("4a706754696666457869662d3e4a5032"),  # JpgTiffExif->JP2
    iptc=bytes.fromhex("33c7a4d2b81d4723a0baf1a3e097ad38"),
    xmp=bytes.fromhex("be7acfcb97a942e89c71999491e3afac"),
)
TAGS = dict(xmp=700, iptc=33723, resources=34377)  # of TIFF
EXTENSION = b"http://ns.adobe.com/xmp/extension/\0"  # of XMP that one segment of a JPEG cannot hold
GIF_XMP, GIF_END = b"\x21\xff\x0bXMP DataXMP", b"\x01\xff\xfe\xfd\xfc"
DAMAGED = "its EXIF is damaged: left out"


class Metadata(NamedTuple):
    """What a photo file says of itself.

    exif: a block as of `exif`, which says that the photo lies upright; no thumbnail; or None.
    dpi: dots an inch across and down, or None.
    xmp: a packet of XML, bytes, or None.
    resources: Photoshop's image resources as `(number, bytes)`; 1028 is IPTC's.
    comment: bytes, or None.
    text: PNG's chunks of text, `(kind, body)`.
    """

    exif: bytes | None = None
    dpi: tuple | None = None
    xmp: bytes | None = None
    resources: tuple = ()
    comment: bytes | None = None
    text: tuple = ()


def _resources(data):
    """Photoshop's image resources in their bytes, as far as they are whole."""
    at, found = 0, []
    with contextlib.suppress(struct.error):
        while data[at : at + 4] == b"8BIM":
            number, name = struct.unpack_from(">HB", data, at + 4)
            at += 6 + (name + 2) // 2 * 2
            (size,) = struct.unpack_from(">I", data, at)
            if number not in ELSEWHERE:
                found.append((number, data[at + 4 : at + 4 + size]))
            at += 4 + (size + 1) // 2 * 2
    return found


def packed(resources: tuple) -> bytes:
    """Image resources as bytes."""
    parts = []
    for number, body in resources:
        parts.append(b"8BIM" + struct.pack(">HHI", number, 0, len(body)) + body)
        parts.append(b"\0" * (len(body) % 2))
    return b"".join(parts)


def boxes(data: bytes) -> Iterator:
    """The boxes of a JPEG 2000 or MP4 file, those in a header box too: `(kind, body)`."""
    at = 0
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        begin = 8
        if size == 1 and at + 16 <= len(data):
            begin, size = 16, struct.unpack_from(">Q", data, at + 8)[0]
        size = size or len(data) - at
        if size < begin:
            return
        body = data[at + begin : at + size]
        yield kind, body
        if kind == b"jp2h":
            yield from boxes(body)
        at += size


def _of_png(data):
    found, text = {}, []
    for kind, body in chunks.of(data):
        if kind == b"eXIf":
            found["exif"] = body
        elif kind in chunks.TEXTS:
            try:
                keyword, words = chunks.text(kind, body)
                name = keyword.removeprefix(chunks.RAW)
                if keyword == chunks.XMP:
                    found["xmp"] = words
                elif keyword == chunks.COMMENT and "comment" not in found:
                    utf8 = words if kind == b"iTXt" else words.decode("latin-1").encode()
                    found["comment"] = utf8
                elif keyword == name:
                    text.append((kind, body))
                elif name in (b"iptc", b"8bim"):
                    profile = chunks.raw_profile(words)
                    found["resources" if profile.startswith(b"8BIM") else "iptc"] = profile
                elif name in (b"exif", b"APP1", b"xmp"):
                    block = chunks.raw_profile(words)
                    found.setdefault("exif" if block.startswith(exif.PREFIX) else "xmp", block)
            except (ValueError, IndexError, zlib.error):
                pass  # a text that is damaged is none
    return found | dict(text=tuple(text))


def _of_jpeg(image):
    found = {name: image.info.get(name) for name in ("exif", "xmp")}
    parts = [part for name, part in image.applist if name == "COM"]
    found["comment"] = b"\n".join(part.rstrip(b"\0") for part in parts) or None
    begin = b"Photoshop 3.0\0"
    marked = [part for name, part in image.applist if name == "APP13" and part.startswith(begin)]
    found["resources"] = b"".join(part.removeprefix(begin) for part in marked)
    more = [part for name, part in image.applist if name == "APP1" and part.startswith(EXTENSION)]
    if found["xmp"] and more:  # each: 32 letters, the whole's length, the place of this, a part
        bodies = sorted(part.removeprefix(EXTENSION)[36:] for part in more)
        found["xmp"] = xmp.joined(found["xmp"], b"".join(body[4:] for body in bodies))
    return found


def _of_gif(data, image):
    start = data.find(GIF_XMP)
    end = data.find(GIF_END, start)
    packet = data[start + len(GIF_XMP) : end] if 0 <= start < end else None
    return dict(xmp=packet, comment=image.info.get("comment"))


def _of_jpeg2000(data, image):
    found = {}
    for kind, body in boxes(data):
        for name, mark in BOXES.items():
            if kind == b"uuid" and body.startswith(mark):
                found[name] = body[16:]
    return found | dict(comment=image.info.get("comment"))


def _of_tiff(data, tags):
    try:
        block = exif.of_tiff(data)
    except Exception:  # entries that contradict their own types
        block = data[:4]  # no whole one either, which `upright` tells
    return dict(exif=block) | {name: tags.get(number) for name, number in TAGS.items()}


def _orientation(block, packet):
    try:
        told = exif.tags(block).get(exif.ORIENTATION)
    except Exception:
        told = None
    if told is None and (match := TURNED_BY_XMP.search(packet or b"")):
        told = int(match[1])
    return told if told in range(2, 9) else 1


def _dpi(block, image):
    """Dots an inch across and down as the file lies, by Pillow's image or else by EXIF."""
    try:
        found = image.info.get("dpi") if image is not None else None
        if found is None:
            tags = exif.tags(block)
            inches = {2: 1, 3: 2.54}.get(tags.get(296, 2))
            found = [inches * tags.get(tag, 0) for tag in (282, 283)]
        sides = tuple(float(side) for side in found)
        return sides if len(sides) == 2 and 1 <= min(sides) and max(sides) < 1e5 else None
    except Exception:  # none, or of no sense
        return None


def read(kind: str, data: bytes, image: object, tags: object) -> tuple:
    """What a file says of itself, to be put upright by `upright`.

    Args:
        kind: Pillow's name of the format.
        data: the file's bytes.
        image: Pillow's of it, or None of a TIFF.
        tags: of a TIFF, the bytes of `TAGS` by number.

    Returns:
        A `Metadata` of the file as it lies, and its orientation as EXIF counts it.
    """
    if kind == "TIFF":
        found = _of_tiff(data, tags)
    elif kind == "PNG":
        found = _of_png(data)
    elif kind == "JPEG":
        found = _of_jpeg(image)
    elif kind == "GIF":
        found = _of_gif(data, image)
    elif kind == "JPEG2000":
        found = _of_jpeg2000(data, image)
    else:
        found = {name: image.info.get(name) for name in ("exif", "xmp")}
    block = found.pop("exif", None)
    block = (block or b"").removeprefix(exif.PREFIX) or None
    resources = _resources(found.pop("resources", None) or b"")
    if iptc := found.pop("iptc", None):
        resources = [(IPTC, iptc), *((n, body) for n, body in resources if n != IPTC)]
    packet = (found.pop("xmp", None) or b"").strip(b"\0") or None
    known = Metadata(block, _dpi(block, image), packet, tuple(resources), **found)
    return known, _orientation(block, packet)


def upright(known: "Metadata", orientation: int, width: int, height: int) -> tuple:
    """Metadata of a photo that was put upright, and what is to be said of it, or None.

    Args:
        known, orientation: as `read` gave them.
        width, height: of the photo, upright.
    """
    turned = orientation in (5, 6, 7, 8)
    block, note = known.exif, None
    if block:
        try:
            block = exif.upright(block, width, height, turned)
        except Exception:  # damaged, in as many ways as there are bytes
            block, note = None, DAMAGED
    dpi = known.dpi[::-1] if known.dpi and turned else known.dpi
    return known._replace(exif=block, dpi=dpi), note
