"""The commands of the command line, each with its options beside its work."""

from colornet.commands import coloring, learning, offering
from colornet.commands.registry import COMMANDS

__all__ = ["COMMANDS", "coloring", "learning", "offering"]
