"""colornet gives grey photographs their colours.

    model = colornet.load("colornet")
    model.colorize("old.jpg", vividness=0.8, hints=[(120, 80, "#c03028")]).save("new.png")

The names below are loaded when they are first used; `import colornet` itself starts no Keras.
"""

import importlib
import os

from colornet import saved_layers

# TensorFlow prints start-up notes that say nothing to who wants a photo coloured.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

saved_layers.watch()

__version__ = "0.1.0"

_HOMES = {
    "load": "inference.colorizer",
    "build": "models",
    "Colorizer": "inference.colorizer",
    "Answer": "inference.answer",
    "Hint": "color.hints",
    "Photo": "photos.photo",
    "read_photo": "photos.read",
    "prepare": "data.prepare",
    "train": "training.train",
    "evaluate": "evaluation.evaluate",
}
__all__ = sorted(_HOMES)


def __getattr__(name):
    if name not in _HOMES:
        raise AttributeError(f"module 'colornet' has no attribute {name!r}")
    from colornet.errors import needs

    with needs("train", f"colornet.{name} needs"):
        value = getattr(importlib.import_module(f"colornet.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__():
    return [*globals(), *_HOMES]
