"""What stands before every request: who may ask, how large and how slow a request may be."""

import asyncio
import contextlib
import ipaddress
import re
import time
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

BYTES = 60_000_000  # the most of a request's body
PATIENCE, SLOWEST = 20, 50_000  # seconds that a body may take, and so many bytes a second beyond
INSIDE = 40  # the most requests with a body at once: being received, waiting, at work
TOO_LARGE = f"the upload is over {BYTES // 10**6} MB; make it smaller first"
HOST = re.compile(r"([\w.-]+|\[[0-9a-f:.]+\])(:\d+)?")
LOOPBACK = ("localhost", "127.0.0.1", "::1")
SAFE = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' blob: data:; media-src 'self' blob:; connect-src 'self'; worker-src 'self'; "
    "manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def refused(status, sentence, **headers):
    """An error as the page and programs get it."""
    return JSONResponse(dict(error=sentence), status, headers)


class Guard:
    """ASGI middleware that lets in what an allow-list of hosts and origins knows.

    hosts: the names and addresses by which a request may call this server, beside those of
        `origins`. A foreign name that was made to point here is none of them.
    numbers: whether any address in numbers will do, since those cannot be made to.
    origins: those of other sites whose pages may ask, such as https://photos.example.org.
    """

    def __init__(self, app, hosts=LOOPBACK, numbers=False, origins=()):
        self.app, self.numbers, self.origins, self.inside = app, numbers, {*origins}, 0
        self.hosts = {*hosts} | {urlsplit(origin).hostname for origin in origins}

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        headers = Headers(scope=scope)

        begun = False

        async def safely(message):
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                MutableHeaders(scope=message).update(SAFE)
                MutableHeaders(scope=message).setdefault("Cache-Control", "no-cache")
            await send(message)

        if no := self._refusal(headers):
            return await no(scope, receive, safely)
        if scope["method"] != "POST":
            return await self.app(scope, receive, safely)
        if self.inside >= INSIDE:
            await _read_away(receive)
            busy = refused(503, "many are waiting; try again soon", **{"Retry-After": "3"})
            return await busy(scope, receive, safely)
        self.inside += 1
        try:
            await self.app(scope, _bounded(receive), safely)
        except asyncio.CancelledError:  # told to end, and the time for that is over
            if not begun:
                ending = refused(503, "the server is ending; try again later")
                await ending(scope, receive, safely)
        finally:
            self.inside -= 1

    def _refusal(self, headers):
        """The answer to who may not ask, or for what is too large by its header; or None."""
        host, origin = headers.get("host", ""), headers.get("origin")
        found = HOST.fullmatch(host.lower())
        name = found[1].strip("[]") if found else host
        if name not in self.hosts and not (self.numbers and _is_number(name)):
            return refused(403, f"{name[:100]!r} is no name of this server; see --allow-origin")
        own = origin in (None, f"http://{host}", f"https://{host}")
        if not own and origin not in self.origins:
            return refused(403, "pages of other sites may not ask here; see --allow-origin")
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > BYTES:
            return refused(413, TOO_LARGE)
        return None


def _is_number(name):
    try:
        return bool(ipaddress.ip_address(name))
    except ValueError:
        return False


async def _read_away(receive):
    """Reads a body that nobody wants: many clients hear no answer before they have sent it."""
    bounded = _bounded(receive)
    with contextlib.suppress(HTTPException):
        while (await bounded()).get("more_body"):
            pass


def _bounded(receive):
    """`receive` of a body that is neither too large nor too slow."""
    got, begun, whole = 0, time.monotonic(), False

    async def bounded():
        nonlocal got, whole
        if whole:  # from here on it tells only that the client has gone away
            return await receive()
        patience = begun + PATIENCE + got / SLOWEST - time.monotonic()
        try:
            message = await asyncio.wait_for(receive(), max(0, patience))
        except TimeoutError:
            raise HTTPException(408, "the upload is too slow; try again") from None
        got += len(message.get("body", b""))
        whole = not message.get("more_body", False)
        if got > BYTES:
            raise HTTPException(413, TOO_LARGE)
        return message

    return bounded
