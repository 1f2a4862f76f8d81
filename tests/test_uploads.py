"""What the page says of every kind of file that people bring; films through the API.

`test_what_visitors_see_of_odd_files` writes outputs/uploads.md, the table of it: docs/uploads.md.
"""

import contextlib
import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from served import served
from test_photos import ODD, no_permission

pytest.importorskip("fastapi", reason="the web extra is not installed")
av = pytest.importorskip("av", reason="the web extra is not installed")

from colornet.color.lab import luma
from colornet.data.samples import sample
from colornet.web import films


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with served(tmp_path_factory.mktemp("kept")) as server:
        yield server


def said_of(server, file):
    """What the page says of an upload, good or bad."""
    settings = json.dumps(dict(picture=False, levels=[0.5]))
    told = server.post("/api/answer", file, name=file.name, data=dict(settings=settings))
    return told.json()["said"] if told.is_success else f"Error: {told.json()['error']}"


def test_what_visitors_see_of_odd_files(server, tmp_path):
    rows = []
    for what, name, make, expected, pixels, _ in ODD:
        file = tmp_path / what.replace("/", "-") / name
        file.parent.mkdir()
        make(file)
        if not file.is_file() or make is no_permission:
            continue  # nothing that could be sent
        seen = said_of(server, file)
        rows.append((what, seen))
        if pixels is not None or "cannot hold" in expected:  # as PNG, the results can hold it
            height, width = Image.open(file).size[::-1] if pixels is None else pixels.shape[:2]
            assert seen.startswith(f"{width} x {height} pixels") and seen.endswith("."), what
        else:
            assert seen.startswith(f"Error: {name}: ") and "; " in seen, (what, seen)
            assert expected in seen.replace("No such", "no such"), (what, seen)
            assert str(server.folder) not in seen and "\n" not in seen, what
    huge = tmp_path / "huge.png"
    with open(huge, "wb") as file:
        file.truncate(61 * 10**6)
    rows.append(("61 MB", said_of(server, huge)))
    assert rows[-1][1] == "Error: the upload is over 60 MB; make it smaller first"
    assert len(rows) > 90 and server.is_emptied()
    table = Path(__file__).parents[1] / "outputs" / "uploads.md"
    table.parent.mkdir(exist_ok=True)
    lines = [f"| {what} | {seen} |\n" for what, seen in rows]
    table.write_text(
        "| upload | what the page says |\n|---|---|\n" + "".join(lines), encoding="utf-8"
    )


# Films


def clip(path, frames=10, rate=25):
    """A grey film of 128x96."""
    grey = np.repeat(luma(sample("coffee"))[:96, :128, None], 3, axis=-1)
    with av.open(path, "w") as target:
        stream = target.add_stream("libx264", rate=rate)
        stream.height, stream.width, stream.pix_fmt = 96, 128, "yuv420p"
        for _ in range(frames):
            target.mux(stream.encode(av.VideoFrame.from_ndarray(grey, "rgb24")))
        target.mux(stream.encode())
    return path


def begun(server, file):
    """The address of a film that the server has begun with."""
    response = server.post("/api/video", file, name=file.name)
    assert response.status_code == 202, response.text
    return f"/api/video/{response.json()['id']}"


def watched(server, job):
    """The events of a film, to the last."""
    with server.client.stream("GET", f"{job}/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        return [json.loads(line[5:]) for line in stream.iter_lines() if line]


def gone(server, job):
    """Waits until nothing of a film is left."""
    until = time.time() + 60
    while server.left() or server.client.get(job).status_code != 404:
        assert time.time() < until


def test_a_film_with_its_progress_is_handed_out_once(server, tmp_path):
    job = begun(server, clip(tmp_path / "old film.mp4"))
    events = watched(server, job)
    assert events[0]["done"] == 0 and not events[0]["ready"]
    assert events[-1] == dict(done=10, total=10, left=0, ready=True)
    response = server.client.get(job)
    assert response.headers["content-type"] == "video/mp4"
    assert "old%20film-coloured.mp4" in response.headers["content-disposition"]
    (tmp_path / "result.mp4").write_bytes(response.content)
    with av.open(tmp_path / "result.mp4") as film:
        frames = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
    assert len(frames) == 10 and frames[0].shape == (96, 128, 3)
    assert np.ptp(frames[0].astype(int), axis=-1).mean() > 3
    gone(server, job)


def test_a_film_that_nobody_wants_any_more_is_dropped(server, tmp_path):
    long = clip(tmp_path / "long.mp4", 1400)
    job = begun(server, long)
    with server.client.stream("GET", f"{job}/events") as stream:  # which is then closed
        lines = stream.iter_lines()
        while not json.loads(next(line for line in lines if line)[5:])["total"]:
            pass
    gone(server, job)
    job = begun(server, long)
    assert server.client.get(job).status_code == 409  # not done yet
    assert server.client.delete(job).status_code == 204
    gone(server, job)
    assert server.client.delete(job).status_code == 404


def test_films_wait_for_each_other_and_photos_for_none(server, tmp_path):
    long = clip(tmp_path / "long.mp4", 1400)
    jobs = [begun(server, long) for _ in range(films.JOBS)]
    refused = server.post("/api/video", long)
    assert refused.status_code == 503 and refused.headers["retry-after"]
    with ThreadPoolExecutor(2) as pool:
        told = [pool.submit(server.client.get, "/api/health") for _ in range(2)]
        assert [one.result().json()["waiting"] for one in told] == [0, 0]
    for job in jobs:
        server.client.delete(job)
    for job in jobs:
        gone(server, job)


def test_long_films_and_what_is_none_are_refused(server, tmp_path):
    response = server.post("/api/video", clip(tmp_path / "long.mp4", 61, 1), name="long.mp4")
    said = "long.mp4: lasts 61 seconds, the page takes 60; the command line takes any: "
    assert response.status_code == 400 and response.json()["error"].startswith(said)
    response = server.post("/api/video", b"no film", name="none.mp4")
    assert response.status_code == 400
    assert response.json()["error"].startswith("none.mp4: cannot be read as a film")
    assert server.is_emptied()


def test_much_work_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(films, "WORK_MINUTES", 1 / 60)
    with pytest.raises(ValueError, match="takes .* minutes, the page gives"):
        films.check_film(None, clip(tmp_path / "much.mp4", 30))


def test_a_film_under_way_leaves_nothing_at_the_end(tmp_path):
    (tmp_path / "kept").mkdir()
    film = clip(tmp_path / "long.mp4", 1400)
    with served(tmp_path / "kept") as server:
        job = begun(server, film)
        with contextlib.suppress(Exception), server.client.stream("GET", f"{job}/events") as stream:
            next(stream.iter_lines())
            server.process.terminate()
            server.process.wait(timeout=30)
        assert [*server.folder.iterdir()] == []
