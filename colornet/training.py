"""Training a network on a prepared set: the paper's recipe unless told otherwise."""

import csv
import importlib.metadata
import io
import json
import platform
import signal
import threading
import time
from copy import deepcopy
from pathlib import Path

import cv2
import keras
import numpy as np

from colornet import bins, data, figures, lab, models
from colornet.batches import PhotoBatches
from colornet.files import atomic, released, write_json
from colornet.models import efficientnet_lite

EPOCHS = 30  # the paper does not say
WARM_UP = 200  # steps
PRIOR_PHOTOS, PRIOR_SIZE = 3000, 64  # from which the prior over bins is counted
SEEN = ("size", "batch_size", "augment", "hints", "age", "mixed", "per_set")  # by the network
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
    """Makes a network ready to train.

    Args:
        network: a Keras model from L to ab.
        optimizer: as Keras takes it.
        loss: one of `models.OBJECTIVES`, or any that Keras takes, of ab.
        learning_rate: of the first step.

    Returns:
        What is trained: the network itself, or, for an objective, a model that shares its weights,
        such as the part up to its distribution, or network and discriminator.
    """
    trained = network
    if loss in models.OBJECTIVES:
        trained, loss = models.OBJECTIVES[loss](network)
    # XLA makes TensorFlow on a CPU 1.7 times slower.
    jax = keras.backend.backend() == "jax"
    # A copy, since Keras rewrites the class name in the dict that it is given.
    trained.compile(keras.optimizers.get(deepcopy(optimizer)), loss, jit_compile=jax)
    trained.optimizer.learning_rate = learning_rate
    return trained


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
        temporary.write_bytes(cv2.imencode(".png", strip[..., ::-1])[1])


class Cosine(keras.callbacks.Callback):
    """The learning rate of each step: linear warm-up, then half a cosine down to a hundredth."""

    def __init__(self, peak, first, last, steps):
        super().__init__()
        self.peak, self.first, self.last, self.steps = peak, first, last, steps

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_begin(self, batch, logs=None):
        step = (self.epoch - self.first) * self.steps + batch
        share = step / ((self.last - self.first) * self.steps)
        fall = 0.01 + 0.99 * (1 + np.cos(np.pi * share)) / 2
        self.model.optimizer.learning_rate = self.peak * min((step + 1) / WARM_UP, fall)


class _Keep(keras.callbacks.Callback):
    """After each epoch: best weights, history, preview, and last the whole state.

    The state carries the number of steps taken, and each row of the history too; rows that a
    kill left without their state are dropped on resume.
    """

    def __init__(self, network, run, history, size, photos):
        super().__init__()
        self.network, self.run, self.history = network, run, history
        self.size, self.photos = size, photos
        self.saved = len(history)

    def on_epoch_begin(self, epoch, logs=None):
        self.started, self.worked = time.time(), time.process_time()

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
        preview(self.network, self.photos, self.run / "previews" / f"{epoch + 1:03d}.png")
        _save_weights(self.model, self.run / "last.weights.h5")
        self.saved = epoch + 1


class _BetweenSteps(keras.callbacks.Callback):
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

    def on_train_batch_end(self, batch, logs=None):
        if self.asked:
            raise KeyboardInterrupt

    on_test_batch_end = on_train_batch_end


def begin(network, initial):
    """Gives a network the weights of another's layers of the same name and shapes.

    Args:
        network: a Keras model.
        initial: "imagenet", for the encoder as ImageNet trained it; or what `models.load` takes.
    """
    if initial == "imagenet":
        deep = "block16_project_conv" in [layer.name for layer in network.layers]
        source = efficientnet_lite.imagenet("lite2" if deep else "lite0")
    else:
        source = models.load(initial, folded=False)
    given = {layer.name: layer.get_weights() for layer in source.layers}
    for layer in network.layers:
        weights = given.get(layer.name, [])
        if [w.shape for w in layer.weights] == [w.shape for w in weights]:
            layer.set_weights(weights)


