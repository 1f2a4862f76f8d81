"""A released network without Keras: in LiteRT's form it answers before Keras would have started."""

from pathlib import Path

import cv2
import numpy as np
from ai_edge_litert.interpreter import Interpreter, SignatureRunner

from colornet.checksums import digest
from colornet.models import NO_COLOURS
from colornet.quiet import silent
from colornet.storage import AnyPath

FILE = "light.tflite"  # in the folder of a release; `export.converters.save_quick` makes it


def runner(file: AnyPath) -> SignatureRunner:
    """The function of a LiteRT file: of arrays by name to a dict of arrays. Not for two threads.

    Raises:
        ValueError: the file cannot be loaded; one line.
    """
    try:
        with silent():  # it tells which of its own parts it uses
            interpreter = Interpreter(str(file), num_threads=cv2.getNumThreads())
            return interpreter.get_signature_runner()
    except ValueError as error:
        reason = str(error).strip().split("\n")[0][:200]
        raise ValueError(f"{file}: cannot be loaded ({reason}); fetch it again") from None


class LiteRTNetwork:
    """A released network over bins, with hints: does what `models.network.Network` does."""

    size, takes_hints, answers, own_answer = None, True, 1, False

    def __init__(self, file: AnyPath):
        self._run = runner(file)
        if "prior" not in self._run.get_output_details():
            raise ValueError(f"{Path(file).parent.name}: {NO_COLOURS}")
        with silent():
            self.prior = self._run(x=np.zeros((1, 32, 32, 4), np.float32))["prior"]
        self.name, self.sha256 = Path(file).parent.name, digest(file)

    def run(self, x: np.ndarray) -> tuple[np.ndarray, None]:
        """Logits `(N, H / 4, W / 4, 261)` of a batch, see `Network.run`, and None."""
        x = np.concatenate([x, np.zeros((*x.shape[:3], 4 - x.shape[3]), np.float32)], axis=-1)
        return np.concatenate([self._run(x=one[None])["logits"] for one in x]), None
