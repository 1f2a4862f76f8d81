"""How far apart do two samples of photos lie, in what some network sees of them?"""

import numpy as np

from colornet.evaluation.metrics import Measured
from colornet.evaluation.tables import markdown
from colornet.inference.matching import pack, unpack


def frechet(first: np.ndarray, second: np.ndarray) -> float:
    """The squared Frechet distance of two samples `(N, D)`, each as a normal distribution.

    Dowson and Landau 1982: |difference of means|^2 + trace(A + B - 2 (A B)^(1/2)), A and B the
    covariances.
    """
    first, second = (np.asarray(x, np.float64) for x in (first, second))
    step = first.mean(0) - second.mean(0)
    # Roots of the covariances; the trace wanted is the sum of the singular values of their product.
    a, b = (
        np.linalg.qr((x - x.mean(0)) / np.sqrt(max(1, len(x) - 1)), mode="r")
        for x in (first, second)
    )
    root = np.linalg.svd(a @ b.T, compute_uv=False).sum()
    return float(step @ step + (a**2).sum() + (b**2).sum() - 2 * root)


class FeatureDistance:
    """How far each row's photos lie from the true ones, as `evaluate` wants it.

    A sample's distance is too great, the more so the fewer photos: two halves of the same photos
    are not at 0. So only figures of the same photos compare; the table says how many.

    name: of the figure.
    title: of its table.
    width: numbers that are seen in a photo.
    """

    name = title = ""
    width = 0

    def see(self, rgbs: np.ndarray) -> np.ndarray:
        """What is seen in photos: uint8 RGB `(N, H, W, 3)` to `(N, width)`."""
        raise NotImplementedError

    def measure(self, true: Measured, guesses: dict[str, Measured]) -> dict[str, str]:
        """What is seen of a photo by row, "true" among them, as text for JSON."""
        rgbs = {"true": true.rgb} | {row: guess.rgb for row, guess in guesses.items()}
        return dict(zip(rgbs, map(pack, self.see(np.stack([*rgbs.values()])))))

    def summary(self, records: list[dict[str, str]]) -> dict:
        """Of what `measure` gave for many photos: `photos`, and `distance` by row, for JSON."""
        of = {
            row: np.concatenate([unpack(one[row], self.width) for one in records])
            for row in records[0]
        }
        true = of.pop("true")
        return dict(photos=len(true), distance={row: frechet(true, own) for row, own in of.items()})

    def table(self, found: dict) -> str:
        """A summary as Markdown."""
        rows = ([row, f"{value:.2f}"] for row, value in found["distance"].items())
        return "\n".join(markdown([f"{self.title}, {found['photos']} photos", ""], [*rows]))
