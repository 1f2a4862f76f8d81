"""Any photo, any size: chroma from a network, lightness from the photo itself."""

import os
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock

import cv2
import numpy as np
from PIL import Image
from tqdm import tqdm

from colornet import gamut, lab, reference, steer
from colornet.errors import one_line, unforeseen
from colornet.hints import SIDE, plant
from colornet.files import NoRoom
from colornet.photos import SUFFIXES, WRITTEN, Photo, PhotoError, read_photo, search, write_photo

SHORT_SIDE = 256  # what the networks were trained at
LONG_SIDE = 1024  # bounds the work on panoramas
MULTIPLE = 32  # of which every network takes its height and width
ONE_ANSWER = "gives one answer: no vividness, reference, variants, confidence; take colornet"
FEW_ANSWERS = "gives up to {} answers: no vividness, reference, confidence; take colornet"
NO_HINTS = "takes no hints; take colornet"
STRIP = 1 << 18  # pixels composed at a time
NETWORK = Lock()  # one photo at a time goes through it


def working_size(network, height, width):
    """The height and width at which a network sees a photo."""
    fixed = network.input_shape[1:3]
    if None not in fixed:
        return fixed
    scale = SHORT_SIDE / min(height, width)
    return [
        int(min(LONG_SIDE, max(MULTIPLE, round(side * scale / MULTIPLE) * MULTIPLE)))
        for side in (height, width)
    ]


def takes_hints(network):
    """Whether a network's input may have hint planes beside L."""
    return network.input_shape[-1] != 1


def _unit(pixels):
    """uint8 or uint16 pixels, grey `(H, W)` or RGB, as float32 RGB in [0, 1]."""
    values = pixels.astype(np.float32) / np.iinfo(pixels.dtype).max
    return values if values.ndim == 3 else np.repeat(values[..., None], 3, axis=-1)


