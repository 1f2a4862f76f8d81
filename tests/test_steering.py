"""One distribution, many answers: safe and vivid, several, and how sure a network is."""

import keras
import numpy as np
import pytest
from conftest import colours, tiny
from PIL import Image

from colornet.color import bins, lab
from colornet.color.hints import Hint
from colornet.data import samples
from colornet.inference import steering, variants
from colornet.inference.colorizer import Colorizer
from colornet.inference.inputs import network_input
from colornet.models.network import Network


@pytest.fixture(scope="module")
def prior():
    """The greyer the commoner, as in photos."""
    prior = np.exp(-np.hypot(*bins.centres().T) / 15)
    return prior / prior.sum()


@pytest.fixture(scope="module")
def pixels():
    return np.asarray(Image.fromarray(samples.sample("coffee")).convert("L"))[:256:2, :256:2]


@pytest.fixture(scope="module")
def L():
    """64x64, as a network sees a photo."""
    patches = np.random.default_rng(0).uniform(-1, 1, (8, 8))
    return np.kron(patches, np.ones((8, 8))).astype(np.float32)[None, ..., None]


def chroma(ab):
    return np.hypot(ab[..., 0], ab[..., 1])


# Vividness


def test_vividness_0_is_the_mean(prior):
    logits = np.random.default_rng(0).normal(0, 3, (5, 7, 261)).astype(np.float32)
    chances = np.exp(logits.astype(float))
    mean = chances @ bins.centres() / chances.sum(-1, keepdims=True)
    np.testing.assert_allclose(steering.colour(logits, prior, 0), mean, atol=1e-3)


def test_vividness_0_is_the_networks_own_answer(beginner, L):
    network = Network(beginner)
    logits, own = network.run(L)
    assert own is None
    coarse = np.asarray(steering.colour(logits, network.prior, 0))
    own = beginner.predict_on_batch(L) * lab.AB_SCALE
    larger = keras.layers.UpSampling2D(4, interpolation="bilinear")(coarse)
    np.testing.assert_allclose(own, larger, atol=1e-2)


@pytest.mark.parametrize("hue", np.arange(0, 360, 45))
def test_vividness_brings_out_the_vivid_one_of_two_colours(hue, prior):
    # Grey is likelier, a colour of that hue possible.
    vivid = 50 * np.array([np.cos(np.radians(hue)), np.sin(np.radians(hue))])
    grey, coloured = (np.asarray(bins.encode(np.float32(ab))) for ab in ([0, 0], vivid))
    logits = np.log(0.6 * grey + 0.4 * coloured + 1e-9).astype(np.float32)
    seen = np.array([steering.colour(logits, prior, v) for v in np.linspace(0, 1, 11)])
    assert (np.diff(chroma(seen)) > 0).all()
    assert chroma(seen[0]) == pytest.approx(20, abs=2) and chroma(seen[-1]) > 40
    turned = np.angle(seen @ [1, 1j] * np.exp(-1j * np.radians(hue)))
    assert np.abs(turned).max() < 0.1  # of the same hue


def test_vividness_makes_doubtful_places_more_colourful(prior):
    # What photos show on average, and a little of what is there.
    rng = np.random.default_rng(0)
    logits = (np.log(prior) + rng.normal(0, 1, (200, 261))).astype(np.float32)
    means = [chroma(np.asarray(steering.colour(logits, prior, v))).mean() for v in (0, 0.3, 0.6, 1)]
    assert (np.diff(means) > 0).all() and means[-1] > 2 * means[0]


def test_vividness_leaves_sure_colours(prior):
    logits = 1000 * np.eye(261, dtype=np.float32)
    for vividness in (0, 0.5, 1):
        np.testing.assert_allclose(
            steering.colour(logits, prior, vividness), bins.centres(), atol=1e-3
        )


# Vividness beside hints


@pytest.fixture(scope="module")
def sky_and_dress():
    """Logits of a place that is blue, and of the same place with a red hint: more red or less."""
    blue, red = (np.asarray(bins.encode(np.float32(ab))) for ab in ([5, -40], [50, 30]))

    def logits(share):
        return np.log((1 - share) * blue + share * red + 1e-6).astype(np.float32)

    return logits(0.02), logits


@pytest.mark.parametrize("share", [0.1, 0.5, 0.98])
def test_a_hinted_mean_is_the_plain_mean(share, sky_and_dress, prior):
    own, logits = sky_and_dress
    expected = steering.colour(logits(share), prior, 0)
    np.testing.assert_allclose(steering.colour(logits(share), prior, 0, own), expected, atol=1e-3)


@pytest.mark.parametrize("vividness", [0.3, 0.5, 1])
def test_vividness_enlarges_hints_on_their_thing_alone(vividness, sky_and_dress, prior):
    own, logits = sky_and_dress
    before = np.asarray(steering.colour(own, prior, vividness))
    np.testing.assert_allclose(steering.colour(own, prior, vividness, own), before, atol=1e-3)

    def moved(share, *unhinted):
        return chroma(
            np.asarray(steering.colour(logits(share), prior, vividness, *unhinted)) - before
        )

    assert 0 < moved(0.2, own) < 0.7 * moved(0.2)
    assert moved(0.98, own) == pytest.approx(moved(0.98), rel=0.02)


def test_hints_of_a_photo_are_weighed_against_none(beginner, pixels):
    hints = (Hint(40, 30, (60, 20)),)
    network = Network(beginner)
    logits, own = (network.run(network_input(network, pixels, h))[0] for h in (hints, ()))
    expected = steering.colour(logits, network.prior, 0.5, own)
    found = colours(beginner, pixels, 0.5, hints)
    np.testing.assert_allclose(found, expected[0], atol=1e-2)


