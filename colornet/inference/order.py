"""What is wanted of each photo."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from colornet.color.hints import Hint
from colornet.errors import PhotoError
from colornet.inference.answer import Answer
from colornet.inference.colorizer import Colorizer
from colornet.inference.steering import Steering
from colornet.photos.mark import corner_mark
from colornet.photos.photo import Photo
from colornet.photos.write import write_photo
from colornet.storage import AnyPath


@dataclass(frozen=True)
class Order:
    """What is wanted of each photo.

    steering: see `Steering`; hints are for a single photo.
    variants: how many colourings; those behind the first are named NAME-variant2 and so on.
    confidence: write NAME-confidence too, white where the network is sure.
    every_page: of a file with several pictures, not the first alone; those behind it are named
        NAME-page2 and so on.
    quality: of JPEG results, 1 to 100.
    force: colour again where the result is there already.
    mark: write into each that its colours are a network's, see `history`.
    corner_mark: write "colours by AI" into the corner of what is coloured.
    when: the time that the mark tells, ISO 8601; None for now.
    credentials: `credentials.Credentials` to sign results by, or None.
    """

    steering: Steering = Steering()
    variants: int = 1
    confidence: bool = False
    every_page: bool = False
    quality: int = 95
    force: bool = False
    mark: bool = True
    corner_mark: bool = False
    when: str | None = None
    credentials: object = None

    def __post_init__(self):
        if not 1 <= self.quality <= 100:
            raise PhotoError(f"quality {self.quality}: choose one from 1 to 100")

    def words(self) -> list[str]:
        """What the names of the results behind the first one end in."""
        variants = [f"variant{number}" for number in range(2, self.variants + 1)]
        return variants + ["confidence"] * self.confidence

    def answers(self, colorizer: Colorizer, photo: Photo) -> list[Answer]:
        """The network's `Answer`s to a photo, one for each variant."""
        return colorizer.variants(photo, self.variants, self.steering.hints)

    def results(self, answers: list[Answer]) -> Iterator[Photo]:
        """The coloured photo, its variants, its confidence map: `Photo`s one by one."""
        steering = self.steering
        for number, answer in enumerate(answers, 1):
            photo = answer.paint(steering.vividness, steering.palette)
            told = [photo.step.settings, f"variant {number}" * (number > 1)]
            step = replace(photo.step, when=self.when, settings=", ".join(filter(None, told)))
            photo = corner_mark(photo) if self.corner_mark else photo
            yield photo._replace(step=step)
        if self.confidence:
            yield Photo(np.round(answers[0].confidence() * 255).astype(np.uint8))

    def write(self, target: AnyPath, result: Photo, original: AnyPath) -> list[str]:
        """Writes a result; returns what it does not hold, see `write_photo`."""
        sign = self.credentials and partial(self.credentials.sign, original=original)
        return write_photo(target, result, self.quality, self.mark, sign)

    def settings(self) -> dict:
        """What makes the results what they are, to be written as JSON and read by `of_settings`."""
        palette, told = self.steering.palette, dict(vividness=self.steering.vividness)
        told |= dict(hints=[list(hint) for hint in self.steering.hints])
        told |= dict(palette=None if palette is None else np.asarray(palette).tolist())
        names = ("variants", "confidence", "quality", "mark", "corner_mark")
        return told | {name: getattr(self, name) for name in names}

    @classmethod
    def of_settings(cls, told: dict, when: str) -> "Order":
        """The order whose `settings` these are, to be done at a time as of `when`."""
        told = dict(told)
        hints = [Hint(*map(_tuple, hint)) for hint in told.pop("hints")]
        palette = told.pop("palette")
        palette = None if palette is None else np.array(palette, np.float32)
        steering = Steering(told.pop("vividness"), hints, palette)
        return cls(steering, **told, force=True, when=when)


def _tuple(value):
    return tuple(value) if isinstance(value, list) else value
