"""Five sample photos, for the demo, the tests and the notebooks in small."""

import os
from pathlib import Path

import numpy as np
from PIL import Image

from colornet.errors import PhotoError
from colornet.photos.photo import Photo
from colornet.photos.write import write_photo
from colornet.storage import AnyPath

SAMPLES = ("astronaut", "coffee", "chelsea", "rocket")
TILED = (*SAMPLES, "immunohistochemistry")


def sample(name: str) -> np.ndarray:
    """A sample photo, uint8 RGB `(H, W, 3)`; `sample_photos/README.md` says whose it is."""
    with Image.open(Path(__file__).parent / "sample_photos" / f"{name}.webp") as image:
        return np.array(image)


def to_root() -> None:
    """Leaves a clone's folder of notebooks for its root, from where their paths are taken."""
    if Path.cwd().name == "notebooks":
        os.chdir("..")


def given(variable: str) -> str | None:
    """The folder that an environment variable names to a notebook, or None.

    A relative one is taken from where Jupyter was started, which is not where the notebook lies.

    Raises:
        PhotoError: the folder is not there.
    """
    if not os.environ.get(variable):
        return None
    folder = Path(os.environ[variable])
    try:
        import psutil  # comes with Jupyter

        started = Path(psutil.Process().parent().cwd())
    except (ImportError, AttributeError, psutil.Error):
        started = Path(os.environ.get("PWD", "."))
    tried = list(dict.fromkeys([started / folder, Path.cwd() / folder]))
    for path in tried:
        if path.is_dir():
            return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
    names = " and none ".join(map(str, tried))
    raise PhotoError(f"{variable}={folder}: no folder {names}; give it from the root on")


def write_tiles(folder: AnyPath, tile: int = 192) -> Path:
    """Cuts the sample photos into square tiles, as a tiny set of photos to prepare.

    Tiles of one photo end up in several splits, so figures on them say nothing of quality.

    Returns:
        The folder.
    """
    for name in TILED:
        pixels = sample(name)
        for top in range(0, pixels.shape[0] - tile + 1, tile):
            for left in range(0, pixels.shape[1] - tile + 1, tile):
                part = Photo(np.ascontiguousarray(pixels[top : top + tile, left : left + tile]))
                write_photo(Path(folder) / f"{name}-{top}-{left}.png", part)
    return folder
