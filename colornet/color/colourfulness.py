"""How colourful a photo is."""

import cv2
import numpy as np

_OPPONENT = np.float32([[1, -1, 0], [0.5, 0.5, -1]])  # red against green, yellow against blue


def colourfulness(rgb: np.ndarray) -> float:
    """Hasler and Suesstrunk 2003, M3: of uint8 RGB `(H, W, 3)`, opponent colours signed."""
    mean, deviation = cv2.meanStdDev(cv2.transform(rgb.astype(np.float32), _OPPONENT))
    return float(np.linalg.norm(deviation) + 0.3 * np.linalg.norm(mean))
