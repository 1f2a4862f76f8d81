"""Archives: whole folders, killed at any moment, and elsewhere than on this machine."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import crops, start
from processes import started_by

pytest.importorskip("pebble")
bagit = pytest.importorskip("bagit")

from colornet.__main__ import main
from colornet.archive import processes
from colornet.archive.archive import LEDGER, ArchiveOrder, colorize_archive
from colornet.archive.ledger import Ledger
from colornet.archive.places import Place
from colornet.archive.task import Task, is_greyish
from colornet.data.samples import sample
from colornet.errors import PhotoError
from colornet.inference.colorizer import load
from colornet.photos.read import read_photo
from colornet.storage import atomic

pytestmark = pytest.mark.usefixtures("one_moment")
NUMBER = 18  # photos in a folder that is killed
VARYING = ("seconds", "photo", "out", "results")  # of what is told: it names the folders


def fill(folder, number, side=96):
    """A folder of small grey photos in subfolders; the paths."""
    files = []
    for i, photo in enumerate(crops(number, side)):
        file = folder / f"{i % 3}" / f"scan {i:03d}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(file), cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY))
        files.append(file)
    return files


def contents(folder):
    """The bytes of every file of a folder but the ledger's, by name."""
    files = (path for path in Path(folder).rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in files
        if not path.name.startswith(LEDGER)
    }


def told(folder):
    """The records of a folder's ledger, without what differs from run to run."""
    rows = sqlite3.connect(folder / LEDGER).execute("SELECT name, state, record FROM files")
    records = {os.fsdecode(name): (state, json.loads(record)) for name, state, record in rows}
    for _, record in records.values():
        for key in VARYING:
            record.pop(key, None)
    return records


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    folder = tmp_path_factory.mktemp("archive") / "scans"
    fill(folder, NUMBER)
    return folder


@pytest.fixture(scope="module")
def unbroken(scans):
    """The results of a run that nothing disturbed."""
    out = scans.with_name("unbroken")
    assert main(["archive", str(scans), str(out), "--review", "3"]) == 0
    return out


def test_photos_are_coloured_as_by_colorize(scans, unbroken):
    assert contents(unbroken).keys() - {"review.html"} == contents(scans).keys()
    one = "0/scan 000.png"
    expected = load().colorize(scans / one).pixels
    np.testing.assert_array_equal(read_photo(unbroken / one).pixels, expected)
    record = told(unbroken)[one][1]
    assert record["height"] == 96 and 0 < record["confidence"]["mean"] < 1


def test_the_least_sure_come_first_for_a_person_to_look_at(unbroken):
    page = (unbroken / "review.html").read_text()
    sure = {name: record["confidence"]["mean"] for name, (_, record) in told(unbroken).items()}
    least = sorted(sure, key=lambda name: (sure[name], name))[:3]
    places = [page.index(name) for name in least]
    assert places == sorted(places) and page.count("<figure>") == 3
    assert page.count("data:image/jpeg") == 9 and "http" not in page


def test_what_is_in_colour_is_passed_over_and_sidecars_go_along(tmp_path, capsys):
    scans, out = tmp_path / "scans", tmp_path / "out"
    fill(scans, 2)
    cv2.imwrite(str(scans / "colour.png"), sample("coffee")[..., ::-1])
    (scans / "notes.xmp").write_text("who is who")
    (scans / "broken.jpg").write_bytes(b"")
    (scans / "film.mp4").write_bytes(b"left alone")
    assert main(["archive", str(scans), str(out), "--review", "0"]) == 1
    printed = capsys.readouterr()
    assert printed.out == "1 copied, 2 done, 1 failed, 1 passed\n"
    assert "broken.jpg: the file is empty" in printed.err
    names = {"0/scan 000.png", "1/scan 001.png", "notes.xmp"}
    assert contents(out).keys() == names
    assert (out / "notes.xmp").read_text() == "who is who"
    # What failed is left until it is asked for; what is mended then is coloured.
    cv2.imwrite(str(scans / "broken.jpg"), np.zeros((40, 40), np.uint8))
    assert main(["archive", str(scans), str(out), "--review", "0"]) == 1
    assert main(["archive", str(scans), str(out), "--review", "0", "--retry"]) == 0
    assert contents(out).keys() == names | {"broken.jpg"}
    assert capsys.readouterr().out.endswith("1 copied, 3 done, 1 passed\n")