def network_input(network, pixels, hints=()):
    """What a network is given of a photo: its L, and hints where there are any.

    The photo is resized, then brought to L by the code that training uses. Its colours, where
    it has any, are not seen; so sepia and other tones are gone.

    Args:
        network: a Keras model from L to ab.
        pixels: uint8 or uint16 `(H, W)` or `(H, W, 3)`.
        hints: `Hint`s, whose x and y are pixels of the photo.

    Returns:
        float32 `(1, h, w, 1)`, with hints `(1, h, w, 4)`; h and w near 256, aspect kept.

    Raises:
        ValueError: a hint outside the photo, or for a network that takes none.
    """
    if hints and not takes_hints(network):
        raise ValueError(f"{network.name}: {NO_HINTS}")
    height, width = working_size(network, *pixels.shape[:2])
    shrinks = height * width <= pixels.shape[0] * pixels.shape[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    small = cv2.resize(pixels, (width, height), interpolation=method)
    L = np.asarray(lab.to_network(lab.rgb_to_lab(_unit(small)))[0])
    if not hints:
        return L[None]
    planes = np.zeros((height, width, 3), np.float32)
    for hint in hints:
        if not (0 <= hint.x < pixels.shape[1] and 0 <= hint.y < pixels.shape[0]):
            size = f"{pixels.shape[1]}x{pixels.shape[0]}"
            raise PhotoError(f"hint {hint.x:g},{hint.y:g}: lies outside the photo of {size}")
        row, column = hint.y * height / pixels.shape[0], hint.x * width / pixels.shape[1]
        plant(planes, hint.ab, int(row), int(column), SIDE)
    return np.concatenate([L, planes], axis=-1)[None]


def _check(network, steered, count):
    """Raises ValueError where a network is asked for what it lacks."""
    if steer.prior(network) is not None:
        if not 1 <= count <= steer.MOST:
            raise ValueError(f"{count} variants: choose a number from 1 to {steer.MOST}")
        return
    most = steer.fields(network)
    if steered or not 1 <= count <= most:
        raise ValueError(f"{network.name}: {FEW_ANSWERS.format(most) if most > 1 else ONE_ANSWER}")


def predict_variants(network, pixels, count, vividness=None, hints=(), palette=None, seed=0):
    """Several colourings of one photo, each coherent in itself.

    Those of `steer.variants`; of a `diverse`, its likeliest components.

    Args:
        network, pixels, vividness, hints, palette: as in `predict_ab`.
        count: how many, 1 to 20, of a `diverse` to 8; the first is that of `predict_ab`.
        seed: fixes the others.

    Returns:
        ab in Lab units, float32 `(count, h, w, 2)`.

    Raises:
        ValueError: the network cannot be steered or has fewer answers, another count, or a hint
            outside the photo.
    """
    _check(network, vividness is not None or palette is not None, count)
    prior, x = steer.prior(network), network_input(network, pixels, hints)
    if prior is None:
        with NETWORK:
            if count == 1:
                return network.predict_on_batch(x) * lab.AB_SCALE
            from colornet.models.diverse import diverse_fields  # with Keras, which starts slowly

            return diverse_fields(network, x, count)[0][:, 0] * lab.AB_SCALE
    with NETWORK:
        logits, unhinted = steer.variants(network, x, count, seed), None
        if hints:
            bare = np.concatenate([x[..., :1], np.zeros_like(x[..., 1:])], axis=-1)
            unhinted = steer.up_to_logits(network).predict_on_batch(bare)
    if palette is not None:
        logits = np.stack([reference.transport(one, palette) for one in logits])
        # The palette tells how much there is of each colour; nothing is left to balance.
        prior, unhinted = np.full_like(palette, 1 / len(palette)), None
    vividness = steer.VIVIDNESS if vividness is None else vividness
    return np.asarray(steer.colour(logits, prior, vividness, unhinted))


def predict_ab(network, pixels, vividness=None, hints=(), palette=None):
    """A network's colours for a photo, at the network's own resolution.

    Args:
        network: a Keras model from L to ab.
        pixels: uint8 or uint16 `(H, W)` or `(H, W, 3)`.
        vividness: 0, the safest colours, to 1, the most vivid; by default `steer.VIVIDNESS`, or
            None for a network that gives one answer alone.
        hints: `Hint`s, in pixels of the photo.
        palette: how much of each colour there is to be, see `reference.palette`.

    Returns:
        ab in Lab units, float32 `(h, w, 2)`.
    """
    return predict_variants(network, pixels, 1, vividness, hints, palette)[0]


def predict_confidence(network, pixels, hints=()):
    """How sure a network with a distribution is of each place, float32 `(h, w)` in [0, 1]."""
    logits_of = steer.up_to_logits(network)
    if logits_of is None:
        raise ValueError(f"{network.name}: {ONE_ANSWER}")
    x = network_input(network, pixels, hints)
    with NETWORK:
        logits = logits_of.predict_on_batch(x)
    return np.asarray(steer.confidence(logits))[0]


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
    levels = None  # of L, of each level of grey: once instead of for each pixel
    if pixels.ndim == 2:
        every = np.arange(peak + 1, dtype=pixels.dtype)
        levels = gamut.lightness(np.repeat(every[None, :, None], 3, axis=-1))[0]

    def paint(top):
        strip = pixels[top : top + step]
        # Not by @, whose threads wait for each other at full speed where several photos are done.
        colours = cv2.gemm(rows[top : top + step], ab.reshape(len(ab), -1), 1, None, 0)
        colours = colours.reshape(len(strip), -1, 2)
        colours = cv2.resize(colours, (width, len(strip)), interpolation=cv2.INTER_CUBIC)
        L = gamut.lightness(strip) if levels is None else levels[strip]
        planes = [L, *cv2.split(colours.reshape(len(strip), width, 2))]
        gamut.fit(*planes)
        fitted = cv2.merge(planes)
        if peak == 255:  # within a tenth of a level of our own conversion, and 8 times as fast
            rgb = cv2.cvtColor(fitted, cv2.COLOR_Lab2RGB)
            result[top : top + step] = cv2.convertScaleAbs(rgb, alpha=255)
        else:
            rgb = np.asarray(lab.lab_to_rgb(fitted, fitted=True))
            result[top : top + step] = np.round(rgb * peak).astype(pixels.dtype)

    if height <= step:
        paint(0)
        return result
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for _ in pool.map(paint, range(0, height, step)):
            pass
    return result


def colorize(network, photo, vividness=None, hints=(), palette=None):
    """A `Photo` in colour: its own size, depth, L, alpha, profile and EXIF.

    Args:
        network: a Keras model from L to ab, see `models.load`.
        photo: a `Photo`; if it has colours, they are replaced.
        vividness, hints, palette: as in `predict_ab`.

    Returns:
        A `Photo` with pixels `(H, W, 3)`.
    """
    return _painted(photo, predict_ab(network, photo.pixels, vividness, hints, palette))


def _painted(photo, ab):
    return photo._replace(pixels=compose(photo.pixels, ab))


def _identity(path):
    """What tells a file from others whatever its path, or None where there is none."""
    try:
        found = os.stat(path)
        return found.st_dev, found.st_ino
    except OSError:  # also where the name is too long: whoever writes it will say so
        return None


def _beside(path, word):
    return path.with_name(f"{path.stem}-{word}{path.suffix}")


def _targets(sources, photos, out, words):
    """Pairs of photo and the paths of its results: its own, and one for each word beside it.

    Raises:
        PhotoError: an unfit `out`, two photos that would get the same result
            file, or a result that would replace a photo.
    """
    out = Path(out)
    single = len(sources) == 1 and not Path(sources[0]).is_dir()
    pairs = {}
    if single and not out.is_dir() and out.suffix.lower() in Image.registered_extensions():
        if out.suffix.lower() not in WRITTEN:
            raise PhotoError(f"{out}: no photo format; choose one of {', '.join(WRITTEN)}")
        pairs[out] = photos[0][0]
    elif out.exists() and not out.is_dir():
        raise PhotoError(f"{out}: is a file; give -o a folder, or, for one photo, a new.png")
    else:
        for file, name in photos:
            searched, real = file.parents[name.count("/")].resolve(), Path(os.path.realpath(file))
            if searched in out.resolve().parents and out.resolve() in real.parents:
                continue  # the result of an earlier run, in a folder inside the source
            target = out / name
            if target.suffix.lower() not in WRITTEN:
                target = target.with_name(target.name + ".png")
            if target in pairs:
                raise PhotoError(f"{file}: {pairs[target]} has the same name; colour them apart")
            pairs[target] = file
    results = [[target, *(_beside(target, word) for word in words)] for target in pairs]
    # So that links and other spellings of a path are seen through.
    inputs = {_identity(file) for file in pairs.values()} - {None}
    seen = set()
    for target in (target for paths in results for target in paths):
        if _identity(target) in inputs:
            raise PhotoError(f"{target}: is a photo to be coloured; choose another place for -o")
        if target in seen:
            raise PhotoError(f"{target}: two results have the same name; colour the photos apart")
        seen.add(target)
    return [*zip(pairs.values(), results)]


def _say(line):
    tqdm.write(f"colornet: {one_line(line)}", file=sys.stderr)


def _results(network, photo, vividness, hints, count, confidence, palette):
    """The coloured photo, its variants, its confidence map: `Photo`s one by one."""
    for ab in predict_variants(network, photo.pixels, count, vividness, hints, palette):
        yield _painted(photo, ab)
    if confidence:
        sure = predict_confidence(network, photo.pixels, hints)
        yield Photo(np.round(sure * 255).astype(np.uint8))


def colorize_files(
    network,
    sources,
    out,
    force=False,
    quality=95,
    vividness=None,
    hints=(),
    count=1,
    confidence=False,
    palette=None,
    every_page=False,
):
    """Colours photo files into a file or a folder.

    A folder's results keep the names and subfolders of its photos. Whatever goes wrong with one
    file or folder, or is to be told of it, is a line on stderr, and the rest goes on; so are the
    kinds of files that are not read.

    Args:
        network: a Keras model from L to ab.
        sources: files and folders.
        out: a photo file for one photo, else a folder.
        force: colour again where the result is there already.
        quality: of JPEG results, 1 to 100.
        vividness: as in `predict_ab`.
        hints: for a single photo; a tuple.
        count: of colourings; those behind the first are named NAME-variant2 and so on.
        confidence: write NAME-confidence too, white where the network is sure.
        palette: as in `predict_ab`.
        every_page: of a file with several pictures, not the first alone; those behind it are
            named NAME-page2 and so on.

    Returns:
        A dict of lists of paths, `done`, `kept` (there already) and `failed`, folders too.

    Raises:
        PhotoError: before any work: nothing to colour, a missing source, clashing names, or an
            `out` that cannot be written or would replace a photo.
        NoRoom: the disk is full.
    """
    if not 1 <= quality <= 100:
        raise PhotoError(f"quality {quality}: choose one from 1 to 100")
    _check(network, vividness is not None or confidence or palette is not None, count)
    if hints and not takes_hints(network):
        raise ValueError(f"{network.name}: {NO_HINTS}")
    words = [f"variant{number}" for number in range(2, count + 1)] + ["confidence"] * confidence
    found = search(sources)
    pairs = _targets(sources, found.photos, out, words)
    if not pairs:
        for _, line in found.unopened:
            _say(line)
        there = "; ".join(filter(None, ["no photos found", found.not_read()]))
        raise PhotoError(f"{sources[0]}: {there}; looked for {', '.join(SUFFIXES)}")
    if hints and len(pairs) > 1:
        raise PhotoError(f"{sources[0]}: hints are for one photo, here are {len(pairs)}")
    folder = Path(out).parent if pairs[0][1][0] == Path(out) else Path(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise PhotoError(
            f"{folder}: cannot be written ({error.strerror}); choose another place"
        ) from None

    def results(photo):
        return _results(network, photo, vividness, hints, count, confidence, palette)

    taken = {target for _, targets in pairs for target in targets}
    inputs = {_identity(file) for file, _ in pairs} - {None}

    def paint(file, targets, number=0):
        """Writes what is wanted of one picture; whether anything was, and its `Photo`."""
        wanted = [target for target in targets if force or not os.path.exists(target)]
        for target in targets:
            if target.is_dir():
                raise PhotoError(f"{target}: is a folder; choose another place for -o")
            if number and (target in taken or _identity(target) in inputs):
                raise PhotoError(f"{target}: is of another photo; colour {file} by itself")
        if not wanted and not every_page:
            return False, None
        photo = read_photo(file, number=number)
        for target, result in zip(targets, results(photo) if wanted else ()):
            if target in wanted:
                write_photo(target, result, quality)
        return bool(wanted), photo

    def do(pair):
        """One photo: what became of it, and its path."""
        file, targets = pair
        try:
            wrote, photo = paint(file, targets)
            for number in range(1, photo.pictures if every_page else 1):
                pages = [_beside(target, f"page{number + 1}") for target in targets]
                wrote |= paint(file, pages, number)[0]
            if wrote:
                notes = photo.notes
                if photo.pictures > 1 and not every_page:
                    notes += (f"the first of {photo.pictures} pictures; --pages all colours each",)
                if notes:
                    _say(f"{file}: {'; '.join(notes)}")
            return "done" if wrote else "kept", targets[0]
        except PhotoError as error:
            _say(error)
        except NoRoom:
            raise
        except Exception as error:  # one photo must not cost the others
            _say(f"{file}: {unforeseen(error)}")
        return "failed", file

    report = dict(done=[], kept=[], failed=[])
    for name, line in found.unopened:
        _say(line)
        report["failed"].append(Path(name))
    # Side by side, so that one photo is read or written while another is coloured.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        try:
            for what, path in tqdm(
                pool.map(do, pairs), total=len(pairs), unit="photo", disable=len(pairs) == 1
            ):
                report[what].append(path)
        except BaseException:
            pool.shutdown(cancel_futures=True)  # those under way become whole
            raise
    if found.others:
        _say(found.not_read())
    return report
