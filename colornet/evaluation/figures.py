"""The few pictures that the demo and the notebooks draw."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from colornet.color import bins, lab


def grid(
    pictures: list[np.ndarray], titles: list[str] | tuple = (), columns: int = 4, width: float = 2.2
) -> Figure:
    """Pictures in rows, as a matplotlib figure.

    Args:
        pictures: uint8 RGB `(H, W, 3)` or grey `(H, W)` arrays.
        titles: one a picture, or none.
        columns: pictures a row.
        width: of one picture, in inches.
    """
    starts = range(0, len(pictures), columns)
    tall = [max(p.shape[0] / p.shape[1] for p in pictures[i : i + columns]) for i in starts]
    titled = [any(titles[i : i + columns]) for i in starts]
    heights = [width * aspect + 0.2 * text for aspect, text in zip(tall, titled)]
    figure, axes = plt.subplots(
        len(heights),
        columns,
        figsize=(width * columns, sum(heights)),
        height_ratios=tall,  # of the pictures alone, titles stand outside
        squeeze=False,
        layout="constrained",
    )
    for axis in axes.flat:
        axis.axis("off")
    for i, (axis, picture) in enumerate(zip(axes.flat, pictures)):
        axis.imshow(picture, cmap="gray" if picture.ndim == 2 else None)
        axis.set_title(titles[i] if len(titles) else "", fontsize=8)
    return figure


def distribution(chances: np.ndarray, answers: dict, axis: Axes) -> None:
    """The chances of one place's colours, drawn in the plane of a and b.

    Args:
        chances: `(261,)`, sums to 1.
        answers: a dict of names and ab, marked in the plane.
        axis: a matplotlib axis.
    """
    centres = bins.centres()
    at_60 = np.concatenate([np.full((len(centres), 1), 60, np.float32), centres], axis=1)
    colours = np.clip(lab.lab_to_rgb(at_60), 0, 1)
    axis.scatter(*centres.T, s=2, color="lightgrey")
    axis.scatter(*centres.T, s=1500 * chances, c=colours, edgecolors="black", linewidths=0.3)
    for marker, (name, ab) in zip("x+*", answers.items()):
        axis.scatter(*ab, marker=marker, s=60, color="black", label=name)
    axis.set(xlabel="a", ylabel="b", aspect="equal")
    axis.legend(fontsize=7, loc="lower left")
