"""A mark in a photo's corner that tells anyone who looks at it where its colours come from."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from colornet.photos.photo import Photo

WORDS = "colours by AI"
HEIGHT, LEAST = 0.02, 9  # of the letters: share of the photo's longer side, pixels
PLATE = 0.55  # how dark what lies under the letters becomes


def corner_mark(photo: Photo) -> Photo:
    """The photo with "colours by AI" in its lower right corner, white on a darkened plate.

    Where the photo is narrower than the words, they are made as small as it needs.
    """
    height, width = photo.pixels.shape[:2]
    size = max(LEAST, HEIGHT * max(height, width))
    size = max(1, size * min(1, width / (ImageFont.load_default(size).getlength(WORDS) + size)))
    font, edge = ImageFont.load_default(size), max(1, round(size / 2))
    plate = min(width, round(font.getlength(WORDS)) + edge), min(height, round(size) + edge)
    letters = Image.new("L", plate)
    ImageDraw.Draw(letters).text([side / 2 for side in plate], WORDS, 255, font, "mm")
    drawn = np.asarray(letters, np.float32)[..., None] / 255
    corner = np.s_[height - plate[1] :, width - plate[0] :]
    pixels, peak = photo.pixels.copy(), np.iinfo(photo.pixels.dtype).max
    under = np.atleast_3d(pixels[corner]) * (1 - PLATE) * (1 - drawn)
    pixels[corner] = np.round(under + peak * drawn).reshape(pixels[corner].shape)
    if photo.alpha is None:
        return photo._replace(pixels=pixels)
    alpha = photo.alpha.copy()
    alpha[corner] = peak  # what is clear could not be read
    return photo._replace(pixels=pixels, alpha=alpha)
