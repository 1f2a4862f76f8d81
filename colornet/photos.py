"""Photo files to arrays and back: every format, depth and channel count people bring."""

import io
import logging
import math
import os
import stat
import struct
import warnings
import zlib
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import cv2
import imagecodecs
import numpy as np
from PIL import Image, TiffImagePlugin

from colornet import jpeg, profiles, tiff
from colornet.errors import Unsupported, one_line, reason
from colornet.files import FULL, NoRoom, atomic

WRITTEN = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp")
SUFFIXES = (*WRITTEN, ".gif", ".avif", ".heic", ".heif", ".jp2", ".j2k", ".jpx")
# Pillow's names of the formats by how their files begin.
STARTS = {b"\xff\xd8\xff": "JPEG", b"\x89PNG": "PNG", b"BM": "BMP", b"GIF8": "GIF"}
STARTS |= {b"\0\0\0\x0cjP  ": "JPEG2000", b"\xff\x4f\xff\x51": "JPEG2000"}
STARTS |= dict.fromkeys(tiff.STARTS, "TIFF")
BRANDS = dict(avif="AVIF", avis="AVIF", heic="HEIF", heix="HEIF", hevc="HEIF", hevx="HEIF")
BRANDS |= dict(heim="HEIF", heis="HEIF", mif1="HEIF", msf1="HEIF")
NAMED = "JPEG, PNG, WebP, TIFF, BMP, GIF, JPEG 2000, AVIF or HEIC"
MAX_PIXELS = 500_000_000
ORIENTATION = 0x0112  # EXIF tag
# Tags that say how the pixels lie in the file, with the profile, and XMP, which may hold a second
# orientation: true of the photo that was read, not of the one written.
STORAGE = [254, 255, 256, 257, 258, 259, 262, 266, 273, ORIENTATION, 277, 278, 279, 280, 281, 284]
STORAGE += [292, 293, 317, 320, 322, 323, 324, 325, 330, 332, 338, 339, 340, 341, 347, 512, 513]
STORAGE += [514, 529, 530, 531, 532, 700, 33723, 34377, 34675]
PNG_EXIF = (b"eXIf", b"profile type exif", b"com.adobe.xmp")  # what tells of EXIF in a PNG

Image.MAX_IMAGE_PIXELS = None  # replaced by the check against MAX_PIXELS below
# What matters of what libraries say of a file is raised, and told in a line of ours.
warnings.filterwarnings("ignore", module=r"PIL\.|tifffile")
for _library in ("PIL", "tifffile", "imagecodecs"):
    logging.getLogger(_library).disabled = True


class PhotoError(ValueError):
    """A file that cannot be used; the message is one line that names it and the remedy."""

    def __init__(self, message):
        super().__init__(one_line(message))


class Photo(NamedTuple):
    """A photo in memory.

    pixels: uint8 or uint16 `(H, W)` grey or `(H, W, 3)` sRGB, upright.
    alpha: `(H, W)` of the same dtype, or None.
    icc: the file's RGB colour profile as bytes, or None; the pixels are sRGB all the same.
    exif: the file's EXIF block as bytes, orientation taken out, or None.
    dpi: dots an inch across and down, as the file says, or None.
    comment: a JPEG's, bytes, or None.
    notes: what a person should be told of it, sentences without a full stop.
    pictures: how many the file holds.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None = None
    icc: bytes | None = None
    exif: bytes | None = None
    dpi: tuple | None = None
    comment: bytes | None = None
    notes: tuple = ()
    pictures: int = 1


class Found(NamedTuple):
    """What lies in files and folders.

    photos: `(file, name)` pairs sorted by file; `name` is the path relative to the folder that was
        searched, `/` between its parts.
    unopened: `(name, line)` for each folder that cannot be opened, the line telling why.
    others: how many files of each suffix are of kinds that are not read.
    """

    photos: list
    unopened: list
    others: Counter

    def not_read(self):
        """The kinds that are not read and their counts as one line, "" if there are none."""
        kinds = ", ".join(f"{number} {kind}" for kind, number in self.others.most_common())
        return kinds and f"not read: {kinds}"


def search(sources):
    """What files and folders hold, as `Found`.

    Hidden files and folders are left out, linked folders are counted and not entered. A file that
    was named itself is taken whatever its suffix. A dead link with a photo's suffix is a photo:
    whoever put it there expects one, and reading it says what is wrong.

    Raises:
        PhotoError: a source that does not exist.
    """
    photos, unopened, others = {}, [], Counter()

    for source in map(Path, sources):
        if source.is_dir():

            def closed(error, source=source):
                line = f"{error.filename}: cannot be opened ({error.strerror}); left out"
                unopened.append((Path(error.filename).relative_to(source).as_posix(), line))

            for folder, folders, names in os.walk(source, onerror=closed):
                folders[:] = [name for name in folders if not name.startswith(".")]
                linked = sum(os.path.islink(os.path.join(folder, name)) for name in folders)
                others += Counter({"linked folder": linked})
                for file in (Path(folder, name) for name in names if not name.startswith(".")):
                    suffix = file.suffix.lower()
                    if suffix not in SUFFIXES:
                        others[suffix or "without suffix"] += 1
                    elif _is_special(file):
                        others["special file"] += 1
                    else:
                        photos[file] = file.relative_to(source).as_posix()
        elif source.exists():
            photos[source] = source.name
        else:
            raise PhotoError(f"{source}: no such file or folder; check the path")
    return Found(sorted(photos.items()), unopened, others)


def _is_special(file):
    # A pipe would be waited for.
    try:
        return not stat.S_ISREG(file.stat().st_mode)
    except OSError:
        return False


def find_photos(sources):
    """The photo files among files and folders, as `(file, name)` pairs: those of `search`."""
    return search(sources).photos


def _format(data):
    """Pillow's name for the format of a file's bytes, or None."""
    if data[4:8] == b"ftyp":
        brands = data[8 : min(64, int.from_bytes(data[:4]))].decode("ascii", "replace")
        # A file is of its most special brand: mif1 alone may be anything.
        return next((BRANDS[brand] for brand in BRANDS if brand in brands), None)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    return next((kind for start, kind in STARTS.items() if data.startswith(start)), None)


def _open(kind, data):
    """Pillow's image of a file, with no more than its header read."""
    Image.init()
    if kind == "HEIF" and kind not in Image.OPEN:
        import pillow_heif

        pillow_heif.register_heif_opener()
    factory, _ = Image.OPEN[kind]
    return factory(io.BytesIO(data), None)  # Image.open would keep the reason to itself


