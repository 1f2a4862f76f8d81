"""Files that no kill leaves half-written."""

import contextlib
import errno
import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

AnyPath = str | os.PathLike

FULL = {errno.ENOSPC: "the disk is full", errno.EDQUOT: "the disk's quota is used up"}
LIMITS = FULL | {errno.EFBIG: "it would be larger than a file may be here"}


class NoRoom(OSError):
    """A file that found no room; the message is one line that names it and the remedy."""

    def __str__(self):
        return (
            f"{self.filename}: cannot be written ({self.strerror}); make room there, then the "
            "same command goes on"
        )


@contextlib.contextmanager
def room_for(path: AnyPath) -> Iterator[None]:
    """Whatever in the block finds no room is raised as `NoRoom` for `path`."""
    try:
        yield
    except NoRoom:
        raise
    except OSError as error:
        if error.errno not in LIMITS:
            raise
        raise NoRoom(error.errno, LIMITS[error.errno], str(path)) from error


ABANDONED = 60  # seconds without a write: whoever began the file was killed
TEMPORARY = re.compile(r"\.tmp[0-9a-f]{8}\..*")  # of `atomic`


def sweep(folder: AnyPath, idle: float = ABANDONED) -> None:
    """Takes away what killed processes had begun to write in a folder.

    Args:
        folder: looked through with all folders in it.
        idle: seconds without a write; 0 where nothing else writes.
    """
    for inside, _, names in os.walk(folder):
        for name in filter(TEMPORARY.fullmatch, names):
            _take_away(Path(inside, name), idle)


def sweep_for(path: AnyPath) -> None:
    """Takes away what killed processes had begun to write for `path`, a minute ago or longer."""
    path = Path(path)
    for file in path.parent.glob(".tmp*"):
        if TEMPORARY.fullmatch(file.name) and file.name.endswith(_end(path)):
            _take_away(file, ABANDONED)


def _take_away(file, idle):
    with contextlib.suppress(OSError):
        if not idle or time.time() - file.stat().st_mtime > idle:
            file.unlink()


def _end(path):
    mark = len(".tmp00000000.")
    return path.name if len(path.name) < 40 else path.name[mark:]


@contextlib.contextmanager
def atomic(path: AnyPath) -> Iterator[Path]:
    """Yields a temporary path beside `path`; renames it to `path` when the block succeeds.

    The temporary name keeps the suffixes, since writers choose the format by them, and of a long
    name no more than its end, since a file system's names have a limit. Whatever goes
    wrong in the block, `path` stays as it was and the temporary file or folder is gone.

    Raises:
        NoRoom: the disk is full.
    """
    path = Path(path)
    with room_for(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".tmp{secrets.token_hex(4)}." + _end(path))
    try:
        with room_for(path):
            yield temporary
            os.replace(temporary, path)
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            temporary.unlink(missing_ok=True)


def read_journal(path: AnyPath) -> list:
    """The records of a file with one in JSON a line, in their order; none where there is no file.

    A last line that a kill cut off is dropped from the file.
    """
    path = Path(path)
    if not path.exists():
        return []
    lines = path.read_bytes().split(b"\n")
    if lines[-1]:
        with atomic(path) as temporary:
            temporary.write_bytes(b"\n".join([*lines[:-1], b""]))
    return [json.loads(line) for line in lines[:-1]]


def write_json(path: AnyPath, value: object) -> None:
    """Writes a value as indented JSON, atomically."""
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
