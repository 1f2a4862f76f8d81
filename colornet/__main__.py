"""The command line: python -m colornet COMMAND ... (installed, also: colornet COMMAND ...)."""

import argparse
import os
import sys

from colornet import __version__
from colornet.commands import COMMANDS
from colornet.errors import NotInstalled, one_line

PROG = "colornet"


def parser() -> argparse.ArgumentParser:
    """The parser of every command."""
    top = argparse.ArgumentParser(PROG, description="Gives grey photographs their colours.")
    top.add_argument("--version", action="version", version=f"{PROG} {__version__}")
    subs = top.add_subparsers(metavar="COMMAND", required=True)
    for name, (text, options, function) in COMMANDS.items():
        form = argparse.ArgumentDefaultsHelpFormatter
        sub = subs.add_parser(name, help=text, description=text, formatter_class=form)
        options(sub)
        sub.set_defaults(function=function)
    return top


def main(argv: list[str] | None = None) -> int:
    """Runs a command; errors of the user's are one line on stderr and exit code 1."""
    args = parser().parse_args(argv)
    try:
        return args.function(args) or 0
    except KeyboardInterrupt as stop:
        left = str(stop) or "the same command does what is left"
        print(f"\n{PROG}: interrupted; {left}", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ValueError, OSError, NotInstalled) as error:
        # Keras explains at length; the first line says it.
        print(f"{PROG}: {one_line(str(error).strip().splitlines()[0])}", file=sys.stderr)
        return 1


def run() -> None:
    """The command as a process of its own."""
    code = main()
    if code == 130:  # at an orderly exit, TensorFlow's threads that still work would abort it
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


if __name__ == "__main__":
    run()
