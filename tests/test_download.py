"""Downloads from a server on this machine: whole, broken off, wrong, damaged."""

import http.server
import io
import re
import socket
import tarfile
import threading
import zipfile
from hashlib import sha256

import pytest

from colornet.data.download import SETS, download
from colornet.errors import PhotoError

FILES = {"set/a.jpg": b"a photo" * 1000, "set/b/c.jpg": bytes(range(256)) * 300}


def tar(files, mode="w:gz"):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def zipped(files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


class Server(http.server.ThreadingHTTPServer):
    """Serves `content`; `ranges`: knows them; `short`: bytes after which it breaks off."""

    content, ranges, short, status = b"", True, None, 200

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked = []


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        asked = self.headers.get("Range", "bytes=0-")
        server.asked.append(asked)
        start = int(re.match(r"bytes=(\d+)-$", asked)[1]) if server.ranges else 0
        body = server.content[start:]
        self.send_response(server.status if server.status != 200 else 206 if server.ranges else 200)
        if server.ranges:
            end = len(server.content) - 1
            self.send_header("Content-Range", f"bytes {start}-{end}/{len(server.content)}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: server.short])

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    with Server() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()

        def offer(content, name="set.tgz", **options):
            server.content = content
            vars(server).update(options)
            entry = dict(
                url=f"http://127.0.0.1:{server.server_port}/{name}",
                size=len(content),
                sha256=sha256(content).hexdigest(),
            )
            monkeypatch.setitem(SETS, "flowers", entry)
            return entry

        server.offer = offer
        yield server
        server.shutdown()


def content(folder):
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file()
    }


def refused(folder, *words):
    with pytest.raises(PhotoError) as error:
        download("flowers", folder)
    message = str(error.value)
    assert "\n" not in message and SETS["flowers"]["url"] in message
    for word in words:
        assert word in message
    # No set, and nothing else but what a second attempt goes on from.
    assert {file.name for file in folder.iterdir()} <= {".flowers.part"}


PACKED = [tar(FILES), tar(FILES, "w"), tar(FILES, "w:bz2"), zipped(FILES)]


@pytest.mark.parametrize("archive", PACKED, ids=["tgz", "tar", "tbz", "zip"])
@pytest.mark.parametrize("ranges", [True, False])
def test_whole(server, tmp_path, archive, ranges):
    server.offer(archive, ranges=ranges)
    folder = download("flowers", tmp_path / "sets")
    assert folder == tmp_path / "sets" / "flowers"
    assert content(folder) == FILES
    assert [file.name for file in (tmp_path / "sets").iterdir()] == ["flowers"]
    download("flowers", tmp_path / "sets")
    assert len(server.asked) == 1  # what is there is not fetched again


@pytest.mark.parametrize("ranges", [True, False])
def test_goes_on_where_it_broke_off(server, tmp_path, ranges):
    archive = PACKED[0]
    server.offer(archive, ranges=ranges, short=100)
    refused(tmp_path, "broke off at 100 bytes")
    server.short = None
    assert content(download("flowers", tmp_path)) == FILES
    assert server.asked == ["bytes=0-", "bytes=100-"]
    assert [file.name for file in tmp_path.iterdir()] == ["flowers"]


def test_archives_within_an_archive(server, tmp_path):
    inner = {
        "set/photos.tar.gz": PACKED[0],
        "set/notes.tar": tar({"notes.txt": b"n"}, "w"),
        "__MACOSX/set/._photos.tar.gz": b"not an archive",
    }
    server.offer(zipped(inner), "set.zip?download=1")
    found = content(download("flowers", tmp_path))
    expected = {f"set/{name}": body for name, body in FILES.items()} | {"set/notes.txt": b"n"}
    assert {name: found[name] for name in expected} == expected
    assert found.keys() - expected.keys() == {"__MACOSX/set/._photos.tar.gz"}


def test_other_bytes_than_recorded(server, tmp_path):
    entry = server.offer(PACKED[0])
    server.content = PACKED[0][:-1] + b"x"
    refused(tmp_path, "other bytes")
    assert not list(tmp_path.iterdir())
    server.content = PACKED[0] + b"more"
    refused(tmp_path, "other bytes")
    server.content = PACKED[0]
    assert content(download("flowers", tmp_path)) == FILES
    assert entry["size"] == len(PACKED[0])


def test_no_server(server, tmp_path, monkeypatch):
    with socket.socket() as free:  # a port at which nobody listens
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/set.tgz"
    monkeypatch.setitem(SETS, "flowers", dict(url=url, size=10, sha256="0"))
    refused(tmp_path, "cannot fetch", "efused")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("status", [404, 500])
def test_server_says_no(server, tmp_path, status):
    server.offer(PACKED[0], status=status)
    refused(tmp_path, "cannot fetch")
    assert not list(tmp_path.iterdir())


def test_not_http(server, tmp_path, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as other:

        def answer():
            connection, _ = other.accept()
            connection.recv(4096)
            connection.sendall(b"SSH-2.0-OpenSSH\r\n\r\n")
            connection.close()

        threading.Thread(target=answer, daemon=True).start()
        url = f"http://127.0.0.1:{other.getsockname()[1]}/set.tgz"
        monkeypatch.setitem(SETS, "flowers", dict(url=url, size=10, sha256="0"))
        refused(tmp_path, "cannot fetch")


@pytest.mark.parametrize(
    "damaged",
    [
        b"no archive at all" * 50,
        PACKED[0][: len(PACKED[0]) // 2],
        PACKED[1][: len(PACKED[1]) // 2],
        PACKED[3][:200] + b"x" * 20 + PACKED[3][220:],
        zipped({"set/inner.tar.gz": PACKED[0][:300]}),
        tar({"../outside.jpg": b"x"}),
    ],
    ids=["text", "half a tgz", "half a tar", "damaged zip", "damaged within", "leaves its folder"],
)
def test_damaged_archives(server, tmp_path, damaged):
    server.offer(damaged)
    folder = tmp_path / "sets"
    refused(folder, "cannot be unpacked")
    assert [file.name for file in tmp_path.iterdir()] == ["sets"]


def test_unknown_name_lists_the_known(tmp_path):
    with pytest.raises(PhotoError) as error:
        download("imagenet", tmp_path)
    assert all(name in str(error.value) for name in SETS)
    assert not list(tmp_path.iterdir())


def test_entries_are_whole():
    for entry in SETS.values():
        assert re.fullmatch(r"https?://\S+", entry["url"])
        assert re.fullmatch(r"[0-9a-f]{64}", entry["sha256"]) and entry["size"] > 1e8
