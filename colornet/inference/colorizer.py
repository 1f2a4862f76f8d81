"""Any photo, any size: chroma from a network, lightness from the photo itself."""

import os
from collections.abc import Iterable
from threading import Lock

import numpy as np

from colornet.checksums import digest
from colornet.color.hints import spread
from colornet.inference import variants
from colornet.inference.answer import Answer, refusal
from colornet.inference.inputs import NO_HINTS, network_input
from colornet.inference.litert import FILE, LiteRTNetwork
from colornet.inference.steering import Steering
from colornet.models.releases import released, trained
from colornet.photos.photo import Photo
from colornet.photos.read import Source, as_photo


class Colorizer:
    """Colours photos by one network; may be shared between threads.

    name: of the network.
    takes_hints: whether places may be told their colours.
    has_bins: whether its answers can be steered: vividness, palette, variants, confidence.
    answers: to how many it comes without bins.

    Args:
        network: a Keras model from L to ab, see `models.load`; or a `LiteRTNetwork`.
        sha256: of the file of a Keras model's weights, for the mark of what it colours; or None.
    """

    def __init__(self, network: object, sha256: str | None = None):
        if not isinstance(network, LiteRTNetwork):
            from colornet.models.network import Network  # with Keras, which starts slowly

            network = Network(network, sha256)
        self.network, self.name = network, network.name
        self.takes_hints, self.answers = network.takes_hints, network.answers
        self.has_bins = network.prior is not None
        self._one_at_a_time = Lock()

    def check(
        self, steering: Steering = Steering(), count: int = 1, confidence: bool = False
    ) -> None:
        """Raises ValueError where the network is asked for what it lacks.

        Args:
            steering, count: as in `colorize` and `variants`.
            confidence: whether that is wanted too.
        """
        if steering.hints and not self.takes_hints:
            raise ValueError(f"{self.name}: {NO_HINTS}")
        steered = steering.vividness is not None or steering.palette is not None or confidence
        if not self.has_bins and (steered or not 1 <= count <= self.answers):
            raise ValueError(refusal(self.network))
        if self.has_bins and not 1 <= count <= variants.MOST:
            raise ValueError(f"{count} variants: choose a number from 1 to {variants.MOST}")
        if self.has_bins and count > 1 and not self.takes_hints:  # by which variants come about
            raise ValueError(f"{self.name}: {NO_HINTS}")

    def variants(
        self, photo: Source, count: int, hints: Iterable = (), seed: int = 0
    ) -> list[Answer]:
        """Several answers to one photo, each coherent in itself.

        Those of `variants.variants`; of a network of several answers and no bins, these.

        Args:
            photo, hints: as in `predict`.
            count: how many, 1 to 20; the first is that of `predict`.
            seed: fixes the others.

        Returns:
            `Answer`s.

        Raises:
            ValueError: as `predict`, and another count.
        """
        photo, hints = as_photo(photo), Steering(hints=hints).hints
        self.check(Steering(hints=hints), count)
        x = network_input(self.network, photo.pixels, hints)
        limited = bool(hints) and all(hint.reach is not None for hint in hints)
        bare = bare_own = None
        with self._one_at_a_time:
            logits, own = self._run(x, count, seed)
            if limited or hints and self.has_bins:
                bare, bare_own = self._run(x[..., :1], count if limited else 1, seed)
        if limited:
            size = photo.pixels.shape[:2]
            logits, own = _within(hints, size, bare, logits), _within(hints, size, bare_own, own)
        if bare is not None:
            bare = np.broadcast_to(bare, logits.shape)
        columns = ([None] * count if one is None else one for one in (logits, own, bare))
        return [Answer(self.network, photo, *two, hints, last) for *two, last in zip(*columns)]

    def _run(self, x, count, seed):
        """Logits and ab of so many answers, each `(count, h, w, ...)` or None."""
        if self.has_bins:
            return variants.variants(self.network, x, count, seed)
        if count > 1:
            return None, self.network.several(x, count)
        return self.network.run(x)

    def predict(self, photo: Source, hints: Iterable = ()) -> Answer:
        """The network's answer to a photo. Everything that can be steered is painted from it.

        Args:
            photo: a `Photo`, a path, a PIL image, or an array of uint8 or uint16, grey or RGB,
                with or without alpha; if it has colours, they are not looked at.
            hints: as in `Steering`.

        Returns:
            An `Answer`.

        Raises:
            PhotoError: a file that cannot be read, or a hint outside the photo.
            ValueError: hints for a network that takes none.
        """
        return self.variants(photo, 1, hints)[0]

    def predict_together(self, photos: list[Source]) -> list[Answer]:
        """The answers to photos of one height and width, by one run: a list; else as `predict`."""
        photos = [as_photo(photo) for photo in photos]
        x = np.concatenate([network_input(self.network, photo.pixels) for photo in photos])
        with self._one_at_a_time:
            found = [[None] * len(x) if one is None else one for one in self.network.run(x)]
        return [Answer(self.network, *one) for one in zip(photos, *found)]

    def colorize(
        self, photo: Source, steering: Steering | None = None, **settings: object
    ) -> Photo:
        """A photo in colour: its own size, depth, L, alpha, profile and EXIF.

        Args:
            photo: as in `predict`.
            steering: a `Steering`, or its fields by name: `vividness`, `hints`, `palette`.

        Returns:
            A `Photo` with pixels `(H, W, 3)`.

        Raises:
            PhotoError, ValueError: as `predict`, and what the network cannot be steered by.
        """
        steering = steering or Steering(**settings)
        self.check(steering)
        return self.predict(photo, steering.hints).paint(steering.vividness, steering.palette)


def _within(hints, size, bare, hinted):
    """What hints change within their reach: answers without and with them, `(count, h, w, ...)`."""
    if hinted is None:
        return None
    return bare + spread(hints, *size, hinted.shape[1:3]) * (hinted - bare)


def load(model: str | os.PathLike = "colornet") -> Colorizer:
    """A `Colorizer` of a trained network: by LiteRT where its release has that, else by Keras.

    Args:
        model: the name of a released network, `hf://owner/name`, a folder such as a run's, or a
            `.keras` file. Where a folder has `SHA256SUMS`, its files are checked.

    Raises:
        ValueError: no such network, or damaged files; one line.
    """
    file = released(model) / FILE
    if file.is_file():
        return Colorizer(LiteRTNetwork(file))
    from colornet import models

    return Colorizer(models.load(model), digest(trained(model)[-1]))
