"""Photo files to arrays and back: every format, depth and channel count people bring."""

import io
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
import numpy as np
import tifffile
from PIL import Image, ImageCms, TiffImagePlugin, UnidentifiedImageError

from colornet import profiles
from colornet.files import FULL, NoRoom, atomic

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp")
FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP")
TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
STARTS = (b"\xff\xd8\xff", b"\x89PNG", b"RIFF", b"BM", *TIFF_STARTS)
MAX_PIXELS = 500_000_000
ORIENTATION = 0x0112  # EXIF tag
# Tags that say how the pixels lie in the file, with the profile, and XMP, which may hold a second
# orientation: true of the photo that was read, not of the one written.
STORAGE = [254, 255, 256, 257, 258, 259, 262, 266, 273, ORIENTATION, 277, 278, 279, 280, 281, 284]
STORAGE += [292, 293, 317, 320, 322, 323, 324, 325, 330, 332, 338, 339, 340, 341, 347, 512, 513]
STORAGE += [514, 529, 530, 531, 532, 700, 33723, 34377, 34675]
SRGB = ImageCms.createProfile("sRGB")

Image.MAX_IMAGE_PIXELS = None  # replaced by the check against MAX_PIXELS below


class PhotoError(ValueError):
    """A file that cannot be used; the message is one line that names it and the remedy."""


class Photo(NamedTuple):
    """A photo in memory.

    pixels: uint8 or uint16 `(H, W)` grey or `(H, W, 3)` sRGB, upright.
    alpha: `(H, W)` of the same dtype, or None.
    icc: the file's RGB colour profile as bytes, or None; the pixels are sRGB all the same.
    exif: the file's EXIF block as bytes, orientation taken out, or None.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None = None
    icc: bytes | None = None
    exif: bytes | None = None


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


def _check(path, width, height, pictures, most):
    if pictures != 1:
        raise PhotoError(f"{path}: holds {pictures} pictures; save the one you want by itself")
    if width * height > most:
        raise PhotoError(
            f"{path}: {width}x{height} is over {most // 10**6} megapixels; make it "
            "smaller first"
        )


def _open(path, data, most):
    """Pillow's image of a file, with no more than its header read."""
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError:
        if data.startswith(TIFF_STARTS):
            raise PhotoError(
                f"{path}: a TIFF of a rare kind; save it as 8- or 16-bit grey or RGB"
            ) from None
        if data.startswith(STARTS):
            raise
        raise PhotoError(
            f"{path}: not a JPEG, PNG, WebP, TIFF or BMP photo; convert it to one of these"
        ) from None
    # MPO is a phone's JPEG with a preview behind it; a TIFF's pages were counted by tifffile.
    pictures = 1 if image.format in ("MPO", "TIFF") else getattr(image, "n_frames", 1)
    _check(path, image.width, image.height, pictures, most)
    return image


def _exif(tiff, image):
    """Orientation and EXIF block of a TIFF's bytes or else of Pillow's image.

    The block is without what tells how the pixels lie, or None.
    """
    orientation = 1
    try:
        exif = Image.Exif() if tiff else image.getexif()
        if tiff:
            exif.load(tiff)  # an EXIF block is a TIFF file without a picture
        orientation = exif.get(ORIENTATION, 1)
        for tag in STORAGE:
            exif.pop(tag, None)
        return orientation, exif.tobytes() if len(exif) else None
    # Cut off, or entries that contradict their own types: the photo is whole without them.
    except Exception:
        return orientation, None


def _decode8(image):
    """Pillow's image as 8-bit L, LA, RGB or RGBA, in sRGB, with the profile to go back by."""
    icc = image.info.get("icc_profile")
    transparent = image.has_transparency_data
    kind = "L" if image.mode in ("1", "L", "LA", "La") else "RGB"
    target = kind + ("A" if transparent else "")
    if image.mode not in ("L", "RGB", "CMYK") or transparent:
        image = image.convert(target)
    if icc:
        try:
            image = _to_srgb(image, icc)
            # A scanner's profile may know no way back: its photo stays in sRGB.
            _from_srgb(Image.new("RGB", (1, 1)), icc)
        except (ImageCms.PyCMSError, OSError):
            icc = None  # grey, CMYK, or broken: then the numbers are taken as sRGB
    return image if image.mode == target else image.convert(target), icc


