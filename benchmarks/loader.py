"""Photos per second: the loader alone beside training, for each network and size.

    python benchmarks/loader.py PREPARED

Prints a Markdown table. Each line is the mean over STEPS batches of 32 after a warm-up.
"""

import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import keras

from colornet.data import dataset
from colornet.data.batches import PhotoBatches
from colornet.models import build, recipe_of
from colornet.models.recipe import Recipe
from colornet.training.train import compile_network

BATCH, STEPS = 32, 12


class Clock(keras.callbacks.Callback):
    """Notes when each step of training ends; the first five steps are warm-up."""

    def on_train_batch_end(self, batch, logs=None):
        if batch == 4:
            self.started = time.perf_counter()
        self.seconds = time.perf_counter() - getattr(self, "started", 0)


def loader_speed(files, size):
    batches = PhotoBatches(files, Recipe(size=size, batch_size=BATCH))
    batches[0]
    started = time.perf_counter()
    with ThreadPoolExecutor(batches.workers) as pool:
        list(pool.map(batches.__getitem__, range(1, STEPS + 1)))
    return BATCH * STEPS / (time.perf_counter() - started)


def training_speed(files, size, name):
    network = build(name, **(dict(size=size) if recipe_of(name).sized else {}))
    compile_network(network, recipe_of(name))
    clock = Clock()
    batches = PhotoBatches(files[: BATCH * (STEPS + 5)], Recipe(size=size, batch_size=BATCH))
    network.fit(batches, callbacks=[clock], verbose=0)
    return BATCH * STEPS / clock.seconds


def main(folder):
    files = dataset.split_files(folder, "train")
    if len(files) < BATCH * (STEPS + 5):
        sys.exit(f"{folder}: {BATCH * (STEPS + 5)} training photos are needed")
    print(f"{os.cpu_count()} cores, {keras.backend.backend()}, keras {keras.__version__}\n")
    print("| size | loader alone | training encoder_decoder | training eight_conv |")
    print("|---|---|---|---|")
    for size in (128, 256):
        speeds = [loader_speed(files, size)]
        speeds += [training_speed(files, size, n) for n in ("encoder_decoder", "eight_conv")]
        print(f"| {size} | " + " | ".join(f"{speed:.0f} photos/s" for speed in speeds) + " |")


if __name__ == "__main__":
    main(sys.argv[1])
