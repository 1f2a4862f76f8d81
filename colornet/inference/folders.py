"""Files and folders of photos, coloured one by one."""

import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from colornet.errors import PhotoError, say, unforeseen
from colornet.inference.steering import Steering
from colornet.photos.photo import SUFFIXES, WRITTEN, Photo, search
from colornet.photos.read import read_photo
from colornet.photos.write import write_photo
from colornet.storage import NoRoom


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


@dataclass(frozen=True)
class Order:
    """What is wanted of each photo.

    steering: see `Steering`; hints are for a single photo.
    variants: how many colourings; those behind the first are named NAME-variant2 and so on.
    confidence: write NAME-confidence too, white where the network is sure.
    every_page: of a file with several pictures, not the first alone; those behind it are named
        NAME-page2 and so on.
    quality: of JPEG results, 1 to 100.
    force: colour again where the result is there already.
    """

    steering: Steering = Steering()
    variants: int = 1
    confidence: bool = False
    every_page: bool = False
    quality: int = 95
    force: bool = False

    def __post_init__(self):
        if not 1 <= self.quality <= 100:
            raise PhotoError(f"quality {self.quality}: choose one from 1 to 100")

    def words(self):
        """What the names of the results behind the first one end in."""
        variants = [f"variant{number}" for number in range(2, self.variants + 1)]
        return variants + ["confidence"] * self.confidence

    def results(self, colorizer, photo):
        """The coloured photo, its variants, its confidence map: `Photo`s one by one."""
        steering = self.steering
        answers = colorizer.variants(photo, self.variants, steering.hints)
        for answer in answers:
            yield answer.paint(steering.vividness, steering.palette)
        if self.confidence:
            yield Photo(np.round(answers[0].confidence() * 255).astype(np.uint8))


class _Work:
    """Photos coloured one by one into their places."""

    def __init__(self, colorizer, order, pairs):
        self.colorizer, self.order = colorizer, order
        self._taken = {target for _, targets in pairs for target in targets}
        self._inputs = {_identity(file) for file, _ in pairs} - {None}

    def _picture(self, file, targets, number=0):
        """Writes what is wanted of one picture; whether anything was, and its `Photo`."""
        order = self.order
        wanted = [target for target in targets if order.force or not os.path.exists(target)]
        for target in targets:
            if target.is_dir():
                raise PhotoError(f"{target}: is a folder; choose another place for -o")
            if number and (target in self._taken or _identity(target) in self._inputs):
                raise PhotoError(f"{target}: is of another photo; colour {file} by itself")
        if not wanted and not order.every_page:
            return False, None
        photo = read_photo(file, number=number)
        results = order.results(self.colorizer, photo) if wanted else ()
        for target, result in zip(targets, results):
            if target in wanted:
                write_photo(target, result, order.quality)
        return bool(wanted), photo

    def _file(self, file, targets):
        """Whether anything was written of a file; tells what there is to be told of it."""
        every_page = self.order.every_page
        wrote, photo = self._picture(file, targets)
        for number in range(1, photo.pictures if every_page else 1):
            pages = [_beside(target, f"page{number + 1}") for target in targets]
            wrote |= self._picture(file, pages, number)[0]
        notes = photo.notes if wrote else ()
        if wrote and photo.pictures > 1 and not every_page:
            notes += (f"the first of {photo.pictures} pictures; --pages all colours each",)
        if notes:
            say(f"{file}: {'; '.join(notes)}")
        return wrote

    def do(self, pair):
        """One file: what became of it, and the path that tells of it."""
        file, targets = pair
        try:
            return "done" if self._file(file, targets) else "kept", targets[0]
        except PhotoError as error:
            say(error)
        except NoRoom:
            raise
        except Exception as error:  # one photo must not cost the others
            say(f"{file}: {unforeseen(error)}")
        return "failed", file


def _make_folder(folder):
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise PhotoError(
            f"{folder}: cannot be written ({error.strerror}); choose another place"
        ) from None


def colorize_files(colorizer, sources, out, order=Order()):
    """Colours photo files into a file or a folder.

    A folder's results keep the names and subfolders of its photos. Whatever goes wrong with one
    file or folder, or is to be told of it, is a line on stderr, and the rest goes on; so are the
    kinds of files that are not read.

    Args:
        colorizer: a `Colorizer`.
        sources: files and folders.
        out: a photo file for one photo, else a folder.
        order: what is wanted of each.

    Returns:
        A dict of lists of paths, `done`, `kept` (there already) and `failed`, folders too.

    Raises:
        PhotoError: before any work: nothing to colour, a missing source, clashing names, or an
            `out` that cannot be written or would replace a photo.
        ValueError: before any work: the network lacks what is wanted.
        NoRoom: the disk is full.
    """
    colorizer.check(order.steering, order.variants, order.confidence)
    found = search(sources)
    pairs = _targets(sources, found.photos, out, order.words())
    if not pairs:
        for _, line in found.unopened:
            say(line)
        there = "; ".join(filter(None, ["no photos found", found.not_read()]))
        raise PhotoError(f"{sources[0]}: {there}; looked for {', '.join(SUFFIXES)}")
    if order.steering.hints and len(pairs) > 1:
        raise PhotoError(f"{sources[0]}: hints are for one photo, here are {len(pairs)}")
    _make_folder(Path(out).parent if pairs[0][1][0] == Path(out) else Path(out))
    report = dict(done=[], kept=[], failed=[])
    for name, line in found.unopened:
        say(line)
        report["failed"].append(Path(name))
    work = _Work(colorizer, order, pairs)
    # Side by side, so that one photo is read or written while another is coloured.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        try:
            for what, path in tqdm(
                pool.map(work.do, pairs), total=len(pairs), unit="photo", disable=len(pairs) == 1
            ):
                report[what].append(path)
        except BaseException:
            pool.shutdown(cancel_futures=True)  # those under way become whole
            raise
    if found.others:
        say(found.not_read())
    return report
