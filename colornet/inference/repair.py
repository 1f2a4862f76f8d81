"""Damaged photos mended: what is wanted, what is marked, and a photo that tells of it."""

from dataclasses import dataclass
from functools import cache
from threading import Lock

import cv2
import numpy as np

from colornet.checksums import digest
from colornet.errors import PhotoError
from colornet.inference.damage import DamageFinder
from colornet.inference.mending import mend
from colornet.inference.tone import evened
from colornet.photos.damage import MASK, Damage
from colornet.photos.photo import Photo
from colornet.photos.read import read_photo
from colornet.photos.resize import eight_bits
from colornet.quiet import silent

STRENGTHS = ("mild", "strong")
MARGIN = 0.001  # of the longer side: how much wider than found a place is marked, at least a pixel
MUCH = 0.1  # share of a photo: a person is told that so much was marked
_LOADING = Lock()


@dataclass(frozen=True)
class Repair:
    """What is wanted of the repair of a photo.

    strength: "mild" marks what is surely damage, "strong" what may be.
    mask: path of an image that marks the damage instead, white on black; or None.
    tone: make fading and uneven light milder, which changes lightness everywhere.

    Raises:
        ValueError: another strength.
    """

    strength: str = "mild"
    mask: str | None = None
    tone: bool = False

    def __post_init__(self):
        if self.strength not in STRENGTHS:
            raise ValueError(f"strength {self.strength}: choose {' or '.join(STRENGTHS)}")


@cache
def _finder():
    with silent():  # LiteRT tells at the first run what it uses
        found = DamageFinder.load("damage")
        found.find(np.zeros((32, 32), np.uint8))
    return found


def finder() -> DamageFinder:
    """The released network that finds damage, loaded when it is first asked for."""
    with _LOADING:
        return _finder()


def read_mask(path: str, height: int, width: int) -> np.ndarray:
    """A person's mask, bool `(height, width)`: True where the image is nearer to white.

    Raises:
        PhotoError: cannot be read, is of another size, marks nothing or everything.
    """
    found = read_photo(path)
    pixels = eight_bits(found.pixels)
    pixels = pixels if pixels.ndim == 2 else pixels.max(axis=-1)
    if pixels.shape != (height, width):
        size = f"{pixels.shape[1]}x{pixels.shape[0]}"
        raise PhotoError(f"{path}: is of {size}, the photo of {width}x{height}; make them alike")
    mask = pixels > 127
    if found.alpha is not None:  # painted on a clear layer
        mask &= eight_bits(found.alpha) > 127
    if not mask.any():
        raise PhotoError(f"{path}: marks nothing; paint what is damaged white")
    if mask.all():
        raise PhotoError(f"{path}: marks the whole photo; leave black what it is mended from")
    return mask


def find_damage(pixels: np.ndarray, strength: str = "mild") -> np.ndarray:
    """What the released network takes for damage, and a narrow margin about it.

    Args:
        pixels: uint8 or uint16 `(H, W)` or `(H, W, 3)`.
        strength: as in `Repair`.

    Returns:
        bool `(H, W)`.
    """
    mask = finder().mark(pixels, strength)
    margin = max(1, round(MARGIN * max(mask.shape)))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * margin + 1,) * 2)
    mask = cv2.dilate(mask.view(np.uint8), disc).view(bool)
    return np.zeros_like(mask) if mask.all() else mask  # nothing is left to mend it from


def repaired(photo: Photo, repair: Repair = Repair()) -> Photo:
    """A photo with its damage mended; what is not marked stays as it is, bit for bit.

    Args:
        photo: grey or in colour.
        repair: a `Repair`; its `tone` alone changes what is not marked.

    Returns:
        A `Photo` whose `damage` tells what was done.

    Raises:
        PhotoError: the mask cannot be used, see `read_mask`.
    """
    if repair.mask is not None:
        mask = read_mask(repair.mask, *photo.pixels.shape[:2])
        return mended(photo, Damage(mask, MASK, digest(repair.mask), repair.tone))
    mask = find_damage(photo.pixels, repair.strength)
    damage = Damage(mask, repair.strength, finder().sha256, repair.tone)
    photo = mended(photo, damage)
    if damage.share() <= MUCH:
        return photo
    note = f"{100 * damage.share():.0f} % of it is marked as damage: look at it, --write-mask shows"
    return photo._replace(notes=(*photo.notes, f"{note} where"))


def mended(photo: Photo, damage: Damage) -> Photo:
    """A photo whose `damage` is mended as it tells."""
    pixels = mend(photo.pixels, damage.mask)
    return photo._replace(pixels=evened(pixels) if damage.tone else pixels, damage=damage)
