"""sRGB to CIE Lab and back, of numpy arrays and on any Keras backend.

sRGB is IEC 61966-2-1, Lab is CIE 1976 under D65 seen by the 2 degree observer; matrix and
white point are those of `skimage.color`, against which the tests compare. The scaling between
Lab and what a network sees lives here and nowhere else.
"""

import cv2
import numpy as np

from colornet.color.backend import Tensor, ops_of

L_SCALE = 50.0  # a network sees L / 50 - 1, within [-1, 1]
AB_SCALE = 110.0  # and predicts ab / 110; sRGB reaches |ab| of 108
WHITE = (0.95047, 1.0, 1.08883)
XYZ_FROM_RGB = np.array(
    [
        [0.412453, 0.357580, 0.180423],
        [0.212671, 0.715160, 0.072169],
        [0.019334, 0.119193, 0.950227],
    ]
)
RGB_FROM_XYZ = np.linalg.inv(XYZ_FROM_RGB)
GAMUT_TOLERANCE = 1e-5  # linear light; float32 rounding stays below, an 8-bit step above
GAMUT_STEPS = 12  # halvings: chroma is found to 1 part in 4096


def _mix(matrix, channels):
    # Sums instead of a matmul: GPUs compute float32 matmuls in TF32, too coarse here.
    return [sum(float(m) * c for m, c in zip(row, channels)) for row in matrix]


def linear(rgb: Tensor) -> Tensor:
    """Linear light of sRGB values: `(...)` in [0, 1] to the same."""
    ops = ops_of(rgb)
    # The power's base is clamped so that the branch not taken has a finite gradient.
    return ops.where(
        rgb > 0.04045,
        ops.power((ops.maximum(rgb, 0.04045) + 0.055) / 1.055, 2.4),
        rgb / 12.92,
    )


def _gamma(linear):
    ops = ops_of(linear)
    return ops.where(
        linear > 0.0031308,
        1.055 * ops.power(ops.maximum(linear, 0.0031308), 1 / 2.4) - 0.055,
        12.92 * linear,
    )


def _f(ratio):
    ops = ops_of(ratio)
    return ops.where(
        ratio > 0.008856,
        ops.power(ops.maximum(ratio, 0.008856), 1 / 3),
        7.787 * ratio + 16 / 116,
    )


def lightness(rgb: Tensor) -> Tensor:
    """L alone of sRGB colours, at a third of the cost: `(..., 3)` in [0, 1] to `(...)`."""
    ops = ops_of(rgb)
    rgb = linear(ops.convert_to_tensor(rgb, "float32"))
    (y,) = _mix(XYZ_FROM_RGB[1:2], [rgb[..., i] for i in range(3)])
    return 116 * _f(y / WHITE[1]) - 16


def rgb_to_lab(rgb: Tensor) -> Tensor:
    """CIE Lab of sRGB colours.

    Args:
        rgb: float32 `(..., 3)` in [0, 1].

    Returns:
        float32 `(..., 3)`: L in [0, 100], a and b in about [-108, 99].
    """
    ops = ops_of(rgb)
    rgb = linear(ops.convert_to_tensor(rgb, "float32"))
    xyz = _mix(XYZ_FROM_RGB, [rgb[..., i] for i in range(3)])
    fx, fy, fz = (_f(c / w) for c, w in zip(xyz, WHITE))
    return ops.stack([116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)], axis=-1)


def _cubed(f):
    ops = ops_of(f)
    return ops.where(f > 0.2068966, f * f * f, (f - 16 / 116) / 7.787)


def _linear_rgb(L, a, b):
    fy = (L + 16) / 116
    f = (fy + a / 500, fy, fy - b / 200)
    return _mix(RGB_FROM_XYZ, [w * _cubed(t) for t, w in zip(f, WHITE)])


def _shown(L, a, b):
    ops = ops_of(L)
    # Planes throughout: the bisection below calls this for every pixel, a dozen times.
    r, g, b = _linear_rgb(L, a, b)
    low = ops.minimum(ops.minimum(r, g), b)
    high = ops.maximum(ops.maximum(r, g), b)
    return (low >= -GAMUT_TOLERANCE) & (high <= 1 + GAMUT_TOLERANCE)


def _planes(lab):
    ops = ops_of(lab)
    lab = ops.convert_to_tensor(lab, "float32")
    return lab[..., 0], lab[..., 1], lab[..., 2]


def in_gamut(lab: Tensor) -> Tensor:
    """Whether sRGB can show each colour: `(..., 3)` Lab to `(...)` bool."""
    return _shown(*_planes(lab))


def fit_gamut(lab: Tensor) -> Tensor:
    """The nearest colours that sRGB can show, at the same L and the same hue.

    Chroma alone gives way, found by bisection. Colours within the gamut are returned as they
    are; L is clipped to [0, 100]. Gradients flow as if the reduction were a constant factor.

    Args:
        lab: float32 `(..., 3)`, L in [0, 100].

    Returns:
        float32 `(..., 3)`.
    """
    ops = ops_of(lab)
    L, a, b = _planes(lab)
    L = ops.clip(L, 0, 100)
    factor = ops.zeros_like(L)
    for step in range(1, GAMUT_STEPS + 1):
        more = factor + 0.5**step
        factor = ops.where(_shown(L, a * more, b * more), more, factor)
    factor = ops.stop_gradient(ops.where(_shown(L, a, b), ops.ones_like(L), factor))
    return ops.stack([L, a * factor, b * factor], axis=-1)


def lab_to_rgb(lab: Tensor, fitted: bool = False) -> Tensor:
    """sRGB of Lab colours; what sRGB cannot show loses chroma, never L or hue.

    Args:
        lab: float32 `(..., 3)`, L in [0, 100].
        fitted: True where `fit_gamut` was already applied, to save its work.

    Returns:
        float32 `(..., 3)` in [0, 1].
    """
    ops = ops_of(lab)
    linear = _linear_rgb(*_planes(lab if fitted else fit_gamut(lab)))
    return ops.clip(_gamma(ops.stack(linear, axis=-1)), 0, 1)


def to_network(lab: Tensor) -> tuple[Tensor, Tensor]:
    """Lab `(..., 3)` as a network's input and target: L `(..., 1)` and ab `(..., 2)` in [-1, 1]."""
    return lab[..., :1] / L_SCALE - 1, lab[..., 1:] / AB_SCALE


def from_network(L: Tensor, ab: Tensor) -> Tensor:
    """The inverse of `to_network`: Lab `(..., 3)` of L `(..., 1)` and ab `(..., 2)`."""
    ops = ops_of(L)
    return ops.concatenate([(L + 1) * L_SCALE, ab * AB_SCALE], axis=-1)


def luma(rgb: np.ndarray) -> np.ndarray:
    """The grey version that cameras and editors make: Rec. 601 luma of uint8 RGB, `(H, W)`."""
    return cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
