"""What becomes of the others when something of the server dies, and what is left at its end."""

import contextlib
import json
import os
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import start
from served import error_of, served

pytest.importorskip("fastapi", reason="the web extra is not installed")
import httpx

from colornet.web import workers

SLOW = dict(settings=json.dumps(dict(versions=True, picture=False)))  # a second of work


def test_a_killed_worker_costs_one_request_and_no_other(server, photo):
    for pid in server.workers():  # with nothing to do
        os.kill(pid, signal.SIGKILL)
    with ThreadPoolExecutor(6) as pool:
        asked = [pool.submit(server.post, "/api/answer", photo) for _ in range(6)]
        assert [one.result().status_code for one in asked] == [200] * 6
        asked = [pool.submit(server.post, "/api/answer", photo, data=SLOW) for _ in range(6)]
        until = time.time() + 60
        while not server.client.get("/api/health").json()["waiting"]:
            assert time.time() < until
        time.sleep(0.2)  # of a second of work: it has begun
        os.kill(server.workers()[0], signal.SIGKILL)
        found = [one.result() for one in asked]
    assert sorted(one.status_code for one in found) == [200] * 5 + [500]
    (failed,) = (one for one in found if one.status_code == 500)
    assert error_of(failed).startswith("old cup.png: the work on it ended too early")
    assert server.post("/api/answer", photo).status_code == 200 and server.is_emptied()


def _sleep(colorizer, seconds):
    time.sleep(seconds)
    return seconds


def test_work_that_takes_too_long_is_ended(monkeypatch):
    worker = workers.Worker("colornet")
    assert worker.ask(_sleep, (0,)) == 0
    monkeypatch.setattr(workers, "SECONDS", 0.5)
    with pytest.raises(workers.Failed, match="takes over 0.5 seconds"):
        worker.ask(_sleep, (60,))
    monkeypatch.undo()
    assert worker.ask(_sleep, (0,)) == 0
    worker.stop()


def test_who_goes_away_loses_the_place(server, photo):
    with ThreadPoolExecutor(6) as pool:
        count = server.client.get("/api/health").json()["workers"] + 1
        asked = [pool.submit(server.post, "/api/answer", photo, data=SLOW) for _ in range(count)]
        until = time.time() + 60
        while server.client.get("/api/health").json()["waiting"] != 1:
            assert time.time() < until
        with pytest.raises(httpx.ReadTimeout):
            server.post("/api/answer", photo, timeout=httpx.Timeout(60, read=0.2), data=SLOW)
        while server.client.get("/api/health").json()["waiting"] > 1:
            assert time.time() < until
        assert not all(one.done() for one in asked)  # so it did not wait for its turn
        assert [one.result().status_code for one in asked] == [200] * len(asked)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_the_end_leaves_nothing(how, photo, tmp_path):
    with served(tmp_path) as server, ThreadPoolExecutor(5) as pool:
        children = server.workers()
        asked = [pool.submit(server.post, "/api/answer", photo, data=SLOW) for _ in range(4)]
        while not server.left():
            time.sleep(0.01)
        server.process.send_signal(how)
        said = server.process.communicate(timeout=30)[0]
        for one in asked:
            with contextlib.suppress(httpx.TransportError):
                one.result()
    assert server.process.returncode == 0 and "Traceback" not in said
    assert [*tmp_path.iterdir()] == []
    assert not [pid for pid in children if os.path.exists(f"/proc/{pid}")]


def test_a_killed_server_leaves_no_process(tmp_path):
    with served(tmp_path) as server:
        children = server.workers()
        server.process.kill()
        server.process.wait()
        until = time.time() + 60
        while any(os.path.exists(f"/proc/{pid}") for pid in children):
            assert time.time() < until


@pytest.mark.parametrize(
    "options, said",
    [
        (["--port", "{}"], "{}"),
        (["--model", "none", "--port", "1{}"], "no trained network"),
        (["--allow-origin", "photos.example.org"], "give it as https://photos.example.org"),
    ],
)
def test_a_server_that_cannot_begin_says_why_in_a_line(options, said, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])[-4:] if "1{}" in options else taken.getsockname()[1]
        options = [option.format(port) for option in options]
        process = start("-m", "colornet", "serve", *options, TMPDIR=str(tmp_path))
        output = process.communicate(timeout=120)[0]
    assert process.returncode == 1 and said.format(port) in output.splitlines()[-1]
    assert "Traceback" not in output and [*tmp_path.iterdir()] == []