def _pictures(image):
    if image.format == "MPO":  # a phone's JPEG with a preview behind it
        return 1
    try:
        return getattr(image, "n_frames", 1)
    except Exception:  # damaged behind the first
        return 1


def _exif(kind, data, image):
    """Orientation and EXIF block of a file, without what tells how the pixels lie, or None."""
    orientation = 1
    if kind == "PNG" and not any(mark in data for mark in PNG_EXIF):
        return orientation, None  # Pillow would decode it all to be sure
    try:
        exif = Image.Exif() if kind == "TIFF" else image.getexif()
        if kind == "TIFF":
            exif.load(data)  # an EXIF block is a TIFF file without a picture
        orientation = exif.get(ORIENTATION, 1)
        for tag in STORAGE:
            exif.pop(tag, None)
        return orientation, exif.tobytes() if len(exif) else None
    # Cut off, or entries that contradict their own types: the photo is whole without them.
    except Exception:
        return orientation, None


def _dpi(exif, image):
    """Dots an inch across and down, by Pillow's image or else by the EXIF block of a TIFF."""
    if image is not None:
        found = image.info.get("dpi")
    else:
        tags = Image.Exif()
        tags.load(exif or b"")
        inches = {2: 1, 3: 2.54}.get(tags.get(0x0128, 2))
        found = inches and [inches * tags.get(tag, 0) for tag in (0x011A, 0x011B)]
    try:
        sides = tuple(float(side) for side in found)
        return sides if len(sides) == 2 and 1 <= min(sides) and max(sides) < 1e5 else None
    except (TypeError, ValueError, ZeroDivisionError):  # none, or of no sense
        return None


def _split(pixels, alpha):
    """Colours and alpha of `(H, W)` or `(H, W, channels)`, alpha being the last channel."""
    colours, alpha = (pixels[..., :-1], pixels[..., -1]) if alpha else (pixels, None)
    return colours[..., 0] if colours.ndim == 3 and colours.shape[2] == 1 else colours, alpha


def _decode(kind, data, image):
    """Pixels, grey, RGB or CMYK, and alpha of a file that Pillow has opened."""
    if kind == "PNG" and image.tell() == 0:  # strictly, and at 16 bits
        pixels = imagecodecs.png_decode(data)
        return _split(pixels, pixels.ndim == 3 and pixels.shape[2] in (2, 4))
    if kind == "JPEG2000":
        bits = data[data.index(b"\xff\x4f\xff\x51") + 42] + 1  # of the first channel
        if bits > 16:
            raise Unsupported("signed numbers or over 16 bits")
        if bits > 8:  # which Pillow cuts to 8
            pixels = imagecodecs.jpeg2k_decode(data)
            levels = np.round(np.linspace(0, 65535, 2**bits)).astype(np.uint16)
            return _split(levels[pixels], image.mode in ("LA", "RGBA"))
    if image.mode == "CMYK":
        return np.asarray(image), None
    alpha = image.has_transparency_data
    mode = "L" if image.mode in ("1", "L", "LA", "La") else "RGB"
    return _split(np.asarray(image.convert(mode + "A" * alpha)), alpha)


