"""A whole archive: found, coloured, told of, and begun again where it was left."""

import json
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import bagit
from tqdm import tqdm

from colornet.archive.ledger import Ledger
from colornet.archive.places import Place
from colornet.archive.review import write_review
from colornet.archive.task import Task, result_name
from colornet.errors import PhotoError, needs, say
from colornet.storage import ABANDONED, atomic, sweep

LEDGER, REVIEW = ".colornet-archive.sqlite", "review.html"
BAG = "BagIt-Version: 0.97\nTag-File-Character-Encoding: UTF-8\n"


@dataclass(frozen=True)
class ArchiveOrder:
    """How an archive is worked through.

    ledger: path of the ledger's file; by default in the folder of results, beside it where that
        is a bag, in the present folder where that is on another machine.
    engine: "processes" of this machine, or "ray".
    workers: how many at once; by default one a core.
    retry: files that failed are tried again.
    review: how many of the least sure results `review.html` shows.
    bag: the results become a bag, RFC 8493.
    record: path of a file for what became of each file, in JSON a line, in the order of names.
    """

    ledger: str | None = None
    engine: str = "processes"
    workers: int | None = None
    retry: bool = False
    review: int = 60
    bag: bool = False
    record: str | None = None


def _engine(name):
    with needs(
        *dict(processes=("archive", "archives need"), ray=("ray", "--engine ray needs"))[name]
    ):
        if name == "ray":
            from colornet.archive.on_ray import on_ray

            return on_ray
        from colornet.archive.processes import on_processes

        return on_processes


def _found(source):
    """Names and targets of the files with which something is done."""
    for name in tqdm(source.names(), desc="found", unit=" files"):
        if target := result_name(name):
            yield name, target


def _inside(inner, outer):
    return bool(inner and outer) and outer.resolve() in (inner.resolve(), *inner.resolve().parents)


@contextmanager
def _bag(out):
    """The folder of a bag's payload; at the end of the block the bag is whole."""
    (out / "data").mkdir(parents=True, exist_ok=True)
    (out / "bagit.txt").write_text(BAG, encoding="utf-8")
    yield
    bag = bagit.Bag(str(out))
    bag.algorithms = ["sha256", "sha512"]  # RFC 8493 asks for the second
    bag.save(processes=os.cpu_count(), manifests=True)


def colorize_archive(task: Task, order: ArchiveOrder = ArchiveOrder()) -> dict:
    """Colours the photos of a folder of any size into another.

    Names, subfolders and sidecars are kept. Called again, it goes on where it was left, with what
    has come in since; nothing is done twice. Failures are in the ledger, with their reasons.

    Args:
        task: what is wanted; its `source` may be a bag, of which the payload is taken.
        order: how.

    Returns:
        How many files there are of each state.

    Raises:
        PhotoError: before any work: no such folder, the results inside the photos' folder, a
            ledger of another job.
        NoRoom: the disk is full; the same command goes on.
        KeyboardInterrupt: the same command goes on.
    """
    source, out = Place(task.source), Place(task.out)
    home = out.folder
    if _inside(home, source.folder) or _inside(source.folder, home):
        line = "lies in the photos' folder, or holds it; choose another place"
        raise PhotoError(f"{task.out}: {line}")
    if order.bag and not home:
        raise PhotoError(f"{task.out}: bags are made on this machine alone; leave out --bag")
    path = (home or Path.cwd()) / LEDGER
    if order.bag:
        path, out = home.with_name(home.name + LEDGER), out.under("data")  # a bag is left as it is
    if source.exists("bagit.txt"):
        source = source.under("data")
    task = replace(task, source=source.url, out=out.url)
    engine, workers = _engine(order.engine), order.workers or os.cpu_count()
    ledger = Ledger(order.ledger or path, task.job())
    with _bag(home) if order.bag else nullcontext():
        ledger.add(_found(source), lambda: out.names() if out.exists() else ())
        if order.retry:
            ledger.retry()
        try:
            with closing(engine(task, ledger.waiting(), workers)) as records:
                _work(ledger, records)
        finally:  # a killed worker, or a killed run before, leaves what it had begun
            if home:  # where the ledger lies by the results, one run alone writes them
                sweep(home, ABANDONED if order.ledger else 0)
        if order.review and home:
            write_review(home / REVIEW, ledger, task, order.review)
    if order.record:
        with atomic(order.record) as temporary, open(temporary, "w", encoding="utf-8") as file:
            file.writelines(json.dumps(one["told"]) + "\n" for one in ledger.records())
    counts = ledger.counts()
    ledger.close()
    return counts


def _work(ledger, records: Iterator[list[dict]]):
    """Writes records as they come, and tells of failures."""
    before = ledger.counts()
    total = sum(before.values())
    with tqdm(total=total, initial=total - before.get("waiting", 0), unit="file") as bar:
        for some in records:
            ledger.finish(some)
            for one in some:
                if one["state"] == "failed":
                    say(one["told"]["error"])
            bar.update(len(some))
