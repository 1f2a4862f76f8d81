"""What processes a process has started, read while they come and go."""

import contextlib
from pathlib import Path


def _all():
    """`{id: (its parent's id, its command line)}` of all processes that live now."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended since
            parent = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
            found[int(folder.name)] = parent, (folder / "cmdline").read_text(errors="replace")
    return found


def started_by(process, word):
    """The ids of the processes that one, by its id, or those it started have started.

    Args:
        word: what their command line holds; of one that has ended and waits for its parent it is
            empty.
    """
    living, family, found = _all(), {process}, []
    while new := [i for i, (parent, _) in living.items() if parent in family and i not in family]:
        family.update(new)
        found += [i for i in new if word in living[i][1]]
    return found
