"""Training a network on a prepared set: the paper's recipe unless told otherwise."""

import csv
import importlib.metadata
import json
import platform
import time
from pathlib import Path

import cv2
import keras
import numpy as np

from colornet import data, lab
from colornet.files import atomic
from colornet.models import build
from colornet.models.encoder_decoder import PAPER

EPOCHS = 30  # the paper does not say
PREVIEWS = 8  # validation photos coloured after every epoch
PACKAGES = ("colornet", "keras", "tensorflow", "jax", "numpy", "opencv-python-headless")


def _versions():
    versions = {"python": platform.python_version(), "backend": keras.backend.backend()}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def compile_network(network, optimizer, loss, learning_rate):
    """`network.compile`, with XLA where it helps: it makes TensorFlow on a CPU 1.7 times slower."""
    network.compile(
        keras.optimizers.get(optimizer), loss, jit_compile=keras.backend.backend() == "jax"
    )
    network.optimizer.learning_rate = learning_rate


def write_json(path, value):
    """Writes a value as indented JSON, atomically."""
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def read_history(run):
    """The epochs of a run so far: a list of dicts of numbers, empty for a new run."""
    path = Path(run) / "history.csv"
    if not path.exists():
        return []
    with open(path, newline="", encoding="utf-8") as file:
        return [{k: json.loads(v) for k, v in row.items()} for row in csv.DictReader(file)]


def preview(model, photos, path):
    """Colours a batch of photos and writes them side by side.

    Args:
        model: a network from L to ab.
        photos: uint8 RGB `(batch, size, size, 3)`.
        path: the picture, atomically written.
    """
    L, _ = lab.to_network(lab.rgb_to_lab(photos.astype("float32") / 255))
    ab = model.predict_on_batch(L)
    rgb = keras.ops.convert_to_numpy(lab.lab_to_rgb(lab.from_network(L, ab)))
    strip = np.concatenate(list(np.round(rgb * 255).astype(np.uint8)), axis=1)
    with atomic(path) as temporary:
        cv2.imwrite(str(temporary), strip[..., ::-1])


