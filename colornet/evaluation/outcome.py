"""What a training came to: its best epoch beside grey."""

import json
from pathlib import Path

import numpy as np

from colornet import models
from colornet.color import lab
from colornet.data import dataset
from colornet.data.batches import PhotoBatches
from colornet.data.damaged import DamagedBatches
from colornet.evaluation.metrics import psnr
from colornet.models.recipe import Recipe
from colornet.quiet import start_keras
from colornet.storage import AnyPath
from colornet.training.run import read_history

keras = start_keras()

SCORED = 300  # validation photos


def _rgb(L, ab):
    rgb = keras.ops.convert_to_numpy(lab.lab_to_rgb(lab.from_network(L, ab)))
    return np.round(rgb * 255).astype(np.uint8)


def _grey_loss(name, batches):
    of_ab, total = keras.losses.get(name), 0
    for _, ab in batches:
        total += len(ab) * float(keras.ops.mean(of_ab(ab, np.zeros_like(ab))))
    return total / len(batches.files)


def _finds(network, files, size):
    """Precision and recall of a network that finds damage, at a probability of one half."""
    both = found = lost = 0
    recipe = models.recipe_of("damage").plain().but(size=size)
    for L, mask in DamagedBatches(files, recipe):
        marked, mask = network.predict_on_batch(L) > 0, mask > 0
        both, found, lost = both + (marked & mask).sum(), found + marked.sum(), lost + mask.sum()
    return both / max(1, found), both / max(1, lost)


def outcome(run: AnyPath, folder: AnyPath) -> str:
    """What a run came to, in two lines: its best epoch, and its colours beside grey.

    The loss of ab stands beside grey's, which is that of ab 0. Losses of distributions, classes and
    discriminators are not defined for a grey answer; so every network is also compared by the
    PSNR of its colours (of a distribution, of the mean): the best weights' on `SCORED` validation
    photos at the size of the training, per photo in 8-bit sRGB, then the mean.

    Of a network that finds damage: how much of it, in validation photos with made damage.

    Args:
        run: the run folder.
        folder: the prepared set that it was trained on.
    """
    history = read_history(run)
    size = int(history[-1]["size"])
    best = min((row for row in history if row["size"] == size), key=lambda row: row["val_loss"])
    files = [file for file in dataset.split_files(folder, "validation") if file.is_file()]
    loss = json.loads((Path(run) / "config.json").read_text(encoding="utf-8"))["loss"]
    network, values = models.load(run), []
    line = f"{run}: {history[-1]['epoch']} epochs; the best is {best['epoch']}, validation loss "
    line += f"{best['val_loss']:.5f}"
    scored = files[:: -(-len(files) // SCORED)]
    if network.name in models.FINDERS:
        precision, recall = _finds(network, scored, size)
        line += f"\nof made damage it finds {recall:.1%}; of what it marks {precision:.1%} is "
        line += f"damage, on {len(scored)} validation photos"
        return f"{line}; the curves are in curves.png"
    plain = Recipe(size=size).plain()
    for L, ab in PhotoBatches(scored, plain):
        guesses = _rgb(L, network.predict_on_batch(L)), _rgb(L, np.zeros_like(ab))
        for true, *both in zip(_rgb(L, ab), *guesses):
            values.append([psnr(true, guess) for guess in both])
    values = np.array(values)
    values = values[np.isfinite(values).all(axis=1)]  # grey's is infinite on a grey square
    own, grey = values.mean(axis=0)
    if not models.objective(loss):
        line += f", grey's {_grey_loss(loss, PhotoBatches(files, plain)):.5f}"
    line += f"\nits colours: {own:.2f} dB PSNR on {len(values)} validation photos of {size}x{size}"
    return f"{line}, grey {grey:.2f} dB ({own - grey:+.2f}); the curves are in curves.png"