def _is_srgb(profile):
    """Whether a profile is sRGB in all but name."""
    levels = np.linspace(0, 255, 9).astype(np.uint8)
    probe = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(27, 27, 3)
    seen = ImageCms.profileToProfile(Image.fromarray(probe), profile, SRGB)
    return np.abs(np.asarray(seen).astype(int) - probe).max() <= 2


def _to_srgb(image, icc):
    profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
    space = profile.profile.xcolor_space.strip()
    mode = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}.get(space)
    alpha = image.getchannel("A") if image.mode in ("LA", "RGBA") else None
    base = image.convert(image.mode.removesuffix("A")) if alpha else image
    # A profile of another kind than the pixels is no use; viewers pass over it too.
    if base.mode != mode or space == "RGB" and _is_srgb(profile):
        return image
    if space == "GRAY":  # LittleCMS would interpolate, up to ten levels off in the dark
        levels = np.arange(256, dtype=np.uint16)[None] * 257
        out = base.point(np.round(profiles.to_srgb(levels, icc)[0][0] / 257).astype(int).tolist())
    else:
        out = ImageCms.profileToProfile(base, profile, SRGB, outputMode="RGB")
    if alpha:
        out.putalpha(alpha)
    return out


def _decode_png16(data, image):
    """Pixels and alpha of a 16-bit PNG, which Pillow cuts to 8 bits."""
    image.load()  # for its checks: OpenCV passes over what is missing
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.dtype != np.uint16:
        raise OSError("not readable at 16 bits")
    if pixels.ndim == 3:
        pixels = pixels[..., [2, 1, 0, 3][: pixels.shape[-1]]]
    grey, has_alpha = data[25] in (0, 4), data[25] in (4, 6)  # the header's colour type
    alpha = pixels[..., -1] if has_alpha else None
    colours = pixels[..., :3] if pixels.ndim == 3 else pixels
    clear = image.info.get("transparency")  # one colour that stands for nothing
    if clear is not None and not has_alpha:
        there = colours != np.asarray(clear, np.uint16)
        there = there.any(axis=-1) if there.ndim == 3 else there
        alpha = np.where(there, np.uint16(65535), np.uint16(0))
    return colours[..., 0] if grey and colours.ndim == 3 else colours, alpha


def _deep_tiff(path, data, most):
    """Pixels, alpha and profile of a 16-bit TIFF, or None where Pillow reads it in full."""
    with tifffile.TiffFile(io.BytesIO(data)) as tiff:
        page = tiff.pages[0]
        # Pictures marked as reduced are previews of the first.
        others = sum(not other.is_reduced for other in tiff.pages[1:])
        _check(path, page.imagewidth, page.imagelength, 1 + others, most)
        bits = np.max(page.bitspersample)
        if bits <= 8:
            return None
        kinds = tifffile.PHOTOMETRIC
        colours = {kinds.MINISWHITE: 1, kinds.MINISBLACK: 1, kinds.RGB: 3}.get(page.photometric)
        if page.dtype != np.uint16 or bits != 16 or not colours:
            kind = getattr(page.photometric, "name", page.photometric)
            kind = {1: "grey", 3: "RGB"}.get(colours, "CMYK" if kind == "SEPARATED" else kind)
            raise PhotoError(
                f"{path}: {bits}-bit {kind} ({page.dtype}); save it as 8- or 16-bit grey or RGB"
            )
        packing = getattr(page.compression, "name", page.compression)
        if packing == "LZW":  # tifffile leaves it to a package of its own
            pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
            if pixels is None:
                raise OSError("LZW")
            if pixels.ndim == 3:
                pixels = pixels[..., [2, 1, 0, 3][: pixels.shape[-1]]]
        elif packing in ("NONE", "ADOBE_DEFLATE", "DEFLATE", "PACKBITS"):
            pixels = page.asarray()
            if page.planarconfig == 2 and pixels.ndim == 3:
                pixels = np.moveaxis(pixels, 0, -1)
        else:
            raise PhotoError(f"{path}: {packing} at 16 bits; save it with LZW or no compression")
        pixels = pixels.reshape(page.imagelength, page.imagewidth, -1)
        icc = page.tags.get(34675)
        extra = page.extrasamples[0] if page.extrasamples else 0
        if pixels.shape[-1] < colours + bool(extra):
            raise PhotoError(f"{path}: a TIFF of a rare kind; save it uncompressed")
        white = page.photometric == kinds.MINISWHITE
    alpha = pixels[..., colours] if extra in (1, 2) else None
    pixels = pixels[..., 0] if colours == 1 else pixels[..., :3]
    pixels = 65535 - pixels if white else pixels
    if extra == 1:  # colours were multiplied by alpha
        scale = np.maximum(alpha, 1).reshape(*alpha.shape, *[1] * (pixels.ndim - 2))
        pixels = np.minimum(np.round(pixels * (65535.0 / scale)), 65535).astype(np.uint16)
    return pixels, alpha, icc and bytes(icc.value)


