"""Batch normalisation folded into the convolutions before it: the same answers in less time."""

import keras
import numpy as np
from keras import layers

CONVOLUTIONS = (layers.Conv2D, layers.Conv2DTranspose, layers.DepthwiseConv2D)


def fold(network):
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
