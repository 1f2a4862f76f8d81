"""EXIF blocks: what they say of the pixels made true of the photo as it is written, no more.

A block is a TIFF without a picture, `II*` or `MM` and so on. It is mended where it lies, since
what cameras note in their own ways (MakerNote) counts its places from the block's beginning:
libraries that write a block anew break it.
"""

import io
import struct

from PIL import Image, TiffImagePlugin

PREFIX = b"Exif\0\0"
ORIENTATION, DETAIL, PLACE = 0x0112, 0x8769, 0x8825  # tags; the last two are directories
# Tags that say how the pixels lie in a TIFF, with its profile, XMP and IPTC, which are kept apart.
STORAGE = [254, 255, 256, 257, 258, 259, 262, 266, 273, 277, 278, 279, 280, 281, 284]
STORAGE += [292, 293, 317, 320, 322, 323, 324, 325, 330, 332, 338, 339, 340, 341, 347, 512, 513]
STORAGE += [514, 529, 530, 531, 532, 700, 33723, 34377, 34675]


def _directory(block, order, at):
    """Places of a directory's entries by tag, and of the link behind them."""
    (count,) = struct.unpack_from(order + "H", block, at)
    link = at + 2 + 12 * count
    if link > len(block):
        raise ValueError("a directory beyond the end")
    places = range(at + 2, link, 12)
    return {struct.unpack_from(order + "H", block, place)[0]: place for place in places}, link


class _Block:
    """A block that is mended in place."""

    def __init__(self, data):
        self.data = bytearray(data)
        self.order = {b"II*\0": "<", b"MM\0*": ">"}[data[:4]]
        self.main, self._link = _directory(self.data, self.order, self._long(4))

    def _long(self, at):
        return struct.unpack_from(self.order + "I", self.data, at)[0]

    def put(self, place, value):
        """Gives an entry of one whole number another value."""
        form = {3: "H", 4: "I"}[struct.unpack_from(self.order + "H", self.data, place + 2)[0]]
        struct.pack_into(self.order + form, self.data, place + 8, value)

    def drop_thumbnail(self):
        """It would show the photo as it was."""
        if self._link + 4 > len(self.data) or not (at := self._long(self._link)):
            return
        struct.pack_into(self.order + "I", self.data, self._link, 0)
        second, _ = _directory(self.data, self.order, at)
        if 513 in second and 514 in second:
            start, size = (self._long(second[tag] + 8) for tag in (513, 514))
            if start + size >= len(self.data):
                del self.data[max(start, self._link + 4) :]
            else:
                self.data[start : start + size] = bytes(size)

    def detail(self):
        """Places of the entries of the directory of details; none without it."""
        if DETAIL not in self.main:
            return {}
        return _directory(self.data, self.order, self._long(self.main[DETAIL] + 8))[0]


def upright(block: bytes, width: int, height: int, turned: bool) -> bytes:
    """A block for a photo that lies upright now, of that size, without its thumbnail.

    Args:
        turned: whether rows became columns.

    Raises:
        Exception: it is damaged.
    """
    block = _Block(block)
    if ORIENTATION in block.main:
        block.put(block.main[ORIENTATION], 1)
    if turned and 282 in block.main and 283 in block.main:  # dots an inch across, down
        across, down = (slice(block.main[tag] + 2, block.main[tag] + 12) for tag in (282, 283))
        block.data[across], block.data[down] = block.data[down], block.data[across]
    detail = block.detail()
    for tag, side in ((0xA002, width), (0xA003, height)):
        if tag in detail:
            block.put(detail[tag], side)
    block.drop_thumbnail()
    return bytes(block.data)


def tags(block: bytes) -> object:
    """Pillow's dict-like object of a block; None is an empty one."""
    found = Image.Exif()
    found.load(block or b"")
    return found


def of_tiff(data: bytes) -> bytes | None:
    """The tags of a TIFF file, without those of `STORAGE`, as a block; None if there are none.

    Raises:
        Exception: entries that contradict their own types.
    """
    found = Image.Exif()
    found.endian, big = "<" if data[:2] == b"II" else ">", 43 in data[2:4]
    found.bigtiff = big
    place, form = (8, "Q") if big else (4, "I")
    found.load_from_fp(io.BytesIO(data), struct.unpack_from(found.endian + form, data, place)[0])
    for tag in STORAGE:
        found.pop(tag, None)
    for directory in {DETAIL, PLACE} & {*found}:
        found.get_ifd(directory)
    found.bigtiff = False
    return found.tobytes().removeprefix(PREFIX) if len(found) else None


def with_dpi(block: bytes | None, dpi: tuple[float, float]) -> bytes | None:
    """A block, or None, that says dots an inch too, where it did not."""
    found = tags(block)
    if 282 in found:
        return block
    found[282], found[283], found[296] = *dpi, 2
    return found.tobytes().removeprefix(PREFIX)


def into_tiff(block: bytes, directory: TiffImagePlugin.ImageFileDirectory_v2) -> None:
    """Puts the tags of a block into the directory of a TIFF file."""
    found = tags(block)
    for tag in list(found):
        directory[tag] = found.get_ifd(tag) if tag in (DETAIL, PLACE) else found[tag]
        if tag == DETAIL:
            directory[tag].pop(0xA005, None)  # a pointer to where nothing is any more
