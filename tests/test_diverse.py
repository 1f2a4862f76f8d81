"""Diverse colorization: its losses against numpy, who learns from what, and several answers."""

import keras
import numpy as np
import pytest
from keras import ops

from colornet.color import bins
from colornet.models.literature.diverse import (
    KL_WEIGHT,
    PAPER,
    Likeliest,
    colour_fields,
    divergence,
    diverse,
    diverse_fields,
    field_encoder,
    gradient_error,
    mixture_error,
    rarity_error,
    specificity_error,
)
from colornet.models.weights import fold

RNG = np.random.default_rng(0)


def small():
    keras.utils.set_random_seed(0)
    return diverse(width=4, size=32)


def batch():
    """L of four photos, 32x32 and of 16 squares each, and for each one of two colours."""
    squares = np.random.default_rng(0).uniform(-1, 1, (4, 4, 4, 1)).astype(np.float32)
    L = squares.repeat(8, axis=1).repeat(8, axis=2)
    colours = np.float32([(0.5, 0.3), (-0.4, -0.4)] * 2)
    return L, np.ones_like(L) * colours[:, None, None]


def compiled(network):
    trained, loss = colour_fields(network)
    trained.compile(keras.optimizers.Adam(5e-3), loss, run_eagerly=True)
    return trained


def fields(*shape):
    return RNG.normal(0, 0.2, (*shape, 2)).clip(-0.9, 0.9).astype(np.float32)


def test_full_size_has_the_kernels_of_the_original():
    with keras.StatelessScope(initialize_variables=False):  # no memory for 168 million weights
        network, encoder = diverse(PAPER["width"], PAPER["size"]), field_encoder(PAPER["width"])
    counts = [
        sum(int(np.prod(weight.shape)) for weight in part.trainable_weights)
        for part in (network, encoder)
    ]
    assert counts == [153_441_354, 14_592_128]  # none is published
    assert all(f"{count:,}" in diverse.__doc__ for count in counts)

    def kernels(part, start):
        return [w.shape for w in part.weights if w.name == "kernel" and w.path.startswith(start)]

    # As in the authors' code: vae_skipconn.py and mdn.py.
    five = [(5, 5, 128, 256), (5, 5, 256, 512)]
    assert kernels(network, "condition") == [(5, 5, 1, 128), *five, (4, 4, 512, 64)]
    assert kernels(encoder, "encoder") == [
        (5, 5, 2, 128),
        *five,
        (4, 4, 512, 1024),
        (4 * 4 * 1024, 128),
    ]
    assert kernels(network, "decoder") == [
        (4, 4, 64, 1024),
        (5, 5, 1536, 512),
        (5, 5, 768, 256),
        (5, 5, 384, 128),
        (5, 5, 128, 2),
    ]
    assert kernels(network, "mixture") == [
        (5, 5, 512, 384),
        (5, 5, 384, 320),
        (5, 5, 320, 288),
        (5, 5, 288, 256),
        (5, 5, 256, 128),
        (14 * 14 * 128, 4096),
        (4096, 520),
    ]


def test_from_L_to_ab():
    network = diverse()
    assert f"{network.count_params():,} parameters at width 16" in diverse.__doc__
    network.set_weights([10 * weight for weight in network.get_weights()])
    for height, width in ((32, 32), (96, 160)):  # any, whatever the size it was built for
        L = RNG.uniform(-1, 1, (2, height, width, 1)).astype(np.float32)
        ab = np.asarray(network(L))
        assert ab.shape == (2, height, width, 2) and np.abs(ab).max() <= 1
    with pytest.raises(ValueError, match="multiples of 32"):
        network(np.zeros((1, 48, 64, 1), np.float32))
    with pytest.raises(ValueError, match="multiple of 32, not 100"):
        diverse(size=100)


def test_rarity_against_numpy():
    centres = bins.centres()
    prior = np.exp(-np.linalg.norm(centres, axis=1) / 20).astype(np.float32)
    prior /= prior.sum()
    target, error = fields(3, 8, 8), fields(3, 8, 8)
    # Those with a bin nearest by far, since cells are told by rounding.
    nearest = np.linalg.norm(np.round(target * 11)[..., None, :] * 10 - centres, axis=-1).argmin(-1)
    weights = bins.rebalancing(prior)[nearest]
    expected = np.sqrt((weights[..., None] * error**2).sum((1, 2, 3)))
    np.testing.assert_allclose(rarity_error(target, error, prior), expected, rtol=1e-4)
    grey, vivid = np.zeros_like(target), np.zeros_like(target) + np.float32([0.6, 0.5])
    rare, common = (np.asarray(rarity_error(field, error, prior)) for field in (vivid, grey))
    assert (rare > 1.5 * common).all()


def test_specificity_against_numpy():
    target, error = 30 * fields(5, 16, 16), fields(5, 16, 16)
    places, waves = np.arange(16)[:, None] + 0.5, np.arange(3)
    basis = np.cos(np.pi * places * waves / 16) * np.sqrt(np.where(waves, 2, 1) / 16)
    np.testing.assert_allclose(basis.T @ basis, np.eye(3), atol=1e-12)

    def of(field):
        return np.einsum("bijc,iu,jv->bcuv", field, basis, basis)

    variance = (of(target) ** 2).mean(0)
    within = np.einsum("bcuv,iu,jv->bijc", of(error), basis, basis)
    expected = (of(error) ** 2 / variance).sum((1, 2, 3))
    expected += ((error - within) ** 2).sum((1, 2, 3)) / variance.min()
    np.testing.assert_allclose(specificity_error(target, error), expected, rtol=1e-3)


