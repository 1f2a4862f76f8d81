"""Trained networks: loaded, folded, made smaller."""

import json
from pathlib import Path

import h5py
import keras
import numpy as np
from keras import layers

from colornet import models
from colornet.storage import AnyPath

CONVOLUTIONS = (layers.Conv2D, layers.Conv2DTranspose, layers.DepthwiseConv2D)


def load(files: list[Path], folded: bool) -> keras.Model:
    """The network of `releases.trained`'s files, see `models.load`."""
    single = files[0].suffix == ".keras"
    try:
        if single:
            network = keras.models.load_model(files[0], compile=False)
        else:
            config = json.loads(files[0].read_text(encoding="utf-8"))
            network = models.build(config["model"], **config["options"])
            network.load_weights(files[1])
        return fold(network) if folded else network
    # JSON, zipfile, h5py and Keras each have their own words for a damaged file.
    except Exception as error:
        reason = str(error).strip().split("\n")[0][:200]
        place = files[0] if single else files[0].parent
        raise ValueError(f"{place}: cannot be loaded ({reason}); fetch it again") from None


def fold(network: keras.Model) -> keras.Model:
    """A network for inference alone, without the batch normalisation that follows convolutions.

    In inference that is a scale and a shift of each channel, which kernel and bias can do: Jacob
    et al. 2018, arXiv 1712.05877, section 3.2.

    Args:
        network: a functional Keras model; what a convolution without bias gives goes to its
            normalisation and nowhere else.

    Returns:
        A model with weights of its own, whose answers differ by rounding only.
    """
    plain = {
        id(layer.output): layer
        for layer in network.layers
        if isinstance(layer, CONVOLUTIONS) and not layer.use_bias
    }
    norms = {
        plain[id(layer.input)].name: layer
        for layer in network.layers
        if isinstance(layer, layers.BatchNormalization) and id(layer.input) in plain
    }
    gone = {norm.name for norm in norms.values()}

    def copy(layer):
        bias = dict(use_bias=True) if layer.name in norms else {}
        return layer.from_config(layer.get_config() | bias)

    def call(layer, *args, **options):
        return args[0] if layer.name in gone else layer(*args, **options)

    folded = keras.models.clone_model(network, clone_function=copy, call_function=call)
    for layer in folded.layers:
        weights = network.get_layer(layer.name).get_weights()
        if layer.name in norms:
            norm = norms[layer.name]
            gamma, beta, mean, variance = norm.get_weights()
            scale = gamma / np.sqrt(variance + norm.epsilon)
            # The axis of output channels: last in Conv2D, last but one in the others.
            last = isinstance(layer, layers.Conv2D)
            weights = [weights[0] * (scale if last else scale[:, None]), beta - mean * scale]
        layer.set_weights(weights)
    return folded


def halve(source: AnyPath, target: AnyPath) -> None:
    """Copies a weights file with its kernels as float16, without an optimizer's state.

    Normalisation and other vectors stay float32.
    """
    with h5py.File(source) as whole, h5py.File(target, "w") as half:

        def copy(name, item):
            if name.startswith("optimizer"):
                return
            if isinstance(item, h5py.Group):
                half.require_group(name).attrs.update(item.attrs)
            elif item.ndim > 1:
                values = item[...].astype(np.float16)
                half.create_dataset(name, data=values, compression="gzip", shuffle=True)
            else:
                whole.copy(name, half, name)

        half.attrs.update(whole.attrs)
        whole.visititems(copy)
