"""What happens between steps and epochs: the learning rate, weights kept, previews, Ctrl-C."""

import csv
import io
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import keras
import numpy as np

from colornet.color import lab
from colornet.storage import AnyPath, atomic

WARM_UP = 200  # steps


class _Memory(io.BytesIO):
    """A file in memory that Keras takes for one of weights."""

    def __str__(self):
        return "memory.weights.h5"


def _save_weights(model, path):
    """Writes weights atomically."""
    file = _Memory()
    model.save_weights(file)  # on a full disk, HDF5 itself would end the process
    with atomic(path) as temporary:
        temporary.write_bytes(file.getvalue())


def preview(model: keras.Model, photos: np.ndarray, path: AnyPath) -> None:
    """Colours a batch of photos and writes them side by side.

    Args:
        model: a network from L to ab.
        photos: uint8 RGB `(batch, size, size, 3)`.
        path: the picture, atomically written.
    """
    L, _ = lab.to_network(lab.rgb_to_lab(photos.astype("float32") / 255))
    ab = model.predict_on_batch(L)[: len(L)]  # of several devices, each answers
    rgb = keras.ops.convert_to_numpy(lab.lab_to_rgb(lab.from_network(L, ab)))
    strip = np.concatenate(list(np.round(rgb * 255).astype(np.uint8)), axis=1)
    with atomic(path) as temporary:
        temporary.write_bytes(cv2.imencode(".png", strip[..., ::-1])[1])


def preview_damage(model: keras.Model, batch: tuple[np.ndarray, np.ndarray], path: AnyPath) -> None:
    """Writes what a network finds: above the photos, below the damage that it found, then the true.

    Args:
        model: a network from L to damage.
        batch: L and what is lost, as `DamagedBatches` gives them.
        path: the picture, atomically written.
    """
    L, lost = batch
    found = keras.ops.convert_to_numpy(keras.ops.sigmoid(model.predict_on_batch(L)[: len(L)]))
    rows = [np.concatenate(list(x[..., 0]), axis=1) for x in ((L + 1) / 2, found, lost)]
    with atomic(path) as temporary:
        picture = np.round(255 * np.concatenate(rows)).astype(np.uint8)
        temporary.write_bytes(cv2.imencode(".png", picture)[1])


class Cosine(keras.callbacks.Callback):
    """The learning rate of each step: linear warm-up, then half a cosine down to a hundredth."""

    def __init__(self, peak: float, first: int, last: int, steps: int):
        super().__init__()
        self.peak, self.first, self.last, self.steps = peak, first, last, steps

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self.epoch = epoch

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        step = (self.epoch - self.first) * self.steps + batch
        share = step / ((self.last - self.first) * self.steps)
        fall = 0.01 + 0.99 * (1 + np.cos(np.pi * share)) / 2
        self.model.optimizer.learning_rate = self.peak * min((step + 1) / WARM_UP, fall)


class Keep(keras.callbacks.Callback):
    """After each epoch: best weights, history, preview, and last the whole state.

    The state carries the number of steps taken, and each row of the history too; rows that a
    kill left without their state are dropped on resume. `draw` writes the preview of a network to
    a path.
    """

    def __init__(
        self, network: keras.Model, run: Path, history: list[dict], size: int, draw: Callable
    ):
        super().__init__()
        self.network, self.run, self.history = network, run, history
        self.size, self.draw = size, draw
        self.saved = len(history)

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self.started, self.worked = time.time(), time.process_time()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        if not np.isfinite([logs["loss"], logs["val_loss"]]).all():
            raise ValueError(
                f"{self.run}: the loss is no longer finite in epoch {epoch + 1}; the same command "
                "goes on before it, with a lower learning rate"
            )
        optimizer = self.model.optimizer
        row = dict(
            epoch=epoch + 1,
            steps=int(keras.ops.convert_to_numpy(optimizer.iterations)),
            size=self.size,
            learning_rate=float(f"{keras.ops.convert_to_numpy(optimizer.learning_rate):.6g}"),
            loss=logs["loss"],
            val_loss=logs["val_loss"],
            seconds=round(time.time() - self.started, 1),
            cpu_seconds=round(time.process_time() - self.worked, 1),  # all cores together
        )
        # Losses at different sizes are not comparable: a new size starts a new best.
        rivals = [r["val_loss"] for r in self.history if r["size"] == self.size]
        if row["val_loss"] < min(rivals, default=float("inf")):
            _save_weights(self.network, self.run / "best.weights.h5")
        self.history.append(row)
        with atomic(self.run / "history.csv") as temporary:
            with open(temporary, "w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, row, restval="null", lineterminator="\n")
                writer.writeheader()
                writer.writerows(self.history)
        self.draw(self.network, path=self.run / "previews" / f"{epoch + 1:03d}.png")
        _save_weights(self.model, self.run / "last.weights.h5")
        self.saved = epoch + 1


class BetweenSteps(keras.callbacks.Callback):
    """Holds Ctrl-C back until the end of a step: amid one, TensorFlow would abort the process.

    A second Ctrl-C is not held back.
    """

    asked = False

    def __enter__(self):
        self.before = signal.getsignal(signal.SIGINT)
        main = threading.current_thread() is threading.main_thread()
        self.holds = main and self.before is signal.default_int_handler
        if self.holds:
            signal.signal(signal.SIGINT, self._ask)
        return self

    def __exit__(self, *_):
        if self.holds:
            signal.signal(signal.SIGINT, self.before)

    def _ask(self, *_):
        self.asked = True
        signal.signal(signal.SIGINT, self.before)

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        if self.asked:
            raise KeyboardInterrupt

    on_test_batch_end = on_train_batch_end
