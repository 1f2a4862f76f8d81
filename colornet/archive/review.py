"""A page of the results that the network was least sure of, for a person to look at."""

import base64
import html
from pathlib import Path

import cv2
import numpy as np

from colornet.archive.ledger import Ledger
from colornet.archive.task import Task, result_name
from colornet.errors import PhotoError
from colornet.photos.photo import Photo
from colornet.photos.read import read_photo
from colornet.photos.resize import eight_bits
from colornet.storage import atomic

SHOWN = 320  # pixels: the longer side of its pictures
HEAD = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Least sure first</title>
<meta name="viewport" content="width=device-width"><style>
body { font: 16px system-ui; margin: 2rem; color-scheme: light dark }
figure { margin: 0 0 2rem; display: flex; flex-wrap: wrap; gap: .5rem }
figcaption { flex-basis: 100%; overflow-wrap: anywhere } img { max-width: 100% }
</style><h1>Least sure first</h1>
<p>Each photo as it was, as it was coloured, and how sure the network was: white is sure.</p>
"""


def _picture(pixels, word):
    pixels = eight_bits(pixels)
    scale = min(1, SHOWN / max(pixels.shape[:2]))
    size = [max(1, round(side * scale)) for side in pixels.shape[1::-1]]
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    small = small if small.ndim == 2 else small[..., ::-1]
    data = base64.b64encode(cv2.imencode(".jpg", small)[1]).decode()
    shape = f'width="{size[0]}" height="{size[1]}"'
    return f'<img alt="{word}" {shape} src="data:image/jpeg;base64,{data}">'


def _figure(name, told, task):
    """One photo: before, after, confidence; or why it cannot be shown."""
    source, out = task.places
    words = name.encode("utf-8", "replace").decode()
    words += ": {mean:.0%} sure, {unsure:.0%} of it a guess".format(**told["confidence"])
    words = f"<figure><figcaption>{html.escape(words)}</figcaption>"
    try:
        with source.reading(name) as before, out.reading(result_name(name)) as after:
            photo, coloured = read_photo(before), read_photo(after)
    except PhotoError as error:
        return f"{words}{html.escape(str(error))}</figure>\n"
    scale = min(1, 2 * SHOWN / max(photo.pixels.shape[:2]))
    small = cv2.resize(photo.pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    sure = task.colorizer.predict(Photo(small)).confidence()
    sure = cv2.resize(np.uint8(np.round(255 * sure)), photo.pixels.shape[1::-1])
    pictures = zip((photo.pixels, coloured.pixels, sure), ("before", "after", "how sure"))
    return words + "".join(_picture(*pair) for pair in pictures) + "</figure>\n"


def write_review(path: Path, ledger: Ledger, task: Task, count: int) -> None:
    """Writes a page of the photos that the network was least sure of, if photos have a confidence.

    Args:
        path: of the page.
        ledger: of the archive.
        task: what was done.
        count: at most so many photos.
    """
    if not (found := ledger.least_sure(count)):
        return
    with atomic(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
        file.write(HEAD)
        for name, told in found:
            file.write(_figure(name, told, task))
