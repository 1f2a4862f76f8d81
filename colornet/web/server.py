"""The web page and its API: a photo goes up, its colours come back, nothing is kept."""

import contextlib
import re
import signal
import socket
import tempfile
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.staticfiles import StaticFiles
from uvicorn.protocols.http.h11_impl import H11Protocol

from colornet import __version__
from colornet.errors import say
from colornet.web import photos
from colornet.web.api import api
from colornet.web.films import Films
from colornet.web.guard import LOOPBACK, PATIENCE, Guard, refused
from colornet.web.workers import Gone, Workers

STATIC = Path(__file__).parent / "static"
ENDING = 2  # seconds that answers under way get when the server is told to end


class Desk:
    """What all requests share.

    model, steered: the network's name, and whether it can be steered.
    """

    def __init__(self, workers, films, folder):
        self.workers, self.films, self.folder = workers, films, folder
        self.model, self.steered = workers.about(photos.about)


def build(desk, hosts=LOOPBACK, numbers=False, origins=()):
    """The page and its API as an ASGI application; the rest as in `Guard`."""

    @contextlib.asynccontextmanager
    async def life(app):
        yield
        await desk.films.stop()
        desk.workers.close()

    app = FastAPI(
        title="colornet",
        version=__version__,
        description=__doc__,
        lifespan=life,
        docs_url=None,
        redoc_url=None,
    )
    app.state.desk = desk
    app.include_router(api)
    app.mount("/", StaticFiles(directory=STATIC, html=True))
    app.add_exception_handler(HTTPException, _told)
    app.add_exception_handler(RequestValidationError, _not_valid)
    app.add_exception_handler(Gone, lambda request, error: refused(499, "gone"))
    app.add_exception_handler(Exception, lambda request, error: refused(500, "went wrong here"))
    if origins:
        app.add_middleware(CORSMiddleware, allow_origins=origins, allow_methods=["*"])
    return Guard(app, hosts, numbers, origins)


async def _told(request, error):
    return refused(error.status_code, error.detail, **(error.headers or {}))


async def _not_valid(request, error):
    """The first thing that is wrong with a form, as a sentence."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"][1:]) or "the request"
    return refused(400, f"{where}: {first['msg'][0].lower()}{first['msg'][1:]}"[:300])


def _open_to(host):
    """Hosts and whether any address will do, for the address that is listened at."""
    if host in LOOPBACK:
        return LOOPBACK, False
    own = socket.gethostname().lower()
    say(
        f"whoever reaches {host} over the network can use the page, and photos travel "
        "unencrypted; on a network of others put a proxy with https before it"
    )
    return (*LOOPBACK, host.lower(), own, f"{own}.local"), True


class Protocol(H11Protocol):
    """HTTP that does not wait for a client that connects and asks nothing."""

    def connection_made(self, transport):
        super().connection_made(transport)
        self.loop.call_later(PATIENCE, self._hurry)

    def _hurry(self):
        if self.scope is None:
            self.transport.close()


def _stop(*_):
    raise SystemExit(0)


def serve(model="colornet", host="127.0.0.1", port=7860, origins=()):
    """Serves the page until it is told to end; then nothing is left of any photo.

    Args:
        model: as `Colorizer.load` takes it.
        host, port: where it listens.
        origins: of other sites whose pages may use the API, such as https://photos.example.org; of
            a proxy before this server, too.

    Raises:
        OSError: the port is taken.
        ValueError: no such network, or an origin of another form.
    """
    origins = [origin.rstrip("/").lower() for origin in origins]
    for origin in origins:
        if not re.fullmatch(r"https?://[\w.-]+(:\d+)?", origin):
            raise ValueError(f"--allow-origin {origin}: give it as https://photos.example.org")
    hosts, numbers = _open_to(host)
    if origins:
        say(f"pages of {', '.join(origins)} may send photos here and read the answers")
    signal.signal(signal.SIGTERM, _stop)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with (
        socket.create_server((host, port), family=family, backlog=128) as listening,
        tempfile.TemporaryDirectory(prefix="colornet-") as folder,
        contextlib.closing(Workers(model)) as workers,
    ):
        app = build(Desk(workers, Films(model), Path(folder)), hosts, numbers, origins)
        config = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            server_header=False,
            http=Protocol,
            ws="none",
            timeout_graceful_shutdown=ENDING,
        )
        say(f"http://{'localhost' if host in LOOPBACK else host}:{port} (Ctrl-C ends it)")
        with contextlib.suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listening])
