"""What workers do with photos: each function runs in a worker's process, on files of a folder."""

import base64
import json

import cv2
import numpy as np

from colornet.checksums import digest
from colornet.color import lab
from colornet.color.hints import as_hint
from colornet.inference.compose import without_colour
from colornet.inference.memory import Memory
from colornet.inference.palette import read_palette
from colornet.inference.repair import find_damage, mended
from colornet.photos.damage import MASK, Damage
from colornet.photos.mark import corner_mark
from colornet.photos.read import read_photo
from colornet.photos.resize import eight_bits
from colornet.photos.write import write_photo
from colornet.web.describe import describe
from colornet.web.settings import VERSIONS

PIXELS = 100_000_000  # the most of a photo
SHOWN = 2048  # pixels: the longer side of what the screen gets
# Grey comes through it nearly exactly, at a seventh of PNG's time.
JPEG = [cv2.IMWRITE_JPEG_QUALITY, 100]
JPEG += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
NONE = 32767  # in place of a likely colour where there are fewer
SUFFIXES = dict(jpeg=".jpg", png=".png", tiff=".tif")


def about(colorizer):
    """What the server tells of the network: its name, and whether it can be steered."""
    return colorizer.name, colorizer.has_bins


def damage(colorizer, file):
    """What `POST /api/damage` gives of a photo file: PNG's bytes, white where it is damaged."""
    found = find_damage(read_photo(file, PIXELS).pixels) * np.uint8(255)
    size = _shown(found)
    if size:  # a place that is marked in part is marked
        found = np.uint8(255) * (cv2.resize(found, size, interpolation=cv2.INTER_AREA) > 0)
    return cv2.imencode(".png", found)[1].tobytes()


def _read(file, mask):
    """A photo file, mended where another file, a mask as `damage` gives it, is white."""
    photo = read_photo(file, PIXELS)
    if mask is None:
        return photo
    pixels, (height, width) = read_photo(mask, PIXELS).pixels, photo.pixels.shape[:2]
    if pixels.ndim == 3:
        pixels = pixels.max(axis=-1)
    away = abs(pixels.shape[0] / height - pixels.shape[1] / width)
    if away > 1.5 / min(height, width):
        size = "{1}x{0}".format(*pixels.shape)
        raise ValueError(f"{mask}: is of {size}, the photo of {width}x{height}; make them alike")
    mask_of = cv2.resize(eight_bits(pixels), (width, height), interpolation=cv2.INTER_NEAREST) > 127
    if mask_of.all():
        raise ValueError(f"{mask}: marks the whole photo; leave what it can be mended from")
    if not mask_of.any():
        return photo
    return mended(photo, Damage(mask_of, MASK, digest(mask)))


def answer(colorizer, file, reference, mask, form, name):
    """What `POST /api/answer` gives of a photo file, as JSON bytes; `form`: an `AnswerForm`."""
    photo, steered = _read(file, mask), colorizer.has_bins
    palette = reference and read_palette(reference, PIXELS)
    several = form.versions or form.version
    answers = colorizer.variants(photo, VERSIONS + 1 if several else 1, form.told())
    levels = form.levels if steered else [0.5]
    height, width = photo.pixels.shape[:2]
    told = dict(name=name, width=width, height=height, said=describe(photo))
    if form.picture:
        told["picture"] = _text(_picture(photo))
    told |= dict(model=colorizer.name, levels=levels)
    told |= _numbers(answers[form.version], levels, palette, steered)
    if form.versions:
        told["others"] = [_numbers(one, levels, palette, steered) for one in answers[1:]]
    return json.dumps(told).encode()


def _numbers(answer, levels, palette, steered):
    """Grids of an answer: ab at each level, confidence and likely colours, as base64."""
    ab = [answer.ab(level if steered else None, palette) for level in levels]
    height, width = ab[0].shape[:2]
    if steered:
        confidence, likely = answer.confidence(), answer.likely_everywhere()
    else:
        confidence, likely = np.zeros((height, width)), np.full((height, width, 6, 2), np.nan)
    likely = np.where(np.isnan(likely), NONE, np.round(100 * likely))
    return dict(
        grid=dict(width=width, height=height),
        ab=[_text(np.round(100 * one).astype("<i2")) for one in ab],
        confidence=_text(np.round(255 * confidence).astype(np.uint8)),
        likely=_text(likely.astype("<i2")),
    )


def _text(data):
    return base64.b64encode(data.tobytes()).decode()


def _shown(pixels):
    """The width and height at which pixels go to the screen, None where they do as they are."""
    scale = SHOWN / max(pixels.shape[:2])
    return [max(1, round(side * scale)) for side in pixels.shape[1::-1]] if scale < 1 else None


def _picture(photo):
    """The photo for the screen, as a JPEG: grey or RGB, small enough for a phone."""
    pixels = eight_bits(photo.pixels)
    size = _shown(pixels)
    if size:
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    bgr = pixels if pixels.ndim == 2 else pixels[..., ::-1]
    return cv2.imencode(".jpg", bgr, JPEG)[1]


def colorize(colorizer, file, reference, mask, form):
    """Colours a photo file; writes the result beside it and returns its name.

    form: a `ColorizeForm`.
    """
    photo = _read(file, mask)
    if form.format == "jpeg" and photo.alpha is not None:
        raise ValueError(f"{file}: JPEG cannot hold its transparency; choose PNG or TIFF")
    palette = reference and read_palette(reference, PIXELS)
    answer = colorizer.variants(photo, VERSIONS + 1 if form.version else 1, form.told())
    vividness = form.vividness if colorizer.has_bins else None
    result = answer[form.version].paint(vividness, palette)
    if form.format == "jpeg":
        result = result._replace(pixels=eight_bits(result.pixels))
    if form.mark:
        result = corner_mark(result)
    target = file.with_name(f"coloured{SUFFIXES[form.format]}")
    write_photo(target, result, form.quality)
    return target


def likely(colorizer, file, form):
    """The likely colours of a place of a photo file; `form`: a `LikelyForm`."""
    photo = read_photo(file, PIXELS)
    found = colorizer.predict(photo, form.told()).likely(form.x, form.y)
    pixel = photo.pixels[int(form.y) :, int(form.x) :][:1, :1]
    pixel = without_colour(eight_bits(pixel)).astype(np.float32) / 255
    L = lab.lightness(pixel)[0, 0]
    rgb = lab.lab_to_rgb(np.float32([[L, *hint.ab] for hint in found]))
    colours = ["#" + bytes(np.uint8(np.round(255 * np.asarray(one)))).hex() for one in rgb]
    return [dict(color=color, ab=hint.ab) for color, hint in zip(colours, found)]


def alike(colorizer, file, shown, form):
    """Where a photo shows what was told in another, `shown`; `form`: an `AlikeForm`.

    Hints as `HintForm` has them, each with `sure`, a cosine. What was told in one colour is one
    thing.
    """
    memory, photo, other = Memory(), read_photo(file, PIXELS), read_photo(shown, PIXELS)
    memory.check(colorizer)
    for hint in form.hints:
        reach = [] if hint.reach is None else [hint.reach]
        told = ",".join(map(str, [hint.x, hint.y, hint.color, *reach]))
        memory.remember(hint.color, other, told, shown)
    before = [as_hint((hint.x, hint.y, hint.color, hint.reach)) for hint in form.own]
    found = memory.find(photo, before)
    return [
        dict(x=hint.x, y=hint.y, color=one["colour"], reach=hint.reach, sure=one["sure"])
        for hint, one in zip(found.hints, found.told)
    ]
