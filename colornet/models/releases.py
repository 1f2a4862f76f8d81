"""Where released networks lie."""

from pathlib import Path

from colornet.checksums import check_sums
from colornet.models.hub import HUB, fetch
from colornet.storage import AnyPath

_INSTALLED = Path(__file__).parents[1] / "saved_models"  # where a wheel has them, see setup.py
RELEASED = _INSTALLED if _INSTALLED.is_dir() else Path(__file__).parents[2] / "saved_models"


def released(model: AnyPath) -> Path:
    """The folder of a trained network, or its `.keras` file.

    Args:
        model: the name of a released network; `hf://owner/name`, which is fetched; or a path.

    Returns:
        Its path; that given where nothing is known of it.

    Raises:
        ValueError: it cannot be fetched, or a file is not what the folder's `SHA256SUMS` says.
    """
    named = RELEASED / Path(model).name
    if str(model).startswith(HUB):
        folder = fetch(str(model))
    else:
        folder = named if str(model) == named.name and named.is_dir() else Path(model)
    check_sums(folder)
    return folder


def trained(model: AnyPath) -> list[Path]:
    """The files of a trained network: one `.keras`, or `config.json` and `best.weights.h5`.

    Raises:
        ValueError: not all there.
    """
    folder = released(model)
    files = [folder / "config.json", folder / "best.weights.h5"]
    if folder.suffix == ".keras":
        files = [folder]
    for file in files:
        if not file.is_file():
            names = sorted(path.parent.name for path in RELEASED.glob("*/config.json"))
            raise ValueError(
                f"{file}: no trained network there; released: {', '.join(names) or 'none'}; "
                "a run folder or a .keras file will do too"
            )
    return files
