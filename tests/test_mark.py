"""The mark in the corner: "colours by AI"."""

import numpy as np
import pytest

from colornet.__main__ import main
from colornet.photos.mark import corner_mark
from colornet.photos.metadata import Metadata
from colornet.photos.photo import Photo
from colornet.photos.read import read_photo


@pytest.mark.parametrize("level", [0, 0.5, 1])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("shape", [(400, 600, 3), (600, 400)])
def test_the_mark_is_small_and_can_be_read_on_any_ground(shape, dtype, level):
    peak = np.iinfo(dtype).max
    pixels = np.full(shape, round(level * peak), dtype)
    photo = Photo(pixels, metadata=Metadata(comment=b"old"))
    marked = corner_mark(photo)
    assert marked.pixels.shape == shape and marked.pixels.dtype == dtype
    assert marked._replace(pixels=None) == photo._replace(pixels=None)
    assert (photo.pixels == round(level * peak)).all()
    changed = np.argwhere((marked.pixels != pixels).reshape(*shape[:2], -1).any(-1))
    (top, left), (bottom, right) = changed.min(0), changed.max(0)
    assert bottom - top < 0.05 * max(shape) and right - left < 0.3 * max(shape)
    corner = marked.pixels[shape[0] - 18 :, shape[1] - 80 :].astype(float) / peak
    assert corner.max() > 0.9 and corner.min() < 0.5  # white letters, a dark plate
    assert 0.05 < (corner > 0.7).mean() < 0.4


@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (200, 20), (20, 9), (40, 60)])
def test_photos_smaller_than_the_mark(shape):
    assert corner_mark(Photo(np.zeros(shape, np.uint8))).pixels.shape == shape


def test_what_is_clear_is_made_opaque_under_the_mark():
    marked = corner_mark(Photo(np.zeros((300, 400, 3), np.uint8), np.zeros((300, 400), np.uint8)))
    assert marked.alpha[-1, -1] == 255 and marked.alpha[0, 0] == 0


def test_the_option_of_the_command(tmp_path):
    grey = np.tile(np.linspace(0, 255, 200).astype(np.uint8), (150, 1))
    Photo(grey).save(tmp_path / "grey.png")
    for name, options in (("plain", []), ("marked", ["--corner-mark", "--confidence"])):
        command = ["colorize", tmp_path / "grey.png", "-o", tmp_path / f"{name}.png", *options]
        assert main([*map(str, command)]) == 0
    plain, marked = (read_photo(tmp_path / f"{name}.png") for name in ("plain", "marked"))
    np.testing.assert_array_equal(corner_mark(plain).pixels, marked.pixels)
    sure = read_photo(tmp_path / "marked-confidence.png").pixels
    assert sure.shape != marked.pixels.shape  # the map has the network's size, and no mark
