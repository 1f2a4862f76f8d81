"""The networks, one file each. They map L `(batch, H, W, 1)` to ab `(batch, H, W, 2)`.

But for `FINDERS`, which give no colours: they map L to where the photo is damaged.

A file that defines a function of its own name is a network, here or in `literature`: the function
builds it, and `RECIPE` beside it says how it is trained. Such a file is all that a new network
needs. Nothing here imports Keras before a network is asked for.
"""

import importlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from colornet.errors import needs
from colornet.models.recipe import Recipe
from colornet.models.releases import trained
from colornet.quiet import start_keras
from colornet.storage import AnyPath

if TYPE_CHECKING:
    import keras

FINDERS = ("damage",)
NO_COLOURS = "finds damage and gives no colours; take colornet"


@cache
def _modules():
    """The networks' modules by name: those of colornet and its paper first."""
    here = Path(__file__).parent
    found = {}
    for folder, package in ((here, __name__), (here / "literature", f"{__name__}.literature")):
        for file in sorted(folder.glob("[a-z]*.py")):
            if f"\ndef {file.stem}(" in file.read_text(encoding="utf-8"):
                found[file.stem] = f"{package}.{file.stem}"
    return found


def names() -> list[str]:
    """The names of all networks that give colours, a list."""
    return [name for name in _modules() if name not in FINDERS]


def _module(name):
    if name not in _modules():
        raise ValueError(f"no network is called {name!r}; there are: {', '.join(_modules())}")
    with needs("train", f"{name} needs"):
        start_keras()
        return importlib.import_module(_modules()[name])


def builder(name: str) -> Callable:
    """The function that builds a network.

    Raises:
        ValueError: no such network; the message lists those there are.
    """
    return getattr(_module(name), name)


def build(name: str, **options: object) -> "keras.Model":
    """A fresh network by name, with the options of its builder (`width`, ...); else as `builder`."""
    return builder(name)(**options)


def recipe_of(name: str) -> Recipe:
    """How a network is trained unless told otherwise, a `Recipe`; else as `builder`."""
    return _module(name).RECIPE


def objective(loss: object) -> Callable | None:
    """What the loss of some recipe names, if it is none of Keras's: a function, else None.

    It takes a network and gives the model to train, which shares its weights, and the loss to
    compile it with.
    """
    for name in _modules():
        module = _module(name)
        if module.RECIPE.loss == loss and hasattr(module, str(loss)):
            return getattr(module, loss)
    return None


def load(model: AnyPath, folded: bool = True) -> "keras.Model":
    """A trained network.

    Args:
        model: the name of a released network; or a folder with `config.json` and
            `best.weights.h5`, such as a run's; or a `.keras` file.
        folded: its batch normalisation folded into its convolutions, which is faster; False for
            the network as it was built and trained.

    Returns:
        A Keras model from L to ab, or of `FINDERS` to damage.

    Raises:
        ValueError: no such network, or damaged files; one line.
        NotInstalled: no Keras.
    """
    files = trained(model)
    with needs("train", f"{model} needs"):
        start_keras()
        from colornet.models import weights
    return weights.load(files, folded)
