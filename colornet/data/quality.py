"""Which photos teach colour: not grey, blank, drawn, blurred or of one tint."""

import cv2
import numpy as np

# Limits of the quality filter, set by looking at the photos on either side of each.
GREY_CHROMA = 5.0  # ab units: 99 % of the photo lies below it
TINT_RESIDUAL = 1.5  # ab units left when colour is explained by L alone, as in sepia
TINT_CONTRAST = 40.0  # L units; a flat sky is of one tint too, and is kept
BLANK_CONTRAST = 10.0  # L units between the 2nd and the 98th percentile
DRAWN_SHARE = 0.1  # of the photo in one exact colour of chroma over 20
BLUR_EDGE = 4.0  # 99th percentile of |Laplacian of L| at a short side of 256


def _chroma(Lab):
    # At 64x64, where the chroma noise of JPEG has averaged out.
    small = cv2.resize(Lab, (64, 64), interpolation=cv2.INTER_AREA)
    return np.hypot(small[..., 1], small[..., 2])


def unfit(pixels: np.ndarray, Lab: np.ndarray) -> tuple[str, float, float]:
    """Why a photo teaches no colour, or "" if it may; with its mean chroma and edge strength."""
    small = cv2.resize(Lab, (64, 64), interpolation=cv2.INTER_AREA).reshape(-1, 3)
    chroma = _chroma(Lab)
    contrast = np.subtract(*np.percentile(Lab[..., 0], [98, 2]))
    edge = np.percentile(np.abs(cv2.Laplacian(Lab[..., 0], cv2.CV_32F)), 99)
    powers = np.vander(small[:, 0] / 50 - 1, 4)  # colour as a cubic in L
    residual = small[:, 1:] - powers @ np.linalg.lstsq(powers, small[:, 1:])[0]
    codes = pixels.astype(np.int32) @ np.array([65536, 256, 1])
    colours, counts = np.unique(codes, return_counts=True)
    top = colours[counts.argmax()]
    flat = np.float32([[[top >> 16, top >> 8 & 255, top & 255]]]) / 255
    flat_chroma = np.hypot(*cv2.cvtColor(flat, cv2.COLOR_RGB2Lab)[0, 0, 1:])
    if contrast < BLANK_CONTRAST:
        reason = "blank"
    elif np.percentile(chroma, 99) < GREY_CHROMA:
        reason = "grey"
    elif np.sqrt((residual**2).sum(1).mean()) < TINT_RESIDUAL and contrast > TINT_CONTRAST:
        reason = "one tint"
    elif flat_chroma > 20 and counts.max() / counts.sum() > DRAWN_SHARE:
        reason = "drawn"
    elif edge < BLUR_EDGE:
        reason = "blurred"
    else:
        reason = ""
    return reason, round(float(chroma.mean()), 2), round(float(edge), 2)


def is_grey(pixels: np.ndarray) -> bool:
    """Whether 99 % of a uint8 RGB photo has a chroma under GREY_CHROMA."""
    Lab = cv2.cvtColor(pixels.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)
    return np.percentile(_chroma(Lab), 99) < GREY_CHROMA
