"""Photos in folders to a prepared set: filtered, without duplicates, split."""

import base64
import contextlib
import csv
import io
import json
import os
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from threading import Condition

import cv2
import numpy as np
from PIL import Image
from tqdm import tqdm

from colornet.errors import unforeseen
from colornet.files import NoRoom, atomic, read_journal, room_for
from colornet.photos import PhotoError, read_photo, search

# Limits of the quality filter, set by looking at the photos on either side of each.
GREY_CHROMA = 5.0  # ab units: 99 % of the photo lies below it
TINT_RESIDUAL = 1.5  # ab units left when colour is explained by L alone, as in sepia
TINT_CONTRAST = 40.0  # L units; a flat sky is of one tint too, and is kept
BLANK_CONTRAST = 10.0  # L units between the 2nd and the 98th percentile
DRAWN_SHARE = 0.1  # of the photo in one exact colour of chroma over 20
BLUR_EDGE = 4.0  # 99th percentile of |Laplacian of L| at a short side of 256
DUPLICATE = 0.9  # likeness of two photos or their mirror images, see _gradients
RELATED = 0.7  # alike enough to have to share a split

TEST_SHARE = 0.1
VALIDATION_SHARE = 0.2  # of what is not test, the paper's validation_split

# Pixels read at the same time; a pixel takes about 13 bytes on its way. A larger photo is read
# alone, or, if it is a JPEG, at a fraction of its size.
AT_ONCE = 32_000_000

OUT_OF_REACH = "out of reach"  # a file that may be there the next time
COLUMNS = "file bytes width height kept reason split photo chroma edge".split()


def _gradients(thumbs):
    """What two photos are compared by: the gradients of 16x16 thumbnails, as unit vectors.

    `(batch, 16, 16)` to float32 `(batch, 480)`. Gradients, because sky above ground makes the
    thumbnails themselves of any two landscapes correlate.
    """
    steps = [np.diff(thumbs.astype(np.float32), axis=axis) for axis in (1, 2)]
    flat = np.concatenate([step.reshape(len(thumbs), -1) for step in steps], axis=1)
    return flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6)


def _chroma(Lab):
    # At 64x64, where the chroma noise of JPEG has averaged out.
    small = cv2.resize(Lab, (64, 64), interpolation=cv2.INTER_AREA)
    return np.hypot(small[..., 1], small[..., 2])


def _reason(pixels, Lab):
    """Why a photo teaches no colour, or "" if it may; with its mean chroma and edge strength."""
    small = cv2.resize(Lab, (64, 64), interpolation=cv2.INTER_AREA).reshape(-1, 3)
    chroma = _chroma(Lab)
    contrast = np.subtract(*np.percentile(Lab[..., 0], [98, 2]))
    edge = np.percentile(np.abs(cv2.Laplacian(Lab[..., 0], cv2.CV_32F)), 99)
    powers = np.vander(small[:, 0] / 50 - 1, 4)  # colour as a cubic in L
    residual = small[:, 1:] - powers @ np.linalg.lstsq(powers, small[:, 1:])[0]
    codes = pixels.astype(np.int32) @ np.array([65536, 256, 1])
    colours, counts = np.unique(codes, return_counts=True)
    top = colours[counts.argmax()]
    flat = np.float32([[[top >> 16, top >> 8 & 255, top & 255]]]) / 255
    flat_chroma = np.hypot(*cv2.cvtColor(flat, cv2.COLOR_RGB2Lab)[0, 0, 1:])
    if contrast < BLANK_CONTRAST:
        reason = "blank"
    elif np.percentile(chroma, 99) < GREY_CHROMA:
        reason = "grey"
    elif np.sqrt((residual**2).sum(1).mean()) < TINT_RESIDUAL and contrast > TINT_CONTRAST:
        reason = "one tint"
    elif flat_chroma > 20 and counts.max() / counts.sum() > DRAWN_SHARE:
        reason = "drawn"
    elif edge < BLUR_EDGE:
        reason = "blurred"
    else:
        reason = ""
    return reason, round(float(chroma.mean()), 2), round(float(edge), 2)


