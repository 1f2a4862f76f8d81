"""Photo files to arrays: every format, depth and channel count people bring."""

import hashlib
import io
import logging
import math
import os
import warnings
from pathlib import Path

import imagecodecs
import numpy as np
from PIL import Image, ImageOps

from colornet.errors import PhotoError, Unsupported, reason
from colornet.photos import jpeg, metadata, profiles, tiff
from colornet.photos.photo import Photo

# Pillow's names of the formats by how their files begin.
STARTS = {b"\xff\xd8\xff": "JPEG", b"\x89PNG": "PNG", b"BM": "BMP", b"GIF8": "GIF"}
STARTS |= {b"\0\0\0\x0cjP  ": "JPEG2000", b"\xff\x4f\xff\x51": "JPEG2000"}
STARTS |= dict.fromkeys(tiff.STARTS, "TIFF")
BRANDS = dict(avif="AVIF", avis="AVIF", heic="HEIF", heix="HEIF", hevc="HEIF", hevx="HEIF")
BRANDS |= dict(heim="HEIF", heis="HEIF", mif1="HEIF", msf1="HEIF")
NAMED = "JPEG, PNG, WebP, TIFF, BMP, GIF, JPEG 2000, AVIF or HEIC"
PROFILE_BOX = b"colr", b"\2"
MAX_PIXELS = 500_000_000
Image.MAX_IMAGE_PIXELS = None  # replaced by the check against MAX_PIXELS below
# What matters of what libraries say of a file is raised, and told in a line of ours.
warnings.filterwarnings("ignore", module=r"PIL\.|tifffile")
for _library in ("PIL", "tifffile", "imagecodecs"):
    logging.getLogger(_library).disabled = True


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
    # In a box that Pillow passes over.
    profiles = (body[3:] for box, body in metadata.boxes(data) if (box, body[:1]) == PROFILE_BOX)
    return next(profiles, None)


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
        pixels, alpha, icc, orientation, bits, pictures, tags = tiff.read(data, number, check)
        known, _ = metadata.read(kind, data, None, tags)
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
        known, orientation = metadata.read(kind, data, image, {})
    notes = ["1 bit: black and white take no colour; scan it in grey"] if bits == 1 else []
    pixels, icc, of_profile = profiles.to_srgb(pixels, icc)
    pixels = _upright(pixels, orientation)
    known, of_exif = metadata.upright(known, orientation, *pixels.shape[1::-1])
    return Photo(
        pixels,
        None if alpha is None else _upright(alpha, orientation),
        icc,
        known,
        (*notes, *filter(None, (of_profile, of_exif))),
        pictures,
    )


def read_photo(
    path: str | os.PathLike, most: int | None = None, number: int = 0, short: int | None = None
) -> Photo:
    """A photo file as a `Photo`: upright, sRGB; depth, alpha, profile and `Metadata` stay.

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
        photo = _read(kind, data, number, check, short)
        return photo._replace(sha256=hashlib.sha256(data).hexdigest())
    except PhotoError:
        raise
    except ModuleNotFoundError as error:
        raise PhotoError(
            f"{path}: {kind} needs {error.name}; install it: pip install 'colornet[heif]'"
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


def _of_image(image):
    """A `Photo` of a PIL image."""
    if not isinstance(image, Image.Image):
        raise ValueError(f"{type(image).__name__}: give a path, a PIL image or an array")
    image = ImageOps.exif_transpose(image)
    deep = image.mode.startswith("I;16")
    pixels, alpha = (np.asarray(image), None) if deep else _decode(None, b"", image)
    pixels, icc, _ = profiles.to_srgb(pixels, image.info.get("icc_profile"))
    return Photo(pixels, alpha, icc)


def _of_array(pixels):
    """A `Photo` of an array."""
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    if pixels.dtype not in (np.uint8, np.uint16) or pixels.ndim not in (2, 3) or channels > 4:
        shape = "x".join(map(str, pixels.shape))
        raise ValueError(
            f"an array of {pixels.dtype}, {shape}: give uint8 or uint16, (H, W) grey or (H, W, 3) "
            "RGB, with one channel more for alpha"
        )
    return Photo(*_split(pixels, channels in (2, 4)))


Source = Photo | str | os.PathLike | Image.Image | np.ndarray


def as_photo(source: Source) -> Photo:
    """A `Photo` of what people have: a `Photo`, a path, a PIL image, or an array.

    Args:
        source: arrays are uint8 or uint16, `(H, W)` grey or `(H, W, 3)` sRGB, with one channel
            more for alpha.

    Raises:
        PhotoError: see `read_photo`.
        ValueError: something else.
    """
    if isinstance(source, Photo):
        return source
    if isinstance(source, (str, os.PathLike)):
        return read_photo(source)
    return _of_array(source) if isinstance(source, np.ndarray) else _of_image(source)