def test_greyish_is_grey_or_of_one_tint():
    photo = sample("coffee")
    grey = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)
    sepia = np.uint8(grey[..., None] * np.array([1, 0.85, 0.65]))
    assert is_greyish(grey) and is_greyish(np.dstack([grey] * 3)) and is_greyish(sepia)
    assert is_greyish(np.uint16(grey) * 257) and not is_greyish(photo)


def test_what_comes_in_later_is_done_and_nothing_twice(scans, unbroken, tmp_path):
    out = tmp_path / "out"
    scans = Path(
        subprocess.check_output(["cp", "-r", scans, tmp_path]).decode() or tmp_path / "scans"
    )
    order = ArchiveOrder(review=0, workers=1)
    colorize_archive(Task(str(scans), str(out)), order)
    times = {path: path.stat().st_mtime_ns for path in out.rglob("*.png")}
    fill(scans / "new", 1)
    assert colorize_archive(Task(str(scans), str(out)), order) == {"done": NUMBER + 1}
    assert all(path.stat().st_mtime_ns == time for path, time in times.items())


def test_results_that_were_there_before_stay(scans, tmp_path):
    there = tmp_path / "out" / "0" / "scan 000.png"
    there.parent.mkdir(parents=True)
    there.write_bytes(b"mine")
    task = Task(str(scans), str(tmp_path / "out"))
    counts = colorize_archive(task, ArchiveOrder(review=0))
    assert counts == {"done": NUMBER - 1, "kept": 1} and there.read_bytes() == b"mine"


def test_killed_at_random_moments_it_ends_as_an_unbroken_run(scans, unbroken, tmp_path):
    out, rng = tmp_path / "out", random.Random(0)
    command = ["-m", "colornet", "archive", scans, out, "--review", "3"]
    for sent in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT):
        process = start(*command)
        already = len(list(out.rglob("*.png")))
        while process.poll() is None and len(list(out.rglob("*.png"))) <= already:
            time.sleep(0.01)
        time.sleep(rng.random())
        process.send_signal(sent)
        said = process.communicate()[0]
        assert "Traceback" not in said, said
    (out / "0" / ".tmp0123abcd.scan 000.png").write_bytes(b"what a kill left")
    assert start(*command).wait(120) == 0
    assert told(out) == told(unbroken)
    assert contents(out) == contents(unbroken)  # no half file either


def test_a_killed_worker_costs_no_photo(scans, unbroken, tmp_path):
    out = tmp_path / "out"
    process = start("-m", "colornet", "archive", scans, out, "--review", "3", "--workers", "2")
    while not list(out.rglob("*.png")):
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.01)
    os.kill(started_by(process.pid, "spawn_main")[0], signal.SIGKILL)
    assert process.wait(120) == 0
    assert told(out) == told(unbroken) and contents(out) == contents(unbroken)


def test_a_photo_that_kills_its_worker_fails_alone(scans, tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "_do", kill_at)
    task, order = Task(str(scans), str(tmp_path / "out")), ArchiveOrder(review=0, workers=1)
    assert colorize_archive(task, order) == {"done": NUMBER - 1, "failed": 1}
    ledger = Ledger(tmp_path / "out" / LEDGER, task.job())
    (failed,) = ledger.records("failed")
    assert failed["name"] == "1/scan 004.png" and "its process died" in failed["told"]["error"]
    assert not list(tmp_path.rglob(".tmp*"))  # nor what it had begun to write


