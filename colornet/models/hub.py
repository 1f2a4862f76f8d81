"""Trained networks from the Hugging Face Hub, each in a folder as `release` writes it."""

from functools import cache
from pathlib import Path

from colornet.errors import one_line, reason

HUB = "hf://"
FILES = ["*.json", "*.h5", "*.tflite", "*.csv", "*.md", "SHA256SUMS"]  # of a release


@cache  # asked for several times while a network is loaded
def fetch(address: str) -> Path:
    """The folder of a network on the Hub, fetched where it is not here already.

    Without a connection, what was fetched before is used.

    Args:
        address: `hf://owner/name`.

    Returns:
        Its path; it bears the network's name.

    Raises:
        ValueError: it cannot be fetched; one line.
    """
    try:
        from huggingface_hub import constants, snapshot_download
    except ModuleNotFoundError as error:
        raise ValueError(
            f"{address}: the Hub needs {error.name}; install it: pip install 'colornet[hub]'"
        ) from None
    name = address.removeprefix(HUB)
    folder = Path(constants.HF_HOME) / "colornet" / name
    try:
        return Path(snapshot_download(name, local_dir=folder, allow_patterns=FILES))
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{one_line(address)}: cannot be fetched ({one_line(reason(error))}); check its name "
            "and the connection"
        ) from None
