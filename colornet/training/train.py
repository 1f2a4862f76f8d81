"""Training a network on a prepared set: the paper's recipe unless told otherwise."""

import json
from copy import deepcopy
from functools import partial
from pathlib import Path

import keras
import numpy as np

from colornet import models
from colornet.color import bins, lab
from colornet.data import dataset
from colornet.data.batches import PhotoBatches
from colornet.data.damaged import DamagedBatches
from colornet.errors import PhotoError
from colornet.models import efficientnet_lite
from colornet.models.recipe import Recipe
from colornet.storage import AnyPath, write_json
from colornet.training.callbacks import BetweenSteps, Cosine, Keep, preview, preview_damage
from colornet.training.curves import save_curves
from colornet.training.devices import Devices
from colornet.training.run import before, read_history, versions

LEARNT = ("train", "validation")
PRIOR_PHOTOS, PRIOR_SIZE = 3000, 64  # from which the prior over bins is counted
STAGE = (
    "learning_rate",
    "schedule",
    "batch_size",
    "size",
    "augment",
    "mixed",
    "hints",
    "age",
    "per_set",
)
CHECKED = 1000  # validation photos at most, in which damage is to be found after every epoch
PREVIEWS = 8  # validation photos coloured after every epoch


def compile_network(network: keras.Model, recipe: Recipe) -> keras.Model:
    """Makes a network ready to train.

    Args:
        network: a Keras model from L to ab.
        recipe: a `Recipe`, whose loss and optimizer are taken, and the first learning rate.

    Returns:
        What is trained: the network itself, or, for an objective, a model that shares its weights,
        such as the part up to its distribution, or network and discriminator.
    """
    trained, loss = network, recipe.loss
    objective = models.objective(loss)
    if objective:
        trained, loss = objective(network)
    # XLA makes TensorFlow on a CPU 1.7 times slower.
    jax = keras.backend.backend() == "jax"
    # A copy, since Keras rewrites the class name in the dict that it is given.
    trained.compile(keras.optimizers.get(deepcopy(recipe.optimizer)), loss, jit_compile=jax)
    trained.optimizer.learning_rate = recipe.learning_rate
    return trained


def begin(network: keras.Model, initial: AnyPath) -> None:
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


