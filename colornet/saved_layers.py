"""Keras opens saved networks of ours after `import colornet`, whichever was imported first.

A `.keras` file names the classes of its layers, and Keras looks them up among those that are
registered. Ours are registered where they are defined, in files that start Keras. So that
`import colornet` need not, it has stand-ins registered as soon as somebody loads Keras.
"""

import importlib
import re
import sys
from pathlib import Path

MODELS = Path(__file__).parent / "models"
REGISTERED = re.compile(r'register_keras_serializable\("colornet"\)\nclass (\w+)')


class _StandIn:
    """Takes the place of a layer's class among those registered, until its file is imported."""

    def __init__(self, module, name):
        self._module, self._name = module, name

    def from_config(self, config):
        return getattr(importlib.import_module(self._module), self._name).from_config(config)


def _register(keras):
    known = keras.saving.get_custom_objects()
    for file in MODELS.rglob("*.py"):
        module = ".".join(("colornet.models", *file.relative_to(MODELS).with_suffix("").parts))
        for name in REGISTERED.findall(file.read_text(encoding="utf-8")):
            known.setdefault(f"colornet>{name}", _StandIn(module, name))


class _WhenKerasComes:
    """Has Python register the stand-ins at the end of the first `import keras`."""

    def find_spec(self, name, path=None, target=None):
        if name != "keras":
            return None
        finders = (finder for finder in sys.meta_path if finder is not self)
        specs = (finder.find_spec(name, path, target) for finder in finders)
        spec = next(filter(None, specs), None)
        if spec and spec.origin:  # a folder that only has that name has no origin
            load = spec.loader.exec_module

            def load_and_register(module):
                load(module)
                _register(module)

            spec.loader.exec_module = load_and_register
        return spec


def watch() -> None:
    """Sees to it that Keras knows the layers, now or when it is loaded."""
    if sys.modules.get("keras"):
        _register(sys.modules["keras"])
    else:
        sys.meta_path.insert(0, _WhenKerasComes())