def test_other_losses_against_numpy():
    error = fields(3, 8, 8)
    squares = (np.diff(error, axis=1) ** 2).sum((1, 2, 3)) + (np.diff(error, axis=2) ** 2).sum(
        (1, 2, 3)
    )
    np.testing.assert_allclose(gradient_error(error), np.sqrt(squares), rtol=1e-4)
    assert np.abs(divergence(ops.zeros((2, 5)), ops.zeros((2, 5)))).max() == 0
    # Of N(1, 2) from N(0, 1).
    assert float(
        divergence(ops.ones((1, 1)), np.log([[2.0]]).astype(np.float32))[0]
    ) == pytest.approx((1 + 2 - np.log(2) - 1) / 2, rel=1e-5)


def test_mixture_learns_by_the_nearest_component_alone():
    components = RNG.normal(size=(4, 8, 65)).astype(np.float32)
    z = RNG.normal(size=(4, 64)).astype(np.float32)
    logits, means = components[..., 0], components[..., 1:]
    distance = ((means - z[:, None]) ** 2).sum(-1) / (2 * 0.1**2)
    nearest = distance.argmin(1)
    chances = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    rows = np.arange(4)
    expected = distance[rows, nearest] - np.log(chances[rows, nearest])
    np.testing.assert_allclose(mixture_error(components, z), expected, rtol=1e-4)
    others = components.copy()
    others[rows, (nearest + 1) % 8, 1:] += 1
    assert np.array_equal(mixture_error(others, z), mixture_error(components, z))
    likeliest = means[rows, logits.argmax(1)]
    np.testing.assert_allclose(Likeliest()(components), likeliest, atol=1e-6)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="takes TensorFlow's gradients")
def test_the_mixture_does_not_teach_the_autoencoder():
    import tensorflow as tf

    trained, (L, ab) = compiled(small()), map(ops.convert_to_tensor, batch())
    parts = dict(autoencoder=[], mixture=[])
    for weight in trained.trainable_variables:
        guesses = weight.path.startswith(("grey", "mixture"))
        parts["mixture" if guesses else "autoencoder"].append(weight.value)

    def gradients(part, scale):
        trained.noise.state.assign([0, 0])
        with tf.GradientTape() as tape:
            loss = trained.compute_loss(L, ab, scale * trained.mixture(L))
        return tape.gradient(loss, parts[part])

    assert len(parts["autoencoder"]) == 4 * 3 + 4 * 3 + 2 + 4 * 3 + 2
    for one, other in zip(gradients("autoencoder", 1.0), gradients("autoencoder", 3.0)):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
    assert all(np.abs(gradient).max() > 0 for gradient in gradients("mixture", 1.0))


def test_learns_is_resumed_and_answers_several_times(tmp_path):
    network, (L, ab) = small(), batch()
    trained = compiled(network)
    report = trained.evaluate(L, ab, verbose=0, return_dict=True)
    assert report["loss"] == pytest.approx(
        np.mean((ab - network.predict_on_batch(L)) ** 2), rel=1e-4
    )
    history = trained.fit(L, ab, epochs=12, batch_size=4, verbose=0).history
    parts = [history[name] for name in ("field_loss", "kl_loss", "mixture_loss")]
    assert history["loss"][0] == pytest.approx(
        parts[0][0] + KL_WEIGHT * parts[1][0] + parts[2][0], rel=1e-4
    )
    # The mixture's target moves at first.
    assert parts[0][-1] < 0.5 * parts[0][0] and parts[2][-1] < 0.7 * max(parts[2])

    trained.save_weights(tmp_path / "last.weights.h5")
    again = compiled(small())
    again.optimizer.build(again.trainable_variables)
    again.load_weights(tmp_path / "last.weights.h5")
    assert all(map(np.array_equal, trained.get_weights(), again.get_weights()))

    answers, chances = diverse_fields(network, L, 3)
    assert answers.shape == (3, 4, 32, 32, 2) and chances.shape == (3, 4)
    assert (np.diff(chances, axis=0) <= 0).all() and 0 < chances.sum(0).max() <= 1
    np.testing.assert_allclose(answers[0], network.predict_on_batch(L), atol=1e-5)
    assert np.abs(answers[1] - answers[0]).max() > 1e-4


def test_comes_back_from_a_keras_file_and_folds(tmp_path):
    network, (L, _), rng = small(), batch(), np.random.default_rng(1)
    colour_fields(network)  # must not be in the way
    for layer in network.layers:
        if layer.name.endswith("_bn"):
            layer.set_weights([rng.uniform(0.5, 1.5, w.shape) for w in layer.get_weights()])
    network.get_layer("field").prior.assign(np.eye(261)[7])
    network.save(tmp_path / "network.keras")
    loaded = keras.models.load_model(tmp_path / "network.keras")
    folded = fold(loaded)
    assert not [layer for layer in folded.layers if layer.name.endswith("_bn")]
    for other in (loaded, folded):
        np.testing.assert_allclose(other(L), network(L), atol=1e-5)
        assert np.argmax(other.get_layer("field").prior) == 7
        np.testing.assert_allclose(
            diverse_fields(other, L, 2)[0], diverse_fields(network, L, 2)[0], atol=1e-5
        )
