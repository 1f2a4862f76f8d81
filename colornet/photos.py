"""Photo files to arrays and back: every format, depth and channel count people bring."""

import io
import struct
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import tifffile
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from colornet.files import atomic

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp")
FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP")
MAX_PIXELS = 500_000_000
ORIENTATION = 0x0112  # EXIF tag

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


def find_photos(sources):
    """The photo files named by files and folders, as `(file, name)` pairs sorted by file.

    `name` is the path relative to the folder that was searched, `/` between its parts. Hidden
    files are left out. A file that was named itself is taken whatever its suffix.

    Raises:
        PhotoError: a source that does not exist.
    """
    found = {}
    for source in map(Path, sources):
        if source.is_dir():
            for file in source.rglob("*"):
                name = file.relative_to(source)
                hidden = any(part.startswith(".") for part in name.parts)
                if file.suffix.lower() in SUFFIXES and not hidden and file.is_file():
                    found[file] = name.as_posix()
        elif source.exists():
            found[source] = source.name
        else:
            raise PhotoError(f"{source}: no such file or folder; check the path")
    return sorted(found.items())


def _bits(image):
    """Bits a sample in the file; Pillow tells only what it would decode to."""
    if image.format == "PNG":
        image.fp.seek(24)  # the IHDR chunk's bit depth
        return image.fp.read(1)[0]
    if image.format == "TIFF":
        return max(image.tag_v2.get(258, (1,)))
    return 8


def _open(path, data):
    if not data:
        raise PhotoError(f"{path}: the file is empty; fetch or export it again")
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError:
        raise PhotoError(
            f"{path}: not a JPEG, PNG, WebP, TIFF or BMP photo; convert it to one of these"
        ) from None
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format != "MPO":  # MPO: a phone's JPEG with a preview behind it
        raise PhotoError(f"{path}: holds {frames} pictures; save the one you want by itself")
    if image.width * image.height > MAX_PIXELS:
        raise PhotoError(
            f"{path}: {image.width}x{image.height} is over {MAX_PIXELS // 10**6} megapixels; "
            "make it smaller first"
        )
    return image


def _decode8(image):
    """Pillow's image as 8-bit L, LA, RGB or RGBA, in sRGB, with the profile to go back by."""
    icc = image.info.get("icc_profile")
    transparent = image.has_transparency_data
    if image.mode in ("1", "L", "LA", "La"):
        kind = "L"
    else:
        kind = "RGB"
    target = kind + ("A" if transparent else "")
    if image.mode == "P" or "A" in target or image.mode in ("1", "YCbCr", "HSV"):
        image = image.convert("RGBA" if kind == "RGB" and transparent else target)
    if icc:
        try:
            profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
            space = profile.profile.xcolor_space.strip()
            image = _to_srgb(image, profile, space)
            icc = icc if space == "RGB" else None
        except (ImageCms.PyCMSError, OSError):
            icc = None  # a broken profile: the numbers are taken as sRGB
    return image if image.mode == target else image.convert(target), icc


def _to_srgb(image, profile, space):
    if space == "RGB" and "sRGB" in ImageCms.getProfileDescription(profile):
        return image
    mode = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}.get(space)
    alpha = image.getchannel("A") if image.mode in ("LA", "RGBA") else None
    base = image.convert(image.mode.removesuffix("A")) if alpha else image
    if base.mode != mode:
        return image
    out = ImageCms.profileToProfile(
        base, profile, ImageCms.createProfile("sRGB"), outputMode="RGB"
    )
    if mode == "L":  # grey stays one channel
        out = out.getchannel("G")
    if alpha:
        out.putalpha(alpha)
    return out


def _decode16(path, data, image):
    """16-bit PNG or TIFF, which Pillow would cut to 8 bits."""
    if image.format == "PNG":
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        if pixels is None:
            raise OSError("damaged")
        if pixels.ndim == 3:
            pixels = pixels[..., [2, 1, 0, 3][: pixels.shape[-1]]]
        channels = {0: 1, 2: 3, 4: 2, 6: 4}[data[25]]
    else:
        with tifffile.TiffFile(io.BytesIO(data)) as tiff:
            page = tiff.pages[0]
            pixels, channels = page.asarray(), page.samplesperpixel
            if pixels.ndim == 3 and page.planarconfig == 2:
                pixels = np.moveaxis(pixels, 0, -1)
            if page.photometric == tifffile.PHOTOMETRIC.MINISWHITE:
                pixels = 65535 - pixels
    if pixels.dtype != np.uint16 or channels > 4:
        raise PhotoError(
            f"{path}: {pixels.dtype} samples in {channels} channels; save it as 8- or 16-bit "
            "grey or RGB"
        )
    alpha = pixels[..., -1] if channels in (2, 4) else None
    if channels <= 2:
        return (pixels if pixels.ndim == 2 else pixels[..., 0]), alpha
    return pixels[..., :3], alpha


def _upright(pixels, orientation):
    if orientation in (5, 6, 7, 8):
        pixels = np.swapaxes(pixels, 0, 1)
    flips = {2: (1,), 3: (0, 1), 4: (0,), 6: (1,), 7: (0, 1), 8: (0,)}
    return np.ascontiguousarray(np.flip(pixels, flips.get(orientation, ())))


