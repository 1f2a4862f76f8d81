"""Do coloured photos look like photos? How far apart they lie in what a classifier sees of them.

The distance of Frechet between the features of the true photos and those of the coloured ones,
each taken as a normal distribution: the formula of FID, but not FID, which takes other features
(Inception-v3's), at least 10,000 photos, and is not to be compared with these figures. The features
are the last 320 of EfficientNet-Lite0's convolutions, as ImageNet's classes trained them in colour,
averaged over the photo. It is not the network that colours: colornet's own encoder is the larger
Lite2, on L. Both learnt from ImageNet, so it is no stranger either.

A sample's distance is too great, the more so the fewer photos: two halves of the same photos are
not at 0. So distances compare only between rows of one table, on the same photos; the table says
how many.
"""

from collections.abc import Callable
from threading import Lock

import keras
import numpy as np

from colornet.inference.matching import pack, unpack
from colornet.models import efficientnet_lite
from colornet.models.releases import RELEASED

FEATURES = 320  # numbers to a photo
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


def encoder() -> Callable[[np.ndarray], list[str]]:
    """A function from uint8 RGB photos `(N, H, W, 3)` to their features, N strings for JSON."""
    model, one_at_a_time = network(), Lock()

    def encode(photos):
        with one_at_a_time:
            found = model.predict_on_batch((photos.astype(np.float32) - 127) / 128)
        return [pack(one) for one in found]

    return encode


def frechet(first: np.ndarray, second: np.ndarray) -> float:
    """The squared Frechet distance of two samples `(N, D)`, each as a normal distribution.

    Dowson and Landau 1982: |difference of means|^2 + trace(A + B - 2 (A B)^(1/2)), A and B the
    covariances.
    """
    first, second = (np.asarray(x, np.float64) for x in (first, second))
    step = first.mean(0) - second.mean(0)
    # Roots of the covariances; the trace wanted is the sum of the singular values of their product.
    a, b = (
        np.linalg.qr((x - x.mean(0)) / np.sqrt(max(1, len(x) - 1)), mode="r")
        for x in (first, second)
    )
    root = np.linalg.svd(a @ b.T, compute_uv=False).sum()
    return float(step @ step + (a**2).sum() + (b**2).sum() - 2 * root)


def distances(records: list[dict]) -> dict:
    """The distance of each row's photos from the true ones.

    Args:
        records: of each photo, its features by row, as `encoder` gives them.

    Returns:
        A dict for JSON: `photos`, and `distance` by row.
    """
    of = {
        row: np.concatenate([unpack(one[row], FEATURES) for one in records]) for row in records[0]
    }
    true = of.pop("true").astype(np.float64)
    return dict(photos=len(records), distance={row: frechet(true, own) for row, own in of.items()})


def table(report: dict) -> str:
    """The distances of a report of `evaluation` as Markdown."""
    found = report["features"]
    head = f"Frechet distance of EfficientNet-Lite0's features, {found['photos']} photos (not FID)"
    lines = [f"| {head} | |", "|---|---|"]
    lines += [f"| {row} | {value:.2f} |" for row, value in found["distance"].items()]
    return "\n".join(lines)