def count_prior(files: list[Path]) -> np.ndarray:
    """How often training photos show each bin, `(261,)`, smoothed by the soft encoding."""
    some = files[:: max(1, len(files) // PRIOR_PHOTOS)]
    sums = np.zeros(len(bins.centres()))
    for _, ab in PhotoBatches(some, Recipe(size=PRIOR_SIZE).plain()):
        sums += keras.ops.convert_to_numpy(
            keras.ops.sum(bins.encode(ab * lab.AB_SCALE), axis=(0, 1, 2))
        )
    return sums / sums.sum()


class _Run:
    """A run folder, from its first weights or from the whole state of its last epoch."""

    def __init__(self, folder, run, model, options, recipe, devices):
        self.run, self.recipe, self._state = run, recipe, run / "last.weights.h5"
        if recipe.batch_size % devices.count:
            line = (
                f"batch size {recipe.batch_size}: choose a multiple of the {devices.count} devices"
            )
            raise ValueError(line)
        self.files = {split: dataset.present_files(folder, split) for split in LEARNT}
        for split, found in self.files.items():
            if not found:
                raise PhotoError(f"{folder}: no {split} photos; prepare more photos")
        initial = str(recipe.initial or "")
        labels = None
        # Another loss than the recipe's is of ab alone.
        if recipe.labels and recipe.loss == models.recipe_of(model).loss:
            labels = dataset.labels(folder)
            options = dict(classes=max(labels.values()) + 1) | options
        if recipe.sized:
            options = dict(size=recipe.size) | options
        identity = dict(model=model, options=options, data=dataset.fingerprint(folder))
        # By its name: where a run lies is of no account, and may be told to nobody.
        identity |= dict(seed=recipe.seed, initial=Path(initial).name)
        identity |= dict(loss=recipe.loss, optimizer=recipe.optimizer)
        keras.utils.set_random_seed(recipe.seed)
        self.network = models.build(model, **options)
        devices.join(self.network)
        self._batches(folder, labels, devices.count)
        for layer in self.network.layers:
            layer.trainable = not (initial and layer.name.startswith(recipe.frozen))
        if self._state.exists():
            self._go_on(identity)
        else:
            self._start(identity, initial)

    def _batches(self, folder, labels, parts):
        recipe = self.recipe
        sets = dataset.labels(folder) if recipe.per_set else None
        # On several devices whole batches alone: a backend weighs parts of one by their own size.
        whole = recipe.batch_size if parts > 1 else 1
        batches, checked = PhotoBatches, self.files["validation"]
        if recipe.damage:  # which takes its time to be made
            batches, checked = DamagedBatches, checked[:: -(-len(checked) // CHECKED)]
        self.training = batches(self.files["train"], recipe, True, sets, labels, whole)
        self.validation = batches(checked, recipe.plain(), labels=labels, multiple=parts)

    def _start(self, identity, initial):
        self.config, self.history = identity | dict(before=[], stages=[]), []
        if initial:
            begin(self.network, initial)
            self.config["before"] = before(initial) if initial != "imagenet" else []
        for layer in self.network.layers:
            if hasattr(layer, "prior"):
                layer.prior.assign(count_prior(self.files["train"]))
        self.trained = compile_network(self.network, self.recipe)

    def _go_on(self, identity):
        self.config = json.loads((self.run / "config.json").read_text(encoding="utf-8"))
        changed = [key for key in identity if self.config[key] != identity[key]]
        if changed:
            raise ValueError(
                f"{self.run}: was begun with another {changed[0]}; choose another folder"
            )
        self.network.load_weights(self.run / "best.weights.h5")  # for what the trained part lacks
        self.trained = compile_network(self.network, self.recipe)
        optimizer = self.trained.optimizer
        optimizer.build(self.trained.trainable_variables)
        self.trained.load_weights(self._state)
        steps = int(keras.ops.convert_to_numpy(optimizer.iterations))
        self.history = [row for row in read_history(self.run) if row["steps"] <= steps]
        optimizer.learning_rate = self.recipe.learning_rate

    def _tell(self, done):
        """Writes `config.json` for what begins now; returns the epoch before its stage."""
        stage = {key: getattr(self.recipe, key) for key in STAGE}
        stages = [one for one in self.config["stages"] if one["from_epoch"] <= done]
        if not stages or any(stages[-1][key] != stage[key] for key in stage):
            stages.append(dict(from_epoch=done + 1) | stage)
        photos = {split: len(found) for split, found in self.files.items()}
        self.config |= dict(stages=stages, epochs=self.recipe.epochs, photos=photos)
        write_json(self.run / "config.json", self.config | dict(versions=versions()))
        return stages[-1]["from_epoch"] - 1

    def _draw(self):
        """What writes a preview: of validation photos in a network's colours, or their damage."""
        few = self.recipe.plain().but(batch_size=PREVIEWS)
        shown = self.files["validation"][:PREVIEWS]
        if self.recipe.damage:
            return partial(preview_damage, batch=DamagedBatches(shown, few)[0])
        return partial(preview, photos=PhotoBatches(shown, few).photos(0))

    def fit(self, verbose):
        """Trains to the recipe's last epoch."""
        recipe, done = self.recipe, len(self.history)
        if done >= recipe.epochs:
            return
        first = self._tell(done)
        self.training.start(done)
        keep = Keep(self.network, self.run, self.history, recipe.size, self._draw())
        steps = BetweenSteps()
        callbacks = [keras.callbacks.TerminateOnNaN(), keep, steps]
        if recipe.schedule == "cosine":
            length = len(self.training)
            callbacks += [Cosine(recipe.learning_rate, first, recipe.epochs, length)]
        try:
            with steps:
                self.trained.fit(
                    self.training,
                    validation_data=self.validation,
                    initial_epoch=done,
                    epochs=recipe.epochs,
                    shuffle=False,  # PhotoBatches orders the photos itself
                    callbacks=callbacks,
                    verbose=verbose,
                )
        except KeyboardInterrupt:
            saved = keep.saved
            left = f"goes on behind epoch {saved}" if saved else "begins with epoch 1 again"
            raise KeyboardInterrupt(f"{self.run}: the same command {left}") from None
        except Exception:
            for batches in (self.training, self.validation):
                if batches.error:  # at length in TensorFlow's own error
                    raise batches.error from None
            raise
        save_curves(self.history, self.run / "curves.png")


def train(
    folder: AnyPath,
    run: AnyPath,
    model: str = "colornet",
    options: dict | None = None,
    verbose: str | int = "auto",
    devices: str = "one",
    **settings: object,
) -> keras.Model:
    """Trains a network on a prepared set, or goes on with a run.

    A run folder holds `config.json` (every setting, versions, data fingerprint, and the stages that
    its first weights came from), `history.csv` (one row an epoch), `best.weights.h5` (lowest
    validation loss at the last size), `last.weights.h5` (with the optimizer's state: everything
    needed to go on), `previews/` (validation photos after each epoch) and at the end `curves.png`.
    Called again, it goes on behind the last whole epoch, at this call's size, batch size and
    learning rate: training small first and finishing large is two calls. A run that has its epochs
    is left as it is. Missing photos are counted in a line on stderr, and those that are there are
    trained on.

    Args:
        folder: a prepared set.
        run: the run folder.
        model, options: one of `models.names()` and its builder's options.
        verbose: as in `fit`.
        devices: "one", or "all": each takes a part of every batch, under TensorFlow and JAX.
        settings: what departs from the network's recipe, see `Recipe`.

    Returns:
        The trained network, with the weights of the last epoch.

    Raises:
        PhotoError: no prepared set, one without training or validation photos, or a damaged one.
        NoRoom: the disk is full; the last whole epoch is kept.
        KeyboardInterrupt: after a Ctrl-C; the message says how to go on.
        ValueError: an unknown network or setting, a run begun with another network or other
            photos, or a loss that is no longer a number; the last whole epoch is kept.
    """
    recipe = models.recipe_of(model).but(**settings)
    devices = Devices(devices)
    with devices.scope():
        work = _Run(folder, Path(run), model, options or {}, recipe, devices)
        work.fit(verbose)
    return work.network
