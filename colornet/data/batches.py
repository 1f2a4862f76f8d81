"""Batches of (L, ab) from a prepared set, for `fit` on any Keras backend."""

from collections import Counter
from functools import cache
from pathlib import Path

import cv2
import numpy as np

from colornet.color import lab
from colornet.data.augment import aged, augmented, random_hints
from colornet.data.dataset import read_prepared
from colornet.errors import PhotoError
from colornet.models.recipe import Recipe
from colornet.photos.resize import square
from colornet.quiet import start_keras

keras = start_keras()


@cache
def grey_levels() -> np.ndarray:
    """A network's L of each 8-bit level of grey, float32 `(256, 1)`."""
    levels = np.repeat(np.arange(256, dtype=np.float32)[:, None], 3, axis=1) / 255
    return np.asarray(lab.to_network(lab.rgb_to_lab(levels))[0])


class PhotoBatches(keras.utils.PyDataset):
    """Batches of (L, ab) for `fit`, on any backend.

    Args:
        files: prepared photos.
        recipe: what the network sees: size, batch size, crops, hints, age, mixed sizes, photos of
            a set. Its seed fixes, with the epoch, the order and every crop and hint, so that a
            resumed run sees what an unbroken one would. The last batch may be smaller.
        shuffle: a new order in each epoch.
        sets: the photos' set numbers by stem, as in `dataset.labels`, for `recipe.per_set`, whose
            photos are drawn anew for each epoch.
        labels: the photos' class numbers by stem, as in `dataset.labels`, to be given beside ab.
        multiple: so many photos are taken, times a whole number; what is over waits for another
            epoch.

    Each batch is a pair of float32 arrays in the units of `lab.to_network`: L
    `(batch, size, size, 1)`, with hints `(batch, size, size, 4)`, and ab
    `(batch, size, size, 2)`; with labels, ab and the class numbers, int32 `(batch,)`.
    """

    def __init__(
        self,
        files: list[Path],
        recipe: Recipe,
        shuffle: bool = False,
        sets: dict[str, int] | None = None,
        labels: dict[str, int] | None = None,
        multiple: int = 1,
    ):
        super().__init__(workers=2, max_queue_size=8)
        self.files, self.recipe, self.shuffle, self.labels = files, recipe, shuffle, labels
        self._sets = [sets[file.stem] for file in files] if recipe.per_set else None
        self._multiple = multiple
        self.error = None  # of a photo, which backends wrap beyond recognition
        self.start(epoch=0)

    def start(self, epoch: int) -> None:
        """Sets the order of the photos to that of an epoch, counted from 0."""
        self.epoch = epoch
        self.order = np.arange(len(self.files))
        if self.shuffle:
            np.random.default_rng([self.recipe.seed, self.epoch]).shuffle(self.order)
        if self._sets:
            seen, drawn = Counter(), []
            for i in self.order:
                seen[self._sets[i]] += 1
                if seen[self._sets[i]] <= self.recipe.per_set:
                    drawn.append(i)
            self.order = np.array(drawn)
        self.order = self.order[: len(self.order) // self._multiple * self._multiple]

    def __len__(self):
        return -(-len(self.order) // self.recipe.batch_size)

    def _rng(self, index, purpose=0):
        return np.random.default_rng([self.recipe.seed, self.epoch, index, purpose])

    def _files(self, index):
        count = self.recipe.batch_size
        chosen = self.order[index * count : (index + 1) * count]
        return [self.files[i] for i in chosen]

    def _fit(self, pixels, size, rng):
        return augmented(pixels, size, rng) if self.recipe.augment else square(pixels, size)

    def photos(self, index: int) -> np.ndarray:
        """The uint8 RGB photos of one batch, `(batch, size, size, 3)`."""
        rng, recipe = self._rng(index), self.recipe
        # In turn: Keras learns from the first two batches that sizes differ.
        size = recipe.size + 32 * ((index + self.epoch) % 3 - 1) * recipe.mixed
        try:
            read = map(read_prepared, self._files(index))
            return np.stack([self._fit(pixels, size, rng) for pixels in read])
        except PhotoError as error:
            self.error = error
            raise

    def _old(self, L, photos, rng):
        """L with some photos' replaced by that of their grey, perhaps aged, version."""
        for i in np.flatnonzero(rng.random(len(L)) < self.recipe.age):
            grey = cv2.cvtColor(photos[i], cv2.COLOR_RGB2GRAY)
            grey = aged(grey, rng) if rng.random() < 0.5 else grey
            L[i] = grey_levels()[grey]
        return L

    def __getitem__(self, index):
        photos, rng = self.photos(index), self._rng(index, 1)
        colours = lab.rgb_to_lab(photos.astype("float32") / 255)
        L, ab = map(np.asarray, lab.to_network(colours))
        given = None
        if self.recipe.hints:
            Lab = np.asarray(colours)
            pairs = [random_hints(one[..., :1], one[..., 1:], rng) for one in Lab]
            ab, given = map(np.stack, zip(*pairs))
            ab = ab / np.float32(lab.AB_SCALE)
        if self.recipe.age:
            L = self._old(L.copy(), photos, rng)
        if self.labels is not None:
            ab = ab, np.int32([self.labels[file.stem] for file in self._files(index)])
        return (L if given is None else np.concatenate([L, given], axis=-1)), ab

    def on_epoch_end(self) -> None:
        self.start(self.epoch + 1)
