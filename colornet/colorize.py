"""Any photo, any size: chroma from a network, lightness from the photo itself."""

import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
from keras import ops
from PIL import Image
from tqdm import tqdm

from colornet import lab
from colornet.photos import SUFFIXES, Photo, PhotoError, find_photos, read_photo, write_photo

SHORT_SIDE = 256  # what the networks were trained at
LONG_SIDE = 1024  # bounds the work on panoramas
MULTIPLE = 32  # of which every network takes its height and width
STRIP = 1 << 20  # pixels composed at a time


def _working_size(network, height, width):
    """The height and width at which a network sees a photo."""
    fixed = network.input_shape[1:3]
    if None not in fixed:
        return fixed
    scale = SHORT_SIDE / min(height, width)
    return [
        int(min(LONG_SIDE, max(MULTIPLE, round(side * scale / MULTIPLE) * MULTIPLE)))
        for side in (height, width)
    ]


def _unit(pixels):
    """uint8 or uint16 pixels, grey `(H, W)` or RGB, as float32 RGB in [0, 1]."""
    values = pixels.astype(np.float32) / np.iinfo(pixels.dtype).max
    return values if values.ndim == 3 else np.repeat(values[..., None], 3, axis=-1)


def _lightness(pixels):
    """L of pixels, float32 `(..., 1)`."""
    return ops.convert_to_numpy(lab.rgb_to_lab(_unit(pixels)))[..., :1]


