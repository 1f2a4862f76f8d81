"""Files and folders of photos, coloured or repaired one by one."""

import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Lock

from PIL import Image
from tqdm import tqdm

from colornet.errors import PhotoError, say, unforeseen
from colornet.inference.colorizer import Colorizer
from colornet.inference.order import Order
from colornet.inference.record import Done, Record
from colornet.photos.history import now
from colornet.photos.photo import SUFFIXES, WRITTEN, Photo, search
from colornet.photos.read import read_photo
from colornet.storage import AnyPath, NoRoom


def identity(path: AnyPath) -> tuple[int, int] | None:
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
                raise PhotoError(f"{file}: {pairs[target]} has the same name; take them apart")
            pairs[target] = file
    results = [[target, *(_beside(target, word) for word in words)] for target in pairs]
    # So that links and other spellings of a path are seen through.
    inputs = {identity(file) for file in pairs.values()} - {None}
    seen = set()
    for target in (target for paths in results for target in paths):
        if identity(target) in inputs:
            raise PhotoError(f"{target}: is one of the photos; choose another place for -o")
        if target in seen:
            raise PhotoError(f"{target}: two results have the same name; take the photos apart")
        seen.add(target)
    return [*zip(pairs.values(), results)]


class Work:
    """Photos coloured or repaired one by one into their places.

    Args:
        colorizer: a `Colorizer`, or None where nothing is to be coloured.
        order: what is wanted of each.
        pairs: of photo and the paths of its results.
        record: a `Record` to which each is added, or None.
    """

    def __init__(
        self,
        colorizer: Colorizer | None,
        order: Order,
        pairs: list[tuple[Path, list[Path]]],
        record: Record | None = None,
    ):
        self.colorizer, self.order, self.record = colorizer, order, record
        self._taken = {target for _, targets in pairs for target in targets}
        self._inputs = {identity(file) for file, _ in pairs} - {None}
        self._told, self._lock = set(), Lock()

    def picture(
        self, file: Path, targets: list[Path], number: int = 0
    ) -> tuple[bool, Photo | None]:
        """Writes what is wanted of one picture of a file; whether anything was, and its `Photo`."""
        started = time.perf_counter()
        order = replace(self.order, when=self.order.when or now())
        wanted = [target for target in targets if order.force or not os.path.exists(target)]
        for target in targets:
            if target.is_dir():
                raise PhotoError(f"{target}: is a folder; choose another place for -o")
            if number and (target in self._taken or identity(target) in self._inputs):
                raise PhotoError(f"{target}: is of another photo; take {file} by itself")
        if not wanted and not order.every_page:
            return False, None
        photo = read_photo(file, number=number)
        if not wanted:
            return False, photo
        photo = order.repaired(photo)
        if order.guides:
            order = order.guided(photo, self.colorizer.takes_hints)
        answers, first, left = order.answers(self.colorizer, photo), None, {}
        for target, result in zip(targets, order.results(photo, answers)):
            first = first or result
            if target in wanted:
                left[target] = order.write(target, result, file)
        if self.record:
            done = Done(file, number, targets, left, time.perf_counter() - started)
            self.record.add(done, order, answers, first)
        return True, photo._replace(notes=(*photo.notes, *self._lost(left)))

    def _lost(self, left):
        """What results do not hold, a sentence for each format, once; `left` by target."""
        for target, names in left.items():
            kind = target.suffix.lower()
            with self._lock:
                new = [name for name in names if (kind, name) not in self._told]
                self._told.update((kind, name) for name in new)
            if new:
                more = ", here and in the others like it" * (len(self._taken) > 1)
                yield f"{kind} does not hold {', '.join(new)}: left out{more}"

    def _file(self, file, targets):
        """Whether anything was written of a file; tells what there is to be told of it."""
        every_page = self.order.every_page
        wrote, photo = self.picture(file, targets)
        for number in range(1, photo.pictures if every_page else 1):
            pages = [_beside(target, f"page{number + 1}") for target in targets]
            wrote |= self.picture(file, pages, number)[0]
        notes = photo.notes if wrote else ()
        if wrote and photo.pictures > 1 and not every_page:
            notes += (f"the first of {photo.pictures} pictures; --pages all takes each",)
        if notes:
            say(f"{file}: {'; '.join(notes)}")
        return wrote

    def do(self, pair: tuple[Path, list[Path]]) -> tuple[str, Path]:
        """One file: what became of it, and the path that tells of it."""
        file, targets = pair
        try:
            return "done" if self._file(file, targets) else "kept", targets[0]
        except PhotoError as error:
            line = str(error)
        except NoRoom:
            raise
        except Exception as error:  # one photo must not cost the others
            line = f"{file}: {unforeseen(error)}"
        say(line)
        if self.record:
            self.record.add_error(file, line)
        return "failed", file


def make_folder(folder: Path) -> None:
    """Makes a folder that can be written into, or raises PhotoError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise PhotoError(
            f"{folder}: cannot be written ({error.strerror}); choose another place"
        ) from None


def colorize_files(
    colorizer: Colorizer | None,
    sources: list[AnyPath],
    out: AnyPath,
    order: Order = Order(),
    record: AnyPath | None = None,
) -> dict[str, list[Path]]:
    """Colours photo files, or repairs them alone, into a file or a folder.

    A folder's results keep the names and subfolders of its photos. Whatever goes wrong with one
    file or folder, or is to be told of it, is a line on stderr, and the rest goes on; so are the
    kinds of files that are not read.

    Args:
        colorizer: a `Colorizer`, or None where nothing is to be coloured.
        sources: files and folders.
        out: a photo file for one photo, else a folder.
        order: what is wanted of each.
        record: a file to which a line in JSON is added for each as it is done, see `record`.

    Returns:
        A dict of lists of paths, `done`, `kept` (there already) and `failed`, folders too.

    Raises:
        PhotoError: before any work: no photos, a missing source, clashing names, or an
            `out` that cannot be written or would replace a photo.
        ValueError: before any work: the network lacks what is wanted.
        NoRoom: the disk is full.
    """
    if order.colorize:
        colorizer.check(order.steering, order.variants, order.confidence)
    for guide in order.guides:
        guide.check(colorizer)
    found = search(sources)
    pairs = _targets(sources, found.photos, out, order.words())
    if not pairs:
        for _, line in found.unopened:
            say(line)
        there = "; ".join(filter(None, ["no photos found", found.not_read()]))
        raise PhotoError(f"{sources[0]}: {there}; looked for {', '.join(SUFFIXES)}")
    if order.steering.hints and len(pairs) > 1:
        line = f"hints are for one photo, here are {len(pairs)}; --memory knows things again"
        raise PhotoError(f"{sources[0]}: {line}")
    if order.repair and order.repair.mask and len(pairs) > 1:
        raise PhotoError(f"{sources[0]}: a mask is for one photo, here are {len(pairs)}")
    make_folder(Path(out).parent if pairs[0][1][0] == Path(out) else Path(out))
    report = dict(done=[], kept=[], failed=[])
    for name, line in found.unopened:
        say(line)
        report["failed"].append(Path(name))
    record = Record(record, out) if record else None
    work = Work(colorizer, order, pairs, record)
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
