"""From a run to weights that others can use: smaller file, metrics and model card."""

import csv
import json
import shutil
from pathlib import Path

import h5py
import numpy as np

from colornet import data, models
from colornet.files import atomic
from colornet.metrics import METRICS, evaluate, table
from colornet.training import read_history, write_json

CARD = """---
license: apache-2.0
library_name: keras
pipeline_tag: image-to-image
tags: [colorization, cie-lab]
metrics: [psnr, ssim]
---

# {name}

Gives grey photographs plausible colours: a Keras network from L to the a and b of CIE Lab.
**The colours are plausible, not evidence** of what was there.

## Details

{summary}

{parameters:,} parameters; weights {megabytes:.1f} MB, kernels as float16. Code and weights:
Apache-2.0.

## Uses

`python -m colornet colorize PHOTO -o RESULT --model {name}` colours a photo of any size and keeps
its lightness. Out of scope: evidence, identification, medical or scientific images, and any use
in which a wrong colour does harm.

## Risks and limits

{limits}

## Training

{training}

{stages}

{photos} The validation loss of every epoch is in `history.csv`, every setting in `config.json`.

{sources}

## Evaluation

`python -m colornet evaluate DIR --model {name} --json metrics.json`, on {count} test photos
that no training saw:

{table}

{protocol}

{steering}

With L kept, a photo without any colour already has the SSIM of the row *grey*; and the last table
shows what other formulas make of the same predictions. The paper that `encoder_decoder` reproduces
claims 27.4 dB and SSIM 0.85; its formulas, photos and sizes are not given.

## How to start

```python
from colornet import models
from colornet.colorize import colorize
from colornet.photos import read_photo, write_photo

write_photo("colour.png", colorize(models.load("{name}"), read_photo("grey.png")))
```
"""


def halve(source, target):
    """Copies a weights file with its kernels as float16, without an optimizer's state.

    Normalisation and other vectors stay float32.
    """
    with h5py.File(source) as whole, h5py.File(target, "w") as half:

        def copy(name, item):
            if name.startswith("optimizer"):
                return
            if isinstance(item, h5py.Group):
                half.require_group(name).attrs.update(item.attrs)
            elif item.ndim > 1:
                values = item[...].astype(np.float16)
                half.create_dataset(name, data=values, compression="gzip", shuffle=True)
            else:
                whole.copy(name, half, name)

        half.attrs.update(whole.attrs)
        whole.visititems(copy)


def release(run, folder, out):
    """Releases a run: `best.weights.h5` with float16 kernels, and the files that account for it.

    Copies `config.json` and `history.csv`, evaluates the float16 weights on the test split and
    writes `metrics.json`, `per_photo.csv` and `README.md`, the model card. What else belongs into the
    card lies in `out`: `SOURCES.md`, where the photos come from and under which terms; `LIMITS.md`,
    what to expect; and `STEERING.md`, a table by `benchmarks/steering.py`.

    Args:
        run: a run folder.
        folder: the prepared set of that run.
        out: the folder to write, whose name is the network's.

    Returns:
        The metrics table as Markdown.

    Raises:
        PhotoError: `folder` holds no prepared set, or none with test photos.
        ValueError: no such run, or photos other than those it was trained beside.
    """
    run, out = Path(run), Path(out)
    models.load(run)
    config = json.loads((run / "config.json").read_text(encoding="utf-8"))
    if data.fingerprint(folder) != config["data"]:
        # Its test photos may have been among the training photos of the run.
        raise ValueError(f"{folder}: not the prepared set of {run}; give the one it was trained on")
    with atomic(out / "best.weights.h5") as temporary:
        halve(run / "best.weights.h5", temporary)
    for name in ("config.json", "history.csv"):
        shutil.copy(run / name, out / name)
    report, photos = evaluate(models.load(out), [folder])
    write_json(out / "metrics.json", dict(model=out.name) | report)
    _write_per_photo(out / "per_photo.csv", photos)
    with atomic(out / "README.md") as temporary:
        temporary.write_text(card(out, models.load(out, folded=False)), encoding="utf-8")
    return table(report)


def _write_per_photo(path, photos):
    names = photos.pop("names")
    with atomic(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["photo", "row", *METRICS])
        for row, metrics in photos.items():
            columns = [
                [f"{value:.4f}" for value in metrics[metric]] if metric in metrics else [""] * len(names)
                for metric in METRICS
            ]
            writer.writerows([name, row, *values] for name, *values in zip(names, *columns))


def card(out, network):
    """The model card of a release folder, from its config, history and metrics."""
    config = json.loads((out / "config.json").read_text(encoding="utf-8"))
    report = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    history = read_history(out)
    lines = [
        "| epochs | size | batch | learning rate | random crops | minutes |",
        "|---|---|---|---|---|---|",
    ]
    starts = [stage["from_epoch"] for stage in config["stages"]] + [len(history) + 1]
    for stage, end in zip(config["stages"], starts[1:]):
        minutes = sum(row["seconds"] for row in history[stage["from_epoch"] - 1 : end - 1]) / 60
        lines.append(
            f"| {stage['from_epoch']} to {end - 1} | {stage['size']} | {stage['batch_size']} | "
            f"{stage['learning_rate']:g} | {'yes' if stage['augment'] else 'no'} | {minutes:.0f} |"
        )
    versions = ", ".join(f"{name} {version}" for name, version in config["versions"].items())
    photos = config["photos"]

    def beside(name):
        path = out / name
        return path.read_text(encoding="utf-8").strip() if path.exists() else ""

    return CARD.format(
        name=out.name,
        summary=models.MODELS[config["model"]].__doc__.split("\n    |")[0].replace("\n    ", "\n"),
        parameters=network.count_params(),
        megabytes=(out / "best.weights.h5").stat().st_size / 1e6,
        training=(
            f"Optimizer {config['optimizer']}, loss {config['loss']}, first weights "
            f"{config.get('initial') or 'random'}, in the stages below; {versions}."
        ),
        stages="\n".join(lines),
        photos=f"{photos['train']:,} photos for training, {photos['validation']:,} for validation.",
        sources=beside("SOURCES.md"),
        limits=beside("LIMITS.md"),
        steering=beside("STEERING.md"),
        count=report["photos"],
        table=table(report),
        protocol=report["protocol"],
    )
