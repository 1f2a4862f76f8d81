"""Photos in folders to a prepared set: filtered, without duplicates, split."""

import base64
import contextlib
import csv
import io
import json
import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from threading import Condition

import cv2
import numpy as np
from PIL import Image
from tqdm import tqdm

from colornet.data.duplicates import Kept
from colornet.data.quality import unfit
from colornet.errors import PhotoError, say, unforeseen
from colornet.photos.photo import search
from colornet.photos.read import read_photo
from colornet.photos.resize import eight_bits, square
from colornet.storage import AnyPath, NoRoom, atomic, read_journal, room_for

# Pixels read at the same time; a pixel takes about 13 bytes on its way. A larger photo is read
# alone, or, if it is a JPEG, at a fraction of its size.
AT_ONCE = 32_000_000
OUT_OF_REACH = "out of reach"  # a file that may be there the next time
COLUMNS = "file bytes width height kept reason split photo chroma edge".split()


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
    pixels = eight_bits(pixels)
    identity = sha256(repr(pixels.shape).encode())
    identity.update(np.ascontiguousarray(pixels))
    identity = identity.hexdigest()
    scale = 256 / min(pixels.shape[:2])
    shape = [max(1, round(scale * side)) for side in pixels.shape[1::-1]]
    view = cv2.resize(pixels, shape, interpolation=cv2.INTER_AREA)
    Lab = cv2.cvtColor(view.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)
    reason, chroma, edge = unfit(view, Lab)
    record |= dict(reason=reason, chroma=chroma, edge=edge, photo=identity[:20])
    if not reason:
        thumb = cv2.resize(Lab[..., 0] * 2.55, (16, 16), interpolation=cv2.INTER_AREA)
        record["thumb"] = base64.b64encode(thumb.astype(np.uint8).tobytes()).decode()
        with atomic(folder / "photos" / f"{identity[:20]}.png") as temporary:
            bgr = cv2.cvtColor(square(pixels, size), cv2.COLOR_RGB2BGR)
            png = cv2.imencode(".png", bgr, [cv2.IMWRITE_PNG_COMPRESSION, 3])[1]
            temporary.write_bytes(png)  # imwrite keeps to itself why it failed
    return record


def _write_manifest(folder, records):
    """The manifest's rows, written to `manifest.csv`; photos that none of them keeps go."""
    rows = [
        {key: record.get(key, "") for key in COLUMNS} | dict(kept=int(not record["reason"]))
        for record in sorted(records, key=lambda record: (record["file"], record["bytes"] or 0))
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
    return rows


def _named(found, folder):
    """The `(file, name)` pairs of what was found outside of the folder, in a random order."""
    home = Path(os.path.realpath(folder))
    return sorted(
        (pair for pair in found.photos if home not in Path(os.path.realpath(pair[0])).parents),
        # Pseudo-random, which makes a limited set a fair sample of the whole.
        key=lambda pair: sha256(os.fsencode(pair[1])).digest(),
    )


def _journal(folder, header):
    """A set's journal and its records so far, of which the first must be `header`."""
    with room_for(folder):
        (folder / "photos").mkdir(parents=True, exist_ok=True)
    journal = folder / "records.jsonl"
    records = read_journal(journal)
    if records and records[0] != header:
        raise PhotoError(f"{folder}: was prepared at size {records[0]['size']}; choose another")
    return journal, records


def prepare(
    sources: list, folder: AnyPath, size: int = 256, limit: int | None = None
) -> list[dict]:
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
    found = search(sources)
    named = _named(found, folder)
    journal, records = _journal(folder, dict(size=size))
    kept, chunk = Kept(), 32 * os.cpu_count()
    decided = []
    for start in range(1, len(records), 1024):
        decided += kept.decide(records[start : start + 1024])
    todo, lost = _unseen(named, decided), _lost(named, decided, folder)
    if decided and todo:
        before = f"has {len(decided)} photos from before, of which {len(kept.files)} were kept"
        say(f"{folder}: {before}; {len(todo)} more may join them")
    missing, memory = [], _Memory()
    for name, line in found.unopened:
        missing.append(dict(file=name, bytes="", reason=OUT_OF_REACH))
        say(line)

    def examine(pair):
        return _examine(*pair, folder, size, memory)

    with room_for(journal), open(journal, "a", encoding="utf-8") as log:
        if not records:
            log.write(json.dumps(dict(size=size)) + "\n")
        bar = tqdm(total=len(named), initial=len(named) - len(todo), unit="photo")
        with bar, ThreadPoolExecutor(os.cpu_count()) as pool:
            if lost:
                say(f"{folder}: {len(lost)} of its photos are missing; they are made again")
                list(pool.map(examine, lost))
            while todo and not (limit and len(kept.files) >= limit):
                wanted = min(chunk, limit - len(kept.files)) if limit else chunk
                part, todo = todo[:wanted], todo[wanted:]
                new = []
                for record in pool.map(examine, part):
                    if record["reason"] in ("unreadable", OUT_OF_REACH):
                        say(record["detail"])
                    if record["reason"] == OUT_OF_REACH:
                        missing.append(record)
                    else:
                        new.append(record)
                        log.write(json.dumps(record) + "\n")
                    bar.update()
                log.flush()
                decided += kept.decide(new)
    rows = _write_manifest(folder, decided + missing)
    if found.others:
        say(found.not_read())
    return rows