def _upright(pixels, orientation):
    if orientation in (5, 6, 7, 8):
        pixels = np.swapaxes(pixels, 0, 1)
    flips = {2: (1,), 3: (0, 1), 4: (0,), 6: (1,), 7: (0, 1), 8: (0,)}
    return np.ascontiguousarray(np.flip(pixels, flips.get(orientation, ())))


def _decode(path, data, most, short):
    tiff = data.startswith(TIFF_STARTS)
    deep = _deep_tiff(path, data, most) if tiff else None
    if deep:
        image = None
        pixels, alpha, icc = deep
    else:
        image = _open(path, data, most)
        if short and image.format in ("JPEG", "MPO"):
            scale = short / min(image.size)
            image.draft(None, [math.ceil(side * scale) for side in image.size])
        if image.format == "PNG" and data[24] == 16:  # the header's bit depth
            pixels, alpha = _decode_png16(data, image)
            icc = image.info.get("icc_profile")
        else:
            image.load()
            decoded, icc = _decode8(image)
            pixels, alpha = np.asarray(decoded), None
            if decoded.mode in ("LA", "RGBA"):
                alpha, pixels = pixels[..., -1], pixels[..., :-1]
                pixels = pixels[..., 0] if decoded.mode == "LA" else pixels
    orientation, exif = _exif(data if tiff else None, image)
    if tiff and not deep:
        orientation = 1  # Pillow has turned it
    if icc and pixels.dtype == np.uint16:
        pixels, icc = profiles.to_srgb(pixels, icc)
    return Photo(
        _upright(pixels, orientation),
        None if alpha is None else _upright(alpha, orientation),
        icc,
        exif,
    )


def read_photo(path, most=None, short=None):
    """A photo file as a `Photo`: upright, sRGB, its depth, alpha, profile and EXIF kept.

    JPEG, PNG, WebP, TIFF and BMP; 1, 8 and 16 bits; grey, palette, RGB, CMYK; with alpha. A
    colour profile is followed: by LittleCMS at 8 bits; at 16 bits by `profiles`, which knows
    those made of curves and a matrix and takes the numbers as sRGB under any other.

    Args:
        path: of the file.
        most: pixels; a larger photo is refused by its header. By default `MAX_PIXELS`.
        short: pixels; a JPEG may be read at a half, a quarter or an eighth of its size, which
            takes so much less memory, as long as its short side keeps so many.

    Raises:
        PhotoError: missing, empty, damaged or truncated, too large, or of another kind.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise PhotoError(f"{path}: cannot be read ({error.strerror}); check the file") from None
    if not data:
        raise PhotoError(f"{path}: the file is empty; fetch or export it again")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what matters is raised
            return _decode(path, data, MAX_PIXELS if most is None else most, short)
    except PhotoError:
        raise
    # Pillow, zlib, tifffile and struct each have their own words for a damaged file.
    except Exception as error:
        reason = "header" if isinstance(error, UnidentifiedImageError) else _reason(error)
        raise PhotoError(
            f"{path}: damaged or cut short ({reason}); fetch or export it again"
        ) from None


def _reason(error):
    return " ".join(str(error).split())[:100] or type(error).__name__


def _from_srgb(image, icc):
    """8-bit sRGB pixels into the photo's own RGB profile, the way back from `_to_srgb`."""
    profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
    if _is_srgb(profile):
        return image
    return ImageCms.profileToProfile(image, SRGB, profile)


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
    if suffix not in SUFFIXES:
        raise PhotoError(f"{path}: no photo format; choose one of {', '.join(SUFFIXES)}")
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
        reason = getattr(error, "strerror", None) or _reason(error)
        raise PhotoError(
            f"{path}: cannot be written ({reason}); choose another place or format"
        ) from None


def _write8(path, photo, suffix, quality):
    image = Image.fromarray(photo.pixels)
    if photo.icc and image.mode == "RGB" and suffix != ".bmp":
        image = _from_srgb(image, photo.icc)
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
