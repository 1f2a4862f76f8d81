"""A trained network, and what it can do."""

import keras
import numpy as np

from colornet.color import lab
from colornet.models import NO_COLOURS
from colornet.models.layers import Inputs, MeanColour


class Network:
    """A Keras model from L to ab as colouring uses it, with what its layers state that it can do.

    Raises ValueError where the model gives no colours.

    name: of the network.
    size: the one height and width that it takes, or None where it takes any multiple of 32.
    takes_hints: whether its input may have hint planes beside L.
    answers: how many it gives to a photo, where it has no bins.
    own_answer: whether its own ab is its answer; else that is read off the bins, vivid to a degree.
    logits: the part of it that gives logits over the bins, a Keras model; None without bins.
    sha256: of the file of its weights, in hexadecimal, or None.
    """

    def __init__(self, model: keras.Model, sha256: str | None = None):
        if model.output_shape[-1] != 2:
            raise ValueError(f"{model.name}: {NO_COLOURS}")
        layers = model.layers
        self._model, self.name, self.sha256 = model, model.name, sha256
        self.size = None if None in model.input_shape[1:3] else tuple(model.input_shape[1:3])
        self.takes_hints = any(isinstance(layer, Inputs) for layer in layers)
        self._mean = next((layer for layer in layers if isinstance(layer, MeanColour)), None)
        self._many = next((layer for layer in layers if hasattr(layer, "answers")), None)
        self.answers = self._many.answers if self._many else 1
        self.logits = self._run = None
        self.own_answer = self._mean is None or self._mean.own_answer
        if self._mean is not None:
            self.logits = self._run = keras.Model(model.input, self._mean.input)
            if self.own_answer:
                self._run = keras.Model(model.input, [self._mean.input, model.output])

    @property
    def prior(self) -> np.ndarray | None:
        """How often the training photos show each bin, `(261,)`; None without bins."""
        return None if self._mean is None else np.asarray(self._mean.prior)

    def run(self, x: np.ndarray) -> tuple[np.ndarray | None, np.ndarray | None]:
        """What the network says of a batch.

        Args:
            x: float32 L `(N, H, W, 1)`, or L and hints `(N, H, W, 4)`, in the units of
                `lab.to_network`.

        Returns:
            Logits `(N, h, w, 261)` or None, and ab in Lab units `(N, h, w, 2)` or None: with bins
            the logits, and ab where the network has an answer of its own beside them; else ab.
        """
        if self._run is None:
            return None, self._model.predict_on_batch(x) * lab.AB_SCALE
        found = self._run.predict_on_batch(x)
        return (found[0], found[1] * lab.AB_SCALE) if self.own_answer else (found, None)

    def several(self, x: np.ndarray, count: int) -> np.ndarray:
        """So many answers to one photo, of a network without bins: ab `(count, h, w, 2)`, Lab units."""
        return self._many.several(self._model, x, count) * lab.AB_SCALE
