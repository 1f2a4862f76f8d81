"""Where released networks lie, and files that appear whole or not at all."""

import contextlib
import os
import shutil
import threading
from pathlib import Path

RELEASED = Path(__file__).parents[1] / "saved_models"


def released(model):
    """The folder of a released network by its name; else the path that was given."""
    named = RELEASED / Path(model).name
    return named if str(model) == named.name and named.is_dir() else Path(model)


@contextlib.contextmanager
def atomic(path):
    """Yields a temporary path beside `path`; renames it to `path` when the block succeeds.

    The temporary name keeps the suffixes, since writers choose the format by them. Whatever goes
    wrong in the block, `path` stays as it was and the temporary file or folder is gone.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # By thread too: two photos of the same pixels may be written at the same time.
    temporary = path.with_name(f".tmp{os.getpid()}.{threading.get_ident()}.{path.name}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            temporary.unlink(missing_ok=True)