# Confidence


def test_confidence_is_1_when_sure_and_0_when_all_is_as_likely():
    one_hot, even = 1000 * np.eye(261, dtype=np.float32), np.zeros((2, 3, 261), np.float32)
    np.testing.assert_allclose(steering.confidence(one_hot), 1)
    assert steering.confidence(even).shape == (2, 3)
    np.testing.assert_allclose(steering.confidence(even), 0, atol=1e-6)
    # Two as likely: of log 261 the doubt is log 2. A constant more changes nothing.
    two = np.where(np.arange(261) < 2, 500, 0).astype(np.float32)
    for more in (0, -300):
        expected = 1 - np.log(2) / np.log(261)
        assert float(steering.confidence(two + more)) == pytest.approx(expected, abs=1e-5)


def test_confidence_falls_with_spread():
    logits = np.random.default_rng(0).normal(0, 1, (50, 261)).astype(np.float32)
    sure = np.array([steering.confidence(gain * logits) for gain in (0.1, 1, 3, 10, 100)])
    assert (np.diff(sure, axis=0) > 0).all() and sure.min() >= 0 and sure.max() <= 1 + 1e-6


def test_confidence_of_a_photo(beginner, pixels):
    sure = Colorizer(beginner).predict(pixels).confidence()
    assert sure.shape == (64, 64) and 0 <= sure.min() < sure.max() <= 1


# Variants


def drawn(network, x, count, seed=0):
    return variants.variants(Network(network), x, count, seed)[0]


def test_variants_differ_and_the_first_is_the_plain_answer(beginner, L):
    before = L.copy()
    plain = drawn(beginner, L, 1)
    several = drawn(beginner, L, 3)
    assert plain.shape == (1, 16, 16, 261) and several.shape == (3, 16, 16, 261)
    np.testing.assert_allclose(several[0], plain[0], atol=1e-4 * np.abs(plain).max())
    means = [
        np.asarray(bins.expectation(np.exp(one - one.max(-1, keepdims=True)))) for one in several
    ]
    for i, j in ((0, 1), (0, 2), (1, 2)):
        assert np.abs(several[i] - several[j]).max() > 1e-2 * np.abs(plain).max()
        assert np.abs(means[i] - means[j]).max() > 0
    assert np.array_equal(L, before)


def test_seeds_fix_the_variants(beginner, L):
    one, same, other = (drawn(beginner, L, 3, seed) for seed in (5, 5, 6))
    assert np.array_equal(one, same)
    assert not np.allclose(one[1:], other[1:])
    np.testing.assert_allclose(one[0], other[0], atol=1e-4 * np.abs(one).max())


@pytest.mark.parametrize("count", [-1, 0, variants.MOST + 1])
def test_other_counts_of_variants_are_refused(beginner, pixels, count):
    with pytest.raises(ValueError, match=f"{count} variants: choose a number from 1 to 20"):
        Colorizer(beginner).variants(pixels, count)


def test_variants_keep_a_users_hints(beginner, L):
    hinted = np.concatenate([L, np.zeros((1, 64, 64, 3), np.float32)], axis=-1)
    hinted[0, 20:28, 20:28, 1:] = 0.5, 0.3, 1
    before, several = hinted.copy(), drawn(beginner, hinted, 2)
    assert np.array_equal(hinted, before)
    plain = drawn(beginner, hinted, 1)
    np.testing.assert_allclose(several[0], plain[0], atol=1e-4 * np.abs(plain).max())
    assert np.abs(plain - drawn(beginner, L, 1)).max() > 0


def test_variants_of_a_photo(beginner, pixels):
    plain = colours(beginner, pixels)
    several = np.stack([one.ab() for one in Colorizer(beginner).variants(pixels, 2, seed=1)])
    assert several.shape == (2, *plain.shape) and several.dtype == np.float32
    np.testing.assert_allclose(several[0], plain, atol=1e-2)
    default = colours(beginner, pixels, vividness=steering.VIVIDNESS)
    np.testing.assert_allclose(plain, default, atol=1e-4)
    hint = [Hint(100, 20, (60, 40))]
    assert np.abs(colours(beginner, pixels, hints=hint) - plain).max() > 1e-3


def test_hints_outside_of_the_photo_are_refused(beginner, pixels):
    for x, y in ((128, 0), (0, 128), (500.5, 3)):
        with pytest.raises(ValueError, match="outside the photo of 128x128") as error:
            colours(beginner, pixels, hints=[Hint(x, y, (0, 0))])
        assert "\n" not in str(error.value)
    network_input(Network(beginner), pixels, [Hint(127.9, 127.9, (0, 0)), Hint(0, 0, (0, 0))])


# Networks that know one colour alone for each place


@pytest.mark.parametrize("name", ["encoder_decoder", "eight_conv"])
def test_networks_without_a_distribution_refuse_in_one_line(name, pixels):
    network = Colorizer(tiny(name))
    assert not network.has_bins and not network.takes_hints and network.answers == 1
    for call in (
        lambda: colours(network, pixels, vividness=0.0),
        lambda: colours(network, pixels, hints=[Hint(1, 2, (3, 4))]),
        lambda: network.variants(pixels, 2),
        lambda: network.predict(pixels).confidence(),
    ):
        with pytest.raises(ValueError, match=f"{name}: (gives|takes)") as error:
            call()
        assert "\n" not in str(error.value)
    assert len(network.variants(pixels, 1)) == 1
