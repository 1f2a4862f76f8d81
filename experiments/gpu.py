"""Trains colornet on one GPU with Keras on JAX, fed by many processes, within a given time.

    KERAS_BACKEND=jax python experiments/gpu.py PREPARED -o RUN --initial RUN_OR_NAME --minutes 8
        --workers 13 [--sizes 128,160,224 --batch 256]

For 70 % of the time all sizes but the last are trained in turn, then the last in batches half as
large. Starting, compiling and the first validation, some two minutes, come on top. RUN holds what
`colornet release` takes: best.weights.h5, the running mean of the weights, saved every minute;
config.json; and history.csv with a row a phase, whose val_loss is always at the first size.

Feeding is the limit: on one NVIDIA H200 the step took 5,600 photos a second, 13 processes made
3,300. Batches lie in a temporary file, 2.5 GB; TMPDIR=/dev/shm spares the disk.

What it gave there, with 16 cores, in an earlier form that read decoded photos and shared the
machine with a second training: 1,452,160 photos in 499 seconds. Validation loss at 128 pixels 7.78
after 500 steps, 7.66 after the first phase, 7.70 after that at 224 pixels. Gain over grey on 500
validation photos at 256 pixels +2.34 dB; the weights of before, which had seen 32,497 photos, have
+1.70. This form has been run on CPUs alone.
"""

import argparse
import json
import os
import signal
import tempfile
import time
from collections import deque
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np

# Each process begins with these imports and chooses its own backend: no Keras, no JAX up here.
from colornet import models
from colornet.color import gamut, lab
from colornet.data import dataset
from colornet.data.augment import aged, augmented, random_hints
from colornet.models.recipe import ADAMW, Recipe
from colornet.models.releases import released
from colornet.quiet import start_keras
from colornet.storage import atomic, write_json

LATE = 0.7  # share of the time from which on the last size is trained
PEAK, WARM_UP = 1.5e-3, 150  # learning rate; steps
SLOW = 0.1  # of the learning rate, for an encoder that ImageNet taught from many more photos
OPTIMIZER = ADAMW | dict(config=ADAMW["config"] | dict(global_clipnorm=10.0))
MEAN = 0.01  # share of each step's weights in their running mean
AGE = 0.5  # share of photos whose L comes from their grey version, half of these aged
CAP = 2500  # photos of a set, beyond which it counts by the square root of their number
CHECKED = 2000  # validation photos at most
SAVED = 60  # seconds
CHANNELS = 6  # L, three of hints, ab


def make(pixels, size, rng, out):
    """One photo as training sees it, into float16 `(size, size, CHANNELS)`."""
    from colornet.data.batches import grey_levels  # which starts Keras

    photo = np.ascontiguousarray(augmented(pixels, size, rng))
    Lab = gamut.rgb_to_lab(photo)
    ab, hints = random_hints(Lab[..., :1], Lab[..., 1:], rng)
    L = Lab[..., :1] / np.float32(lab.L_SCALE) - 1
    if rng.random() < AGE:
        grey = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)
        L = grey_levels()[aged(grey, rng) if rng.random() < 0.5 else grey]
    out[..., :1], out[..., 1:4], out[..., 4:] = L, hints, ab / np.float32(lab.AB_SCALE)


def start_worker(*told):
    global ring, files, shares, seed
    # Before Keras starts: the GPU is not for these processes, and numpy starts soonest.
    os.environ |= dict(CUDA_VISIBLE_DEVICES="", KERAS_BACKEND="numpy")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is for who asks
    cv2.setNumThreads(1)
    name, slots, files, shares, seed = told
    ring = np.memmap(name, np.float16, "r+").reshape(slots, -1)


def fill(number, shape):
    """Makes a batch in its slot of the ring; returns the processor's seconds."""
    began, rng = time.process_time(), np.random.default_rng([seed, number])
    out = ring[number % len(ring), : np.prod(shape)].reshape(shape)
    for one, i in zip(out, rng.choice(len(files), len(out), p=shares)):
        make(dataset.read_prepared(files[i]), shape[1], rng, one)
    return time.process_time() - began


class Feed:
    """Batches that processes make ahead, in a file that all of them have in memory."""

    def __init__(self, file, files, sets, args, floats):
        # Two for each: one being made, one waiting, also while the GPU has other work.
        self.ring = np.memmap(file, np.float16, "w+", shape=(2 * args.workers + 2, floats))
        self.waiting, self.asked, self.cpu_seconds = deque(), 0, 0.0
        numbers = np.array([sets[one.stem] for one in files])
        count = np.bincount(numbers)
        weights = (np.minimum(count, np.sqrt(count * CAP)) / np.maximum(count, 1))[numbers]
        told = str(file), len(self.ring), files, weights / weights.sum(), args.seed
        # Spawned: forked ones would inherit what JAX has begun.
        self.pool = ProcessPoolExecutor(args.workers, get_context("spawn"), start_worker, told)

    def ask(self, sizes, batches):
        """Has every free slot filled, with batches of these sizes in turn."""
        while len(self.waiting) < len(self.ring):
            size = sizes[self.asked % len(sizes)]
            shape = (batches[size], size, size, CHANNELS)
            self.waiting.append((self.asked, shape, self.pool.submit(fill, self.asked, shape)))
            self.asked += 1

    def get(self):
        """The next batch, float16 `(count, size, size, CHANNELS)`."""
        number, shape, made = self.waiting.popleft()
        self.cpu_seconds += made.result()
        # A copy, since the slot is filled again while JAX still reads.
        return self.ring[number % len(self.ring), : np.prod(shape)].reshape(shape).copy()


