"""The engine of one machine: processes that share nothing, each with the network loaded once."""

import multiprocessing
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, wait

from pebble import ProcessExpired, ProcessPool

from colornet.archive.ledger import batches
from colornet.archive.task import Task

CHUNK = 8  # files that a process is given at once
_task = None  # of this process


def _start(task):
    global _task
    _task = task.alone()


def _do(files):
    return [_task.do(*file) for file in files]


def on_processes(
    task: Task, files: Iterable[tuple[str, str]], workers: int
) -> Iterator[list[dict]]:
    """Does a task with files, so many at once as there are workers.

    A process that dies costs no file but the one that killed it: what it was given is done again,
    one by one.

    Args:
        task: what is done with each.
        files: names and targets; read as they are needed.
        workers: how many processes.

    Yields:
        Records, some at a time, in no order.

    Raises:
        NoRoom: the disk is full.
    """
    context = multiprocessing.get_context("spawn")  # a fork would share locks with our threads
    with ProcessPool(workers, initializer=_start, initargs=(task,), context=context) as pool:
        chunks, running = batches(files, CHUNK), {}
        try:
            while True:
                while len(running) < 2 * workers and (chunk := next(chunks, None)):
                    running[pool.schedule(_do, (chunk,))] = chunk
                if not running:
                    return
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    chunk = running.pop(future)
                    try:
                        yield future.result()
                    except ProcessExpired:
                        if len(chunk) == 1:
                            line = "its process died, perhaps for want of memory; see --retry"
                            yield [dict(name=chunk[0][0], state="failed", told=dict(error=line))]
                        else:
                            for file in chunk:
                                running[pool.schedule(_do, ([file],))] = [file]
        finally:
            pool.stop()
