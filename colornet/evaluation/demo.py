"""The demo: sample photos made grey, coloured, compared."""

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from colornet.color.lab import luma
from colornet.data.samples import SAMPLES, sample
from colornet.evaluation.metrics import psnr, ssim
from colornet.inference.colorizer import Colorizer
from colornet.storage import AnyPath, atomic

WIDTH, GAP, LETTERS = 300, 8, 14  # pixels: of a picture, between two, the titles' height


def demo(colorizer: Colorizer, out: AnyPath) -> str:
    """Makes the sample photos grey, colours them and writes `out`: grey, coloured, original.

    Returns:
        The figures as a Markdown table, PSNR and SSIM beside those of the grey photo.
    """
    lines = ["| photo | PSNR grey | PSNR coloured | SSIM grey | SSIM coloured |"]
    lines += ["|---|---|---|---|---|"]
    rows = []
    for name in SAMPLES:
        true = sample(name)
        grey = np.repeat(luma(true)[..., None], 3, axis=-1)
        coloured = colorizer.colorize(grey).pixels
        values = [f(true, p) for f in (psnr, ssim) for p in (grey, coloured)]
        lines.append("| {} | {:.2f} dB | {:.2f} dB | {:.3f} | {:.3f} |".format(name, *values))
        titles = [
            f"grey: {values[0]:.1f} dB, SSIM {values[2]:.3f}",
            f"coloured: {values[1]:.1f} dB, SSIM {values[3]:.3f}",
            "original",
        ]
        rows.append(_row([grey, coloured, true], titles))
    with atomic(out) as temporary:
        Image.fromarray(np.concatenate(rows)).save(temporary)
    return "\n".join(lines)


def _row(pictures, titles):
    """Pictures of one size side by side, each under its title: uint8 RGB."""
    height, width = pictures[0].shape[:2]
    height = round(height * WIDTH / width)
    top, step = LETTERS + GAP, WIDTH + GAP
    row = Image.new("RGB", (len(pictures) * step - GAP, top + height + GAP), "white")
    draw, font = ImageDraw.Draw(row), ImageFont.load_default(LETTERS)
    for i, (picture, title) in enumerate(zip(pictures, titles)):
        draw.text((i * step + WIDTH // 2, 2), title, "black", font, anchor="mt")
        small = cv2.resize(picture, (WIDTH, height), interpolation=cv2.INTER_AREA)
        row.paste(Image.fromarray(small), (i * step, top))
    return np.asarray(row)
