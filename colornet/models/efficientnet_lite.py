"""EfficientNet-Lite as an encoder of L: colornet's, started from what ImageNet taught it."""

import keras

from colornet.models.layers import conv_bn, inverted_residual
from colornet.models.releases import RELEASED

# kernel, stride, expansion, channels, repeats: table 1 of arXiv 1905.11946, without the
# squeeze-and-excitation and with ReLU6 in place of swish, as in the Lite release. Lite2 has 1.1
# times the channels, in eights, and 1.2 times the repeats, but in the first and last stage.
STAGES = {
    "lite0": [
        (3, 1, 1, 16, 1),
        (3, 2, 6, 24, 2),
        (5, 2, 6, 40, 2),
        (3, 2, 6, 80, 3),
        (5, 1, 6, 112, 3),
        (5, 2, 6, 192, 4),
        (3, 1, 6, 320, 1),
    ],
    "lite2": [
        (3, 1, 1, 16, 1),
        (3, 2, 6, 24, 3),
        (5, 2, 6, 48, 3),
        (3, 2, 6, 88, 4),
        (5, 1, 6, 120, 4),
        (5, 2, 6, 208, 5),
        (3, 1, 6, 352, 1),
    ],
}


def encoder(L: keras.KerasTensor, version: str = "lite2") -> list[keras.KerasTensor]:
    """Features of L `(batch, H, W, 1)` at strides 2, 4, 8, 16 and 32.

    Args:
        L: in the units of `lab.to_network`.
        version: "lite0" or "lite2"; the last features have 320 or 352 channels.
    """
    x, features = conv_bn(L, 32, 3, 2, "stem"), []
    block = 0
    for kernel, stride, expansion, filters, repeats in STAGES[version]:
        if stride == 2:
            features.append(x)
        for repeat in range(repeats):
            x = inverted_residual(
                x, kernel, stride if repeat == 0 else 1, expansion, filters, f"block{block}"
            )
            block += 1
    return [*features, x]


def imagenet(version: str = "lite2") -> keras.Model:
    """The encoder as ImageNet trained it, a Keras model; see the card beside its weights."""
    L = keras.Input((None, None, 1), name="L")
    network = keras.Model(L, encoder(L, version), name=f"efficientnet_{version}")
    network.load_weights(RELEASED / network.name / "encoder.weights.h5")
    return network
