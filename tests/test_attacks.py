"""What an attacker sends and gets, and what becomes of others while one request goes wrong."""

import asyncio
import contextlib
import json
import socket
import threading
import time

import pytest
from served import error_of, served

pytest.importorskip("fastapi", reason="the web extra is not installed")
import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from colornet.web import guard
from colornet.web import server as page
from colornet.web.guard import Guard

EDGE = "edge"


def raw(server, data):
    """The status of what a server answers to bytes, which need not be HTTP."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        connection.sendall(data)
        answer = b""
        while b"\r\n" not in answer and (more := connection.recv(4096)):
            answer += more
    return int(answer.split()[1]) if answer else None


# Files of the machine

SECRETS = [
    "/etc/passwd", "/../../../../etc/passwd", "/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
    "/..%2f..%2f..%2f..%2fetc%2fpasswd", "/....//....//etc/passwd", "//etc/passwd",
    "/static/../../server.py", "/../server.py", "/%2e%2e/server.py", "/..\\server.py", "/%00",
    "/engine_server.js/../../server.py", "/proc/self/environ", "/file=/etc/passwd",
    "/gradio_api/file=/etc/passwd", "/api/video/..%2f..%2fetc%2fpasswd", "/api/video/%2fetc",
    "/api/video/../../../etc/passwd/events", "/.git/config", "/__init__.py", "/" + "a/" * 3000,
]  # fmt: skip


@pytest.mark.parametrize("path", SECRETS)
def test_no_path_leads_to_a_file_of_the_machine(path, server):
    status = raw(server, f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    assert status in (400, 404)


@pytest.mark.parametrize("value", ["/etc/passwd", "file:///etc/passwd", "http://127.0.0.1:1/a.png"])
@pytest.mark.parametrize("field", ["photo", "reference", "path", "url"])
def test_a_path_or_address_instead_of_a_file_is_not_followed(field, value, server, photo):
    files = {} if field == "photo" else dict(photo=photo.read_bytes())
    response = server.client.post("/api/colorize", data={field: value}, files=files)
    if field in ("photo", "reference"):
        assert response.status_code == 400 and field in error_of(response)
    else:  # no such field: nobody looks at it
        assert response.status_code in (200, 400)
    assert b"root:" not in response.content


@pytest.mark.parametrize(
    "name",
    ["../../../evil.png", "/etc/evil.png", "C:\\temp\\evil.png", "a\r\nX-Evil: 1", "..", ""],
)
def test_a_name_leads_nowhere_and_adds_no_header(name, server, photo):
    options = dict(data=dict(settings='{"format": "jpeg"}'))
    response = server.post("/api/colorize", photo, name=name, **options)
    assert response.is_success or response.status_code == 400
    told = response.headers.get("content-disposition", "")
    assert "/" not in told and "\\" not in told and "x-evil" not in response.headers
    assert not [path for path in server.left() if "evil" in path.name]


# Who may ask


@pytest.mark.parametrize(
    "host, status",
    [
        ("localhost", 200), ("127.0.0.1", 200), ("LOCALHOST:80", 200), ("[::1]:7860", 200),
        ("evil.example", 403), ("localhost.evil.example", 403), ("127.0.0.1.nip.io", 403),
        ("192.168.1.5", 403), ("localhost.", 403), ("user@localhost:1", 403), ("[::1", 403),
        ("", 403), ("0.0.0.0", 403), ("2130706433", 403),
    ],
)  # fmt: skip
def test_hosts(host, status, server):
    if "@" in host or not host:
        assert raw(server, f"GET /api/health HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()) == status
        return
    response = server.client.get("/api/health", headers=dict(host=host))
    assert response.status_code == status
    if status == 403:
        assert "--allow-origin" in error_of(response)


@pytest.mark.parametrize(
    "origin, status",
    [
        (None, 200), ("http://{}", 200), ("https://{}", 200), ("http://evil.example", 403),
        ("null", 403), ("http://localhost", 403), ("http://{}.evil.example", 403),
        ("file://", 403), ("http://{} http://evil.example", 403),
    ],
)  # fmt: skip
def test_origins(origin, status, server, photo):
    own = f"127.0.0.1:{server.port}"
    headers = {} if origin is None else dict(origin=origin.format(own))
    data = dict(settings='{"x": 1, "y": 1}')
    response = server.post("/api/likely", photo, headers=headers, data=data)
    assert response.status_code == status
    assert "access-control-allow-origin" not in response.headers


def test_every_answer_carries_what_keeps_browsers_safe(server, photo):
    for response in (
        server.client.get("/"),
        server.client.get("/nowhere"),
        server.client.get("/", headers=dict(host="evil.example")),
        server.post("/api/answer", b"no photo"),
        server.post("/api/colorize", photo),
    ):
        policy = response.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["x-frame-options"] == "DENY"
        assert response.headers["referrer-policy"] == "no-referrer"
        assert "server" not in response.headers


def test_a_site_that_is_let_in(tmp_path, photo):
    site, foreign = "https://photos.example.org", "https://evil.example"
    with served(tmp_path, "--host", "0.0.0.0", "--allow-origin", site) as server:
        hosts = ("photos.example.org", socket.gethostname(), "192.168.1.5", "[fe80::1]", "evil.org")
        found = [server.client.get("/api/health", headers=dict(host=host)) for host in hosts]
        assert [response.status_code for response in found] == [200, 200, 200, 200, 403]
        found = [server.client.get("/api/health", headers=dict(origin=o)) for o in (site, foreign)]
        assert [response.status_code for response in found] == [200, 403]
        assert found[0].headers["access-control-allow-origin"] == site
        said = server.end()
    assert "whoever reaches 0.0.0.0 over the network can use the page" in said
    assert f"pages of {site} may send photos here" in said


# What is asked for

WRONG = [
    ("x", "invalid JSON"), ("[]", "settings"), ("{", "invalid JSON"), ("null", "settings"),
    ('{"vividness": NaN}', "vividness: .*finite"), ('{"vividness": Infinity}', "vividness: "),
    ('{"vividness": 1e999}', "vividness: .*finite"), ('{"vividness": -0.1}', "greater than"),
    ('{"vividness": 1.1}', "less than"), ('{"vividness": "0.5"}', "valid number"),
    ('{"vividness": true}', "valid number"), ('{"vividness": null}', "valid number"),
    ('{"quality": 0}', "greater"), ('{"quality": 101}', "less"), ('{"quality": 9.5}', "integer"),
    ('{"format": "exe"}', "'jpeg', 'png' or 'tiff'"), ('{"format": ["png"]}', "format"),
    ('{"version": 5}', "version"), ('{"version": -1}', "version"), ('{"mark": "yes"}', "mark"),
    ('{"path": "/etc/passwd"}', "path: extra"), ('{"hints": 3}', "hints: .*list"),
    ('{"hints": [[1, 2, "#ffffff"]]}', "hints.0"), ('{"hints": [{"x": 1, "y": 2}]}', "required"),
    ('{"hints": [{"x": NaN, "y": 2, "color": "#ffffff"}]}', "hints.0.x: .*finite"),
    ('{"hints": [{"x": 1e300, "y": 2, "color": "#ffffff"}]}', "hints.0.x"),
    ('{"hints": [{"x": 600, "y": 2, "color": "#ffffff"}]}', "600,2: lies outside"),
    ('{"hints": [{"x": 1, "y": 2, "color": "red"}]}', "hints.0.color"),
    ('{"hints": [{"x": 1, "y": 2, "color": "#ffffff", "reach": 0}]}', "hints.0.reach"),
    ('{"hints": [{"x": 1, "y": 2, "color": "#ffffff", "reach": NaN}]}', "hints.0.reach"),
    (json.dumps(dict(hints=[dict(x=1, y=2, color="#ffffff")] * 201)), "at most 200"),
    ("[" * 100_000, "settings: .*recursion|settings"), ('{"a": "' + "b" * 2_000_000 + '"}', "."),
]  # fmt: skip


@pytest.mark.parametrize("settings, said", WRONG, ids=range(len(WRONG)))
def test_wrong_settings_are_refused_in_a_sentence(settings, said, server, photo):
    import re

    response = server.post("/api/colorize", photo, data=dict(settings=settings))
    assert response.status_code == 400
    assert re.search(said, error_of(response)) and len(error_of(response)) <= 300


# Bodies


def head(server, length, kind=f"multipart/form-data; boundary={EDGE}", chunked=False):
    size = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {length}"
    return (
        f"POST /api/answer HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n{size}\r\n\r\n"
    ).encode()


PART = b'--edge\r\nContent-Disposition: form-data; name="photo"; filename="a.png"\r\n\r\n'


@pytest.mark.parametrize(
    "kind, body",
    [
        (f"multipart/form-data; boundary={EDGE}", PART + b"no end"),
        (f"multipart/form-data; boundary={EDGE}", b"nothing of a form"),
        (f"multipart/form-data; boundary={EDGE}", b""),
        ("multipart/form-data", PART),
        (f"multipart/form-data; boundary={'b' * 5000}", PART),
        ("application/json", b'{"photo": "/etc/passwd"}'),
        ("application/x-www-form-urlencoded", b"photo=/etc/passwd"),
        ("text/plain", b"photo"),
        (
            f"multipart/form-data; boundary={EDGE}",
            (PART + b"\r\n") * 2000,
        ),
    ],
)
def test_odd_bodies_are_refused(kind, body, server):
    headers = {"content-type": kind}
    response = server.client.post("/api/answer", content=body, headers=headers)
    assert response.status_code == 400 and error_of(response)


def test_too_large_a_body_is_refused_before_it_is_read(server):
    assert raw(server, head(server, 60_000_001)) == 413
    assert raw(server, head(server, "-1")) in (400, 413)
    assert raw(server, head(server, "9" * 400)) in (400, 413)
    chunk = b"100000\r\n" + bytes(0x100000) + b"\r\n"
    many = b"100000\r\n" + PART + bytes(0x100000 - len(PART)) + b"\r\n" + chunk * 58
    with contextlib.suppress(ConnectionError):
        assert raw(server, head(server, 0, chunked=True) + many) == 413
    assert server.is_up() and server.is_emptied()


def test_a_slow_body_is_cut_off(monkeypatch):
    async def read(request: Request):
        return PlainTextResponse(str(len(await request.body())))

    async def slowly(pause):
        for _ in range(10):
            yield b"x" * 10
            await asyncio.sleep(pause)

    async def sent(pause):
        transport = httpx.ASGITransport(
            Guard(Starlette(routes=[Route("/", read, methods=["POST"])]))
        )
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.post("/", content=slowly(pause))

    monkeypatch.setattr(guard, "PATIENCE", 0.5)
    monkeypatch.setattr(guard, "SLOWEST", 1e6)
    assert asyncio.run(sent(0)).text == "100"
    assert asyncio.run(sent(1)).status_code == 408


def test_who_connects_and_asks_nothing_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(page, "PATIENCE", 0.5)
    config = uvicorn.Config(PlainTextResponse("well"), http=page.Protocol, log_level="critical")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        running = uvicorn.Server(config)
        thread = threading.Thread(target=running.run, args=([listening],))
        thread.start()
        with socket.create_connection(listening.getsockname()) as connection:
            connection.settimeout(60)
            connection.sendall(b"GET / HTTP/1.1\r\nHost: ")
            assert connection.recv(1) == b""
        running.should_exit = True
        thread.join()


def test_a_full_house_is_told_at_once(server, photo):
    held, until = [], time.time() + 60
    try:
        while (refused := server.post("/api/answer", bytes(10**7))).status_code != 503:
            assert time.time() < until
            for _ in range(guard.INSIDE):
                held.append(socket.create_connection(("127.0.0.1", server.port)))
                held[-1].sendall(head(server, 1000) + PART)
        assert int(refused.headers["retry-after"]) >= 1 and "waiting" in error_of(refused)
        assert server.is_up()
    finally:
        for connection in held:
            connection.close()
    until = time.time() + 60
    while server.post("/api/answer", photo).status_code == 503:
        assert time.time() < until
