"""From a run to weights that others can use: smaller file, metrics, model card."""

import csv
import json
import shutil
from pathlib import Path

from colornet import models
from colornet.checksums import LIST, write_sums
from colornet.data import dataset
from colornet.evaluation.evaluate import evaluate
from colornet.evaluation.metrics import DIFFERENCE, METRICS
from colornet.evaluation.tables import table
from colornet.export.card import card
from colornet.export.converters import save_quick
from colornet.inference.litert import FILE
from colornet.models.weights import halve
from colornet.quiet import silent
from colornet.storage import AnyPath, atomic, write_json

LEARNT = ("train", "validation")  # the splits whose photos shaped the weights


def release(run: AnyPath, folder: AnyPath, out: AnyPath, test: AnyPath | None = None) -> str:
    """Releases a run: `best.weights.h5` with float16 kernels, and the files that account for it.

    Copies `config.json` and `history.csv`, evaluates the float16 weights on the test split and
    writes `metrics.json`, `per_photo.csv` and `README.md`, the model card; of a network over bins
    also the form that colours without Keras, see `converters.save_quick`. `SHA256SUMS` lists the
    weights, which are checked by it when they are loaded. What else belongs into the card lies in
    `out`: `SOURCES.md`, where the photos come from and under which terms; `LIMITS.md`, what to
    expect; and `STEERING.md`, a table by `experiments/steering.py`. A network that finds damage is
    scored by `experiments/damage.py` instead, which writes `DAMAGE.md` and the card anew.

    Args:
        run: a run folder.
        folder: the prepared set of that run.
        out: the folder to write, whose name is the network's.
        test: another prepared set, by whose test photos to score; by default those of `folder`.

    Returns:
        The metrics table as Markdown, or how to come by it.

    Raises:
        PhotoError: `folder` holds no prepared set, or none with test photos.
        ValueError: no such run, photos other than those it was trained beside, or test photos
            that it was trained on.
    """
    run, out = Path(run), Path(out)
    models.load(run)
    config = json.loads((run / "config.json").read_text(encoding="utf-8"))
    if dataset.fingerprint(folder) != config["data"]:
        # Its test photos may have been among the training photos of the run.
        raise ValueError(f"{folder}: not the prepared set of {run}; give the one it was trained on")
    if test is not None:
        trained = {file.stem for split in LEARNT for file in dataset.split_files(folder, split)}
        both = [f for f in dataset.split_files(test, "test") if f.stem in trained]
        if both:
            raise ValueError(f"{both[0]}: {run} was trained on this test photo; choose another set")
    weights = out / "best.weights.h5"
    (out / LIST).unlink(missing_ok=True)  # of an earlier release
    with atomic(weights) as temporary:
        halve(run / weights.name, temporary)
    for name in ("config.json", "history.csv"):
        shutil.copy(run / name, out / name)
    figures = f"its figures: python experiments/damage.py {out}"
    if config["model"] not in models.FINDERS:
        report, photos = evaluate(models.load(out), [test or folder])
        write_json(out / "metrics.json", dict(model=out.name) | report)
        _write_per_photo(out / "per_photo.csv", photos)
        figures = table(report)
    write_card(out)
    with silent():  # the converter tells much, in C++
        save_quick(out)
    # Not of the texts, which may still be edited.
    write_sums(out, [file for file in (weights, out / FILE) if file.is_file()])
    return figures


def write_card(out: AnyPath) -> None:
    """Writes the card of a release, `README.md`, from what else lies in its folder."""
    with atomic(Path(out) / "README.md") as temporary:
        temporary.write_text(card(out, models.load(out, folded=False)), encoding="utf-8")


def _write_per_photo(path, photos):
    names = photos.pop("names")
    with atomic(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["photo", "row", *METRICS, DIFFERENCE])
        for row, metrics in photos.items():
            columns = [
                [f"{value:.4f}" for value in metrics[metric]]
                if metric in metrics
                else [""] * len(names)
                for metric in (*METRICS, DIFFERENCE)
            ]
            writer.writerows([name, row, *values] for name, *values in zip(names, *columns))
