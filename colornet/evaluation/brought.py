"""FID and LPIPS, the figures that papers give, by networks that whoever evaluates brings.

The two files are TorchScript, as StyleGAN2-ADA's metrics take them (Karras et al. 2020, arXiv
2006.06676): NVIDIA's translations of the Inception-v3 of 2015-12-05, and of VGG16 with LPIPS'
weights. Their licences do not let them lie here. They are run as they are, with no code of
colornet's in the place of theirs.
"""

from pathlib import Path
from threading import Lock

import numpy as np

from colornet.checksums import digest
from colornet.errors import needs
from colornet.evaluation.frechet import FeatureDistance
from colornet.evaluation.metrics import Measured, interval
from colornet.evaluation.tables import about, markdown
from colornet.storage import AnyPath


class _Brought:
    """A TorchScript network from a file.

    name: of the figure.
    sha256: of the file.

    Raises:
        ValueError: the file is no such network; one line.
        NotInstalled: no PyTorch.
    """

    name = known_as = ""
    width = 0  # numbers to a photo; 0: as many as there are
    asked: dict = {}  # of the network, beside the photos

    def __init__(self, file: AnyPath):
        with needs("perceptual", f"{self.name.upper()} needs"):
            import torch

        self._torch, self._one_at_a_time = torch, Lock()
        if not Path(file).is_file():
            raise ValueError(f"{file}: no such file; bring {self.known_as}, see docs/usage.md")
        self.sha256 = digest(file)
        try:
            self._network = torch.jit.load(str(file), map_location="cpu").eval()
            shape = tuple(self._run(np.zeros((1, 64, 64, 3), np.uint8)).shape)
            if len(shape) != 2 or self.width not in (0, shape[1]):
                raise RuntimeError(f"of a photo it gives {shape}")
        except (RuntimeError, AttributeError) as error:  # AttributeError: of what is no tensor
            last = str(error).strip().split("\n")[-1][:100]
            raise ValueError(f"{file}: is not {self.known_as} ({last})") from None

    def _run(self, rgbs):
        """What the network makes of uint8 RGB `(N, H, W, 3)`: a tensor `(N, D)`."""
        batch = self._given(self._torch.from_numpy(rgbs).permute(0, 3, 1, 2))
        with self._one_at_a_time, self._torch.inference_mode():
            return self._network(batch, **self.asked)

    def _given(self, batch):
        return batch


class FID(_Brought, FeatureDistance):
    """The Frechet Inception distance: Heusel et al. 2017, arXiv 1706.08500.

    Of the 2,048 features before the classes. Papers take 10,000 photos and more.
    """

    name, known_as, width = "fid", "inception-2015-12-05.pt", 2048
    title = "FID (too great, as of few photos)"
    asked = dict(return_features=True)

    def see(self, rgbs: np.ndarray) -> np.ndarray:
        """As `FeatureDistance`."""
        return self._run(rgbs).numpy()


class LPIPS(_Brought):
    """The learned perceptual distance, as `evaluate` wants it: Zhang et al. 2018, arXiv 1801.03924.

    Of VGG16. 0 is the true photo itself.
    """

    name, known_as = "lpips", "vgg16.pt"
    asked = dict(resize_images=False, return_lpips=True)

    def _given(self, batch):
        return batch.float()  # in 0..255

    def measure(self, true: Measured, guesses: dict[str, Measured]) -> dict[str, float]:
        """The distance of each row's photo from the true one."""
        rgbs = np.stack([true.rgb, *(guess.rgb for guess in guesses.values())])
        own, *others = self._run(rgbs)
        return {row: float((own - one).square().sum()) for row, one in zip(guesses, others)}

    def summary(self, records: list[dict[str, float]]) -> dict:
        """The mean and interval of each row."""
        return {row: interval([one[row] for one in records]) for row in records[0]}

    def table(self, found: dict) -> str:
        """A summary as Markdown."""
        rows = [[row, about(value, 3)] for row, value in found.items()]
        return "\n".join(markdown(["LPIPS, VGG16", ""], rows))