def told_stages(config, history):
    """A run's stages: dicts of settings, with `to_epoch`, `minutes`, `photos` and `initial`."""
    starts = [stage["from_epoch"] for stage in config["stages"]] + [len(history) + 1]
    told = []
    for stage, end in zip(config["stages"], starts[1:]):
        rows = history[stage["from_epoch"] - 1 : end - 1]
        minutes = round(sum(row["seconds"] for row in rows) / 60, 1)
        photos = config["photos"]["train"]
        told.append(
            stage
            | dict(to_epoch=end - 1, minutes=minutes, photos=photos, initial=config.get("initial"))
        )
    return told


def before(initial):
    """What a run or release was trained in, its own beginnings included: dicts of `told_stages`."""
    folder = released(initial)
    if not (folder / "config.json").is_file():
        return []  # a .keras file tells nothing
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return [*config.get("before", []), *told_stages(config, read_history(folder))]


def count_prior(files):
    """How often training photos show each bin, `(261,)`, smoothed by the soft encoding."""
    some = files[:: max(1, len(files) // PRIOR_PHOTOS)]
    batches = PhotoBatches(some, PRIOR_SIZE)
    sums = np.zeros(len(bins.centres()))
    for _, ab in batches:
        sums += keras.ops.convert_to_numpy(
            keras.ops.sum(bins.encode(ab * lab.AB_SCALE), axis=(0, 1, 2))
        )
    return sums / sums.sum()


def train(
    folder,
    run,
    model="colornet",
    options=None,
    epochs=EPOCHS,
    initial=None,
    seed=0,
    verbose="auto",
    **settings,
):
    """Trains a network on a prepared set, or goes on with a run.

    A run folder holds `config.json` (every setting, versions, data fingerprint, and the stages
    that its first weights came from), `history.csv`
    (one row an epoch), `best.weights.h5` (lowest validation loss at the last size),
    `last.weights.h5` (with the optimizer's state: everything needed to go on), `previews/`
    (validation photos after each epoch) and at the end `curves.png`. Called again, it goes on behind the last whole epoch, at
    this call's size, batch size and learning rate: training small first and finishing large is
    two calls. A run that has its epochs is left as it is. Missing photos are counted in a line on
    stderr, and those that are there are trained on.

    Args:
        folder: a prepared set.
        run: the run folder.
        model, options: a name in `models.MODELS` and its builder's options.
        epochs: in all, those of earlier calls counted in.
        initial: the weights to begin with where layers agree: "imagenet", or what `models.load`
            takes; by default the recipe's.
        seed: of the first weights, the order of the photos, their crops and hints.
        verbose: as in `fit`.
        settings: what departs from the network's recipe in `models.RECIPES`: `size`,
            `batch_size`, `learning_rate`, `schedule` ("constant" or "cosine"), `augment` (random
            crops and mirroring), `hints`, `age`, `mixed` and `per_set` as in
            `batches.PhotoBatches`, `frozen` (how the names of layers begin that keep their first
            weights), `loss`
            (one of `models.OBJECTIVES`, or as Keras takes it) and `optimizer`.

    Returns:
        The trained network, with the weights of the last epoch.

    Raises:
        PhotoError: no prepared set, one without training or validation photos, or a damaged one.
        NoRoom: the disk is full; the last whole epoch is kept.
        KeyboardInterrupt: after a Ctrl-C; the message says how to go on.
        ValueError: an unknown network, a run begun with another network or other photos, or
            a loss that is no longer a number; the last whole epoch is kept.
    """
    run = Path(run)
    if model not in models.MODELS:
        models.build(model)  # says which there are
    recipe = models.RECIPES[model] | settings
    unknown = settings.keys() - models.RECIPES[model].keys()
    if unknown:
        raise ValueError(f"no setting {min(unknown)!r}; there are: {', '.join(recipe)}")
    if recipe["mixed"] and recipe["size"] < 64:
        raise ValueError(f"size {recipe['size']}: mixed sizes need 64 or more")
    files = {split: data.present_files(folder, split) for split in ("train", "validation")}
    for split, found in files.items():
        if not found:
            raise data.PhotoError(f"{folder}: no {split} photos; prepare more photos")
    initial = str(initial or recipe["initial"] or "")
    labels, options = None, options or {}
    # Another loss than the recipe's is of ab alone.
    if recipe.pop("labels") and recipe["loss"] == models.RECIPES[model]["loss"]:
        labels = data.labels(folder)
        options = dict(classes=max(labels.values()) + 1) | options
    identity = dict(model=model, options=options, data=data.fingerprint(folder), seed=seed)
    # By its name: where a run lies is of no account, and may be told to nobody.
    identity |= dict(initial=Path(initial).name) | {key: recipe.pop(key) for key in ("loss", "optimizer")}
    recipe.pop("initial")
    config_path, state = run / "config.json", run / "last.weights.h5"
    keras.utils.set_random_seed(seed)
    network = models.build(model, **options)
    training = PhotoBatches(
        files["train"],
        shuffle=True,
        seed=seed,
        labels=labels,
        sets=data.labels(folder) if recipe["per_set"] else None,
        **{key: recipe[key] for key in SEEN},
    )
    validation = PhotoBatches(
        files["validation"], recipe["size"], recipe["batch_size"], labels=labels
    )
    frozen = recipe.pop("frozen")
    for layer in network.layers:
        layer.trainable = not (initial and layer.name.startswith(frozen))
    if state.exists():
        config = json.loads(config_path.read_text(encoding="utf-8"))
        changed = [key for key in identity if config[key] != identity[key]]
        if changed:
            raise ValueError(f"{run}: was begun with another {changed[0]}; choose another folder")
        network.load_weights(run / "best.weights.h5")  # for what the trained part lacks
        history = read_history(run)
    else:
        config, history = identity | dict(before=[], stages=[]), []
        if initial:
            begin(network, initial)
            config["before"] = before(initial) if initial != "imagenet" else []
        for layer in network.layers:
            if hasattr(layer, "prior"):
                layer.prior.assign(count_prior(files["train"]))
    trained = compile_network(
        network, identity["optimizer"], identity["loss"], recipe["learning_rate"]
    )
    if state.exists():
        trained.optimizer.build(trained.trainable_variables)
        trained.load_weights(state)
        history = [row for row in history if row["steps"] <= int(trained.optimizer.iterations)]
        trained.optimizer.learning_rate = recipe["learning_rate"]
    done = len(history)
    if done >= epochs:
        return network
    stages = [stage for stage in config["stages"] if stage["from_epoch"] <= done]
    if not stages or any(stages[-1][key] != recipe[key] for key in recipe):
        stages.append(dict(from_epoch=done + 1) | recipe)
    photos = {split: len(found) for split, found in files.items()}
    config |= dict(stages=stages, epochs=epochs, photos=photos, versions=_versions())
    write_json(config_path, config)
    training.start(done)
    shown = PhotoBatches(files["validation"][:PREVIEWS], recipe["size"], PREVIEWS).photos(0)
    keep, steps = _Keep(network, run, history, recipe["size"], shown), _BetweenSteps()
    callbacks = [keras.callbacks.TerminateOnNaN(), keep, steps]
    if recipe["schedule"] == "cosine":
        first = stages[-1]["from_epoch"] - 1
        callbacks += [Cosine(recipe["learning_rate"], first, epochs, len(training))]
    try:
        with steps:
            trained.fit(
                training,
                validation_data=validation,
                initial_epoch=done,
                epochs=epochs,
                shuffle=False,  # PhotoBatches orders the photos itself
                callbacks=callbacks,
                verbose=verbose,
            )
    except KeyboardInterrupt:
        left = f"goes on behind epoch {keep.saved}" if keep.saved else "begins with epoch 1 again"
        raise KeyboardInterrupt(f"{run}: the same command {left}") from None
    except Exception:
        for batches in (training, validation):
            if batches.error:  # at length in TensorFlow's own error
                raise batches.error from None
        raise
    figures.save(figures.curves(history), run / "curves.png")
    return network