class Work:
    """What is trained: a network, its state on the GPU, and the steps as they get compiled."""

    def __init__(self, network, batches):
        import jax
        from jax import numpy as jnp

        self.network, self.steps, self.compiled = network, 0, {}
        self.trained, loss = models.objective("distribution")(network)
        learnt = self.trained.trainable_variables
        # At a rate of 1, since each layer's share of the rate comes below.
        optimizer = start_keras().optimizers.AdamW(1.0, **OPTIMIZER["config"])
        optimizer.exclude_from_weight_decay([v for v in learnt if len(v.shape) < 2])
        optimizer.build(learnt)
        frozen = models.recipe_of("colornet").frozen
        paces = [SLOW if v.path.startswith(frozen) else 1.0 for v in learnt]

        def loss_of(weights, others, L, ab, training):
            logits, others = self.trained.stateless_call(weights, others, L, training=training)
            return jnp.mean(loss(ab, logits)), others

        def step(state, x, rate):
            weights, others, moments, mean = state
            L, ab = jnp.split(x.astype(jnp.float32), [4], axis=-1)
            slopes_of = jax.value_and_grad(loss_of, has_aux=True)
            (value, others), slopes = slopes_of(weights, others, L, ab, True)
            moved, moments = optimizer.stateless_apply(moments, slopes, weights)
            weights = [w + rate * pace * (m - w) for w, m, pace in zip(weights, moved, paces)]
            mean = [a + MEAN * (w - a) for a, w in zip(mean, weights)]
            return (weights, others, moments, mean), value

        variables = learnt, self.trained.non_trainable_variables, optimizer.variables, learnt
        # Copies, since a step uses its state up.
        self.state = tuple([jnp.array(v.value, copy=True) for v in some] for some in variables)
        self.score = jax.jit(lambda *given: loss_of(*given, False)[0])
        step, rate = jax.jit(step, donate_argnums=0), jax.ShapeDtypeStruct((), np.float32)
        pool = ThreadPoolExecutor(1)  # one by one, so that the first is ready soonest
        for size, batch in batches.items():
            x = jax.ShapeDtypeStruct((batch, size, size, CHANNELS), np.float16)
            self.compiled[size] = pool.submit(step.lower(self.state, x, rate).compile)

    def ready(self, sizes):
        """Those of the sizes whose steps are compiled; where there is none, other sizes."""
        done = [size for size, one in self.compiled.items() if one.done()]
        return [size for size in sizes if size in done] or done

    def step(self, x, rate):
        """Trains on a batch; returns its loss, which JAX may still owe."""
        compiled = self.compiled[x.shape[1]].result()
        self.state, loss = compiled(self.state, x, np.float32(rate))
        self.steps += 1
        return loss

    def check(self, batches, run):
        """The loss of the mean weights on batches of whole photos; saves these weights."""
        _, others, _, mean = self.state
        loss = float(np.mean([self.score(mean, others, L, ab) for L, ab in batches]))
        variables = self.trained.trainable_variables + self.trained.non_trainable_variables
        for variable, value in zip(variables, [*mean, *others]):
            variable.assign(np.asarray(value))
        with atomic(run / "best.weights.h5") as temporary:
            self.network.save_weights(temporary)
        return loss


def rate_at(share, step=WARM_UP):
    return PEAK * min(1, (step + 1) / WARM_UP) * (1 + np.cos(np.pi * min(share, 1))) / 2


