"""From a run to weights that others can use: smaller file, metrics and model card."""

import csv
import json
import shutil
from pathlib import Path

import h5py
import numpy as np

from colornet import data, models
from colornet.evaluation import DIFFERENCE, evaluate, table
from colornet.files import atomic, write_json
from colornet.metrics import METRICS
from colornet.training import read_history, told_stages

CARD = """---
license: apache-2.0
library_name: {library}
pipeline_tag: image-to-image
tags: [{tags}]
metrics: [psnr, ssim]
---

# {name}

Gives grey photographs plausible colours: {what} from L to the a and b of CIE Lab.
**The colours are plausible, not evidence** of what was there.

## Details

{summary}

{parameters:,} parameters{weights}.

Licence of the code: Apache-2.0. Licence of the weights: Apache-2.0; the photos that they were trained
on have terms of their own, named below.

## Uses

{uses}

Out of scope: evidence, identification, medical or scientific images, and any use in which a wrong
colour does harm.

## Risks and limits

{limits}

## Training

{training}

## Evaluation

{evaluation}

## How to start

{start}

## Citation

Whose method this is, the details say; the network as it is here and its weights are colornet's own
work. The paper that colornet reproduces: A. Gudipalli, C. N. Sujatha, N. Amutha Prabha, K. Khanikhar,
*Colorization of Grayscale Images using Deep Convolution Neural Networks*, International Journal of
Intelligent Systems and Applications in Engineering, 2024.
"""

TRAINING = """Optimizer {optimizer}, loss {loss}, first weights {initial}, in the stages below; {versions}.

{stages}

{photos} The validation loss of every epoch is in `history.csv`, every setting in `config.json`.

{sources}"""

EVALUATION = """`python -m colornet evaluate DIR --model {name} --json metrics.json`, on {count} test photos
that no training saw:

{table}

{protocol}

{steering}

With L kept, a photo without any colour already has the SSIM of the row *grey*; and the last table
shows what other formulas make of the same predictions. The paper that `encoder_decoder` reproduces
claims 27.4 dB and SSIM 0.85; its formulas, photos and sizes are not given."""

LEARNT = ("train", "validation")  # the splits whose photos shaped the weights

KERAS = dict(
    library="keras",
    tags="colorization, cie-lab",
    what="a Keras network",
    uses="`python -m colornet colorize PHOTO -o RESULT --model {name}` colours a photo of any size and "
    "keeps\nits lightness.",
    start="""```python
from colornet import models
from colornet.colorize import colorize
from colornet.photos import read_photo, write_photo

write_photo("colour.png", colorize(models.load("{name}"), read_photo("grey.png")))
```""",
)


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


def release(run, folder, out, test=None):
    """Releases a run: `best.weights.h5` with float16 kernels, and the files that account for it.

    Copies `config.json` and `history.csv`, evaluates the float16 weights on the test split and
    writes `metrics.json`, `per_photo.csv` and `README.md`, the model card. What else belongs into the
    card lies in `out`: `SOURCES.md`, where the photos come from and under which terms; `LIMITS.md`,
    what to expect; and `STEERING.md`, a table by `benchmarks/steering.py`.

    Args:
        run: a run folder.
        folder: the prepared set of that run.
        out: the folder to write, whose name is the network's.
        test: another prepared set, by whose test photos to score; by default those of `folder`.

    Returns:
        The metrics table as Markdown.

    Raises:
        PhotoError: `folder` holds no prepared set, or none with test photos.
        ValueError: no such run, photos other than those it was trained beside, or test photos
            that it was trained on.
    """
    run, out = Path(run), Path(out)
    models.load(run)
    config = json.loads((run / "config.json").read_text(encoding="utf-8"))
    if data.fingerprint(folder) != config["data"]:
        # Its test photos may have been among the training photos of the run.
        raise ValueError(f"{folder}: not the prepared set of {run}; give the one it was trained on")
    if test is not None:
        trained = {file.stem for split in LEARNT for file in data.split_files(folder, split)}
        both = [f for f in data.split_files(test, "test") if f.stem in trained]
        if both:
            raise ValueError(f"{both[0]}: {run} was trained on this test photo; choose another set")
    with atomic(out / "best.weights.h5") as temporary:
        halve(run / "best.weights.h5", temporary)
    for name in ("config.json", "history.csv"):
        shutil.copy(run / name, out / name)
    report, photos = evaluate(models.load(out), [test or folder])
    write_json(out / "metrics.json", dict(model=out.name) | report)
    _write_per_photo(out / "per_photo.csv", photos)
    with atomic(out / "README.md") as temporary:
        temporary.write_text(card(out, models.load(out, folded=False)), encoding="utf-8")
    return table(report)


