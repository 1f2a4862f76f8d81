"""Whether faces come out in their colours: errors of hue and chroma on skin, by its lightness.

What counts as skin is a rule, applied to the true photo. A face is found by OpenCV's cascade of
local binary patterns (Liao et al. 2007), which scikit-image brings. Within its box, a pixel is skin
by the rule of Chai and Ngan 1999 on its colour alone. A box with less than MIN_SHARE of such pixels
is no face.

The rule's weakness: it sees frontal faces of some size alone, so hands, profiles and small faces
are not measured. The cascade finds fewer dark faces than light ones, and takes some patterns for
faces. The colour rule lets through sand, wood and lips within a box, and loses skin under coloured
light. Light and dark are told by the individual typology angle of what the camera saw, so a light
face in shadow may count as dark. A few dozen faces are needed before a figure means something.
"""

from functools import cache

import cv2
import numpy as np
from skimage import data as bundled
from skimage.feature import Cascade

from colornet.evaluation.metrics import Measured, interval
from colornet.evaluation.tables import markdown, signed

MIN_FACE = 32  # pixels of a side
# Windows that agree on a face. On 416 test photos, looked at one by one, the usual 4 also took
# lamps, a vase and the sun for faces; 14 took seven faces and nothing else.
AGREE = 14
MIN_SHARE = 0.5  # of a face's box
CR, CB = (133, 173), (77, 127)  # Chai and Ngan 1999, Face segmentation using skin-color map
# Individual typology angles in degrees, Chardon et al. 1991; between them lies tanned skin.
LIGHT, DARK = 28, 10
ERRORS = ("hue", "chroma", "ab")
MIN_CHROMA = 2.0  # ab units, below which a colour has no hue to speak of


@cache
def _cascade():
    return bundled.lbp_frontal_face_cascade_filename()


def faces(rgb: np.ndarray) -> list[tuple[int, int, int]]:
    """Boxes of frontal faces in uint8 RGB `(H, W, 3)`: a list of `(top, left, side)`."""
    found = Cascade(
        _cascade()
    ).detect_multi_scale(  # of its own: a cascade is not for two threads
        img=cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY),
        scale_factor=1.1,
        step_ratio=1,
        min_neighbor_number=AGREE,
        min_size=(MIN_FACE, MIN_FACE),
        max_size=rgb.shape[:2],
    )
    return [(box["r"], box["c"], box["width"]) for box in found]


def is_skin(rgb: np.ndarray) -> np.ndarray:
    """Whether each pixel has a colour of skin: Cr in 133..173 and Cb in 77..127, 8-bit YCbCr."""
    cr, cb = cv2.split(cv2.cvtColor(rgb, cv2.COLOR_RGB2YCrCb))[1:]
    return (cr >= CR[0]) & (cr <= CR[1]) & (cb >= CB[0]) & (cb <= CB[1])


def find(rgb: np.ndarray) -> np.ndarray:
    """The skin of a photo's faces, uint8 RGB `(H, W, 3)` to bool `(H, W)`, all False for none."""
    colour, mask = is_skin(rgb), np.zeros(rgb.shape[:2], bool)
    for top, left, side in faces(rgb):
        box = np.s_[top : top + side, left : left + side]
        if colour[box].mean() >= MIN_SHARE:
            mask[box] = colour[box]
    return mask


def kind(Lab: np.ndarray) -> str:
    """Light, tanned or dark, by the typology angle of the median of skin colours `(N, 3)`."""
    L, _, b = np.median(Lab, axis=0)
    angle = np.rad2deg(np.arctan2(L - 50, b))
    return "light" if angle > LIGHT else "dark" if angle <= DARK else "tanned"


class Skin:
    """The errors on skin, as `evaluate` wants them."""

    name = "skin"

    def measure(self, true: Measured, guesses: dict[str, Measured]) -> dict | None:
        """A photo's skin under every prediction.

        Args:
            true: a `metrics.Measured`.
            guesses: `Measured`s by row.

        Returns:
            None for a photo without skin; else a dict for JSON: `kind`, and by row `chroma`, the
            mean chroma less the true one, `ab`, the mean distance of ab, and `hue`, between the
            mean colours in degrees, where the prediction has one; all in Lab.
        """
        mask = find(true.rgb)
        if not mask.any():
            return None
        own = true.lab[mask]

        def errors(Lab):
            a, b = Lab.mean(0)[1:].astype(float)
            true_a, true_b = own.mean(0)[1:].astype(float)
            found = dict(
                chroma=float(np.hypot(*Lab.T[1:]).mean() - np.hypot(*own.T[1:]).mean()),
                ab=float(np.hypot(*(Lab - own).T[1:]).mean()),
            )
            if np.hypot(a, b) >= MIN_CHROMA:
                turn = np.arctan2(b, a) - np.arctan2(true_b, true_a)
                found["hue"] = float(abs(np.rad2deg(np.angle(np.exp(1j * turn)))))
            return found

        return dict(kind=kind(own), rows={row: errors(g.lab[mask]) for row, g in guesses.items()})

    def summary(self, records: list[dict | None]) -> list[dict]:
        """The mean of what `measure` gave for many photos, by the kind of skin: a list of dicts."""
        found, groups = [record for record in records if record], []
        for name in ("all", "light", "tanned", "dark"):
            own = [one["rows"] for one in found if name in ("all", one["kind"])]
            if not own:
                continue
            rows = {}
            for row in own[0]:
                values = {m: [one[row][m] for one in own if m in one[row]] for m in ERRORS}
                rows[row] = {metric: interval(of) for metric, of in values.items() if of}
            groups.append(dict(name=name, photos=len(own), rows=rows))
        return groups

    def table(self, groups: list[dict]) -> str:
        """A summary as Markdown."""
        if not groups:
            return "By skin: no face was found in these photos."
        head = ["by skin", "photos", "row", "hue error [degrees]", "chroma less the true"]
        cells = []
        for group in groups:
            for row, of in group["rows"].items():
                hue = f"{of['hue']['mean']:.1f}" if "hue" in of else ""
                errors = [hue, signed(of["chroma"]), f"{of['ab']['mean']:.2f}"]
                cells.append([group["name"], str(group["photos"]), row, *errors])
        return "\n".join(markdown([*head, "ab error"], cells))