def predict_ab(network, pixels):
    """A network's colours for a photo, at the network's own resolution.

    The photo is resized, then brought to L by the code that training uses. Its colours, where
    it has any, are not seen.

    Args:
        network: a Keras model from L to ab.
        pixels: uint8 or uint16 `(H, W)` or `(H, W, 3)`.

    Returns:
        ab in Lab units, float32 `(h, w, 2)`; h and w near 256, aspect kept.
    """
    height, width = _working_size(network, *pixels.shape[:2])
    shrinks = height * width <= pixels.shape[0] * pixels.shape[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    small = cv2.resize(pixels, (width, height), interpolation=method)
    L, _ = lab.to_network(lab.rgb_to_lab(_unit(small)))
    ab = network(L[None], training=False)[0]
    return ops.convert_to_numpy(lab.from_network(L, ab))[..., 1:]


def compose(pixels, ab):
    """Gives a photo the colours ab, bicubically enlarged, at the photo's own L.

    Works in strips, so that memory beyond the photo and its result stays small.

    Args:
        pixels: uint8 or uint16 `(H, W)` or `(H, W, 3)`.
        ab: Lab units, float32 `(h, w, 2)` of any height and width.

    Returns:
        sRGB `(H, W, 3)` of the dtype of `pixels`. Colours that sRGB cannot show at that L
        lose chroma.
    """
    height, width = pixels.shape[:2]
    peak = np.iinfo(pixels.dtype).max
    result = np.empty((height, width, 3), pixels.dtype)
    # Row weights of the bicubic enlargement, so that a strip knows its neighbours.
    identity = np.eye(len(ab), dtype=np.float32)
    rows = cv2.resize(identity, (len(ab), height), interpolation=cv2.INTER_CUBIC)
    rows = rows.reshape(height, len(ab))
    step = max(1, STRIP // width)
    if pixels.ndim == 2:  # each level of grey once instead of each pixel
        levels = _lightness(np.arange(peak + 1, dtype=pixels.dtype)[None])[0]
    for top in range(0, height, step):
        strip = pixels[top : top + step]
        colours = (rows[top : top + step] @ ab.reshape(len(ab), -1)).reshape(
            len(strip), -1, 2
        )
        colours = cv2.resize(colours, (width, len(strip)), interpolation=cv2.INTER_CUBIC)
        L = levels[strip] if pixels.ndim == 2 else _lightness(strip)
        wanted = np.concatenate([L, colours.reshape(*L.shape[:2], 2)], axis=-1)
        outside = ~ops.convert_to_numpy(lab.in_gamut(wanted))
        if outside.any():
            wanted[outside] = ops.convert_to_numpy(lab.fit_gamut(wanted[outside]))
        rgb = ops.convert_to_numpy(lab.lab_to_rgb(wanted, fitted=True))
        result[top : top + step] = np.round(rgb * peak).astype(pixels.dtype)
    return result


def colorize(network, photo):
    """A `Photo` in colour: its own size, depth, L, alpha, profile and EXIF.

    Args:
        network: a Keras model from L to ab, see `models.load`.
        photo: a `Photo`; if it has colours, they are replaced.

    Returns:
        A `Photo` with pixels `(H, W, 3)`.
    """
    pixels = compose(photo.pixels, predict_ab(network, photo.pixels))
    return Photo(pixels, photo.alpha, photo.icc, photo.exif)


def _targets(sources, out):
    """Pairs of photo and result path.

    Raises:
        PhotoError: a missing source, an unfit `out`, two photos that would get the same result
            file, or a result that would replace a photo.
    """
    out = Path(out)
    photos = find_photos(sources)
    single = len(sources) == 1 and not Path(sources[0]).is_dir()
    pairs = {}
    if single and not out.is_dir() and out.suffix.lower() in Image.registered_extensions():
        if out.suffix.lower() not in SUFFIXES:
            raise PhotoError(f"{out}: no photo format; choose one of {', '.join(SUFFIXES)}")
        pairs[out] = photos[0][0]
    elif out.exists() and not out.is_dir():
        raise PhotoError(f"{out}: is a file; give -o a folder, or, for one photo, a new.png")
    else:
        for file, name in photos:
            searched = file.parents[name.count("/")].resolve()
            if searched in out.resolve().parents and out.resolve() in file.resolve().parents:
                continue  # the result of an earlier run, in a folder inside the source
            target = out / name
            if target.suffix.lower() not in SUFFIXES:
                target = target.with_name(target.name + ".png")
            if target in pairs:
                raise PhotoError(f"{file}: {pairs[target]} has the same name; colour them apart")
            pairs[target] = file
    # By device and number, so that links and other spellings of a path are seen through.
    inputs = {(file.stat().st_dev, file.stat().st_ino) for file in pairs.values() if file.exists()}
    for target, file in pairs.items():
        if target.exists() and (target.stat().st_dev, target.stat().st_ino) in inputs:
            raise PhotoError(f"{target}: is a photo to be coloured; choose another place for -o")
    return [(file, target) for target, file in pairs.items()]


def colorize_files(network, sources, out, force=False, quality=95):
    """Colours photo files into a file or a folder.

    A folder's results keep the names and subfolders of its photos. A bad file is reported on
    stderr and the rest goes on.

    Args:
        network: a Keras model from L to ab.
        sources: files and folders.
        out: a photo file for one photo, else a folder.
        force: colour again where the result is there already.
        quality: of JPEG results, 1 to 100.

    Returns:
        A dict of lists of paths, `done`, `kept` (there already) and `failed`.

    Raises:
        PhotoError: before any work: nothing to colour, a missing source, clashing names, or an
            `out` that cannot be written or would replace a photo.
    """
    if not 1 <= quality <= 100:
        raise PhotoError(f"quality {quality}: choose one from 1 to 100")
    pairs = _targets(sources, out)
    if not pairs:
        raise PhotoError(f"{sources[0]}: no photos found; looked for {', '.join(SUFFIXES)}")
    folder = Path(out).parent if pairs[0][1] == Path(out) else Path(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise PhotoError(
            f"{folder}: cannot be written ({error.strerror}); choose another place"
        ) from None
    report = dict(done=[], kept=[], failed=[])
    for file, target in tqdm(pairs, unit="photo", disable=len(pairs) == 1):
        try:
            if target.is_dir():
                raise PhotoError(f"{target}: is a folder; choose another place for -o")
            if target.exists() and not force:
                report["kept"].append(target)
                continue
            write_photo(target, colorize(network, read_photo(file)), quality)
            report["done"].append(target)
        except PhotoError as error:
            tqdm.write(f"colornet: {error}", file=sys.stderr)
            report["failed"].append(file)
    return report
