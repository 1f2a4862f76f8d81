"""What a request may ask for: forms that refuse whatever has another type or is out of range."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from colornet.inference.steering import VIVIDNESS

HINTS, VERSIONS = 200, 4  # the most of one photo; answers beside the network's own
ALIKE = 20  # the most hints that are looked for in another photo
Share = Annotated[float, Field(ge=0, le=1)]
Place = Annotated[float, Field(ge=0, le=1e6)]  # pixels of the photo


class Form(BaseModel):
    """Of every form: no other fields, numbers that are numbers and finite."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class HintForm(Form):
    """The colour of one place, x and y from the left and top edge of the photo as it is upright."""

    x: Place
    y: Place
    color: str = Field(pattern="^#[0-9a-fA-F]{6}$")
    reach: Annotated[float, Field(gt=0, le=1)] | None = Field(
        None, description="how far it spreads, as a share of the longer side"
    )


class Hinted(Form):
    hints: list[HintForm] = Field([], max_length=HINTS)

    def told(self):
        """The hints as `Colorizer` takes them."""
        return [(hint.x, hint.y, hint.color, hint.reach) for hint in self.hints]


class AnswerForm(Hinted):
    version: int = Field(0, ge=0, le=VERSIONS, description="0 the network's own, 1 to 4 others")
    versions: bool = Field(False, description="the four others too")
    levels: list[Share] = Field([0.0, 0.25, 0.5, 0.75, 1.0], min_length=1, max_length=21)
    picture: bool = Field(True, description="the photo for the screen too")


class ColorizeForm(Hinted):
    vividness: Share = VIVIDNESS
    version: int = Field(0, ge=0, le=VERSIONS)
    format: Literal["jpeg", "png", "tiff"] = "png"
    quality: int = Field(95, ge=1, le=100, description="of JPEG")
    mark: bool = Field(False, description="'colours by AI' in the corner")


class LikelyForm(Hinted):
    x: Place
    y: Place


class AlikeForm(Hinted):
    """Colours told in one photo, `hints`, and those that the other has already, `own`."""

    hints: list[HintForm] = Field(min_length=1, max_length=ALIKE)
    own: list[HintForm] = Field([], max_length=HINTS)


class FilmForm(Form):
    vividness: Share = VIVIDNESS
    repair: bool = Field(False, description="specks that stand in one frame alone are taken away")