def _profile(kind, data, image):
    if kind != "JPEG2000":
        return image.info.get("icc_profile")
    at = data.find(b"colr\2")  # the box of a profile, which Pillow passes over
    size = int.from_bytes(data[at - 4 : at]) if at > 4 else 0
    return data[at + 7 : at - 4 + size] if size > 7 else None


def _upright(pixels, orientation):
    if orientation in (5, 6, 7, 8):
        pixels = np.swapaxes(pixels, 0, 1)
    flips = {2: (1,), 3: (0, 1), 4: (0,), 6: (1,), 7: (0, 1), 8: (0,)}
    return np.ascontiguousarray(np.flip(pixels, flips.get(orientation, ())))


def _read(kind, data, number, check, short):
    """The picture of that number in a file's bytes, as a `Photo`; `check` as in `tiff.read`,
    `short` as in `read_photo`."""
    image = None
    if kind == "TIFF":
        pixels, alpha, icc, orientation, bits, pictures = tiff.read(data, number, check)
        _, exif = _exif(kind, data, None)
    else:
        if kind == "JPEG":
            data += jpeg.END  # one that lacks no more than this is whole
        image = _open(kind, data)
        check(image.width, image.height)
        pictures = _pictures(image)
        if kind == "JPEG":
            jpeg.check(data)
        if short and image.format in ("JPEG", "MPO"):
            scale = short / min(image.size)
            image.draft(None, [math.ceil(side * scale) for side in image.size])
        if number:  # the first is the one that the file opens with, wherever it lies
            image.seek([n for n in range(pictures) if n != image.tell()][number - 1])
        bits = 1 if image.mode == "1" else 8
        pixels, alpha = _decode(kind, data, image)
        icc = _profile(kind, data, image)
        orientation, exif = _exif(kind, data, image)
    dpi = _dpi(exif, image)
    notes = ["1 bit: black and white take no colour; scan it in grey"] if bits == 1 else []
    pixels, icc, note = profiles.to_srgb(pixels, icc)
    return Photo(
        _upright(pixels, orientation),
        None if alpha is None else _upright(alpha, orientation),
        icc,
        exif,
        dpi[::-1] if dpi and orientation in (5, 6, 7, 8) else dpi,
        None if image is None else image.info.get("comment"),
        (*notes, note) if note else tuple(notes),
        pictures,
    )


def read_photo(path, most=None, number=0, short=None):
    """A photo file as a `Photo`: upright, sRGB, its depth, alpha, profile, EXIF and dots an inch kept.

    JPEG, PNG, WebP, TIFF, BMP, GIF, JPEG 2000, AVIF, and HEIC where pillow-heif is installed; 1 to
    16 bits; grey, palette, RGB, CMYK; with alpha. A colour profile is followed, see `profiles`.

    Args:
        path: of the file.
        most: pixels; a larger photo is refused by its header. By default `MAX_PIXELS`.
        number: which of several pictures, from 0; previews and thumbnails are not counted.
        short: pixels; a JPEG may be read at a half, a quarter or an eighth of its size, which
            takes so much less memory, as long as its short side keeps so many.

    Raises:
        PhotoError: missing, empty, damaged or truncated, too large, or of another kind.
    """
    path, most = Path(path), MAX_PIXELS if most is None else most
    try:
        data = path.read_bytes()
    except OSError as error:
        raise PhotoError(f"{path}: cannot be read ({error.strerror}); check the file") from None
    if not data:
        raise PhotoError(f"{path}: the file is empty; fetch or export it again")
    kind = _format(data)
    if not kind:
        raise PhotoError(f"{path}: not a {NAMED} photo; convert it to one of these")

    def check(width, height):
        if width * height > most:
            size, limit = f"{width}x{height}", most // 10**6
            raise PhotoError(f"{path}: {size} is over {limit} megapixels; make it smaller first")

    try:
        return _read(kind, data, number, check, short)
    except PhotoError:
        raise
    except ModuleNotFoundError as error:
        raise PhotoError(
            f"{path}: {kind} needs {error.name}; install it: pip install -e '.[heif]'"
        ) from None
    except MemoryError:
        raise PhotoError(
            f"{path}: needs more memory than there is; make it smaller first"
        ) from None
    # Pillow, tifffile, imagecodecs and struct each have their own words for a damaged file.
    except Exception as error:
        said = reason(error)
        if isinstance(error, (Unsupported, NotImplementedError)) or any(
            word in said.lower() for word in ("unsupported", "not supported", "cannot handle")
        ):
            raise PhotoError(
                f"{path}: a {kind} of a kind that is not read ({said}); save it as 8- or 16-bit "
                "grey or RGB"
            ) from None
        raise PhotoError(
            f"{path}: damaged or cut short ({said}); fetch or export it again"
        ) from None


def write_photo(path, photo, quality=95):
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
