"""Skin: what counts as it, and the errors on it."""

import numpy as np
import pytest
from skimage import color

from colornet.data.samples import sample
from colornet.evaluation import skin
from colornet.evaluation.metrics import Measured
from colornet.photos import resize


def painted(Lab, mask, ab):
    """The photo with its colours moved by ab where mask says so."""
    moved = Lab.copy()
    moved[mask, 1:] += ab
    return np.round(color.lab2rgb(moved) * 255).astype(np.uint8)


def test_the_skin_of_a_face_and_nothing_else():
    photo = resize.square(sample("astronaut"), 256)
    mask = skin.find(photo)
    # Her face is about 100..130 across and 35..80 down, in front of a flag and a dark shuttle.
    assert mask[40:70, 100:125].mean() > 0.6
    assert mask.sum() == mask[20:90, 75:145].sum() > 500
    assert skin.kind(color.rgb2lab(photo)[mask]) == "light"


@pytest.mark.parametrize("name", ["coffee", "rocket", "chelsea"])
def test_no_face_no_skin(name):
    # Wood and a ginger cat have colours of skin.
    photo = resize.square(sample(name), 256)
    assert not skin.find(photo).any()
    assert skin.Skin().measure(Measured(photo), {}) is None


@pytest.mark.parametrize(
    "Lab, kind", [((70, 12, 18), "light"), ((55, 15, 18), "tanned"), ((35, 14, 18), "dark")]
)
def test_light_and_dark_by_the_typology_angle(Lab, kind):
    # atan((L - 50) / b): 48, 16 and -40 degrees.
    assert skin.kind(np.array([Lab] * 5, float)) == kind


def test_errors_are_those_that_were_made():
    photo = resize.square(sample("astronaut"), 256)
    true, mask = color.rgb2lab(photo), skin.find(photo)
    elsewhere = painted(true, ~mask, [0, 10])
    grey = np.round(color.lab2rgb(true * [1, 0, 0]) * 255).astype(np.uint8)
    green = painted(true, mask, [-12, 0])
    guesses = dict(same=photo, elsewhere=elsewhere, grey=grey, green=green)
    found = skin.Skin().measure(
        Measured(photo), {row: Measured(rgb) for row, rgb in guesses.items()}
    )
    rows, chroma = found["rows"], np.hypot(*true[mask].T[1:]).mean()
    assert rows["same"] == pytest.approx(dict(chroma=0, ab=0, hue=0), abs=1e-2)
    assert rows["elsewhere"] == pytest.approx(dict(chroma=0, ab=0, hue=0), abs=0.1)
    assert "hue" not in rows["grey"]
    assert rows["grey"]["chroma"] == pytest.approx(-chroma, abs=0.2)
    assert rows["grey"]["ab"] == pytest.approx(chroma, abs=0.2)
    a, b = true[mask].mean(0)[1:]
    turn = np.rad2deg(np.arctan2(b, a - 12) - np.arctan2(b, a))
    assert rows["green"]["hue"] == pytest.approx(abs(turn), abs=2)
    assert rows["green"]["ab"] == pytest.approx(12, abs=0.5)
    groups = {group["name"]: group for group in skin.Skin().summary([found, None, found])}
    assert set(groups) == {"all", found["kind"]} and groups["all"]["photos"] == 2
    assert groups["all"]["rows"]["green"]["ab"]["mean"] == pytest.approx(rows["green"]["ab"])
    assert skin.Skin().summary([None]) == []
