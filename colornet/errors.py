"""What is told when something goes wrong: one line, with the remedy."""

import os
import tempfile
import threading
import traceback
import unicodedata

_LOCK = threading.Lock()
_log = None  # where the tracebacks of this process go


def one_line(text):
    """Text on one line: file names may hold line breaks and other control characters."""
    breaks = ("Cc", "Cs", "Zl", "Zp")  # control characters, bytes that are no text, separators
    return "".join(
        ascii(c)[1:-1] if unicodedata.category(c) in breaks else c for c in str(text)
    )


def reason(error):
    """A library's words for what went wrong, short enough for a line."""
    words = getattr(error, "strerror", None) or " ".join(str(error).split())
    return words[:100] or type(error).__name__


def unforeseen(error):
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
