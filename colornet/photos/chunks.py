"""PNG's chunks of text, EXIF and resolution, which lie before or behind the picture."""

import struct
import zlib
from collections.abc import Iterator

TEXTS = (b"tEXt", b"zTXt", b"iTXt")
XMP = b"XML:com.adobe.xmp"
COMMENT = b"Comment"
RAW = b"Raw profile type "  # ImageMagick's way to hold what PNG has no chunk for, in hexadecimal
MOST = 1 << 26  # bytes that a chunk may unpack to


def of(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The chunks of a PNG's bytes as `(kind, body)`, as far as they are whole."""
    at = 8
    while at + 12 <= len(data):
        (size,) = struct.unpack_from(">I", data, at)
        if at + 12 + size > len(data):
            return
        yield data[at + 4 : at + 8], data[at + 8 : at + 8 + size]
        at += 12 + size


def chunk(kind: bytes, body: bytes) -> bytes:
    """One chunk with its length and checksum."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _unpacked(body):
    return zlib.decompressobj().decompress(body, MOST)


def text(kind: bytes, body: bytes) -> tuple:
    """Keyword and text of a chunk of `TEXTS`, bytes: UTF-8 in iTXt, else Latin-1.

    Raises:
        ValueError, zlib.error: damaged.
    """
    keyword, rest = body.split(b"\0", 1)
    if kind == b"tEXt":
        return keyword, rest
    if kind == b"zTXt":
        return keyword, _unpacked(rest[1:])
    _, _, words = rest[2:].split(b"\0", 2)  # behind language and translated keyword
    return keyword, _unpacked(words) if rest[0] else words


def raw_profile(words: bytes) -> bytes | None:
    """The bytes of a text under a keyword that begins with `RAW`."""
    _, _, size, *lines = words.split(b"\n")
    return bytes.fromhex(b"".join(lines).decode("ascii"))[: int(size)]


def of_raw_profile(name: bytes, body: bytes) -> bytes:
    """A chunk that holds bytes as `raw_profile` reads them."""
    words = b"\n".join([b"", name, b"%8d" % len(body), body.hex().encode(), b""])
    return chunk(b"zTXt", RAW + name + b"\0\0" + zlib.compress(words))


def of_xmp(packet: bytes) -> bytes:
    """The chunk of XMP."""
    return chunk(b"iTXt", XMP + b"\0\0\0\0\0" + packet)


def of_comment(words: bytes) -> bytes:
    """The chunk of a comment, bytes of UTF-8 or else Latin-1."""
    try:
        if not words.decode().isascii():
            return chunk(b"iTXt", COMMENT + b"\0\0\0\0\0" + words)
    except UnicodeDecodeError:
        pass
    return chunk(b"tEXt", COMMENT + b"\0" + words)


def of_dpi(dpi: tuple[float, float]) -> bytes:
    """The chunk of dots an inch across and down."""
    dots = [round(side / 0.0254) for side in dpi]  # a metre
    return chunk(b"pHYs", struct.pack(">IIB", *dots, 1))
