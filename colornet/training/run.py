"""The run folder: every setting, every epoch."""

import csv
import importlib.metadata
import json
import platform
from pathlib import Path

import keras

from colornet.models.releases import released
from colornet.storage import AnyPath

PACKAGES = ("colornet", "keras", "tensorflow", "jax", "numpy", "opencv-python-headless")


def versions() -> dict[str, str]:
    """Those of Python, the backend and the packages that figures depend on, a dict."""
    found = {"python": platform.python_version(), "backend": keras.backend.backend()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def read_history(run: AnyPath) -> list[dict]:
    """The epochs of a run so far: a list of dicts of numbers, empty for a new run."""
    path = Path(run) / "history.csv"
    if not path.exists():
        return []
    with open(path, newline="", encoding="utf-8") as file:
        return [{k: json.loads(v) for k, v in row.items()} for row in csv.DictReader(file)]


def told_stages(config: dict, history: list[dict]) -> list[dict]:
    """A run's stages: dicts of settings, with `to_epoch`, `minutes`, `photos` and `initial`."""
    starts = [stage["from_epoch"] for stage in config["stages"]] + [len(history) + 1]
    told = []
    for stage, end in zip(config["stages"], starts[1:]):
        rows = history[stage["from_epoch"] - 1 : end - 1]
        minutes = round(sum(row["seconds"] for row in rows) / 60, 1)
        photos = config["photos"]["train"]
        told.append(
            stage
            | dict(to_epoch=end - 1, minutes=minutes, photos=photos, initial=config.get("initial"))
        )
    return told


def before(initial: AnyPath) -> list[dict]:
    """What a run or release was trained in, its own beginnings included: dicts of `told_stages`."""
    folder = released(initial)
    if not (folder / "config.json").is_file():
        return []  # a .keras file tells nothing
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return [*config.get("before", []), *told_stages(config, read_history(folder))]
