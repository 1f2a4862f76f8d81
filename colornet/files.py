"""Where released networks lie, and files that appear whole or not at all."""

import contextlib
import errno
import os
import shutil
import threading
from pathlib import Path

RELEASED = Path(__file__).parents[1] / "saved_models"
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
def room_for(path):
    """Whatever in the block finds no room is raised as `NoRoom` for `path`."""
    try:
        yield
    except NoRoom:
        raise
    except OSError as error:
        if error.errno not in LIMITS:
            raise
        raise NoRoom(error.errno, LIMITS[error.errno], str(path)) from error


def released(model):
    """The folder of a released network by its name; else the path that was given."""
    named = RELEASED / Path(model).name
    return named if str(model) == named.name and named.is_dir() else Path(model)


@contextlib.contextmanager
def atomic(path):
    """Yields a temporary path beside `path`; renames it to `path` when the block succeeds.

    The temporary name keeps the suffixes, since writers choose the format by them. Whatever goes
    wrong in the block, `path` stays as it was and the temporary file or folder is gone.

    Raises:
        NoRoom: the disk is full.
    """
    path = Path(path)
    with room_for(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    # By thread too: two photos of the same pixels may be written at the same time.
    temporary = path.with_name(f".tmp{os.getpid()}.{threading.get_ident()}.{path.name}")
    try:
        with room_for(path):
            yield temporary
            os.replace(temporary, path)
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            temporary.unlink(missing_ok=True)
