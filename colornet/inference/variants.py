"""Several colourings of one photo, each coherent in itself."""

import numpy as np

from colornet.color import bins
from colornet.color.hints import SIDE, plant
from colornet.inference.steering import colour, confidence

SEEDS = 4  # places whose colours make a variant
MOST = 20  # variants at once, which the network works on side by side
HELD, HELD_APART = 8, 8  # places that keep their colour in every variant; their least distance


def _draw(logits, taken, rng):
    """A place and a colour from there: the place by doubt, away from earlier ones."""
    doubt = (1 - np.asarray(confidence(logits))) ** 2 * ~taken + 1e-9
    place = rng.choice(doubt.size, p=(doubt / doubt.sum()).ravel())
    place = np.unravel_index(place, doubt.shape)
    chances = np.exp(logits[place] - logits[place].max())
    return place, bins.centres()[rng.choice(len(chances), p=chances / chances.sum())]


def _surest(logits, prior):
    """The surest places, apart from each other, and their mean colours: rows of `(place, ab)`."""
    sure, ab = (np.asarray(x) for x in (confidence(logits), colour(logits, prior, 0)))
    sure = sure.copy()
    for _ in range(HELD):
        row, column = np.unravel_index(sure.argmax(), sure.shape)
        if sure[row, column] < 0:
            return
        yield (row, column), ab[row, column]
        top, left = max(0, row - HELD_APART), max(0, column - HELD_APART)
        sure[top : row + HELD_APART + 1, left : column + HELD_APART + 1] = -1


def variants(
    network: object, x: np.ndarray, count: int, seed: int = 0
) -> tuple[np.ndarray, np.ndarray | None]:
    """Hints that make a network colour one photo in several ways, each coherent in itself.

    A colour is drawn from the distribution at one doubtful place and told to the network as if a
    user had hinted at it; in the answer to that a second one is drawn, and so on. So what belongs
    together changes together, which colours drawn pixel by pixel would not. What the network is
    surest of, such as skin and grass, is told too, and stays. Deshpande et al. 2017 (arXiv
    1612.01958) get the same end by a variational autoencoder of whole colour fields.

    Args:
        network: a `Network` with bins that takes hints, or of which one answer is wanted.
        x: L, or L and hints, as the network takes them: `(1, H, W, 1)` or `(1, H, W, 4)`.
        count: how many, 1 to 20; the first is the answer to `x` itself.
        seed: of the draws.

    Returns:
        Logits `(count, h, w, 261)`; and the network's own ab `(1, h, w, 2)` for one answer from a
        network that has it, else None.
    """
    rng, (logits, own) = np.random.default_rng(seed), network.run(x)
    if count == 1:
        return logits, own
    blank = np.zeros((*x.shape[:3], 4 - x.shape[-1]), np.float32)
    x = np.repeat(np.concatenate([x, blank], axis=-1), count, axis=0)
    stride = x.shape[1] // logits.shape[1]
    taken = x[0, stride // 2 :: stride, stride // 2 :: stride, 3] > 0

    def tell(i, place, ab):
        row, column = (line * stride + stride // 2 for line in place)
        plant(x[i, ..., 1:], ab, row, column, SIDE)

    for place, ab in _surest(logits[0], network.prior):
        if not taken[place]:  # a user's hint comes first
            for i in range(1, count):
                tell(i, place, ab)
    logits = np.repeat(logits, count, axis=0)
    for _ in range(SEEDS):
        for i in range(1, count):
            taken = x[i, stride // 2 :: stride, stride // 2 :: stride, 3] > 0
            tell(i, *_draw(logits[i], taken, rng))
        logits, _ = network.run(x)
    return logits, None
