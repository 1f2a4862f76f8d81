"""Networks for others: SavedModel, ONNX, LiteRT and Keras's own file, each with its model card."""

import logging
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from colornet import models
from colornet.checksums import LIST, write_sums
from colornet.export.card import card
from colornet.export.converters import save_keras, save_litert, save_onnx
from colornet.export.form import form
from colornet.export.saved_model import save_saved_model
from colornet.models.releases import released
from colornet.storage import AnyPath, atomic

ROOT = Path(__file__).parents[2]
FORMATS = ("saved_model", "onnx", "litert", "keras")


def licence() -> str:
    """The text of colornet's licence: a wheel has it among its metadata, a clone in its root."""
    if (ROOT / "pyproject.toml").is_file():
        return (ROOT / "LICENSE").read_text(encoding="utf-8")
    files = metadata.files("colornet")
    return next(file for file in files if file.name == "LICENSE").read_text(encoding="utf-8")


def export(model: AnyPath, out: AnyPath, formats: tuple[str, ...] = FORMATS) -> Iterator[Path]:
    """Writes a trained network as files that need nothing of ours, but for Keras's own.

    Args:
        model: as in `models.load`.
        out: the folder; each format gets one of its own, with its model card, the licence and
            `SHA256SUMS`. A SavedModel gets a number there, one above those that are there already,
            as TF Serving wants it.
        formats: some of `FORMATS`.

    Yields:
        The path of each file and of each SavedModel's folder, as soon as it is written.

    Raises:
        ValueError: no such network, or one that gives no colours.
    """
    network, trained = models.load(model), models.load(model, folded=False)
    if network.name in models.FINDERS:
        raise ValueError(f"{network.name}: {models.NO_COLOURS}")
    source = released(model)
    name = source.stem if source.suffix == ".keras" else source.resolve().name
    for tool in ("tensorflow", "tf2onnx"):  # which tell of every step
        logging.getLogger(tool).setLevel(logging.ERROR)
    save = dict(saved_model=save_saved_model, onnx=save_onnx, litert=save_litert, keras=save_keras)
    for kind in formats:
        folder = Path(out) / kind
        paths = []
        for path in save[kind](trained if kind == "keras" else network, folder, name):
            paths.append(path)
            yield path
        texts = {
            "README.md": card(source, trained, form(kind, name, network, paths)),
            "LICENSE": licence(),
        }
        for file, text in texts.items():
            with atomic(folder / file) as temporary:
                temporary.write_text(text, encoding="utf-8")
        write_sums(folder)
        yield from (folder / file for file in (*texts, LIST))
