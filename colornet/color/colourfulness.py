"""How colourful a photo is."""

import numpy as np


def colourfulness(rgb: np.ndarray) -> float:
    """Hasler and Suesstrunk 2003, M3: of uint8 RGB `(H, W, 3)`, opponent colours signed."""
    r, g, b = np.moveaxis(rgb.astype(np.float64), -1, 0)
    rg, yb = r - g, (r + g) / 2 - b
    return float(np.hypot(rg.std(), yb.std()) + 0.3 * np.hypot(rg.mean(), yb.mean()))
