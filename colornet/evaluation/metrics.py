"""How good are the colours? The metrics of one photo, and their intervals over many."""

from functools import cache, cached_property

import cv2
import numpy as np

from colornet.color import gamut
from colornet.color.ciede2000 import difference
from colornet.color.colourfulness import colourfulness

METRICS = dict(psnr="dB", ssim="", ciede2000="", colourfulness="", auc="")
DIFFERENCE = "colourfulness less the true"  # a metric of every prediction, signed
BOOTSTRAP = 2000
FARTHEST = 150  # ab units, up to which AuC counts


class Measured:
    """A photo, uint8 RGB `(H, W, 3)`, and what comparisons ask of it, each worked out once.

    lab: float32 `(H, W, 3)`.
    near_zero: the values less 128, float32 `(H, W, 3)`, whose squares float32 can tell apart.
    windows: mean and variance of these in each Gaussian window, `(H - 10, W - 10, 3)`.
    small_windows: the same of each 7x7 window, `(H - 6, W - 6, 3)`.
    """

    def __init__(self, rgb: np.ndarray):
        self.rgb = rgb

    @cached_property
    def lab(self) -> np.ndarray:
        return gamut.rgb_to_lab(self.rgb)

    @cached_property
    def near_zero(self) -> np.ndarray:
        return self.rgb.astype(np.float32) - 128

    @cached_property
    def windows(self) -> tuple[np.ndarray, np.ndarray]:
        return _spread(self.near_zero, _gaussian)

    @cached_property
    def small_windows(self) -> tuple[np.ndarray, np.ndarray]:
        return _spread(self.near_zero, _uniform)

    @cached_property
    def colourfulness(self) -> float:
        return colourfulness(self.rgb)


def _decibels(power, error):
    return float(10 * np.log10(power / error)) if error else float("inf")


def psnr(true: np.ndarray, predicted: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB of two uint8 arrays of one shape; infinite if equal."""
    return _decibels(255**2, cv2.norm(true, predicted, cv2.NORM_L2SQR) / true.size)


def _gaussian(values):
    return cv2.GaussianBlur(values, (11, 11), 1.5)[5:-5, 5:-5]


def _uniform(values):
    return cv2.blur(values, (7, 7))[3:-3, 3:-3]


def _spread(values, window):
    mean = window(values)
    return mean, window(values * values) - mean * mean


def _ssim(true, predicted, window=_gaussian, factor=1.0):
    """SSIM of two `Measured`; `factor` turns the variances of `window` into those of a sample."""
    known = (x.windows if window is _gaussian else x.small_windows for x in (true, predicted))
    (mean_t, var_t), (mean_p, var_p) = known
    both = window(true.near_zero * predicted.near_zero) - mean_t * mean_p
    mean_t, mean_p = mean_t + 128, mean_p + 128
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    similar = (2 * mean_t * mean_p + c1) * (2 * factor * both + c2)
    most = (mean_t * mean_t + mean_p * mean_p + c1) * (factor * (var_t + var_p) + c2)
    return float(np.mean(similar / most, dtype=np.float64))


def ssim(true: np.ndarray, predicted: np.ndarray) -> float:
    """SSIM of two uint8 RGB photos `(H, W, 3)`: Wang et al. 2004, mean over the channels."""
    return _ssim(Measured(true), Measured(predicted))


def auc(true: np.ndarray, predicted: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Area under the share of pixels whose ab error is at most 0..150, in [0, 1].

    Zhang et al. 2016, arXiv 1603.08511, section 3.1.

    Args:
        true, predicted: ab in Lab units `(H, W, 2)`.
        weights: how much each pixel counts, `(H, W)`; by default all alike.
    """
    step = true - predicted
    error = np.sqrt(step[..., 0] ** 2 + step[..., 1] ** 2)
    # Of the thresholds, by the trapezoidal rule, those from its first whole one on hold a pixel.
    held = np.clip(FARTHEST + 0.5 - np.ceil(error), 0, FARTHEST)
    return float(np.average(held, weights=weights) / FARTHEST)


def ciede2000(true: np.ndarray, predicted: np.ndarray) -> float:
    """Mean CIEDE2000 colour difference of two Lab photos `(H, W, 3)`."""
    return float(difference(true, predicted).mean(dtype=np.float64))


def scores(true: Measured, predicted: Measured) -> dict[str, float]:
    """Every metric of one prediction against the true photo, both `Measured`."""
    return dict(
        psnr=psnr(true.rgb, predicted.rgb),
        ssim=_ssim(true, predicted),
        ciede2000=ciede2000(true.lab, predicted.lab),
        colourfulness=predicted.colourfulness,
        auc=auc(true.lab[..., 1:], predicted.lab[..., 1:]),
    )


def other_formulas(
    true: Measured, predicted: Measured, house: dict[str, float]
) -> dict[str, float]:
    """One prediction under formulas that papers have called PSNR and SSIM.

    Args:
        true, predicted: `Measured`.
        house: their `scores`.
    """
    ab = np.mean((true.lab[..., 1:] - predicted.lab[..., 1:]) ** 2, dtype=np.float64)
    return {
        "PSNR, sRGB, per photo (house)": house["psnr"],
        "squared error, sRGB": float(np.mean((true.near_zero - predicted.near_zero) ** 2)),
        # L in [-1, 1], its error 0, and ab/128; so two of three planes have an error.
        "PSNR, planes L and ab in [-1, 1], peak 2": _decibels(2**2, ab / 128**2 * 2 / 3),
        "PSNR, planes ab/255, peak 1": _decibels(1, ab / 255**2),
        "SSIM, Gaussian window of 11 (house)": house["ssim"],
        "SSIM, uniform window of 7": _ssim(true, predicted, _uniform, 49 / 48),
    }


@cache
def _draws(count, seed):
    """Which of `count` values each bootstrap sample is of, `(BOOTSTRAP, count)`."""
    return np.random.default_rng(seed).integers(0, count, (BOOTSTRAP, count)).astype(np.uint32)


def interval(values: np.ndarray | list[float], seed: int = 0) -> dict[str, float]:
    """The mean of per-photo values and its 95 % bootstrap interval."""
    values = np.asarray(values, np.float64)
    low, high = np.percentile(values[_draws(len(values), seed)].mean(axis=1), [2.5, 97.5])
    return dict(mean=float(values.mean()), low=float(low), high=float(high))
