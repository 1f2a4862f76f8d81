"""A prepared set: its manifest, its splits, its photos."""

import csv
from collections import Counter
from hashlib import sha256
from pathlib import Path

import cv2
import numpy as np

from colornet.errors import PhotoError, say
from colornet.storage import AnyPath


def summary(rows: list[dict]) -> str:
    """A manifest as a short table: how many photos were kept, by split, and left, by reason."""
    count = Counter(row["split"] if int(row["kept"]) else row["reason"] for row in rows)
    kept = sum(int(row["kept"]) for row in rows)
    splits = ("train", "validation", "test")
    lines = [("seen", len(rows)), ("kept", kept), *((name, count[name]) for name in splits)]
    reasons = sorted(set(count) - set(splits))
    lines += [("left out", len(rows) - kept), *((name, count[name]) for name in reasons)]
    return "\n".join(f"{name:>16} {number:6}" for name, number in lines)


def is_prepared(folder: AnyPath) -> bool:
    """Whether a folder is a prepared set."""
    return (Path(folder) / "manifest.csv").is_file()


def read_manifest(folder: AnyPath) -> list[dict[str, str]]:
    """The manifest of a prepared set, a list of dicts of strings.

    Raises:
        PhotoError: the folder holds no prepared set.
    """
    path = Path(folder) / "manifest.csv"
    if not path.is_file():
        raise PhotoError(
            f"{path}: not there; make the set with: colornet prepare PHOTOS -o {folder}"
        )
    with open(path, newline="", encoding="utf-8", errors="surrogateescape") as file:
        return list(csv.DictReader(file))


def split_files(folder: AnyPath, split: str) -> list[Path]:
    """The prepared photos of "train", "validation" or "test", sorted by name."""
    rows = read_manifest(folder)
    names = sorted(row["photo"] for row in rows if row["kept"] == "1" and row["split"] == split)
    return [Path(folder) / "photos" / f"{name}.png" for name in names]


def present_files(folder: AnyPath, split: str) -> list[Path]:
    """Those of `split_files` that are there; how many are missing is a line on stderr."""
    files = split_files(folder, split)
    there = [file for file in files if file.is_file()]
    if len(there) < len(files):
        gone = len(files) - len(there)
        first = min(set(files) - set(there))
        say(
            f"{first}: missing, with it {gone} of {len(files)} {split} photos; the others are "
            "used; prepare makes them again"
        )
    return there


def labels(folder: AnyPath) -> dict[str, int]:
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


def set_of(file: str) -> str:
    """The folder that a photo lies in; without one, what its name has before its last dash."""
    path = Path(file)
    return path.parent.name or path.name.rpartition("-")[0]


def fingerprint(folder: AnyPath) -> str:
    """A hash of which photos are in which split, to tell whether two runs saw the same data."""
    rows = [(r["photo"], r["split"]) for r in read_manifest(folder) if r["kept"] == "1"]
    return sha256(repr(sorted(rows)).encode()).hexdigest()[:16]


def read_prepared(file: AnyPath) -> np.ndarray:
    """A prepared photo as uint8 RGB `(size, size, 3)`."""
    pixels = cv2.imread(str(file), cv2.IMREAD_COLOR)
    if pixels is None:
        raise PhotoError(
            f"{file}: missing or damaged; delete it, then prepare the same photos again"
        )
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
