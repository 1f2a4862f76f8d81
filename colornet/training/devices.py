"""Training on several devices: each takes a part of every batch, so the figures stay the same."""

import contextlib

import keras
from keras import layers

DEVICES = ("one", "all")


class Devices:
    """The devices that a training runs on.

    count: how many; every batch is a multiple of it.

    Args:
        wanted: "one", or "all" of this machine: GPUs where there are some, else CPUs.

    Raises:
        ValueError: another word, or a backend that trains on one device alone.
    """

    def __init__(self, wanted: str = "one"):
        if wanted not in DEVICES:
            raise ValueError(f"devices {wanted!r}: choose one or all")
        self.count, self._scope, self._apart = 1, contextlib.nullcontext, False
        backend = keras.backend.backend()
        if wanted == "one":
            return
        if backend == "jax":
            found = keras.distribution.list_devices()
            distribution = keras.distribution.DataParallel(devices=found)
            self.count, self._scope = len(found), distribution.scope
        elif backend == "tensorflow":
            import tensorflow as tf

            kinds = map(tf.config.list_logical_devices, ("GPU", "CPU"))
            strategy = tf.distribute.MirroredStrategy(
                [one.name for one in next(filter(None, kinds))]
            )
            self.count, self._scope = strategy.num_replicas_in_sync, strategy.scope
            self._apart = self.count > 1
        else:
            raise ValueError(f"devices all: not under {backend}; take tensorflow or jax")

    def scope(self) -> contextlib.AbstractContextManager:
        """Within it a network is built and trained on these devices."""
        return self._scope()

    def join(self, network: keras.Model) -> None:
        """Makes batch normalisation look at whole batches, wherever their parts lie.

        Under JAX it does anyway: there a batch is one array, on several devices.
        """
        for layer in network.layers:
            if isinstance(layer, layers.BatchNormalization):
                layer.synchronized = self._apart
