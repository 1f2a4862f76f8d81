"""What one distribution of colours gives: a safe answer, a vivid one, several, and its doubts."""

from functools import lru_cache

import numpy as np

from colornet import bins
from colornet.arrays import ops_of
from colornet.hints import SIDE, plant
from colornet.light import Light

TEMPERATURE = 0.38  # of the vivid end; arXiv 1603.08511, section 2.3
VIVIDNESS = 0.5  # by default; chosen by figures and by eye, see the model card
SEEDS = 4  # places whose colours make a variant
MOST = 20  # variants at once, which the network works on side by side
HELD, HELD_APART = 8, 8  # places that keep their colour in every variant; their least distance


@lru_cache(maxsize=8)
def up_to_logits(network):
    """The part of a network that gives logits over the bins; None for one that has none."""
    if isinstance(network, Light):
        return network
    if "logits" not in [layer.name for layer in network.layers]:
        return None
    import keras

    return keras.Model(network.input, network.get_layer("logits").output)


def prior(network):
    """How often the training photos show each bin, `(261,)`; None for a network without bins."""
    if isinstance(network, Light):
        return network.prior
    if up_to_logits(network) is None:
        return None
    return np.asarray(network.get_layer("mean").prior)


def fields(network):
    """How many answers a network without bins has: those of a `diverse`'s mixture, of others 1."""
    names = [layer.name for layer in network.layers]
    return network.get_layer("likeliest").input.shape[1] if "likeliest" in names else 1


def colour(logits, prior, vividness, unhinted=None):
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


def confidence(logits):
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


def variants(network, x, count, seed=0):
    """Hints that make a network colour one photo in several ways, each coherent in itself.

    A colour is drawn from the distribution at one doubtful place and told to the network as if a
    user had hinted at it; in the answer to that a second one is drawn, and so on. So what belongs
    together changes together, which colours drawn pixel by pixel would not. What the network is
    surest of, such as skin and grass, is told too, and stays. Deshpande et al. 2017 (arXiv
    1612.01958) get the same end by a variational autoencoder of whole colour fields.

    Args:
        network: with logits and hints.
        x: L, or L and hints, as the network takes them: `(1, H, W, 1)` or `(1, H, W, 4)`.
        count: how many, 1 to 20; the first is the answer to `x` itself.
        seed: of the draws.

    Returns:
        Logits `(count, h, w, 261)`.

    Raises:
        ValueError: another count.
    """
    if not 1 <= count <= MOST:
        raise ValueError(f"{count} variants: choose a number from 1 to {MOST}")
    rng, logits_of = np.random.default_rng(seed), up_to_logits(network)
    logits = logits_of.predict_on_batch(x)
    if count == 1:
        return logits
    blank = np.zeros((*x.shape[:3], 4 - x.shape[-1]), np.float32)
    x = np.repeat(np.concatenate([x, blank], axis=-1), count, axis=0)
    stride = x.shape[1] // logits.shape[1]
    taken = x[0, stride // 2 :: stride, stride // 2 :: stride, 3] > 0

    def tell(i, place, ab):
        row, column = (line * stride + stride // 2 for line in place)
        plant(x[i, ..., 1:], ab, row, column, SIDE)

    for place, ab in _surest(logits[0], prior(network)):
        if not taken[place]:  # a user's hint comes first
            for i in range(1, count):
                tell(i, place, ab)
    logits = np.repeat(logits, count, axis=0)
    for _ in range(SEEDS):
        for i in range(1, count):
            taken = x[i, stride // 2 :: stride, stride // 2 :: stride, 3] > 0
            tell(i, *_draw(logits[i], taken, rng))
        logits = logits_of.predict_on_batch(x)
    return logits