class _Keep(keras.callbacks.Callback):
    """After each epoch: best weights, history, preview, and last the whole state.

    The state carries the number of steps taken, and each row of the history too; rows that a
    kill left without their state are dropped on resume.
    """

    def __init__(self, run, history, size, photos):
        super().__init__()
        self.run, self.history, self.size, self.photos = run, history, size, photos

    def on_epoch_begin(self, epoch, logs=None):
        self.started = time.time()

    def on_epoch_end(self, epoch, logs=None):
        if not np.isfinite([logs["loss"], logs["val_loss"]]).all():
            raise ValueError(
                f"{self.run}: the loss is no longer finite in epoch {epoch + 1}; the same command "
                "goes on before it, with a lower learning rate"
            )
        optimizer = self.model.optimizer
        row = dict(
            epoch=epoch + 1,
            steps=int(optimizer.iterations),
            size=self.size,
            learning_rate=float(f"{float(optimizer.learning_rate):.6g}"),
            loss=logs["loss"],
            val_loss=logs["val_loss"],
            seconds=round(time.time() - self.started, 1),
        )
        # Losses at different sizes are not comparable: a new size starts a new best.
        rivals = [r["val_loss"] for r in self.history if r["size"] == self.size]
        if row["val_loss"] < min(rivals, default=float("inf")):
            with atomic(self.run / "best.weights.h5") as temporary:
                self.model.save_weights(temporary)
        self.history.append(row)
        with atomic(self.run / "history.csv") as temporary:
            with open(temporary, "w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, row, lineterminator="\n")
                writer.writeheader()
                writer.writerows(self.history)
        preview(self.model, self.photos, self.run / "previews" / f"{epoch + 1:03d}.png")
        with atomic(self.run / "last.keras") as temporary:
            self.model.save(temporary)


def train(
    folder,
    run,
    model="encoder_decoder",
    options=None,
    epochs=EPOCHS,
    size=PAPER["size"],
    batch_size=PAPER["batch_size"],
    learning_rate=PAPER["learning_rate"],
    loss=PAPER["loss"],
    optimizer=PAPER["optimizer"],
    augment=True,
    seed=0,
    verbose="auto",
):
    """Trains a network on a prepared set, or goes on with a run.

    A run folder holds `config.json` (every setting, versions, data fingerprint), `history.csv`
    (one row an epoch), `best.weights.h5` (lowest validation loss at the last size),
    `last.keras` (everything needed to go on) and `previews/` (validation photos after each
    epoch). Called again, it goes on behind the last whole epoch, at this call's size, batch
    size and learning rate: training small first and finishing large is two calls. A run that
    has its epochs is left as it is.

    Args:
        folder: a prepared set.
        run: the run folder.
        model, options: a name in `models.MODELS` and its builder's options.
        epochs: in all, those of earlier calls counted in.
        size: height and width of the photos in training.
        batch_size, learning_rate, loss, optimizer: as Keras takes them.
        augment: random crops and mirroring.
        seed: of the first weights, the order of the photos and their crops.
        verbose: as in `fit`.

    Returns:
        The trained network, with the weights of the last epoch.

    Raises:
        PhotoError: no prepared set, or one without training or validation photos.
        ValueError: an unknown network, a run begun with another network or other photos, or
            a loss that is no longer a number; the last whole epoch is kept.
    """
    run = Path(run)
    files = {split: data.split_files(folder, split) for split in ("train", "validation")}
    for split, found in files.items():
        if not found:
            raise data.PhotoError(f"{folder}: no {split} photos; prepare more photos")
    identity = dict(model=model, options=options or {}, data=data.fingerprint(folder), seed=seed)
    identity |= dict(loss=loss, optimizer=optimizer)
    config_path, state = run / "config.json", run / "last.keras"
    keras.utils.set_random_seed(seed)
    if state.exists():
        config = json.loads(config_path.read_text(encoding="utf-8"))
        changed = [key for key in identity if config[key] != identity[key]]
        if changed:
            raise ValueError(f"{run}: was begun with another {changed[0]}; choose another folder")
        network = keras.models.load_model(state)
        steps = int(network.optimizer.iterations)
        history = [row for row in read_history(run) if row["steps"] <= steps]
        network.optimizer.learning_rate = learning_rate
        network.jit_compile = keras.backend.backend() == "jax"  # the state may be from elsewhere
    else:
        config, history = identity | dict(stages=[]), []
        network = build(model, **(options or {}))
        compile_network(network, optimizer, loss, learning_rate)
    done = len(history)
    if done >= epochs:
        return network
    stages = [stage for stage in config["stages"] if stage["from_epoch"] <= done]
    stage = dict(size=size, batch_size=batch_size, learning_rate=learning_rate, augment=augment)
    if not stages or any(stages[-1][key] != stage[key] for key in stage):
        stages.append(dict(from_epoch=done + 1) | stage)
    photos = {split: len(found) for split, found in files.items()}
    config |= dict(stages=stages, epochs=epochs, photos=photos, versions=_versions())
    write_json(config_path, config)
    training = data.PhotoBatches(
        files["train"], size, batch_size, augment, shuffle=True, seed=seed, epoch=done
    )
    validation = data.PhotoBatches(files["validation"], size, batch_size)
    shown = data.PhotoBatches(files["validation"][:PREVIEWS], size, PREVIEWS).photos(0)
    network.fit(
        training,
        validation_data=validation,
        initial_epoch=done,
        epochs=epochs,
        shuffle=False,  # PhotoBatches orders the photos itself
        callbacks=[keras.callbacks.TerminateOnNaN(), _Keep(run, history, size, shown)],
        verbose=verbose,
    )
    return network