def square(pixels, size):
    """The centre square of a photo, resized to `size`: area where it shrinks, else cubic."""
    height, width = pixels.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    method = cv2.INTER_AREA if side >= size else cv2.INTER_CUBIC
    return cv2.resize(
        pixels[top : top + side, left : left + side], (size, size), interpolation=method
    )


def _eight_bits(pixels):
    return (pixels / 257 + 0.5).astype(np.uint8) if pixels.dtype == np.uint16 else pixels


def square8(pixels, size):
    """Any photo's pixels as the 8-bit RGB square `(size, size, 3)` that networks are fed."""
    pixels = _eight_bits(pixels)
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[..., None], 3, axis=-1)
    return square(pixels, size)


def is_grey(pixels):
    """Whether 99 % of a uint8 RGB photo has a chroma under GREY_CHROMA."""
    Lab = cv2.cvtColor(pixels.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)
    return np.percentile(_chroma(Lab), 99) < GREY_CHROMA


def _say(line):
    tqdm.write(f"colornet: {line}", file=sys.stderr)


def _digest(file):
    """A hash of a file's bytes, by which photos of one name and length are told apart."""
    return sha256(file.read_bytes()).hexdigest()[:20]


def _unseen(named, records):
    """Those of `(file, name)` pairs that no record is about yet."""
    lengths = {(record["file"], record["bytes"]) for record in records}
    # Counted, so that of two copies under one name a kill between them loses none.
    seen = Counter((record["file"], record["digest"]) for record in records)
    unseen = []
    for file, name in named:
        with contextlib.suppress(OSError):  # which the look at the photo itself will tell
            if (name, file.stat().st_size) in lengths:
                key = name, _digest(file)
                seen[key] -= 1
                if seen[key] >= 0:
                    continue
        unseen.append((file, name))
    return unseen


def _lost(named, records, folder):
    """Those of `(file, name)` pairs that were kept, and whose prepared photo is gone."""
    there = {file.stem for file in (folder / "photos").glob("*.png")}
    kept = (record for record in records if not record["reason"])
    gone = {(r["file"], r["digest"]) for r in kept if r["photo"] not in there}
    names, lost = {name for name, _ in gone}, []
    for file, name in named:
        with contextlib.suppress(OSError):
            if name in names and (name, _digest(file)) in gone:
                lost.append((file, name))
    return lost


class _Memory:
    """Photos are read side by side only as far as `AT_ONCE` allows."""

    def __init__(self):
        self.free, self.changed = AT_ONCE, Condition()

    @contextlib.contextmanager
    def room(self, pixels):
        pixels = min(pixels, AT_ONCE)
        with self.changed:
            self.changed.wait_for(lambda: self.free >= pixels)
            self.free -= pixels
        try:
            yield
        finally:
            with self.changed:
                self.free += pixels
                self.changed.notify_all()


def _header(file):
    """A photo's width and height by its header, and the short side to read it at, or None."""
    try:
        with Image.open(file) as image:
            width, height = image.size
            return width, height, image.format in ("JPEG", "MPO") and width * height > AT_ONCE
    # A kind that Pillow does not know: it may be large.
    except Exception:
        return AT_ONCE, 1, False


