"""The same code for numpy's arrays and for the tensors of any Keras backend.

Keras takes seconds to start. Whoever colours a photo by a network that needs no Keras, see
`litert`, need not wait for it.
"""

from types import SimpleNamespace
from typing import Any

import numpy as np

Tensor = Any  # numpy's array, or a tensor of any Keras backend


def _softmax(x, axis):
    x = x - x.max(axis, keepdims=True)
    np.exp(x, out=x)  # in place: page by page, new memory costs more than the sums
    x /= x.sum(axis, keepdims=True)
    return x


def _log_softmax(x, axis):
    x = x - x.max(axis, keepdims=True)
    return x - np.log(np.exp(x).sum(axis, keepdims=True))


NUMPY = SimpleNamespace(
    **{name: getattr(np, name) for name in "abs clip concatenate exp matmul maximum".split()},
    **{name: getattr(np, name) for name in "minimum ones_like power stack sum where".split()},
    zeros_like=np.zeros_like,
    convert_to_tensor=np.asarray,
    log_softmax=_log_softmax,
    softmax=_softmax,
    stop_gradient=lambda x: x,
)


def ops_of(x: Tensor) -> Any:
    """The operations for x, by the names of `keras.ops`: numpy's for arrays, numbers and lists."""
    if isinstance(x, (np.ndarray, np.generic, int, float, list, tuple)):
        return NUMPY
    from keras import ops

    return ops
