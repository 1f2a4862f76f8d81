"""Do coloured photos look like photos? How far apart they lie in what a classifier sees of them.

The distance of Frechet between the features of the true photos and those of the coloured ones,
each taken as a normal distribution: the formula of FID, but not FID, which takes other features
(Inception-v3's), at least 10,000 photos, and is not to be compared with these figures. The features
are the last 320 of EfficientNet-Lite0's convolutions, as ImageNet's classes trained them in colour,
averaged over the photo. It is not the network that colours: colornet's own encoder is the larger
Lite2, on L. Both learnt from ImageNet, so it is no stranger either.
"""

from threading import Lock

import keras
import numpy as np

from colornet.evaluation.frechet import FeatureDistance
from colornet.models import efficientnet_lite
from colornet.models.releases import RELEASED

STEM = "stem_rgb.npy"  # kernels of the first convolution, before the sum over the colours


def network() -> keras.Model:
    """EfficientNet-Lite0 without its classifier, of RGB in [-1, 1], a Keras model to `(N, 320)`."""
    grey = efficientnet_lite.imagenet("lite0")
    rgb = keras.Input((None, None, 3), name="rgb")
    last = efficientnet_lite.encoder(rgb, "lite0")[-1]
    coloured = keras.Model(rgb, keras.layers.GlobalAveragePooling2D()(last))
    for layer in grey.layers:
        if layer.weights and layer.name != "stem_conv":
            coloured.get_layer(layer.name).set_weights(layer.get_weights())
    stem = np.load(RELEASED / grey.name / STEM).astype(np.float32)
    coloured.get_layer("stem_conv").set_weights([stem])
    return coloured


class Features(FeatureDistance):
    """The distance of the features of EfficientNet-Lite0."""

    name, width = "features", 320
    title = "Frechet distance of EfficientNet-Lite0's features (not FID)"

    def __init__(self):
        self._network, self._one_at_a_time = network(), Lock()

    def see(self, rgbs: np.ndarray) -> np.ndarray:
        """As `FeatureDistance`."""
        with self._one_at_a_time:
            return self._network.predict_on_batch((rgbs.astype(np.float32) - 127) / 128)
