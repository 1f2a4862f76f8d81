"""The losses of a run as a picture."""

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from colornet.storage import AnyPath, atomic


def curves(history: list[dict]) -> Figure:
    """Losses and learning rate over the epochs; a line where the size changes.

    Args:
        history: rows as `run.read_history` gives them.
    """
    figure, (axis, below) = plt.subplots(
        2, figsize=(6, 4), height_ratios=(3, 1), sharex=True, layout="tight"
    )
    epochs = [row["epoch"] for row in history]
    for key, label in (("loss", "training"), ("val_loss", "validation")):
        axis.plot(epochs, [row[key] for row in history], "o-", markersize=3, label=label)
    for before, after in zip(history, history[1:]):
        if before["size"] != after["size"]:
            middle = (before["epoch"] + after["epoch"]) / 2
            axis.axvline(middle, color="grey", linestyle=":")
            axis.text(middle, axis.get_ylim()[1], f" {after['size']} px", va="top", fontsize=8)
    axis.set(ylabel="loss")
    axis.legend()
    below.plot(epochs, [row["learning_rate"] for row in history], "o-", markersize=3, color="grey")
    below.set(xlabel="epoch", ylabel="learning rate", ylim=(0, None))
    return figure


def save_curves(history: list[dict], path: AnyPath) -> None:
    """Writes `curves` as a picture, atomically."""
    figure = curves(history)
    with atomic(path) as temporary:
        figure.savefig(temporary, dpi=100)
    plt.close(figure)
