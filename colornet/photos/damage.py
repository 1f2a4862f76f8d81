"""What was mended of a photo: where, how it was found, and how that is told."""

from typing import NamedTuple

import cv2
import numpy as np

CELLS = 256  # along the longer side: places in one cell, or in cells that touch, are told as one
MASK = "a mask"  # of `Damage.found`
LISTED, SAID = 200, 10  # boxes at most, the largest: in the record, in words


class Damage(NamedTuple):
    """What was mended of a photo.

    mask: bool `(H, W)`, True where the photo was filled.
    found: who marked it: "mild" or "strong", how boldly the network looked, or "a mask".
    sha256: of the network's file or of the mask's, in hexadecimal.
    tone: whether its tone was evened too, everywhere.
    """

    mask: np.ndarray
    found: str
    sha256: str | None
    tone: bool = False

    def share(self) -> float:
        """How much of the photo is marked, 0 to 1."""
        return float(np.count_nonzero(self.mask) / self.mask.size)

    def boxes(self) -> list[tuple[int, int, int, int]]:
        """Boxes `(x, y, width, height)` about the marked places, in pixels, the largest first."""
        height, width = self.mask.shape
        cell = -(-max(height, width) // CELLS)
        right, down = -width % cell, -height % cell
        padded = cv2.copyMakeBorder(
            self.mask.view(np.uint8), 0, down, 0, right, cv2.BORDER_CONSTANT, value=0
        )
        grid = padded.reshape(padded.shape[0] // cell, cell, -1, cell).max(axis=(1, 3))
        _, _, found, _ = cv2.connectedComponentsWithStats(grid)
        boxes = []
        for x, y, across, along, _ in (found[1:] * cell).tolist():
            rows, columns = (
                np.flatnonzero(self.mask[y : y + along, x : x + across].any(axis=axis))
                for axis in (1, 0)
            )
            size = columns[-1] - columns[0] + 1, rows[-1] - rows[0] + 1
            boxes.append((x + int(columns[0]), y + int(rows[0]), *map(int, size)))
        return sorted(boxes, key=lambda box: box[2] * box[3], reverse=True)

    def told(self) -> dict:
        """All of it but the mask, a dict for JSON."""
        boxes = self.boxes()
        told = dict(found=self.found, sha256=self.sha256, tone=self.tone)
        told |= dict(share=round(self.share(), 6), places=len(boxes))
        return told | dict(boxes=[list(box) for box in boxes[:LISTED]])

    def words(self) -> str:
        """All of it but the mask, as a sentence."""
        told = self.told()
        by = self.found if self.found == MASK else f"{self.found} damage network"
        line = f"repaired: {100 * told['share']:.3g} % of the pixels, at {told['places']} places, "
        line += f"marked by {by}" + f" sha256 {self.sha256}" * bool(self.sha256)
        boxes = ["{},{} {}x{}".format(*box) for box in told["boxes"][:SAID]]
        line += f", filled from what surrounds them: {', '.join(boxes)}" * bool(boxes)
        line += " and smaller ones" * (told["places"] > SAID)
        return line + "; tone evened everywhere" * self.tone