def fit(work, feed, batches, checked, args):
    """Trains within the time; writes weights and history as it goes."""
    work.compiled[args.sizes[0]].result()
    print(f"validation loss before: {work.check(checked, args.output):.4f}", flush=True)
    begun, rows, queued = time.time(), [], deque()
    for sizes, end in ((args.sizes[:-1], LATE), (args.sizes[-1:], 1)):
        losses, started, saved = [], time.time(), time.time()
        worked = time.process_time() + feed.cpu_seconds
        while (share := (time.time() - begun) / (60 * args.minutes)) < end or not losses:
            feed.ask(work.ready(sizes), batches)
            x, rate = feed.get(), rate_at(share, work.steps)
            queued.append(work.step(x, rate))
            if x.shape[1] in sizes:  # not what was made ahead for the phase before
                losses.append(queued[-1])
            if len(queued) > 8:  # the GPU is given a few steps ahead, not all
                queued.popleft().block_until_ready()
            if time.time() - saved > SAVED:
                loss, saved = work.check(checked, args.output), time.time()
                print(f"{share:.0%}: {work.steps} steps, validation loss {loss:.4f}", flush=True)
        row = dict(epoch=len(rows) + 1, steps=work.steps, size=max(sizes), learning_rate=rate)
        row |= dict(loss=np.mean(losses), val_loss=work.check(checked, args.output))
        row |= dict(seconds=time.time() - started)
        row |= dict(cpu_seconds=time.process_time() + feed.cpu_seconds - worked)
        if not np.isfinite([row["loss"], row["val_loss"]]).all():
            raise ValueError("the loss is no longer finite")
        rows.append(",".join(f"{value:.7g}" for value in row.values()))
        print(rows[-1], flush=True)
        with atomic(args.output / "history.csv") as temporary:
            temporary.write_text("\n".join([",".join(row), *rows, ""]), encoding="utf-8")


def describe(args, files, batches):
    """The run's `config.json`, as `colornet train` writes it."""
    from colornet.training.run import before, versions

    told = released(args.initial) / "config.json"
    options = json.loads(told.read_text(encoding="utf-8"))["options"] if told.is_file() else {}
    config = dict(model="colornet", options=options, data=dataset.fingerprint(args.folder))
    config |= dict(seed=args.seed, initial=Path(args.initial).name, loss="distribution")
    config |= dict(optimizer=OPTIMIZER, before=before(args.initial), stages=[], epochs=2)
    for epoch, size, rate in ((1, max(args.sizes[:-1]), PEAK), (2, args.sizes[-1], rate_at(LATE))):
        stage = dict(from_epoch=epoch, learning_rate=float(f"{rate:.2g}"), schedule="cosine")
        stage |= dict(batch_size=batches[size], size=size, augment=True)
        stage |= dict(mixed=epoch == 1 and len(args.sizes) > 2, hints=True, age=AGE, per_set=None)
        config["stages"].append(stage)
    config["photos"] = {split: len(found) for split, found in files.items()}
    return config | dict(versions=versions())


def begun(config, initial, files):
    """The network with its first weights, ready to be trained."""
    from colornet.training.train import begin, count_prior

    keras = start_keras()
    keras.utils.set_random_seed(config["seed"])
    network = models.build("colornet", **config["options"])
    begin(network, initial)
    network.get_layer("mean").prior.assign(count_prior(files))
    for layer in network.layers:
        encoder = layer.name.startswith(models.recipe_of("colornet").frozen)
        # Its statistics are of more photos than are seen here.
        layer.trainable = not (encoder and isinstance(layer, keras.layers.BatchNormalization))
    return network


def main():
    args = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    args.add_argument("folder", metavar="PREPARED")
    args.add_argument("-o", "--output", metavar="RUN", type=Path, required=True)
    args.add_argument("--initial", default="imagenet", help="a run, a release, or imagenet")
    args.add_argument("--minutes", type=float, default=8)
    args.add_argument("--workers", type=int, default=13)
    args.add_argument("--sizes", type=lambda told: [int(size) for size in told.split(",")])
    args.add_argument("--batch", type=int, default=256)
    args.add_argument("--seed", type=int, default=77)
    args.set_defaults(sizes=[128, 160, 224])
    args = args.parse_args()
    if os.environ.get("KERAS_BACKEND") != "jax" or (args.output / "config.json").exists():
        raise SystemExit(f"set KERAS_BACKEND=jax, and choose a new folder for {args.output}")
    files = {split: dataset.present_files(args.folder, split) for split in ("train", "validation")}
    batches = dict.fromkeys(args.sizes, args.batch) | {args.sizes[-1]: args.batch // 2}
    floats = max(batch * size**2 * CHANNELS for size, batch in batches.items())
    with tempfile.TemporaryDirectory() as place:
        sets = dataset.labels(args.folder)
        feed = Feed(Path(place, "ring"), files["train"], sets, args, floats)
        try:
            feed.ask(args.sizes[:1], batches)
            config = describe(args, files, batches)
            work = Work(begun(config, args.initial, files["train"]), batches)
            write_json(args.output / "config.json", config)
            from colornet.data.batches import PhotoBatches

            some = files["validation"][:: -(-len(files["validation"]) // CHECKED)]
            count = min(args.batch, len(some))  # whole batches alone, so that one step is compiled
            recipe = Recipe(size=args.sizes[0], batch_size=count).plain()
            checked = PhotoBatches(some, recipe, multiple=count)
            fit(work, feed, batches, [checked[i] for i in range(len(checked))], args)
        finally:
            feed.pool.shutdown(cancel_futures=True)


if __name__ == "__main__":
    main()
