"""A command is two functions: its options, and its work with what that needs."""

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING

from colornet.errors import needs
from colornet.quiet import silent

if TYPE_CHECKING:
    from colornet.inference.colorizer import Colorizer

COMMANDS = {}  # by name: what it does, its options, its work


def command(name: str, text: str, extra: str = "train") -> Callable:
    """Makes two functions a command: of a parser that gets its options, and of their values.

    extra: the one that brings what a plain installation lacks for it.
    """

    def register(options):
        def work(function):
            COMMANDS[name] = text, options, needs(extra, f"{name} needs")(function)
            return function

        return work

    return register


def positive(text: str) -> int:
    """A whole number above 0."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number above 0")
    return value


def share(text: str) -> float:
    """A number from 0 to 1."""
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return value


def size(text: str) -> int:
    """A height or width that networks take."""
    value = int(text)
    if value < 32 or value % 32:
        raise argparse.ArgumentTypeError(f"{text} is not a multiple of 32")
    return value


def model_option(sub: argparse.ArgumentParser, **options: object) -> None:
    """Which network; `options` as of `add_argument`."""
    text = "released network, hf://owner/name, run folder or .keras file"
    sub.add_argument("--model", **dict(default="colornet", help=text) | options)


def load(model: str) -> "Colorizer":
    """The `Colorizer` of a network."""
    with silent():  # LiteRT greets, and Keras does where it is needed after all
        from colornet.inference import colorizer

        return colorizer.load(model)
