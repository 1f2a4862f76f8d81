"""What became of each file of an archive: one row a file, in SQLite, which no kill damages."""

import json
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path

from colornet.errors import PhotoError
from colornet.storage import NoRoom

ROWS = 1000  # read or written at once
TABLES = """
CREATE TABLE IF NOT EXISTS files (
    name BLOB PRIMARY KEY, target BLOB UNIQUE, state TEXT NOT NULL, confidence REAL, record TEXT
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_state ON files (state, name);
CREATE TABLE IF NOT EXISTS about (job TEXT);
"""


def batches(rows: Iterable, size: int) -> Iterator[list]:
    """Lists of at most `size` rows."""
    rows = iter(rows)
    while some := list(islice(rows, size)):
        yield some


class Ledger:
    """The rows of the files of one archive.

    States: `new`, found just now; `waiting`; `done`; `passed` (in colour already); `copied` (a
    sidecar); `kept` (its result was there before); `failed`.

    Args:
        path: of the ledger's file.
        job: what is to be done, a dict for JSON; a ledger is of one job alone.

    Raises:
        PhotoError: the file is of another job, or no ledger, or another process works with it.
        NoRoom: here and in every method, the disk is full.
    """

    def __init__(self, path: str | os.PathLike, job: dict):
        self.path = Path(path)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._rows = sqlite3.connect(self.path, timeout=0)
            # One process at a time; the log makes small commits quick, and is safe from a kill.
            # Where the power fails it may lack the last ones, which are then done again.
            for pragma in ("locking_mode=EXCLUSIVE", "journal_mode=WAL", "synchronous=NORMAL"):
                self._rows.execute(f"PRAGMA {pragma}")
            self._rows.executescript(TABLES)
            told = self._rows.execute("SELECT job FROM about").fetchone()
            job = json.dumps(job, sort_keys=True)
            if told is None:
                with self._rows:
                    self._rows.execute("INSERT INTO about VALUES (?)", (job,))
        except (sqlite3.Error, OSError) as error:
            raise self._said(error) from None
        if told and told[0] != job:
            line = f"{path}: is of another job: {told[0]}; name another place, or remove the file"
            raise PhotoError(line)

    def _said(self, error):
        text = str(error)
        if "full" in text:
            return NoRoom(28, "the disk is full", str(self.path))
        if "locked" in text:
            text = "another process works with it"
        return PhotoError(f"{self.path}: cannot be used as a ledger ({text})")

    def _change(self, sql, rows):
        try:
            with self._rows:
                self._rows.executemany(sql, rows)
        except sqlite3.Error as error:
            raise self._said(error) from None

    def add(self, files: Iterable[tuple[str, str]], there: Callable[[], Iterable[str]]) -> None:
        """Adds files that are not there yet; of two with one target, the second fails.

        Args:
            files: names and targets.
            there: gives the names of the results that are there; asked where files are new. A
                result from before is kept.
        """
        clash = json.dumps(dict(error="another file would get the same result; rename one"))
        for some in batches(files, ROWS):
            self._change(
                "INSERT INTO files (name, target, state) VALUES (?, ?, 'new') "
                "ON CONFLICT (name) DO NOTHING ON CONFLICT (target) DO NOTHING",
                [(os.fsencode(name), os.fsencode(target)) for name, target in some],
            )
            self._change(
                "INSERT INTO files (name, state, record) VALUES (?, 'failed', ?) "
                "ON CONFLICT (name) DO NOTHING",
                [(os.fsencode(name), clash) for name, _ in some],
            )
        if self.counts().get("new"):
            for some in batches(there(), ROWS):
                self._change(
                    "UPDATE files SET state = 'kept' WHERE target = ? AND state = 'new'",
                    [(os.fsencode(name),) for name in some],
                )
            self._change("UPDATE files SET state = 'waiting' WHERE state = 'new'", [()])

    def retry(self) -> None:
        """Failed files wait again."""
        self._change(
            "UPDATE files SET state = 'waiting', record = NULL "
            "WHERE state = 'failed' AND target IS NOT NULL",
            [()],
        )

    def waiting(self) -> Iterator[tuple[str, str]]:
        """Names and targets of the files that wait, in the order of their names."""
        last = b""
        while rows := self._rows.execute(
            "SELECT name, target FROM files WHERE state = 'waiting' AND name > ? "
            "ORDER BY name LIMIT ?",
            (last, ROWS),
        ).fetchall():
            last = rows[-1][0]
            yield from ((os.fsdecode(name), os.fsdecode(target)) for name, target in rows)

    def finish(self, records: list[dict]) -> None:
        """Writes what became of files: dicts of `name`, `state` and what is `told`."""
        self._change(
            "UPDATE files SET state = ?, confidence = ?, record = ? WHERE name = ?",
            [
                (
                    one["state"],
                    (one["told"].get("confidence") or {}).get("mean"),
                    json.dumps(one["told"]),
                    os.fsencode(one["name"]),
                )
                for one in records
            ],
        )

    def counts(self) -> dict[str, int]:
        """How many files there are of each state."""
        found = self._rows.execute(
            "SELECT state, COUNT(*) FROM files GROUP BY state ORDER BY state"
        )
        return dict(found.fetchall())

    def records(self, state: str | None = None) -> Iterator[dict]:
        """Of the files that are through, or of one state, in the order of names, as `finish`."""
        which = "state = ?" if state else "state != ?"
        found = self._rows.execute(
            f"SELECT name, state, record FROM files WHERE {which} ORDER BY name",
            (state or "waiting",),
        )
        for name, of, record in found:
            yield dict(name=os.fsdecode(name), state=of, told=json.loads(record or "{}"))

    def least_sure(self, count: int) -> list[tuple[str, dict]]:
        """Names of the photos that the network was least sure of, and what is told of them."""
        found = self._rows.execute(
            "SELECT name, record FROM files WHERE confidence IS NOT NULL "
            "ORDER BY confidence, name LIMIT ?",
            (count,),
        )
        return [(os.fsdecode(name), json.loads(record)) for name, record in found]

    def close(self) -> None:
        """Closes the file."""
        self._rows.close()
