"""What networks over ab bins are trained for. Every term is one value a photo, `(batch,)`.

`target` and `error` are of the size of the logits; ab in Lab units.
"""

from keras import ops

from colornet.color import bins, lab
from colornet.color.backend import Tensor

MEAN_WEIGHT = 1.0
EDGE_WEIGHT = 0.02
FLOOR = 4.0  # squared ab units; smaller mean errors are hardly worth lessening


def cross_entropy(target: Tensor, logits: Tensor, weights: Tensor | None = None) -> Tensor:
    """Cross-entropy of the soft-encoded colours: arXiv 1603.08511, section 2.2.

    Args:
        target: ab `(batch, h, w, 2)`.
        logits: `(batch, h, w, 261)`.
        weights: `(261,)`, of each place by its nearest bin, as in `bins.rebalancing`; or None.
    """
    encoded = bins.encode(target)
    entropy = -ops.sum(encoded * ops.log_softmax(logits, axis=-1), axis=-1)
    if weights is not None:
        entropy = entropy * ops.take(weights, ops.argmax(encoded, axis=-1))
    return ops.mean(entropy, axis=(1, 2))


def log_error(error: Tensor) -> Tensor:
    """Logarithm of the mean squared error of ab `(batch, h, w, 2)`, of each photo by itself.

    PSNR is such a logarithm, and its mean over photos is what we report: an error on a pale photo
    weighs as much as one ten times as large on a vivid one.
    """
    return ops.log(ops.mean(error**2, axis=(1, 2, 3)) + FLOOR)


def edge_error(error: Tensor) -> Tensor:
    """Mean absolute gradient of the error `(batch, h, w, 2)`: bleeding, and edges left out."""
    down, across = error[:, 1:] - error[:, :-1], error[:, :, 1:] - error[:, :, :-1]
    return ops.mean(ops.abs(down), axis=(1, 2, 3)) + ops.mean(ops.abs(across), axis=(1, 2, 3))


def distribution_loss(ab: Tensor, logits: Tensor) -> Tensor:
    """The loss "distribution": the colours' cross-entropy, and their mean's error and edges.

    Args:
        ab: true colours `(batch, H, W, 2)`, in the units of `lab.to_network`.
        logits: `(batch, H/4, W/4, 261)`.
    """
    target = ops.average_pool(ab * lab.AB_SCALE, bins.STRIDE, bins.STRIDE)
    error = bins.expectation(ops.softmax(logits, axis=-1)) - target
    return (
        cross_entropy(target, logits)
        + MEAN_WEIGHT * log_error(error)
        + EDGE_WEIGHT * edge_error(error)
    )
