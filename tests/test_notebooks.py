"""What every notebook keeps to, so that it can be shown, opened on Colab and read in order."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from colornet.data import samples

FILES = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
AFTER = dict(zip(FILES, FILES[1:]))
COLAB = "https://colab.research.google.com/github/"
each = pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)


def cells(file, kind):
    """The sources of a notebook's cells of one kind, with their metadata."""
    found = json.loads(file.read_text(encoding="utf-8"))["cells"]
    return [("".join(c["source"]), c["metadata"]) for c in found if c["cell_type"] == kind]


def test_tensorflow_starts_without_a_word():
    code = "from colornet.export import formats; import tensorflow; tensorflow.zeros(1)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_paths_are_taken_from_the_root(tmp_path, monkeypatch):
    folder = tmp_path / "notebooks"
    folder.mkdir()
    for start in (folder, tmp_path):  # the second time is a cell run again
        monkeypatch.chdir(start)
        samples.to_root()
        assert Path.cwd() == tmp_path


def test_there_are_notebooks():
    assert [file.name[:2] for file in FILES] == ["01", "02", "03", "04", "05", "06", "07"]


@each
def test_is_small_and_without_widgets(file):
    assert file.stat().st_size < 1e6
    notebook = json.loads(file.read_text(encoding="utf-8"))
    assert "widgets" not in notebook["metadata"]
    assert "application/vnd.jupyter.widget" not in file.read_text(encoding="utf-8")


@each
def test_names_no_machine_and_shows_no_chatter(file):
    text = file.read_text(encoding="utf-8")
    assert not re.search(r"/(home|work|root|tmp|Users)/", text)
    outputs = [
        out
        for cell in json.loads(text)["cells"]
        for out in cell.get("outputs", [])
        if out.get("name") == "stderr"
    ]
    assert outputs == []


@each
def test_badge_and_install_cell_name_one_repository(file):
    promise, install = cells(file, "markdown")[0][0], cells(file, "code")[0][0]
    (repository,) = re.findall(rf"\]\({COLAB}([\w.-]+/[\w.-]+)/blob/main/notebooks/", promise)
    assert f"{COLAB}{repository}/blob/main/notebooks/{file.name})" in promise
    assert f'REPOSITORY = "https://github.com/{repository}"' in install
    assert "except ModuleNotFoundError" in install and "%pip install" in install


def test_all_name_the_same_repository():
    installs = [cells(file, "code")[0][0] for file in FILES]
    assert len({re.search("^REPOSITORY = .*", install, re.M)[0] for install in installs}) == 1


@each
def test_parameters_come_first_and_are_tagged(file):
    _, (source, metadata) = cells(file, "code")[:2]
    assert metadata.get("tags") == ["parameters"]
    assert "to_root()" in source
    tagged = [one for _, one in cells(file, "code") if "parameters" in one.get("tags", [])]
    assert len(tagged) == 1
    assert not any("os.environ" in code for code, _ in cells(file, "code"))


@each
def test_promise_run_time_and_prose(file):
    promise = cells(file, "markdown")[0][0]
    assert promise.startswith(f"# {int(file.name[:2])}. ") and "*Run time: " in promise
    prose, code = (len(cells(file, kind)) for kind in ("markdown", "code"))
    assert 0.5 < prose / code < 2


@each
def test_ends_with_a_link_to_the_next(file):
    last = json.loads(file.read_text(encoding="utf-8"))["cells"][-1]
    assert last["cell_type"] == "markdown"
    links = re.findall(r"\]\((\S+\.ipynb)\)", "".join(last["source"]).rpartition("**Next:**")[2])
    assert links and all((file.parent / link).is_file() for link in links)
    if file in AFTER:
        assert links == [AFTER[file].name]