def test_what_another_run_is_writing_stays(scans, tmp_path):
    other = tmp_path / "out" / "0" / ".tmp0123abcd.of another.png"
    other.parent.mkdir(parents=True)
    other.write_bytes(b"half")
    task = Task(str(scans), str(tmp_path / "out"))
    order = ArchiveOrder(review=0, workers=1, ledger=str(tmp_path / LEDGER))
    assert colorize_archive(task, order) == {"done": NUMBER} and other.exists()
    os.utime(other, (0, 0))  # nobody has written since 1970
    assert colorize_archive(task, order) == {"done": NUMBER} and not other.exists()


def kill_at(files):
    """As `processes._do`, but one photo kills the process while its result is written."""
    for name, target in files:
        if "scan 004" in name:
            out = Place(processes._task.out)
            with out.writing(target) as path, atomic(path) as temporary:
                temporary.write_bytes(b"half")
                os.kill(os.getpid(), signal.SIGKILL)
    return [dict(name=name, state="done", told={}) for name, _ in files]


def test_a_full_disk_stops_it_and_the_same_command_goes_on(scans, unbroken, small_disk):
    disk = small_disk(300_000)
    command = ["-m", "colornet", "archive", scans, disk / "out", "--review", "0"]
    process = start(*command)
    said = process.communicate()[0]
    assert process.returncode == 1 and "Traceback" not in said, said
    assert "the disk is full" in said and "the same command goes on" in said
    subprocess.run(["mount", "-o", "remount,size=20m", str(disk)], check=True)
    assert start(*command).wait(120) == 0
    assert told(disk / "out") == told(unbroken)
    assert contents(disk / "out").keys() == contents(scans).keys()


def test_a_ledger_is_of_one_job_and_one_process(scans, tmp_path):
    path, job = tmp_path / "ledger", dict(model="colornet")
    ledger = Ledger(path, job)
    code = f"from colornet.archive.ledger import Ledger; Ledger({str(path)!r}, {job})"
    other = start("-c", code)
    assert "another process works with it" in other.communicate()[0]
    ledger.close()
    with pytest.raises(PhotoError, match="is of another job"):
        Ledger(path, dict(model="cic"))
    path.with_name("text").write_text("no ledger, but long enough to be taken for one" * 20)
    with pytest.raises(PhotoError, match="cannot be used as a ledger"):
        Ledger(path.with_name("text"), job)


def test_two_files_of_one_result_are_told(tmp_path):
    ledger = Ledger(tmp_path / "ledger", {})
    rows = [("a.gif", "a.gif.png"), ("a.gif.png", "a.gif.png")]
    ledger.add(rows, list)
    ledger.add(rows, list)  # found again by the next run
    assert ledger.counts() == {"failed": 1, "waiting": 1}
    (failed,) = ledger.records("failed")
    assert failed["name"] == "a.gif.png" and "same result" in failed["told"]["error"]


def test_names_that_are_no_text_are_kept(tmp_path):
    ledger, name = Ledger(tmp_path / "ledger", {}), os.fsdecode(b"caf\xe9\n.png")
    ledger.add([(name, name)], list)
    assert list(ledger.waiting()) == [(name, name)]
    record = dict(name=name, state="done", told={})
    ledger.finish([record])
    assert list(ledger.records()) == [record]


@pytest.mark.parametrize("out", ["scans/out", "scans", "."])
def test_results_never_lie_among_the_photos(tmp_path, out):
    fill(tmp_path / "scans", 1)
    with pytest.raises(PhotoError, match="choose another place"):
        colorize_archive(Task(str(tmp_path / "scans"), str(tmp_path / out)))


def test_what_cannot_be_opened_is_one_line(tmp_path, capsys):
    for source in (tmp_path / "none", "nosuch://bucket/scans"):
        assert main(["archive", str(source), str(tmp_path / "out")]) == 1
        said = capsys.readouterr().err
        assert str(source) in said and "Traceback" not in said


