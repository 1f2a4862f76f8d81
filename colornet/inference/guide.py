"""What guides have in common: objects that find hints for a photo, as if a person had told them.

`find(photo)` of each gives `Hint`s in the photo's pixels, and what else it found.
"""

from collections.abc import Iterable
from typing import NamedTuple, Protocol

import numpy as np

from colornet.color.hints import Hint
from colornet.inference.colorizer import Colorizer
from colornet.photos.photo import Photo


class Found(NamedTuple):
    """What a guide found for a photo.

    hints: `Hint`s, each with a reach.
    palette: for where they do not reach, see `palette.palette`; or None.
    told: what it was, and how sure, a dict for JSON for each; for the record and the mark.
    """

    hints: list[Hint]
    palette: np.ndarray | None
    told: list[dict]


class Guide(Protocol):
    """Finds hints for photos; may be shared between threads."""

    def check(self, colorizer: Colorizer) -> None:
        """Raises ValueError where a network lacks what the guide needs."""

    def find(self, photo: Photo, before: Iterable[Hint] = ()) -> Found:
        """What there is for a photo, away from hints that were told before."""

    def words(self) -> str:
        """What it is, as the mark of a film has it."""


def is_beside(hint: Hint, others: Iterable[Hint], longer: int) -> bool:
    """Whether a hint lies within half its reach of another.

    longer: of the photo's sides, pixels.
    """
    near = hint.reach * longer / 2
    return any(np.hypot(hint.x - one.x, hint.y - one.y) <= near for one in others)
