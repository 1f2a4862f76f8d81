"""A photo in memory, and where photo files lie."""

import os
import stat
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from colornet.errors import PhotoError
from colornet.photos.damage import Damage
from colornet.photos.history import Step
from colornet.photos.metadata import Metadata

WRITTEN = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp")
SUFFIXES = (*WRITTEN, ".gif", ".avif", ".heic", ".heif", ".jp2", ".j2k", ".jpx")


class Photo(NamedTuple):
    """A photo in memory.

    pixels: uint8 or uint16 `(H, W)` grey or `(H, W, 3)` sRGB, upright.
    alpha: `(H, W)` of the same dtype, or None.
    icc: the file's RGB colour profile as bytes, or None; the pixels are sRGB all the same.
    metadata: what the file says of itself.
    notes: what a person should be told of it, sentences without a full stop.
    pictures: how many the file holds.
    sha256: of the file, in hexadecimal; None where it is of none.
    step: what was done to it since, which `save` writes into the new file; None for nothing.
    damage: what was mended of it; None for nothing.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None = None
    icc: bytes | None = None
    metadata: Metadata = Metadata()
    notes: tuple = ()
    pictures: int = 1
    sha256: str | None = None
    step: Step | None = None
    damage: Damage | None = None

    def save(self, path: str | os.PathLike, quality: int = 95, mark: bool = True) -> list[str]:
        """Writes the photo, see `write.write_photo`."""
        from colornet.photos.write import write_photo

        return write_photo(path, self, quality, mark)


class Found(NamedTuple):
    """What lies in files and folders.

    photos: `(file, name)` pairs sorted by file; `name` is the path relative to the folder that was
        searched, `/` between its parts.
    unopened: `(name, line)` for each folder that cannot be opened, the line telling why.
    others: how many files of each suffix are of kinds that are not read.
    """

    photos: list
    unopened: list
    others: Counter

    def not_read(self) -> str:
        """The kinds that are not read and their counts as one line, "" if there are none."""
        kinds = ", ".join(f"{number} {kind}" for kind, number in self.others.most_common())
        return kinds and f"not read: {kinds}"


def search(sources: Iterable[str | os.PathLike]) -> Found:
    """What files and folders hold, as `Found`.

    Hidden files and folders are left out, linked folders are counted and not entered. A file that
    was named itself is taken whatever its suffix. A dead link with a photo's suffix is a photo:
    whoever put it there expects one, and reading it says what is wrong.

    Raises:
        PhotoError: a source that does not exist.
    """
    photos, unopened, others = {}, [], Counter()

    for source in map(Path, sources):
        if source.is_dir():

            def closed(error, source=source):
                line = f"{error.filename}: cannot be opened ({error.strerror}); left out"
                unopened.append((Path(error.filename).relative_to(source).as_posix(), line))

            for folder, folders, names in os.walk(source, onerror=closed):
                folders[:] = [name for name in folders if not name.startswith(".")]
                linked = sum(os.path.islink(os.path.join(folder, name)) for name in folders)
                others += Counter({"linked folder": linked})
                for file in (Path(folder, name) for name in names if not name.startswith(".")):
                    suffix = file.suffix.lower()
                    if suffix not in SUFFIXES:
                        others[suffix or "without suffix"] += 1
                    elif is_special(file):
                        others["special file"] += 1
                    else:
                        photos[file] = file.relative_to(source).as_posix()
        elif source.exists():
            photos[source] = source.name
        else:
            raise PhotoError(f"{source}: no such file or folder; check the path")
    return Found(sorted(photos.items()), unopened, others)


def is_special(file: Path) -> bool:
    """Whether it is a pipe, a device or the like."""
    # A pipe would be waited for.
    try:
        return not stat.S_ISREG(file.stat().st_mode)
    except OSError:
        return False


def find_photos(sources: Iterable[str | os.PathLike]) -> list[tuple[Path, str]]:
    """The photo files among files and folders, as `(file, name)` pairs: those of `search`."""
    return search(sources).photos