def read_photo(path):
    """A photo file as a `Photo`: upright, sRGB, its depth, alpha, profile and EXIF kept.

    JPEG, PNG, WebP, TIFF and BMP; 1, 8 and 16 bits; grey, palette, RGB, CMYK; with alpha. An
    8-bit photo with a colour profile is converted to sRGB by it; 16-bit numbers are taken as
    sRGB whatever the profile says.

    Raises:
        PhotoError: missing, empty, damaged or truncated, too large, or of another kind.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise PhotoError(f"{path}: cannot be read ({error.strerror})") from None
    image = _open(path, data)
    try:
        bits, exif = _bits(image), image.getexif()
        orientation = exif.pop(ORIENTATION, 1)
        if bits > 8:
            icc = image.info.get("icc_profile")
            pixels, alpha = _decode16(path, data, image)
        else:
            image.load()
            if image.mode in ("I", "F"):
                raise PhotoError(f"{path}: {image.mode} samples; save it as 8- or 16-bit")
            image, icc = _decode8(image)
            pixels, alpha = np.asarray(image), None
            if image.mode in ("LA", "RGBA"):
                alpha, pixels = pixels[..., -1], pixels[..., :-1]
                pixels = pixels[..., 0] if image.mode == "LA" else pixels
    except PhotoError:
        raise
    # Pillow, zlib, tifffile and struct each have their own words for a damaged file.
    except Exception as error:
        reason = str(error).split("\n")[0][:100]
        raise PhotoError(
            f"{path}: damaged or cut short ({reason}); fetch or export it again"
        ) from None
    return Photo(
        _upright(pixels, orientation),
        None if alpha is None else _upright(alpha, orientation),
        icc,
        exif.tobytes() if len(exif) else None,
    )


def _from_srgb(image, icc):
    """8-bit sRGB pixels into the photo's own RGB profile, the way back from `_to_srgb`."""
    profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
    if "sRGB" in ImageCms.getProfileDescription(profile):
        return image
    return ImageCms.profileToProfile(image, ImageCms.createProfile("sRGB"), profile)


def write_photo(path, photo, quality=95):
    """Writes a photo atomically, in the format that the suffix names.

    JPEG is written at `quality` without chroma subsampling, WebP losslessly; 16 bits a sample
    go to PNG and TIFF.

    Raises:
        PhotoError: a suffix that is no photo format or cannot hold alpha or 16 bits; a
            folder that cannot be written.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise PhotoError(f"{path}: no photo format; choose one of {', '.join(SUFFIXES)}")
    deep = photo.pixels.dtype == np.uint16
    if deep and suffix not in (".png", ".tif", ".tiff"):
        raise PhotoError(f"{path}: {suffix} cannot hold 16 bits; choose .png or .tif")
    if photo.alpha is not None and suffix in (".jpg", ".jpeg", ".bmp"):
        raise PhotoError(f"{path}: {suffix} cannot hold transparency; choose .png")
    try:
        with atomic(path) as temporary:
            (_write16 if deep else _write8)(temporary, photo, suffix, quality)
    except OSError as error:
        raise PhotoError(f"{path}: cannot be written ({error.strerror or error})") from None


def _write8(path, photo, suffix, quality):
    image = Image.fromarray(photo.pixels)
    if photo.icc and image.mode == "RGB":
        image = _from_srgb(image, photo.icc)
    if photo.alpha is not None:
        image.putalpha(Image.fromarray(photo.alpha))
    options = {
        ".png": dict(compress_level=4),
        ".webp": dict(lossless=True, quality=50),
        ".tif": dict(compression="tiff_deflate"),
        ".tiff": dict(compression="tiff_deflate"),
    }.get(suffix, dict(quality=quality, subsampling=0) if suffix != ".bmp" else {})
    if photo.icc and suffix != ".bmp":
        options["icc_profile"] = photo.icc
    if photo.exif and suffix != ".bmp":
        options["exif"] = photo.exif
    image.save(path, **options)


def _write16(path, photo, suffix, quality):
    pixels = photo.pixels
    if photo.alpha is not None:
        pixels = np.dstack([pixels, photo.alpha])
    if suffix != ".png":
        tifffile.imwrite(
            path,
            pixels,
            photometric="rgb" if pixels.ndim == 3 and pixels.shape[-1] > 2 else "minisblack",
            extrasamples=["unassalpha"] if photo.alpha is not None else None,
            compression="zlib",
            iccprofile=photo.icc,
        )
        return
    bgr = pixels[..., [2, 1, 0, 3][: pixels.shape[-1]]] if pixels.ndim == 3 else pixels
    data = cv2.imencode(".png", bgr)[1].tobytes()
    path.write_bytes(_with_profile(data, photo.icc) if photo.icc else data)


def _with_profile(png, icc):
    """PNG bytes with an iCCP chunk behind the header; OpenCV's encoder writes none."""
    import zlib

    body = b"iCCP" + b"icc\0\0" + zlib.compress(icc)
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    return png[:33] + chunk + png[33:]
