"""The list of a folder's files with their SHA-256, as `sha256sum -c SHA256SUMS` reads it."""

import hashlib
from pathlib import Path

from colornet.errors import one_line
from colornet.storage import AnyPath, atomic

LIST = "SHA256SUMS"


def digest(path: AnyPath) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_sums(folder: AnyPath, files: list[Path] | None = None) -> None:
    """Lists files of a folder anew; by default every one in it and the folders below it."""
    folder = Path(folder)
    if files is None:
        files = sorted(file for file in folder.rglob("*") if file.is_file() and file.name != LIST)
    lines = [f"{digest(file)}  {file.relative_to(folder).as_posix()}\n" for file in files]
    with atomic(folder / LIST) as temporary:
        temporary.write_text("".join(lines), encoding="utf-8", newline="\n")


def check_sums(folder: AnyPath) -> None:
    """Checks the files of a folder that has a list; those that are not there are passed over.

    Raises:
        ValueError: a file other than the list says, or a line that is none of a list; one line.
    """
    folder = Path(folder)
    if not (folder / LIST).is_file():
        return
    for line in (folder / LIST).read_text(encoding="utf-8", errors="replace").splitlines():
        listed, mark, name = line[:64], line[64:66], line[66:]
        if mark not in ("  ", " *") or not name:
            raise ValueError(f"{folder / LIST}: {one_line(line)[:80]!r} is no line of sha256sum")
        if (folder / name).is_file() and digest(folder / name) != listed.lower():
            raise ValueError(f"{folder / name}: is not the file that {LIST} lists; fetch it again")
