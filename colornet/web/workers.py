"""Processes that do the work: each has the network, and none shares anything with another."""

import asyncio
import contextlib
import functools
import logging
import multiprocessing
import os
import signal
import traceback
from concurrent.futures import ThreadPoolExecutor

from colornet.quiet import silent

SECONDS = 120  # the most that the work on one photo may take
_PROCESSES = multiprocessing.get_context("spawn")
_log = logging.getLogger("uvicorn.error")
_to_server = None  # in a worker's process


class Failed(Exception):
    """Work that came to no end, through no fault of the request; the message is for a person."""


class Gone(Exception):
    """Who asked has gone away."""


def tell(value):
    """Within a work: sends the server what it is to know before the end."""
    _to_server.send(("told", value))


def _work(pipe, model):
    """What a worker's process does, until the server is gone."""
    global _to_server
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process of a terminal
    _to_server = pipe
    with contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            work, arguments = pipe.recv()
            pipe.send(("begun", None))
            pipe.send(_outcome(work, model, arguments))


@functools.cache
def _load(model):
    with silent():
        from colornet.inference.colorizer import load

        return load(model)


def _outcome(work, model, arguments):
    try:
        return "done", work(_load(model), *arguments)
    except (ValueError, OSError) as error:
        return "refused", str(error)
    except MemoryError:
        return "refused", "needs more memory than there is; make it smaller first"
    except Exception:
        return "failed", traceback.format_exc()


class Worker:
    """One process, made anew when it has died."""

    def __init__(self, model):
        self._model = model
        self._start()

    def _start(self):
        self._pipe, theirs = _PROCESSES.Pipe()
        self._process = _PROCESSES.Process(target=_work, args=(theirs, self._model), daemon=True)
        self._process.start()
        theirs.close()

    def stop(self):
        """Ends the process, whatever it does; the next work begins another."""
        self._process.kill()
        self._process.join()

    def _hand(self, task):
        """Hands over work; a process that dies before it has begun costs no request.

        Raises:
            EOFError, OSError: the next process died as early.
        """
        try:
            self._pipe.send(task)
            self._pipe.recv()
        except (EOFError, OSError):
            self.stop()
            self._start()
            self._pipe.send(task)
            self._pipe.recv()

    def ask(self, work, arguments, told=None):
        """The result of `work(colorizer, *arguments)`, done by the process; waits for it.

        told: called with each value that the work tells, see `tell`.

        Raises:
            ValueError: what is wrong with the request, one line.
            Failed: the process died, took too long, or met an error that nobody foresaw.
        """
        try:
            self._hand((work, arguments))
            while self._pipe.poll(SECONDS):
                what, value = self._pipe.recv()
                if what != "told":
                    break
                told(value)
            else:
                self.stop()
                raise Failed(f"takes over {SECONDS} seconds here; make it smaller first")
        except (EOFError, OSError):
            self.stop()
            raise Failed("the work on it ended too early; try again, or make it smaller") from None
        if what == "refused":
            raise ValueError(value)
        if what == "failed":
            _log.error(value)
            raise Failed("something is wrong in the program; the server's log says what")
        return value


class Workers:
    """Workers for photos, and those who wait for one, first come, first served.

    waiting: how many do.
    """

    def __init__(self, model, count=None):
        self.count = count or os.cpu_count()
        self._idle = [Worker(model) for _ in range(self.count)]
        self._all, self._free = [*self._idle], asyncio.Semaphore(self.count)
        self.waiting = 0

    @contextlib.asynccontextmanager
    async def turn(self, request):
        """Waits for a worker; yields an `ask` that can be awaited.

        Raises:
            Gone: who asked, while waiting.
        """
        self.waiting += 1
        place, gone = (asyncio.ensure_future(x) for x in (self._free.acquire(), _gone(request)))
        try:
            await asyncio.wait({place, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not place.done():
                raise Gone
        finally:
            self.waiting -= 1
            gone.cancel()
            if not place.done():
                place.cancel()
        worker = self._idle.pop()

        async def ask(work, *arguments):
            return await asyncio.to_thread(worker.ask, work, arguments)

        try:
            yield ask
        finally:
            self._idle.append(worker)
            self._free.release()

    def about(self, work):
        """What `work(colorizer)` gives; every worker has loaded the network then."""
        with ThreadPoolExecutor(self.count) as pool:
            return [*pool.map(lambda worker: worker.ask(work, ()), self._all)][0]

    def close(self):
        """Ends every worker, whatever it does."""
        for worker in self._all:
            worker.stop()


async def _gone(request):
    """Returns when the client has closed the connection; the body has been read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
