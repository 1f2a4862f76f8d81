"""What is told when something goes wrong: one line, with the remedy."""

import contextlib
import os
import sys
import tempfile
import threading
import traceback
import unicodedata
from collections.abc import Iterator

from tqdm import tqdm

_LOCK = threading.Lock()
_log = None  # where the tracebacks of this process go


def one_line(text: object) -> str:
    """Text on one line: file names may hold line breaks and other control characters."""
    breaks = ("Cc", "Cs", "Zl", "Zp")  # control characters, bytes that are no text, separators
    return "".join(ascii(c)[1:-1] if unicodedata.category(c) in breaks else c for c in str(text))


def say(line: object) -> None:
    """Tells a line on stderr, above a bar of progress where there is one."""
    tqdm.write(f"colornet: {one_line(line)}", file=sys.stderr)


def reason(error: BaseException) -> str:
    """A library's words for what went wrong, short enough for a line."""
    words = getattr(error, "strerror", None) or " ".join(str(error).split())
    return words[:100] or type(error).__name__


def unforeseen(error: Exception) -> str:
    """The sentence for an error that nobody foresaw; its traceback is added to a file.

    The file, one a process, is named in the sentence.
    """
    global _log
    if isinstance(error, MemoryError):
        return "needs more memory than there is; make it smaller or close other programs"
    with _LOCK:
        if _log is None:
            handle, _log = tempfile.mkstemp(".txt", "colornet-errors-")
            os.close(handle)
        with open(_log, "a", encoding="utf-8") as file:
            file.write("".join(traceback.format_exception(error)) + "\n")
    return f"{type(error).__name__} ({reason(error)}); please report it with {_log}"


class Unsupported(ValueError):
    """A valid file of a kind that is not read; the message names the kind."""


class NotInstalled(ModuleNotFoundError):
    """A library that `pip install colornet` leaves out; the message tells which extra brings it."""


@contextlib.contextmanager
def needs(extra: str, what: str) -> Iterator[None]:
    """Where a library is missing within, its absence in one line.

    Args:
        extra: the one of pyproject.toml that brings it.
        what: the line's beginning, such as "films need".

    Raises:
        NotInstalled: instead of a bare ModuleNotFoundError.
    """
    try:
        yield
    except NotInstalled:
        raise
    except ModuleNotFoundError as error:
        line = f"{what} {error.name}; install it: pip install 'colornet[{extra}]'"
        raise NotInstalled(line, name=error.name) from None


class PhotoError(ValueError):
    """A file that cannot be used; the message is one line that names it and the remedy."""

    def __init__(self, message: str):
        super().__init__(one_line(message))
