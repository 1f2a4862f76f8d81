"""XMP in films: in a box of its own, as XMP's specification has it for MP4, part 3."""

import os
import struct

from colornet.checksums import digest
from colornet.photos.history import Step, marked
from colornet.photos.metadata import BOXES
from colornet.storage import AnyPath

MOST = 1 << 26  # bytes that a packet may have


def _boxes(file, end):
    """`(kind, begin, end)` of the boxes of an open file from where it stands to `end`."""
    at = file.tell()
    while at + 8 <= end:
        file.seek(at)
        size, kind = struct.unpack(">I4s", file.read(8))
        begin = at + 8
        if size == 1:
            size, begin = int.from_bytes(file.read(8)), at + 16
        size = size or end - at
        if size < begin - at or at + size > end:
            return
        yield kind, begin, at + size
        at += size


def xmp_of_film(path: AnyPath) -> bytes | None:
    """The packet of XMP of an MP4 or QuickTime film, or None."""
    with open(path, "rb") as file:
        if file.read(8)[4:] not in (b"ftyp", b"moov", b"wide", b"mdat", b"free", b"skip"):
            return None
        file.seek(0)
        for kind, begin, end in _boxes(file, os.fstat(file.fileno()).st_size):
            file.seek(begin)
            if kind == b"uuid" and file.read(16) == BOXES["xmp"] and end - begin < MOST:
                return file.read(end - begin - 16)
            if kind == b"moov" and (packet := _of_quicktime(file, begin, end)):
                return packet
    return None


def _of_quicktime(file, begin, end):
    file.seek(begin)
    for kind, inner, outer in _boxes(file, end):
        if kind == b"udta":
            file.seek(inner)
            for name, start, stop in _boxes(file, outer):
                if name == b"XMP_" and stop - start < MOST:
                    file.seek(start)
                    return file.read(stop - start)
    return None


def add_xmp(path: AnyPath, packet: bytes) -> None:
    """Adds a packet to a whole MP4 file, behind its other boxes."""
    with open(path, "ab") as file:
        file.write(struct.pack(">I4s", 24 + len(packet), b"uuid") + BOXES["xmp"] + packet)


def mark_film(source: AnyPath, target: AnyPath, network: object, order: object) -> None:
    """Adds XMP to an mp4 file, what the film's own says and the mark of this step; signs it.

    Args:
        source, target: the film, and the new one.
        network: that coloured it.
        order: a `FilmOrder`.
    """
    packet = xmp_of_film(source)
    if order.mark:
        told = [f"vividness {order.vividness:g}"] if order.vividness is not None else []
        told += ["repaired: specks of single frames filled from those beside"] * order.repair
        told += ["held steady"] if order.steady else ["each frame by itself"]
        told += [one.words() for one in order.told]
        # What else guides a film may say so.
        told += [guide.words() for guide in order.guides if hasattr(guide, "words")]
        step = Step(digest(source), network.name, network.sha256, ", ".join(told))
        packet, _ = marked(packet, step)
    if packet:
        add_xmp(target, packet)
    if order.credentials:
        order.credentials.sign(target, source)
