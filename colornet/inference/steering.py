"""From a distribution of colours to colours: safe or vivid, and how sure they are."""

from dataclasses import dataclass

import numpy as np

from colornet.color import bins
from colornet.color.backend import Tensor, ops_of
from colornet.color.hints import as_hint

TEMPERATURE = 0.38  # of the vivid end; arXiv 1603.08511, section 2.3
APART = 15  # ab units between colours that are named as likely
VIVIDNESS = 0.6  # by default; chosen by figures and by eye, see the model card


@dataclass(frozen=True, eq=False)
class Steering:
    """What a person asks of the colours of a photo.

    vividness: 0, the safest colours, to 1, the most vivid; None for what the network is best at.
    hints: colours of places: `Hint`s, or `(x, y, "#rrggbb")` in pixels of the photo.
    palette: how much of each colour there is to be, see `palette.palette`; or None.

    Raises:
        ValueError: a vividness or hint of another form.
    """

    vividness: float | None = None
    hints: tuple = ()
    palette: np.ndarray | None = None

    def __post_init__(self):
        if self.vividness is not None and not 0 <= self.vividness <= 1:
            raise ValueError(f"vividness {self.vividness:g}: choose one from 0 to 1")
        object.__setattr__(self, "hints", tuple(map(as_hint, self.hints)))


def colour(
    logits: Tensor, prior: np.ndarray, vividness: float, unhinted: Tensor | None = None
) -> Tensor:
    """One colour for each place.

    At 0 the mean, the answer with the least squared error. Towards 1 the annealed mean (arXiv
    1603.08511, section 2.3) of a distribution in which rare colours, the vivid ones, count more:
    rebalanced as in section 2.2 there, but afterwards, as Menon et al. 2021 (arXiv 2007.07314)
    adjust logits, so that one network gives both.

    A hint changes the distribution much on its thing and a little elsewhere, where things might
    belong to it. Annealing would make much of that little, so it is left as it is there: the
    more a hint changes a place, by total variation distance, the more of the change is annealed.

    Args:
        logits: `(..., 261)`.
        prior: `(261,)`, sums to 1.
        vividness: 0 to 1.
        unhinted: the logits without hints, where `logits` are those with hints.

    Returns:
        ab in Lab units, `(..., 2)`.
    """
    ops = ops_of(logits)
    weight = np.log(bins.rebalancing(prior)).astype("float32")
    gain = TEMPERATURE**-vividness
    if unhinted is None:
        adjusted = gain * (logits + vividness * weight)
    else:
        chances, own = (ops.softmax(x, axis=-1) for x in (logits, unhinted))
        distance = ops.sum(ops.abs(chances - own), axis=-1, keepdims=True) / 2
        change = (1 + (gain - 1) * distance**2) * (logits - unhinted)
        adjusted = gain * (unhinted + vividness * weight) + change
    return bins.expectation(ops.softmax(adjusted, axis=-1))


def confidence(logits: Tensor) -> Tensor:
    """How sure a network is of each place: 1 less the entropy as a share of its greatest value.

    Args:
        logits: `(..., 261)`.

    Returns:
        float32 `(...)` in [0, 1].
    """
    ops = ops_of(logits)
    logs = ops.log_softmax(logits, axis=-1)
    entropy = -ops.sum(ops.exp(logs) * logs, axis=-1)
    return 1 - entropy / np.log(logits.shape[-1])


def likeliest(logits: np.ndarray, count: int) -> np.ndarray:
    """The likeliest colours of each place, so that each is unlike those before it.

    Args:
        logits: `(..., 261)`.
        count: at most so many.

    Returns:
        ab in Lab units, float32 `(..., count, 2)`, the likeliest first; NaN where there are fewer.
    """
    centres = bins.centres()
    near = np.hypot(*np.moveaxis(centres[:, None] - centres, -1, 0)) <= APART
    left = np.array(logits, np.float32).reshape(-1, len(centres))
    found = np.empty((count, len(left), 2), np.float32)
    for ab in found:
        best = left.argmax(axis=-1)
        none = np.take_along_axis(left, best[:, None], axis=-1) == -np.inf
        ab[:] = np.where(none, np.nan, centres[best])
        left[near[best]] = -np.inf
    return np.moveaxis(found, 0, 1).reshape(*logits.shape[:-1], count, 2)
