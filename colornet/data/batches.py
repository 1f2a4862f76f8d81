"""Batches of (L, ab) from a prepared set, for `fit` on any Keras backend."""

from collections import Counter
from functools import cache

import cv2
import numpy as np

from colornet.color import lab
from colornet.data.augment import aged, augmented, random_hints
from colornet.data.dataset import read_prepared
from colornet.errors import PhotoError
from colornet.photos.resize import square
from colornet.quiet import start_keras

keras = start_keras()


@cache
def _grey_levels():
    """A network's L of each 8-bit level of grey, float32 `(256, 1)`."""
    levels = np.repeat(np.arange(256, dtype=np.float32)[:, None], 3, axis=1) / 255
    return np.asarray(lab.to_network(lab.rgb_to_lab(levels))[0])


class PhotoBatches(keras.utils.PyDataset):
    """Batches of (L, ab) for `fit`, on any backend.

    Args:
        files: prepared photos.
        size: height and width of what the network sees.
        batch_size: photos a batch; the last batch may be smaller.
        augment: random crops and mirroring.
        hints: random colour hints beside L.
        age: the share of photos whose L comes from their grey version, half of these aged.
        mixed: the size of a batch is `size` - 32, `size` or `size` + 32, in turn.
        shuffle: a new order in each epoch.
        per_set: at most so many photos of one set an epoch, drawn anew for each, so that what
            there are many photos of does not outweigh the rest; None for all.
        sets: the photos' set numbers by stem, as in `dataset.labels`, for `per_set`.
        labels: the photos' class numbers by stem, as in `labels`, to be given beside ab.
        seed: fixes, with the epoch, the order and every crop and hint, so that a resumed run
            sees what an unbroken one would.
        workers: threads that read ahead.

    Each batch is a pair of float32 arrays in the units of `lab.to_network`: L
    `(batch, size, size, 1)`, with hints `(batch, size, size, 4)`, and ab
    `(batch, size, size, 2)`; with labels, ab and the class numbers, int32 `(batch,)`.
    """

    def __init__(
        self,
        files,
        size=256,
        batch_size=32,
        augment=False,
        hints=False,
        age=0.0,
        mixed=False,
        shuffle=False,
        per_set=None,
        sets=None,
        labels=None,
        seed=0,
        workers=2,
    ):
        super().__init__(workers=workers, max_queue_size=8)
        self.files, self.size, self.batch_size = files, size, batch_size
        self.augment, self.hints, self.age, self.mixed = augment, hints, age, mixed
        self.shuffle, self.labels, self.seed = shuffle, labels, seed
        self.per_set, self.sets = per_set, [sets[file.stem] for file in files] if per_set else None
        self.error = None  # of a photo, which backends wrap beyond recognition
        self.start(epoch=0)

    def start(self, epoch):
        """Sets the order of the photos to that of an epoch, counted from 0."""
        self.epoch = epoch
        self.order = np.arange(len(self.files))
        if self.shuffle:
            np.random.default_rng([self.seed, self.epoch]).shuffle(self.order)
        if self.per_set:
            seen, drawn = Counter(), []
            for i in self.order:
                seen[self.sets[i]] += 1
                if seen[self.sets[i]] <= self.per_set:
                    drawn.append(i)
            self.order = np.array(drawn)

    def __len__(self):
        return -(-len(self.order) // self.batch_size)

    def _rng(self, index, purpose=0):
        return np.random.default_rng([self.seed, self.epoch, index, purpose])

    def _files(self, index):
        chosen = self.order[index * self.batch_size : (index + 1) * self.batch_size]
        return [self.files[i] for i in chosen]

    def photos(self, index):
        """The uint8 RGB photos of one batch, `(batch, size, size, 3)`."""
        rng = self._rng(index)
        # In turn: Keras learns from the first two batches that sizes differ.
        size = self.size + 32 * ((index + self.epoch) % 3 - 1) * self.mixed
        fit = (lambda p: augmented(p, size, rng)) if self.augment else (lambda p: square(p, size))
        try:
            return np.stack([fit(read_prepared(file)) for file in self._files(index)])
        except PhotoError as error:
            self.error = error
            raise

    def _old(self, L, photos, rng):
        """L with some photos' replaced by that of their grey, perhaps aged, version."""
        for i in np.flatnonzero(rng.random(len(L)) < self.age):
            grey = cv2.cvtColor(photos[i], cv2.COLOR_RGB2GRAY)
            grey = aged(grey, rng) if rng.random() < 0.5 else grey
            L[i] = _grey_levels()[grey]
        return L

    def __getitem__(self, index):
        photos, rng = self.photos(index), self._rng(index, 1)
        colours = lab.rgb_to_lab(photos.astype("float32") / 255)
        L, ab = map(np.asarray, lab.to_network(colours))
        given = None
        if self.hints:
            Lab = np.asarray(colours)
            pairs = [random_hints(one[..., :1], one[..., 1:], rng) for one in Lab]
            ab, given = map(np.stack, zip(*pairs))
            ab = ab / np.float32(lab.AB_SCALE)
        if self.age:
            L = self._old(L.copy(), photos, rng)
        if self.labels is not None:
            ab = ab, np.int32([self.labels[file.stem] for file in self._files(index)])
        return (L if given is None else np.concatenate([L, given], axis=-1)), ab

    def on_epoch_end(self):
        self.start(self.epoch + 1)
