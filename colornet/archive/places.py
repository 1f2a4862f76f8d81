"""Folders here or elsewhere: anything that fsspec opens, such as `s3://bucket/folder`."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from colornet.errors import PhotoError, reason, say
from colornet.photos.photo import is_special
from colornet.storage import NoRoom


def _walk(folder, above=""):
    """The files of a folder of this machine, one by one: a million are never in one list."""
    try:
        opened = os.scandir(folder)
    except OSError as error:  # one folder must not cost the others
        say(f"{folder}: cannot be opened ({error.strerror}); left out")
        return
    with opened as entries:
        for entry in entries:
            name = above + entry.name
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(entry.path, f"{name}/")
            elif not entry.is_dir() and not is_special(Path(entry.path)):
                yield name


class Place:
    """A folder.

    url: as it was named.
    folder: its path on this machine, or None where it lies elsewhere.

    Raises:
        PhotoError: a kind of address that cannot be opened.
    """

    def __init__(self, url: str | os.PathLike):
        self.url = str(url)
        try:
            self._files, self._root = url_to_fs(self.url)
        except (ImportError, ValueError, OSError) as error:
            raise PhotoError(f"{url}: cannot be opened ({reason(error)})") from None
        self.folder = Path(self._root) if isinstance(self._files, LocalFileSystem) else None

    def under(self, name: str) -> "Place":
        """A folder in this one."""
        return Place(f"{self.url.rstrip('/')}/{name}")

    def path(self, name: str) -> str:
        """The whole path or address of one of its files."""
        return str(self.folder / name) if self.folder else f"{self.url.rstrip('/')}/{name}"

    def exists(self, name: str = "") -> bool:
        """Whether there is such a file, or the folder itself."""
        if self.folder:
            return os.path.lexists(self.folder / name)
        return self._files.exists(f"{self._root}/{name}".rstrip("/"))

    def names(self) -> Iterator[str]:
        """The names of all its files, relative to it, `/` between their parts, in no order.

        Hidden files and folders and what is no file are left out, and with a line on stderr folders
        that cannot be opened. A folder elsewhere gives the names of one of its folders at a time.

        Raises:
            PhotoError: there is no such folder, or the place cannot be reached.
        """
        try:
            if not self.exists() and not self._files.isdir(self._root):
                raise PhotoError(f"{self.url}: no such folder; check the path")
            if self.folder:
                yield from _walk(self.folder)
                return
            for folder, folders, files in self._files.walk(self._root):
                folders[:] = [one for one in folders if not one.startswith(".")]
                above = folder.removeprefix(self._root).strip("/")
                for name in files:
                    if name and not name.startswith("."):
                        yield f"{above}/{name}" if above else name
            self._files.invalidate_cache()
        except OSError as error:
            there = error.filename or self.url
            raise PhotoError(f"{there}: cannot be opened ({reason(error)})") from None

    @contextlib.contextmanager
    def reading(self, name: str) -> Iterator[Path]:
        """A path on this machine by which a file can be read.

        Raises:
            PhotoError: it cannot be fetched.
        """
        if self.folder:
            yield self.folder / name
            return
        with tempfile.TemporaryDirectory(prefix="colornet-") as folder:
            path = Path(folder) / Path(name).name
            try:
                self._files.get_file(f"{self._root}/{name}", str(path))
            except Exception as error:  # each kind of place has errors of its own
                raise PhotoError(
                    f"{self.path(name)}: cannot be fetched ({reason(error)})"
                ) from None
            yield path

    @contextlib.contextmanager
    def writing(self, name: str) -> Iterator[Path]:
        """A path on this machine; what is written there gets its name at the end of the block.

        Raises:
            PhotoError: it cannot be sent.
        """
        if self.folder:
            yield self.folder / name
            return
        with tempfile.TemporaryDirectory(prefix="colornet-") as folder:
            path = Path(folder) / Path(name).name
            yield path
            try:
                self._files.put_file(str(path), f"{self._root}/{name}")
            except NoRoom:
                raise
            except Exception as error:
                raise PhotoError(f"{self.path(name)}: cannot be sent ({reason(error)})") from None
