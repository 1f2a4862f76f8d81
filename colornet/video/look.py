"""What a network says of the frames of a film, and how much of it is shown."""

import cv2
import numpy as np

from colornet.inference.colorizer import Colorizer
from colornet.photos.photo import Photo
from colornet.video.reading import Picture
from colornet.video.tracks import NONE, Tracks

# How sure a network is, over the frames and the places about: up to the first a place stays grey,
# from the second on it has its colours. On photos it is seldom below; on roads seen from above, by
# which it is misled, it is.
UNSURE, SURE = 0.3, 0.4
ABOUT = 1 / 10  # of the width: how far about a place its surroundings reach


class Look:
    """Looks at frames for `steadied`: gives their planes ab and sureness, float32 `(h, w, 3)`.

    Args:
        colorizer: a `Colorizer`.
        vividness: as in `Steering`.
        tracks: the colours that are told, with their places in each frame, and palettes.
    """

    def __init__(self, colorizer: Colorizer, vividness: float | None, tracks: Tracks = NONE):
        self._colorizer, self._vividness, self._tracks = colorizer, vividness, tracks

    def _planes(self, answer, palette):
        ab = np.asarray(answer.ab(self._vividness, palette))
        sure = answer.confidence() if self._colorizer.has_bins else np.ones(ab.shape[:2])
        return np.dstack([ab, sure]).astype(np.float32)

    def __call__(self, picture: Picture) -> np.ndarray:
        (hints, weights), palette = self._tracks.at(picture), self._tracks.palette(picture)
        answer = self._colorizer.predict(Photo(picture.pixels), hints)
        planes, change = self._planes(answer, palette), 0
        if hints:
            bare = answer.without_hints() or self._colorizer.predict(answer.photo)
            told, planes = planes, self._planes(bare, palette)
            change = _shares(hints, weights, picture.pixels.shape, planes.shape) * (told - planes)
        # What is told is sure where it changes the answer, whatever lies about.
        planes[..., 2] = cv2.GaussianBlur(planes[..., 2], (0, 0), ABOUT * planes.shape[1])
        return planes + change


def _shares(hints, weights, size, shape):
    """How much hints count at each place of a grid: as their weights do near each of them."""
    places = np.array([hint[:2] for hint in hints], np.float32)
    rows, columns = ((np.arange(n) + 0.5) * side / n for n, side in zip(shape[:2], size))
    away = (rows[:, None, None] - places[:, 1]) ** 2 + (columns[:, None] - places[:, 0]) ** 2
    near = 1 / (away + (max(size) / 100) ** 2)
    return ((near @ np.float32(weights)) / near.sum(-1))[..., None].astype(np.float32)


def shown(planes: np.ndarray) -> np.ndarray:
    """The ab of planes as `Look` gives them: where a network stays unsure, near grey."""
    return planes[..., :2] * np.clip((planes[..., 2:] - UNSURE) / (SURE - UNSURE), 0, 1)