def _examine(file, name, folder, size, memory):
    """One photo's record; a photo that may stay is written to the prepared folder."""
    record = dict(file=name, bytes="", digest="", width="", height="", reason="")
    try:
        record |= dict(bytes=file.stat().st_size, digest=_digest(file))
    except OSError as error:
        detail = f"{file}: cannot be read ({error.strerror}); left out"
        return record | dict(reason=OUT_OF_REACH, detail=detail)
    width, height, reduced = _header(file)
    # Even reduced, the whole of a progressive JPEG is held, if more tightly.
    with memory.room(width * height // (4 if reduced else 1)):
        try:
            return record | _judged(file, (width, height) if reduced else None, folder, size)
        except NoRoom:
            raise
        except Exception as error:  # one photo must not cost the others
            return record | dict(reason="unreadable", detail=f"{file}: {unforeseen(error)}")


def _judged(file, reduced, folder, size):
    """What a photo's pixels say: a part of its record.

    `reduced` is None, or the width and height of a JPEG that is read at a fraction of them.
    """
    try:
        pixels = read_photo(file, short=4 * size if reduced else None).pixels
    except PhotoError as error:
        return dict(reason="unreadable", detail=str(error))
    height, width = pixels.shape[:2]
    if reduced:
        height, width = sorted(reduced, reverse=height > width)
    record = dict(width=width, height=height)
    if min(pixels.shape[:2]) < size * 3 // 4:
        return record | dict(reason="too small")
    if pixels.ndim == 2:
        return record | dict(reason="grey")
    pixels = _eight_bits(pixels)
    identity = sha256(repr(pixels.shape).encode())
    identity.update(np.ascontiguousarray(pixels))
    identity = identity.hexdigest()
    scale = 256 / min(pixels.shape[:2])
    shape = [max(1, round(scale * side)) for side in pixels.shape[1::-1]]
    view = cv2.resize(pixels, shape, interpolation=cv2.INTER_AREA)
    Lab = cv2.cvtColor(view.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)
    reason, chroma, edge = _reason(view, Lab)
    record |= dict(reason=reason, chroma=chroma, edge=edge, photo=identity[:20])
    if not reason:
        thumb = cv2.resize(Lab[..., 0] * 2.55, (16, 16), interpolation=cv2.INTER_AREA)
        record["thumb"] = base64.b64encode(thumb.astype(np.uint8).tobytes()).decode()
        with atomic(folder / "photos" / f"{identity[:20]}.png") as temporary:
            bgr = cv2.cvtColor(square(pixels, size), cv2.COLOR_RGB2BGR)
            png = cv2.imencode(".png", bgr, [cv2.IMWRITE_PNG_COMPRESSION, 3])[1]
            temporary.write_bytes(png)  # imwrite keeps to itself why it failed
    return record


def _split(identity):
    """Test, validation or train by a hash of the photo, whatever other photos there are."""
    digest = sha256(f"split {identity}".encode()).digest()
    place = int.from_bytes(digest[:8], "big") / 2**64
    if place < TEST_SHARE:
        return "test"
    rest = (place - TEST_SHARE) / (1 - TEST_SHARE)
    return "validation" if rest < VALIDATION_SHARE else "train"


class _Kept:
    """The photos kept so far, to find a new one's duplicates and relatives among them."""

    def __init__(self):
        self.files, self.splits, self.identities = [], [], {}
        self.gradients = np.empty((1024, 480), np.float32)

    def _add(self, record, gradients, split):
        if len(self.files) == len(self.gradients):
            self.gradients = np.concatenate([self.gradients, np.empty_like(self.gradients)])
        self.gradients[len(self.files)] = gradients
        self.files.append(record["file"])
        self.splits.append(split)
        self.identities[record["photo"]] = record["file"]

    def _judge(self, record, likeness):
        """The record with its reason or its split, by its likeness to each photo kept."""
        if record["photo"] in self.identities:
            twin = self.identities[record["photo"]]
            return record | dict(reason="duplicate", detail=twin)
        if likeness.max(initial=0) > DUPLICATE:
            twin = self.files[int(likeness.argmax())]
            return record | dict(reason="near duplicate", detail=twin)
        splits = {self.splits[i] for i in np.flatnonzero(likeness > RELATED)}
        if len(splits) > 1:
            return record | dict(reason="near duplicate", detail="relatives in several splits")
        return record | dict(split=splits.pop() if splits else _split(record["photo"]))

    def decide(self, records):
        """Reasons and splits for records in their order, of which the first of a kind stays."""
        fit = [record for record in records if not record["reason"]]
        thumbs = [np.frombuffer(base64.b64decode(r["thumb"]), np.uint8) for r in fit]
        thumbs = np.array(thumbs).reshape(-1, 16, 16)
        plain, mirrored = _gradients(thumbs), _gradients(thumbs[:, :, ::-1])
        # One product for the whole list: photo by photo it would cost more than reading them.
        before = len(self.files)
        past = np.maximum(
            plain @ self.gradients[:before].T, mirrored @ self.gradients[:before].T
        )
        decided, place = [], 0
        for record in records:
            if not record["reason"]:
                present = self.gradients[before : len(self.files)]
                both = np.stack([plain[place], mirrored[place]], axis=1)
                likeness = np.concatenate([past[place], (present @ both).max(1, initial=-1)])
                record = self._judge(record, likeness)
                if not record["reason"]:
                    self._add(record, plain[place], record["split"])
                place += 1
            decided.append(record)
        return decided


def prepare(sources, folder, size=256, limit=None):
    """Makes a prepared set from folders of photos.

    Every photo is read and judged; those that stay are cropped to their centre square,
    resized to `size` (area) and stored as PNG in `folder/photos`. Near duplicates are told by
    the gradients of small thumbnails, mirrored ones too: over DUPLICATE the later one goes,
    over RELATED it shares the split of the earlier. `folder/manifest.csv` lists every photo
    seen, kept or not, with the reason; `folder/records.jsonl` is the journal from which an
    interrupted run goes on and by which photos added later move none between splits. Photos
    are known by their path relative to the source folder and by their bytes, so that a moved
    folder is not a new one. What cannot be read is a line on stderr and the rest goes on; files
    out of reach stand in the manifest until they are found. Photos that were kept and whose
    prepared ones are missing are made again.

    Args:
        sources: files and folders; what lies in `folder` is left out.
        folder: where the prepared set goes.
        size: height and width of the prepared photos; a photo whose short side is under
            three quarters of it is too small.
        limit: keep at most so many photos, a fair sample of the sources.

    Returns:
        The manifest's rows, a list of dicts with the keys in COLUMNS.

    Raises:
        PhotoError: a missing source, or a folder prepared at another size.
        NoRoom: the disk is full; the same call goes on.
    """
    folder = Path(folder)
    home = os.path.realpath(folder)
    found = search(sources)
    # A pseudo-random order makes a limited set a fair sample of the whole.
    named = sorted(
        (pair for pair in found.photos if Path(home) not in Path(os.path.realpath(pair[0])).parents),
        key=lambda pair: sha256(os.fsencode(pair[1])).digest(),
    )
    with room_for(folder):
        (folder / "photos").mkdir(parents=True, exist_ok=True)
    journal = folder / "records.jsonl"
    records = read_journal(journal)
    header = dict(size=size)
    if records and records[0] != header:
        raise PhotoError(f"{folder}: was prepared at size {records[0]['size']}; choose another")
    kept, chunk = _Kept(), 32 * os.cpu_count()
    decided = []
    for start in range(1, len(records), 1024):
        decided += kept.decide(records[start : start + 1024])
    todo, lost = _unseen(named, decided), _lost(named, decided, folder)
    if decided and todo:
        before = f"has {len(decided)} photos from before, of which {len(kept.files)} were kept"
        _say(f"{folder}: {before}; {len(todo)} more may join them")
    missing, memory = [], _Memory()
    for name, line in found.unopened:
        missing.append(dict(file=name, bytes="", reason=OUT_OF_REACH))
        _say(line)

    def examine(pair):
        return _examine(*pair, folder, size, memory)

    with room_for(journal), open(journal, "a", encoding="utf-8") as log:
        if not records:
            log.write(json.dumps(header) + "\n")
        bar = tqdm(total=len(named), initial=len(named) - len(todo), unit="photo")
        with bar, ThreadPoolExecutor(os.cpu_count()) as pool:
            if lost:
                _say(f"{folder}: {len(lost)} of its photos are missing; they are made again")
                list(pool.map(examine, lost))
            while todo and not (limit and len(kept.files) >= limit):
                wanted = min(chunk, limit - len(kept.files)) if limit else chunk
                part, todo = todo[:wanted], todo[wanted:]
                new = []
                for record in pool.map(examine, part):
                    if record["reason"] in ("unreadable", OUT_OF_REACH):
                        _say(record["detail"])
                    if record["reason"] == OUT_OF_REACH:
                        missing.append(record)
                    else:
                        new.append(record)
                        log.write(json.dumps(record) + "\n")
                    bar.update()
                log.flush()
                decided += kept.decide(new)
    decided += missing
    rows = [
        {key: record.get(key, "") for key in COLUMNS} | dict(kept=int(not record["reason"]))
        for record in sorted(decided, key=lambda record: (record["file"], record["bytes"] or 0))
    ]
    wanted = {row["photo"] for row in rows if row["kept"]}
    for file in (folder / "photos").glob("*.png"):
        if file.stem not in wanted:
            file.unlink()
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    # File names need not be UTF-8.
    text = out.getvalue().encode("utf-8", "surrogateescape")
    manifest = folder / "manifest.csv"
    if not manifest.exists() or manifest.read_bytes() != text:
        with atomic(manifest) as temporary:
            temporary.write_bytes(text)
    if found.others:
        _say(found.not_read())
    return rows


def summary(rows):
    """A manifest as a short table: how many photos were kept, by split, and left, by reason."""
    count = Counter(row["split"] if int(row["kept"]) else row["reason"] for row in rows)
    kept = sum(int(row["kept"]) for row in rows)
    splits = ("train", "validation", "test")
    lines = [("seen", len(rows)), ("kept", kept), *((name, count[name]) for name in splits)]
    reasons = sorted(set(count) - set(splits))
    lines += [("left out", len(rows) - kept), *((name, count[name]) for name in reasons)]
    return "\n".join(f"{name:>16} {number:6}" for name, number in lines)


def is_prepared(folder):
    """Whether a folder is a prepared set."""
    return (Path(folder) / "manifest.csv").is_file()


def read_manifest(folder):
    """The manifest of a prepared set, a list of dicts of strings.

    Raises:
        PhotoError: the folder holds no prepared set.
    """
    path = Path(folder) / "manifest.csv"
    if not path.is_file():
        raise PhotoError(f"{path}: not there; make the set with: colornet prepare PHOTOS -o {folder}")
    with open(path, newline="", encoding="utf-8", errors="surrogateescape") as file:
        return list(csv.DictReader(file))


def split_files(folder, split):
    """The prepared photos of "train", "validation" or "test", sorted by name."""
    rows = read_manifest(folder)
    names = sorted(row["photo"] for row in rows if row["kept"] == "1" and row["split"] == split)
    return [Path(folder) / "photos" / f"{name}.png" for name in names]


def present_files(folder, split):
    """Those of `split_files` that are there; how many are missing is a line on stderr."""
    files = split_files(folder, split)
    there = [file for file in files if file.is_file()]
    if len(there) < len(files):
        gone = len(files) - len(there)
        first = min(set(files) - set(there))
        _say(
            f"{first}: missing, with it {gone} of {len(files)} {split} photos; the others are "
            "used; prepare makes them again"
        )
    return there


def labels(folder):
    """What each prepared photo is of, as far as its source tells, to learn classes from.

    A photo's class is the folder it lay in, or, where it lay in none, its set: what its name has
    in front of its last dash.

    Returns:
        A dict of the prepared photos' stems to class numbers, counted from 0 in the order of the
        classes' names.
    """
    kept = [row for row in read_manifest(folder) if row["kept"] == "1"]
    classes = {row["photo"]: set_of(row["file"]) for row in kept}
    numbers = {name: number for number, name in enumerate(sorted(set(classes.values())))}
    return {photo: numbers[name] for photo, name in classes.items()}


def set_of(file):
    """The folder that a photo lies in; of one in no folder, what its name has before its last dash."""
    path = Path(file)
    return path.parent.name or path.name.rpartition("-")[0]


def fingerprint(folder):
    """A hash of which photos are in which split, to tell whether two runs saw the same data."""
    rows = [(r["photo"], r["split"]) for r in read_manifest(folder) if r["kept"] == "1"]
    return sha256(repr(sorted(rows)).encode()).hexdigest()[:16]


def read_prepared(file):
    """A prepared photo as uint8 RGB `(size, size, 3)`."""
    pixels = cv2.imread(str(file), cv2.IMREAD_COLOR)
    if pixels is None:
        raise PhotoError(f"{file}: missing or damaged; delete it, then prepare the same photos again")
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
