"""The photos that scikit-image carries: for the demo, the tests and the notebooks in small."""

import os
from pathlib import Path

import matplotlib
import numpy as np
import skimage.data

from colornet.colorize import compose, predict_ab
from colornet.figures import grid, save
from colornet.metrics import luma, psnr, ssim
from colornet.photos import Photo, PhotoError, write_photo

SAMPLES = ("astronaut", "coffee", "chelsea", "rocket")
TILED = (*SAMPLES, "immunohistochemistry")


def sample(name):
    """One of scikit-image's own photos, uint8 RGB `(H, W, 3)`."""
    return getattr(skimage.data, name)()


def given(variable):
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
            return str(path)
    names = " and none ".join(map(str, tried))
    raise PhotoError(f"{variable}={folder}: no folder {names}; give it from the root on")


def write_tiles(folder, tile=192):
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


def demo(network, out):
    """Makes the sample photos grey, colours them and writes `out`: grey, coloured, original.

    Returns:
        The figures as a Markdown table, PSNR and SSIM beside those of the grey photo.
    """
    matplotlib.use("agg")
    lines = ["| photo | PSNR grey | PSNR coloured | SSIM grey | SSIM coloured |"]
    lines += ["|---|---|---|---|---|"]
    pictures, titles = [], []
    for name in SAMPLES:
        true = sample(name)
        grey = np.repeat(luma(true)[..., None], 3, axis=-1)
        coloured = compose(grey, predict_ab(network, grey))
        values = [f(true, p) for f in (psnr, ssim) for p in (grey, coloured)]
        lines.append("| {} | {:.2f} dB | {:.2f} dB | {:.3f} | {:.3f} |".format(name, *values))
        pictures += [grey, coloured, true]
        titles += [
            f"grey: {values[0]:.1f} dB, SSIM {values[2]:.3f}",
            f"coloured: {values[1]:.1f} dB, SSIM {values[3]:.3f}",
            "original",
        ]
    save(grid(pictures, titles, columns=3, width=3), out)
    return "\n".join(lines)
