"""A released network without Keras: in LiteRT's form it answers before Keras would have started."""

import os
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from colornet.files import released

FILE = "light.tflite"  # in the folder of a release; `export.save_light` makes it


class Light:
    """What colouring asks of a network over bins: its name, its prior, and logits of L and hints.

    name: of the release.
    input_shape: as of a Keras model, `(None, None, None, None)`.
    prior: how often the training photos show each bin, float32 `(261,)`.
    """

    input_shape = (None,) * 4

    def __init__(self, file):
        try:
            self._run = Interpreter(str(file), num_threads=os.cpu_count()).get_signature_runner()
        except ValueError as error:
            reason = str(error).strip().split("\n")[0][:200]
            raise ValueError(f"{file}: cannot be loaded ({reason}); fetch it again") from None
        self.name = Path(file).parent.name
        self.prior = self._run(x=np.zeros((1, 32, 32, 4), np.float32))["prior"]

    def predict_on_batch(self, x):
        """Logits `(N, H / 4, W / 4, 261)` of L, `(N, H, W, 1)`, or L and hints, `(N, H, W, 4)`."""
        x = np.concatenate([x, np.zeros((*x.shape[:3], 4 - x.shape[3]), np.float32)], axis=-1)
        return np.concatenate([self._run(x=one[None])["logits"] for one in x])


def load(model):
    """A trained network to colour by: a `Light` where its release has one, else a Keras model.

    Args:
        model: as in `models.load`, which gives the others.
    """
    file = released(model) / FILE
    if file.is_file():
        return Light(file)
    from colornet import models

    return models.load(model)
