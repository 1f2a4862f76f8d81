"""What a network says of one photo, from which everything that a person steers is painted."""

from collections.abc import Iterable

import numpy as np

from colornet.color.hints import Hint, spread
from colornet.inference import palette as palettes
from colornet.inference.compose import compose
from colornet.inference.steering import VIVIDNESS, colour, confidence, likeliest
from colornet.photos.history import Step
from colornet.photos.photo import Photo

ONE_ANSWER = "gives one answer: no vividness, reference, variants, confidence; take colornet"
FEW_ANSWERS = "gives up to {} answers: no vividness, reference, confidence; take colornet"


def refusal(network: object) -> str:
    """Why a network without bins cannot be steered, a sentence."""
    few = network.answers > 1
    return f"{network.name}: {FEW_ANSWERS.format(network.answers) if few else ONE_ANSWER}"


class Answer:
    """One run of a network on one photo; nothing here runs it again.

    photo: the `Photo`.
    hints: those that the network was told.
    """

    def __init__(
        self,
        network: object,
        photo: Photo,
        logits: np.ndarray | None = None,
        own: np.ndarray | None = None,
        hints: Iterable[Hint] = (),
        unhinted: np.ndarray | None = None,
    ):
        """The answer of a `Network`.

        Args:
            logits: `(h, w, 261)`, or None without bins.
            own: the network's own ab in Lab units `(h, w, 2)`, or None.
            unhinted: where there are hints, the logits without them.
        """
        self.photo, self.hints = photo, tuple(hints)
        self._network, self._logits, self._own, self._unhinted = network, logits, own, unhinted

    def _distribution(self):
        if self._logits is None:
            raise ValueError(refusal(self._network))
        return self._logits

    def without_hints(self) -> "Answer | None":
        """What the same run says without its hints; None where it was not asked."""
        if self._unhinted is None or self._own is not None:
            return None
        return Answer(self._network, self.photo, self._unhinted)

    def ab(self, vividness: float | None = None, palette: np.ndarray | None = None) -> np.ndarray:
        """The colours, at the network's own resolution.

        Args:
            vividness, palette: as in `Steering`.

        Returns:
            ab in Lab units, float32 `(h, w, 2)`.

        Raises:
            ValueError: the network cannot be steered.
        """
        if self._own is not None and vividness is None and palette is None:
            return self._own
        logits, prior = self._distribution(), self._network.prior
        vividness = VIVIDNESS if vividness is None else vividness
        near = [hint for hint in self.hints if hint.reach is not None]
        if palette is None or near:
            own = np.asarray(colour(logits, prior, vividness, self._unhinted))
        if palette is None:
            return own
        # The palette tells how much there is of each colour; nothing is left to balance.
        even = np.full_like(palette, 1 / len(palette))
        ab = np.asarray(colour(palettes.transport(logits, palette), even, vividness))
        if near:  # what is told counts before the palette, as far as it reaches
            ab += spread(near, *self.photo.pixels.shape[:2], ab.shape[:2]) * (own - ab)
        return ab

    def paint(
        self,
        vividness: float | None = None,
        palette: np.ndarray | None = None,
        photo: Photo | None = None,
    ) -> Photo:
        """The photo in colour: its own size, depth, L, alpha, profile and metadata.

        Its `step` tells what was done, for the mark that `Photo.save` writes.

        Args:
            vividness, palette: as in `Steering`.
            photo: the same one at another size, to be painted in place of it.
        """
        photo, network = photo or self.photo, self._network
        told = [f"vividness {vividness:g}"] if vividness is not None else []
        told += ["palette of another photo"] * (palette is not None)
        told += [hint.words() for hint in self.hints]
        told += [photo.damage.words()] if photo.damage else []
        return photo._replace(
            pixels=compose(photo.pixels, self.ab(vividness, palette)),
            step=Step(photo.sha256, network.name, network.sha256, ", ".join(told)),
        )

    def confidence(self) -> np.ndarray:
        """How sure the network is of each place, float32 `(h, w)` in [0, 1]; raises as `ab`."""
        return np.asarray(confidence(self._distribution()))

    def likely(self, x: float, y: float, count: int = 6) -> list[Hint]:
        """The likeliest colours of a place, unlike each other, as `Hint`s to choose from.

        Args:
            x, y: pixels of the photo.
            count: at most so many.

        Raises:
            ValueError: the network cannot be steered, or a place outside the photo.
        """
        logits, (height, width) = self._distribution(), self.photo.pixels.shape[:2]
        if not (0 <= x < width and 0 <= y < height):
            raise ValueError(f"{x:g},{y:g}: lies outside the photo of {width}x{height}")
        row, column = int(y * logits.shape[0] / height), int(x * logits.shape[1] / width)
        found = likeliest(logits[row, column], count)
        return [Hint(x, y, tuple(ab)) for ab in found.tolist() if not np.isnan(ab[0])]

    def likely_everywhere(self, count: int = 6) -> np.ndarray:
        """As `likely`, of each place: ab, float32 `(h, w, count, 2)`, NaN where there are fewer."""
        return likeliest(self._distribution(), count)