def _write_per_photo(path, photos):
    names = photos.pop("names")
    with atomic(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["photo", "row", *METRICS, DIFFERENCE])
        for row, metrics in photos.items():
            columns = [
                [f"{value:.4f}" for value in metrics[metric]] if metric in metrics else [""] * len(names)
                for metric in (*METRICS, DIFFERENCE)
            ]
            writer.writerows([name, row, *values] for name, *values in zip(names, *columns))


def _first_weights(config):
    """What training began with; a run that began with another's weights goes on from its stages."""
    stages = config.get("before") or [config]
    return stages[0].get("initial") or "random"


def _stages(config, history):
    lines = [
        "| epochs | size | batch | learning rate | random crops | minutes | photos |",
        "|---|---|---|---|---|---|---|",
    ]
    for stage in [*config.get("before", []), *told_stages(config, history)]:
        photos = f"{stage['photos']:,}"
        if stage.get("per_set"):
            photos += f", at most {stage['per_set']:,} of a set"
        lines.append(
            f"| {stage['from_epoch']} to {stage['to_epoch']} | {stage['size']} | "
            f"{stage['batch_size']} | {stage['learning_rate']:g}, {stage['schedule']} | "
            f"{'yes' if stage['augment'] else 'no'} | {stage['minutes']:.0f} | {photos} |"
        )
    return "\n".join(lines)


def _optimizer(chosen):
    """A name, or Keras's dict of a name and what departs from the defaults."""
    if isinstance(chosen, str):
        return chosen
    settings = (f"{key} {value:g}" for key, value in chosen["config"].items())
    return f"{chosen['class_name']} ({', '.join(settings)})"


def card(folder, network, form=KERAS):
    """The model card of a network, in the form of Hugging Face's.

    Args:
        folder: of a release, whose config, history and metrics are told; or of a run, which has no
            metrics; or a `.keras` file, which has none of them.
        network: as it was trained.
        form: what is said of the kind of file: a dict such as `KERAS`.
    """
    folder = Path(folder)

    def beside(name):
        path = folder / name
        return path.read_text(encoding="utf-8").strip() if path.is_file() else ""

    config, report = beside("config.json"), beside("metrics.json")
    name = folder.stem if folder.suffix == ".keras" else folder.name
    summary, training, weights = "", "Not told.", ""
    if config:
        config = json.loads(config)
        summary = models.MODELS[config["model"]].__doc__.split("\n    |")[0].replace("\n    ", "\n")
        photos = config["photos"]
        training = TRAINING.format(
            optimizer=_optimizer(config["optimizer"]),
            loss=config["loss"],
            initial=_first_weights(config),
            versions=", ".join(f"{tool} {version}" for tool, version in config["versions"].items()),
            stages=_stages(config, read_history(folder)),
            photos=f"{photos['train']:,} photos for training, {photos['validation']:,} for validation.",
            sources=beside("SOURCES.md"),
        ).strip()
    evaluation = "Not evaluated: `python -m colornet release` does that."
    if report:
        report = json.loads(report)
        evaluation = EVALUATION.format(
            name=name,
            count=report["photos"],
            table=table(report),
            protocol=report["protocol"],
            steering=beside("STEERING.md"),
        )
        if form is KERAS:
            size = (folder / "best.weights.h5").stat().st_size / 1e6
            weights = f"; weights {size:.1f} MB, kernels as float16"
    return CARD.format(
        **form | {key: form[key].replace("{name}", name) for key in ("uses", "start")},
        name=name,
        summary=summary.strip(),
        parameters=network.count_params(),
        weights=weights,
        limits=beside("LIMITS.md") or "Not told.",
        training=training,
        evaluation=evaluation,
    )
