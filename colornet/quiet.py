"""Keras and its backend, started without the many lines that they print first."""

import contextlib
import os
from collections.abc import Iterator
from functools import cache
from types import ModuleType


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """Nothing reaches stderr, not even from C++: TensorFlow's first lines heed no setting."""
    saved = os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)


@cache
def start_keras() -> ModuleType:
    """Loads Keras and starts its backend, once; whoever may be the first to need it comes here.

    Returns:
        The module.
    """
    with silent():
        import keras

        keras.ops.convert_to_numpy(keras.ops.zeros(1))
    return keras
