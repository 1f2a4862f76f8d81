"""The demo, and the promises of the pages that people read first."""

import json
import re
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
from skimage.metrics import peak_signal_noise_ratio

from colornet import models
from colornet.color.lab import luma
from colornet.data import samples
from colornet.evaluation import leaderboard
from colornet.evaluation.demo import demo
from colornet.evaluation.tables import table
from colornet.inference.colorizer import Colorizer

ROOT = Path(__file__).parents[1]
RELEASES = sorted(path.parent for path in (ROOT / "saved_models").glob("*/config.json"))
COLOUR = [folder for folder in RELEASES if folder.name not in models.FINDERS]


def test_demo_writes_picture_and_table(tmp_path):
    text = demo(Colorizer(models.build("encoder_decoder", width=4)), tmp_path / "demo.png")
    picture = cv2.imread(str(tmp_path / "demo.png"))
    assert picture is not None and picture.std() > 20
    for name in samples.SAMPLES:
        true = samples.sample(name)
        grey = cv2.cvtColor(luma(true), cv2.COLOR_GRAY2RGB)
        expected = peak_signal_noise_ratio(true, grey, data_range=255)
        assert f"| {name} | {expected:.2f} dB |" in text


def test_tiles_are_cut_from_the_samples(tmp_path):
    files = sorted(samples.write_tiles(tmp_path).glob("*.png"))
    assert len(files) > 20
    tile = cv2.imread(str(tmp_path / "astronaut-192-0.png"))[..., ::-1]
    assert (tile == samples.sample("astronaut")[192:384, :192]).all()


def test_something_is_released():
    assert [folder.name for folder in RELEASES]


@pytest.mark.parametrize("folder", COLOUR, ids=lambda folder: folder.name)
def test_release_is_whole_and_small(folder):
    assert (folder / "best.weights.h5").stat().st_size <= 20e6
    config = json.loads((folder / "config.json").read_text())
    assert models.load(folder.name).name == config["model"]
    report = json.loads((folder / "metrics.json").read_text())
    assert table(report) in (folder / "README.md").read_text()
    assert report["photos"] >= 1000


def test_readme_carries_the_released_figures():
    text = (ROOT / "docs/results.md").read_text()
    for name in ("colornet", "encoder_decoder"):
        report = json.loads((ROOT / "saved_models" / name / "metrics.json").read_text())
        rows, formulas = table(report).split("\n\n")
        assert rows in text
        assert formulas in text or name == "colornet"
    short = [
        line for line in (ROOT / "README.md").read_text().splitlines() if line.count(" ± ") > 2
    ]
    for line in short:
        cells = line.split(" | ")[1:6]
        assert len(cells) == 5 and " | ".join(cells) in text, line
    assert len(short) >= 6


def test_readme_carries_the_fields_table():
    results = leaderboard.read_results(ROOT / "saved_models" / "field.json")
    assert set(results["networks"]) <= set(models.names())  # a new one comes with the next field
    rows = leaderboard.table(results).split("\n\n")[0]
    assert rows in (ROOT / "docs/literature.md").read_text()


@pytest.mark.parametrize("page", [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")], ids=str)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda p: p.stem)
def test_notebook_is_fit_to_be_shown(path):
    notebook = json.loads(path.read_text())
    cells = notebook["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    lengths = sorted(len(cell["source"]) for cell in code)
    assert lengths[len(lengths) // 2] < 8
    assert any("parameters" in cell["metadata"].get("tags", []) for cell in code)
    # From a clean kernel, in one go, with its pictures, and what GitHub will show.
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    assert any("image/jpeg" in out.get("data", {}) for cell in code for out in cell["outputs"])
    assert not any(out["output_type"] == "error" for cell in code for out in cell["outputs"])
    assert path.stat().st_size < 1e6 and "widgets" not in notebook["metadata"]


def test_a_relative_folder_is_taken_from_where_jupyter_was_started(tmp_path, monkeypatch):
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "photos").mkdir()
    monkeypatch.setenv("PYTHONPATH", str(Path(samples.__file__).parents[2]))
    monkeypatch.setenv("PWD", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    code = "from colornet.data.samples import given; print(given('COLORNET_DATA'))"

    def told(folder):
        monkeypatch.setenv("COLORNET_DATA", folder)
        command = [sys.executable, "-c", code]
        return subprocess.run(command, cwd="notebooks", capture_output=True, text=True)

    assert told("photos").stdout.strip() == str(tmp_path / "photos")
    both = f"no folder {tmp_path / 'gone'} and none {tmp_path / 'notebooks/gone'}; give it"
    assert both in told("gone").stderr.splitlines()[-1]
    assert told("").stdout.strip() == "None"
