"""The scripts behind the published tables run from end to end, in small."""

import subprocess
import sys
from pathlib import Path

import cv2
import pytest
from conftest import crops
from PIL import Image

EXPERIMENTS = Path(__file__).parents[1] / "experiments"


def ran(name, *arguments):
    """What a script prints."""
    command = [sys.executable, EXPERIMENTS / f"{name}.py", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.mark.parametrize(
    "name, options, files",
    [
        ("ablation", ["one size"], ["ABLATION.md", "ablation.json"]),
        ("damage", ["--photos", 2], ["DAMAGE.md", "damage.json"]),
        ("filling", ["--minutes", 0.01, "--photos", 2], ["filling.json"]),
        ("steering", ["--photos", 2], ["STEERING.md", "steering.json"]),
    ],
)
def test_what_a_script_measures_on_a_prepared_set(name, options, files, prepared, tmp_path):
    assert "|---|" in ran(name, prepared, *options, "-o", tmp_path)
    assert {*files} <= {path.name for path in tmp_path.iterdir()}


def test_what_ideas_of_the_literature_buy(prepared, tmp_path):
    ran("ideas", prepared, "--photos", 2, "-o", tmp_path / "IDEAS.md")
    assert "| grey |" in (tmp_path / "IDEAS.md").read_text()


def test_networks_photo_by_photo(prepared):
    assert "eight_conv" in ran("compare", "colornet_lite0", "eight_conv", "--set", prepared)


def test_what_references_do(tmp_path):
    for i, photo in enumerate(crops(4, 160)):
        name = "others/0.png" if i == 3 else f"{i}.png"
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(cv2.resize(photo, (256, 256))).save(tmp_path / name)
    (tmp_path / "pairs.csv").write_text("the same,0.png,0.png\nothers,1.png,2.png\n")
    out = tmp_path / "out"
    options = ["--pairs", tmp_path / "pairs.csv", "--others", tmp_path / "others", "-o", out]
    assert "| the same |" in ran("reference", *options)
    assert (out / "REFERENCE.md").is_file()
