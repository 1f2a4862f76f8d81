"""Networks from the Hugging Face Hub: its own client, and a small hub on this machine."""

import importlib
import json
import sys
from hashlib import sha1
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import numpy as np
import pytest
from PIL import Image

import colornet
from colornet.__main__ import main
from colornet.checksums import check_sums, write_sums
from colornet.inference.litert import FILE
from colornet.models import hub
from colornet.models.releases import RELEASED

huggingface_hub = pytest.importorskip("huggingface_hub")
constants = importlib.import_module("huggingface_hub.constants")

COMMIT = "0123456789abcdef" * 2 + "01234567"


class Hub(BaseHTTPRequestHandler):
    """Of the Hub's protocol what a download needs; `repositories` are folders by owner/name."""

    repositories = {}

    def do_GET(self):
        owner, name, *rest = self.path.split("?")[0].removeprefix("/api/models").split("/")[1:]
        folder = self.repositories.get(f"{owner}/{name}")
        if folder is None:
            return self.answer(404, b"", {"X-Error-Code": "RepoNotFound"})
        files = {file.name: file.read_bytes() for file in folder.iterdir()}
        if rest[0] == "resolve":
            content = files[rest[2]]
            tag = sha1(content).hexdigest()
            return self.answer(200, content, {"ETag": f'"{tag}"', "X-Repo-Commit": COMMIT})
        tree = [
            dict(type="file", path=path, size=len(content), oid=sha1(content).hexdigest())
            for path, content in files.items()
        ]
        siblings = [dict(rfilename=path) for path in files]
        about = dict(id=f"{owner}/{name}", sha=COMMIT, siblings=siblings, private=False)
        answer = tree if rest[0] == "tree" else about
        self.answer(200, json.dumps(answer).encode(), {"Content-Type": "application/json"})

    do_HEAD = do_GET

    def answer(self, status, content, headers):
        self.send_response(status)
        for key, value in (headers | {"Content-Length": str(len(content))}).items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(tmp_path, monkeypatch):
    """The small hub, which the client takes for the Hub; it has the released network and sums."""
    repository = tmp_path / "repository"
    repository.mkdir()
    for file in ("config.json", FILE):
        (repository / file).write_bytes((RELEASED / "colornet" / file).read_bytes())
    write_sums(repository)
    (repository / "unasked.bin").write_bytes(b"not of a network")
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    Thread(target=httpd.serve_forever, daemon=True).start()
    monkeypatch.setattr(Hub, "repositories", {"somebody/mine": repository})
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    address = f"http://127.0.0.1:{httpd.server_port}"
    monkeypatch.setattr(constants, "ENDPOINT", address)
    template = address + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HOME", str(tmp_path / "home"))
    huggingface_hub.close_session()  # one that knows these settings follows
    hub.fetch.cache_clear()
    yield httpd
    httpd.shutdown()
    httpd.server_close()
    hub.fetch.cache_clear()
    huggingface_hub.close_session()


@pytest.fixture
def grey(tmp_path):
    path = tmp_path / "grey.png"
    Image.fromarray(np.arange(64 * 64, dtype=np.uint32).reshape(64, 64).astype(np.uint8)).save(path)
    return path


def fault(argv, capfd):
    """The one line that a command fails with."""
    assert main([str(part) for part in argv]) == 1
    error = capfd.readouterr().err.splitlines()
    assert error[-1].startswith("colornet: ")
    return error[-1]


def test_a_network_of_the_hub_colours(server, grey, tmp_path):
    model = colornet.load("hf://somebody/mine")
    expected = colornet.load("colornet").colorize(grey).pixels
    assert model.name == "mine" and np.array_equal(model.colorize(grey).pixels, expected)
    fetched = {path.name for path in (tmp_path / "home/colornet/somebody/mine").iterdir()}
    assert fetched - {".cache", ".gitignore"} == {"config.json", FILE, "SHA256SUMS"}
    # Without a connection, what was fetched is used.
    server.shutdown()
    server.server_close()
    hub.fetch.cache_clear()
    command = ["colorize", str(grey), "-o", str(tmp_path / "new.png")]
    assert main([*command, "--model", "hf://somebody/mine"]) == 0
    assert np.array_equal(np.asarray(Image.open(tmp_path / "new.png")), expected)


def test_damage_is_one_line(server, grey, tmp_path, capfd):
    file = tmp_path / "repository" / FILE
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    line = fault(
        ["colorize", grey, "-o", tmp_path / "x.png", "--model", "hf://somebody/mine"], capfd
    )
    assert FILE in line and "is not the file that SHA256SUMS lists; fetch it again" in line
    with pytest.raises(ValueError, match="is not the file that"):
        colornet.load(tmp_path / "repository")  # a local folder, too
    assert not (tmp_path / "x.png").exists()


def test_what_cannot_be_fetched_is_one_line(server, grey, tmp_path, capfd):
    command = ["colorize", grey, "-o", tmp_path / "x.png", "--model"]
    for name in ("hf://nobody/nothing", "hf://no name", "hf://", "hf://../../x"):
        line = fault([*command, name], capfd)
        assert name in line and "cannot be fetched" in line and "check its name" in line
    server.shutdown()
    server.server_close()
    assert "cannot be fetched" in fault([*command, "hf://somebody/mine"], capfd)


def test_without_the_client_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ValueError, match=r"install it: pip install 'colornet\[hub\]'"):
        colornet.load("hf://somebody/else")


@pytest.mark.parametrize("line", ["", "0" * 64, "0" * 64 + "  ", "words that are no list"])
def test_a_list_that_is_none_is_told(tmp_path, line):
    (tmp_path / "SHA256SUMS").write_text(line + "\n")
    with pytest.raises(ValueError, match="is no line of sha256sum"):
        check_sums(tmp_path)


def test_sums_name_files_of_every_depth(tmp_path):
    (tmp_path / "1" / "é x").mkdir(parents=True)
    (tmp_path / "1" / "é x" / "file").write_bytes(b"abc")
    write_sums(tmp_path)
    # FIPS 180-2, appendix B.1
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert (tmp_path / "SHA256SUMS").read_text(encoding="utf-8") == f"{digest}  1/é x/file\n"
    check_sums(tmp_path)
    (tmp_path / "1" / "é x" / "file").write_bytes(b"abd")
    with pytest.raises(ValueError, match="é x/file: is not the file that SHA256SUMS lists"):
        check_sums(tmp_path)
