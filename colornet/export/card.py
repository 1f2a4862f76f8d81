"""From a run to weights that others can use: smaller file, metrics and model card."""

import json
from pathlib import Path

import keras

from colornet import models
from colornet.evaluation.tables import table
from colornet.export.form import release_form, told
from colornet.storage import AnyPath
from colornet.training.run import read_history, told_stages


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


def card(folder: AnyPath, network: keras.Model, form: dict | None = None) -> str:
    """The model card of a network, in the form of Hugging Face's.

    Args:
        folder: of a release, whose config, history and metrics are told; or of a run, which has no
            metrics; or a `.keras` file, which has none of them.
        network: as it was trained.
        form: what is said of the kind of file, see `form.form`; None for a release or run.
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
        summary = models.builder(config["model"]).__doc__.split("\n    |")[0]
        summary = summary.replace("\n    ", "\n")
        train, validation = (config["photos"][split] for split in ("train", "validation"))
        training = told(
            "training",
            optimizer=_optimizer(config["optimizer"]),
            loss=config["loss"],
            initial=_first_weights(config),
            versions=", ".join(f"{tool} {version}" for tool, version in config["versions"].items()),
            stages=_stages(config, read_history(folder)),
            photos=f"{train:,} photos for training, {validation:,} for validation.",
            sources=beside("SOURCES.md"),
        ).strip()
    finds, found = network.name in models.FINDERS, beside("DAMAGE.md")
    evaluation = "Not evaluated: `python -m colornet release` does that."
    if finds:
        evaluation = found or "Not evaluated: `python experiments/damage.py` does that."
    if report:
        report = json.loads(report)
        evaluation = told(
            "evaluation",
            name=name,
            count=report["photos"],
            table=table(report),
            protocol=report["protocol"],
            steering=beside("STEERING.md"),
        )
    if (report or found) and form is None:
        size = (folder / "best.weights.h5").stat().st_size / 1e6
        weights = f"; weights {size:.1f} MB, kernels as float16"
    text = told(
        "card_damage" if finds else "card",
        **form or release_form(name),
        name=name,
        summary=summary.strip(),
        parameters=network.count_params(),
        weights=weights,
        limits=beside("LIMITS.md") or "Not told.",
        training=training,
        evaluation=evaluation,
    )
    return text + "\n"
