"""What is wanted of each photo."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial

import numpy as np

from colornet.color.hints import Hint
from colornet.errors import PhotoError
from colornet.inference.answer import Answer
from colornet.inference.colorizer import Colorizer
from colornet.inference.guide import Guide
from colornet.inference.repair import Repair, repaired
from colornet.inference.steering import Steering
from colornet.photos.history import Step
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
    repair: the `Repair` of each before it is coloured; or None.
    write_mask: write NAME-mask too, white where the photo was repaired.
    colorize: colour it; else it is repaired alone.
    guides: objects that find hints for each photo, see `guide`; what a person tells comes first,
        then what the first of them finds.
    found: what guides found for this photo, see `Found.told`.
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
    repair: Repair | None = None
    write_mask: bool = False
    colorize: bool = True
    guides: tuple[Guide, ...] = ()
    found: tuple[dict, ...] = ()

    def __post_init__(self):
        if not 1 <= self.quality <= 100:
            raise PhotoError(f"quality {self.quality}: choose one from 1 to 100")
        if self.write_mask and not self.repair:
            raise PhotoError("a mask is written of a repair; ask for --repair too")

    def words(self) -> list[str]:
        """What the names of the results behind the first one end in."""
        variants = [f"variant{number}" for number in range(2, self.variants + 1)]
        return variants + ["confidence"] * self.confidence + ["mask"] * self.write_mask

    def guided(self, photo: Photo, takes_hints: bool = True) -> "Order":
        """The order for one photo, with what the guides find for it in place of them.

        takes_hints: whether the network does; else palettes alone are taken.
        """
        if not self.guides:
            return self
        steering, told = self.steering, []
        hints, palette = [*steering.hints], steering.palette
        for guide in self.guides:
            found = guide.find(photo, hints)
            palette = found.palette if palette is None else palette
            if takes_hints:
                hints, told = hints + found.hints, told + found.told
            else:
                told += [one | dict(places=0) for one in found.told]
        steering = Steering(steering.vividness, hints, palette)
        return replace(self, steering=steering, guides=(), found=tuple(told))

    def repaired(self, photo: Photo) -> Photo:
        """The photo as it is to be coloured, see `repair.repaired`."""
        return repaired(photo, self.repair) if self.repair else photo

    def answers(self, colorizer: Colorizer | None, photo: Photo) -> list[Answer]:
        """The network's `Answer`s to a photo, one for each variant; none where none is wanted."""
        if not self.colorize:
            return []
        return colorizer.variants(photo, self.variants, self.steering.hints)

    def results(self, photo: Photo, answers: list[Answer]) -> Iterator[Photo]:
        """The coloured photo, its variants, its confidence map, its mask: `Photo`s one by one.

        Where it is not to be coloured, the repaired photo stands for the coloured one.
        """
        steering = self.steering
        if not self.colorize:
            yield photo._replace(
                step=Step(photo.sha256, None, None, photo.damage.words(), self.when)
            )
        for number, answer in enumerate(answers, 1):
            photo = answer.paint(steering.vividness, steering.palette)
            told = [photo.step.settings, *map(_text, self.found)]
            told.append(f"variant {number}" * (number > 1))
            step = replace(photo.step, when=self.when, settings=", ".join(filter(None, told)))
            photo = corner_mark(photo) if self.corner_mark else photo
            yield photo._replace(step=step)
        if self.confidence:
            yield Photo(np.round(answers[0].confidence() * 255).astype(np.uint8))
        if self.write_mask:
            yield Photo(photo.damage.mask * np.uint8(255))

    def write(self, target: AnyPath, result: Photo, original: AnyPath) -> list[str]:
        """Writes a result; returns what it does not hold, see `write_photo`."""
        sign = self.credentials
        if sign:
            sign = partial(sign.sign, original=original, invented=self.colorize)
        return write_photo(target, result, self.quality, self.mark, sign)

    def settings(self) -> dict:
        """What makes the results what they are, to be written as JSON and read by `of_settings`."""
        palette, told = self.steering.palette, dict(vividness=self.steering.vividness)
        told |= dict(hints=[list(hint) for hint in self.steering.hints])
        told |= dict(palette=None if palette is None else np.asarray(palette).tolist())
        names = ("variants", "confidence", "quality", "mark", "corner_mark")
        told |= {name: getattr(self, name) for name in names}
        if self.repair:  # else as it was before there were repairs: archives go on by it
            told |= dict(repair=asdict(self.repair), write_mask=self.write_mask)
            told |= dict(colorize=self.colorize)
        if self.found:
            told |= dict(found=[*self.found])
        return told

    @classmethod
    def of_settings(cls, told: dict, when: str) -> "Order":
        """The order whose `settings` these are, to be done at a time as of `when`."""
        told = dict(told)
        hints = [Hint(*map(_tuple, hint)) for hint in told.pop("hints")]
        palette = told.pop("palette")
        palette = None if palette is None else np.array(palette, np.float32)
        steering = Steering(told.pop("vividness"), hints, palette)
        repair, found = told.pop("repair", None), tuple(told.pop("found", ()))
        told |= dict(repair=repair and Repair(**repair), found=found)
        return cls(steering, **told, force=True, when=when)


def _text(found):
    return " ".join(f"{name} {value}" for name, value in found.items())


def _tuple(value):
    return tuple(value) if isinstance(value, list) else value
