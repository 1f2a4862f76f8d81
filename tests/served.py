"""The page's server as a process of its own, for the tests of the API and of the page."""

import contextlib
import os
import socket
import time
from pathlib import Path

import httpx
from conftest import start
from processes import started_by

from colornet.color.lab import luma
from colornet.data.samples import sample
from colornet.photos.photo import Photo


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Served:
    """A server that is up.

    folder: where it puts what it has on its way.
    """

    def __init__(self, folder, *options, port=None):
        self.port, self.folder = port or free_port(), Path(folder)
        self.url = f"http://127.0.0.1:{self.port}"
        command = "-m", "colornet", "serve", "--port", self.port, *options
        self.process = start(*command, TMPDIR=str(folder))
        self.client = httpx.Client(base_url=self.url, timeout=300)
        until = time.time() + 300
        while not self.is_up():
            assert self.process.poll() is None and time.time() < until, self.process.communicate()
            time.sleep(0.1)

    def is_up(self):
        with contextlib.suppress(httpx.TransportError):
            return self.client.get("/api/health", timeout=2).is_success

    def post(self, path, file, name="old cup.png", **options):
        """The response to a photo, bytes or a path, with settings as JSON text."""
        data = file if isinstance(file, bytes) else Path(file).read_bytes()
        return self.client.post(path, files=dict(photo=(name, data)), **options)

    def workers(self):
        """The ids of its worker processes."""
        return started_by(self.process.pid, "spawn_main")

    def left(self):
        """The files that are in its folder now."""
        return [Path(folder, name) for folder, _, names in os.walk(self.folder) for name in names]

    def is_emptied(self):
        """Whether its folder is empty soon: a request ends a moment after its answer."""
        until = time.time() + 10
        while self.left() and time.time() < until:
            time.sleep(0.01)
        return not self.left()

    def end(self):
        self.client.close()
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.communicate(timeout=60)[0]


@contextlib.contextmanager
def served(folder, *options, port=None):
    server = Served(folder, *options, port=port)
    try:
        yield server
    finally:
        server.end()


def cup(path):
    """A grey photo of 600x400 as a file."""
    Photo(luma(sample("coffee"))).save(path)
    return path


def error_of(response):
    """The one sentence of an error."""
    assert response.headers["content-type"] == "application/json"
    (said,) = response.json().values()
    assert [*response.json()] == ["error"] and "\n" not in said and "Traceback" not in said
    return said