def test_a_folder_that_cannot_be_opened_costs_no_other(tmp_path, monkeypatch, capsys):
    fill(tmp_path / "scans", 3)
    scandir = os.scandir

    def closed(folder):  # rights do not hold the tests' user back
        if Path(folder).name == "1":
            raise PermissionError(13, "Permission denied", str(folder))
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", closed)
    names = sorted(Place(tmp_path / "scans").names())
    assert names == ["0/scan 000.png", "2/scan 002.png"]
    assert "1: cannot be opened (Permission denied); left out" in capsys.readouterr().err


def test_a_bag_goes_in_and_a_bag_comes_out(tmp_path):
    fill(tmp_path / "in", 3)
    bagit.make_bag(str(tmp_path / "in"))
    task = Task(str(tmp_path / "in"), str(tmp_path / "out"))
    order = ArchiveOrder(review=2, bag=True, record=str(tmp_path / "record.jsonl"))
    for _ in range(2):  # the second run finds nothing to do, and leaves a bag
        assert colorize_archive(task, order) == {"done": 3}
        bag = bagit.Bag(str(tmp_path / "out"))
        bag.validate()
    assert {"data/0/scan 000.png", "data/1/scan 001.png"} < set(bag.payload_files())
    records = map(json.loads, (tmp_path / "record.jsonl").read_text().splitlines())
    results = [one["results"][0] for one in records]
    digests = {os.path.relpath(one["file"], tmp_path / "out"): one["sha256"] for one in results}
    assert digests == {name: bag.entries[name]["sha256"] for name in digests}


@pytest.fixture(scope="module")
def bucket():
    """The options of an S3 server on this machine, with one bucket."""
    server = pytest.importorskip("moto.server")
    s3fs = pytest.importorskip("s3fs")
    keys = dict(AWS_ACCESS_KEY_ID="a", AWS_SECRET_ACCESS_KEY="b", AWS_DEFAULT_REGION="us-east-1")
    running = server.ThreadedMotoServer(port=0)
    running.start()
    address = "http://{}:{}".format(*running.get_host_and_port())
    with pytest.MonkeyPatch.context() as patch:
        for key, value in (keys | dict(AWS_ENDPOINT_URL=address)).items():
            patch.setenv(key, value)
        s3fs.S3FileSystem().mkdir("bucket")
        yield s3fs.S3FileSystem()
    running.stop()


def test_from_one_bucket_folder_to_another(bucket, scans, unbroken, tmp_path):
    bucket.put(str(scans), "bucket/scans", recursive=True)
    task = Task("s3://bucket/scans", "s3://bucket/out")
    order = ArchiveOrder(ledger=str(tmp_path / LEDGER))
    assert colorize_archive(task, order) == {"done": NUMBER}
    assert told(tmp_path) == told(unbroken)
    bucket.invalidate_cache()
    bucket.get("bucket/out", str(tmp_path / "out"), recursive=True)
    assert contents(tmp_path / "out") == {
        name: data for name, data in contents(unbroken).items() if name != "review.html"
    }
    assert colorize_archive(task, order) == {"done": NUMBER}  # nothing is left to do
    with pytest.raises(PhotoError, match="no such folder"):
        list(Place("s3://bucket/none").names())


def test_ray_gives_the_same_though_a_worker_is_killed(scans, unbroken, tmp_path):
    pytest.importorskip("ray")
    out = tmp_path / "out"
    command = ["archive", scans, out, "--engine", "ray", "--workers", "2", "--review", "3"]
    process = start("-m", "colornet", *command)
    while not list(out.rglob("*.png")):
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.01)
    while len(workers := started_by(process.pid, "_Worker")) < 2:
        assert process.poll() is None, process.communicate()[0]
    os.kill(workers[0], signal.SIGKILL)
    said = process.communicate()[0]
    assert process.returncode == 0, said
    assert told(out) == told(unbroken) and contents(out) == contents(unbroken)
