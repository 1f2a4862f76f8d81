"""pix2pix: its sizes, what its discriminator sees, and who learns from which loss."""

import keras
import numpy as np
import pytest
from conftest import start
from keras import ops

from colornet.models.literature.pix2pix import (
    PAPER,
    Adversarial,
    adversarial,
    patchgan,
    pix2pix,
    unet,
)
from colornet.models.weights import fold


def trainable(network):
    return sum(int(np.prod(weight.shape)) for weight in network.trainable_weights)


def batch():
    """L of three photos, 32x32 and of 16 squares each, and colours that follow from it."""
    squares = np.random.default_rng(0).uniform(-1, 1, (3, 4, 4, 1)).astype(np.float32)
    L = squares.repeat(8, axis=1).repeat(8, axis=2)
    return L, np.concatenate([0.5 * L, -0.3 * L], axis=-1)


def compiled(network, weight=PAPER["content_weight"]):
    trained = Adversarial(network, patchgan(4), weight)
    trained.compile(keras.optimizers.Adam(1e-3, beta_1=0.5), None, jit_compile=False)
    return trained


def test_full_size_is_that_of_the_original():
    photo = keras.Input((256, 256, 3))
    with keras.StatelessScope(initialize_variables=False):  # no memory for 100 million weights
        network = keras.Model(photo, unet(photo, PAPER["width"], PAPER["depth"], channels=3))
        ours = pix2pix(PAPER["width"], PAPER["depth"])
        discriminator = patchgan(PAPER["discriminator_width"], channels=6)
    # The authors' PyTorch release prints 54.414 M and 2.769 M.
    assert trainable(network) == 54_413_955 and trainable(discriminator) == 2_768_705
    assert trainable(ours) == 54_409_858  # from one channel to two
    assert all(f"{trainable(part):,}" in pix2pix.__doc__ for part in (network, ours))
    assert network.get_layer("down8_conv").output.shape == (None, 1, 1, 512)
    noisy = [layer.name for layer in network.layers if isinstance(layer, keras.layers.Dropout)]
    assert noisy == ["up8_dropout", "up7_dropout", "up6_dropout"]


def test_from_L_to_ab():
    network = pix2pix()
    assert trainable(patchgan(64)) == 2_765_633 and "2,765,633" in patchgan.__doc__
    assert f"{network.count_params():,} parameters at width 20" in pix2pix.__doc__
    network.set_weights([10 * weight for weight in network.get_weights()])
    ab = np.asarray(network(batch()[0]))
    assert ab.shape == (3, 32, 32, 2) and np.abs(ab).max() <= 1
    with pytest.raises(ValueError, match="multiples of 32"):
        network(np.zeros((1, 48, 64, 1), np.float32))


def test_a_verdict_is_about_70_pixels():
    discriminator = patchgan(2)
    photo = np.random.default_rng(0).uniform(-1, 1, (1, 256, 256, 3)).astype(np.float32)
    before = np.asarray(discriminator(photo))
    assert before.shape == (1, 30, 30, 1)

    def changed(row):
        other = photo.copy()
        other[0, row] += 1
        return np.flatnonzero(np.any(before != np.asarray(discriminator(other)), axis=(0, 2, 3)))

    # Verdict 15 sees 70 rows, from 8 * 15 - 23 on.
    assert [15 in changed(row) for row in (96, 97, 166, 167)] == [False, True, True, False]


def softplus(x):
    return np.log1p(np.exp(-np.abs(x))) + np.maximum(x, 0)


def test_loss_against_numpy():
    keras.utils.set_random_seed(0)
    trained, (L, ab) = compiled(pix2pix(4)), batch()
    painted = trained.generator.predict_on_batch(L)

    def judge(colours):
        return np.asarray(trained.discriminator(np.concatenate([L, colours], -1), training=True))

    content = np.abs(ab - painted).mean()
    convincing = softplus(-judge(painted)).mean()
    telling = (softplus(-judge(ab)).mean() + softplus(judge(painted)).mean()) / 2
    loss = trained.compute_loss(L, ops.convert_to_tensor(ab), ops.convert_to_tensor(painted))
    assert float(loss) == pytest.approx(100 * content + convincing + telling, rel=1e-4)
    assert float(trained.generator_loss.result()) == pytest.approx(convincing, rel=1e-4)
    assert float(trained.discriminator_loss.result()) == pytest.approx(telling, rel=1e-4)
    colours = trained.compute_loss(L, ab, painted, training=False)  # in validation
    assert float(colours) == pytest.approx(content, rel=1e-5)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="takes TensorFlow's gradients")
def test_each_side_learns_from_its_own_loss_alone():
    import tensorflow as tf

    keras.utils.set_random_seed(0)
    trained, (L, ab) = compiled(pix2pix(4), weight=3.0), batch()
    generator, discriminator = trained.generator, trained.discriminator

    def judge(colours):
        return discriminator(ops.concatenate([L, colours], -1), training=True)

    def gradients(weights, loss):
        with tf.GradientTape() as tape:
            value = loss()
        return tape.gradient(value, [weight.value for weight in weights])

    def both():
        return trained.compute_loss(L, ab, generator(L))

    def generators():
        painted = generator(L)
        convincing = ops.mean(ops.softplus(-judge(painted)))
        return 3 * ops.mean(ops.abs(ab - painted)) + convincing

    def discriminators():
        real, fake = ops.softplus(-judge(ab)), ops.softplus(judge(generator(L)))
        return (ops.mean(real) + ops.mean(fake)) / 2

    for side, own in ((generator, generators), (discriminator, discriminators)):
        weights = side.trainable_variables
        joint, apart = gradients(weights, both), gradients(weights, own)
        for one, other in zip(joint, apart):
            np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-6)
        assert max(np.abs(one).max() for one in apart) > 1e-4


def test_learns_and_is_resumed(tmp_path):
    keras.utils.set_random_seed(0)
    network, (L, ab) = pix2pix(8, depth=2), batch()
    trained, loss = adversarial(network)
    trained.compile(keras.optimizers.Adam(3e-3, beta_1=0.5), loss, jit_compile=False)
    before = np.abs(ab - np.asarray(network(L, training=True))).mean()
    critic = trained.discriminator.get_weights()
    history = trained.fit(L, ab, epochs=6, batch_size=3, verbose=0).history
    assert history.keys() == {"loss", "generator_loss", "discriminator_loss"}
    # In training, by the statistics of the batch: moving averages need longer.
    painted = np.asarray(network(L, training=True))
    assert np.abs(ab - painted).mean() < 0.8 * before
    assert any(np.any(a != b) for a, b in zip(critic, trained.discriminator.get_weights()))
    trained.save_weights(tmp_path / "last.weights.h5")
    again, loss = adversarial(pix2pix(8, depth=2))
    again.compile(keras.optimizers.Adam(3e-3, beta_1=0.5), loss, jit_compile=False)
    again.optimizer.build(again.trainable_variables)
    again.load_weights(tmp_path / "last.weights.h5")
    assert int(again.optimizer.iterations) == 6
    for one, other in zip(trained.get_weights(), again.get_weights()):
        assert np.array_equal(one, other)


def test_comes_back_from_a_keras_file_and_folds(tmp_path):
    network, (L, _), rng = pix2pix(4), batch(), np.random.default_rng(1)
    for layer in network.layers:
        if layer.name.endswith("_bn"):
            layer.set_weights([rng.uniform(0.5, 1.5, w.shape) for w in layer.get_weights()])
    network.save(tmp_path / "network.keras")
    loaded = keras.models.load_model(tmp_path / "network.keras")
    folded = fold(loaded)
    assert not [layer for layer in folded.layers if layer.name.endswith("_bn")]
    for other in (loaded, folded):
        np.testing.assert_allclose(other(L), network(L), atol=1e-5)


JAX = """
import keras, numpy as np
from colornet.models.literature.pix2pix import adversarial, pix2pix

assert keras.backend.backend() == "jax"
L = np.random.default_rng(0).uniform(-1, 1, (2, 32, 32, 1)).astype(np.float32)
trained, loss = adversarial(pix2pix(4, depth=2))
trained.compile(keras.optimizers.Adam(1e-3, beta_1=0.5), loss, jit_compile=True)
before = trained.get_weights()
history = trained.fit(L, np.repeat(L / 2, 2, -1), batch_size=1, verbose=0)
assert int(trained.optimizer.iterations) == 2
assert np.isfinite(list(history.history.values())).all(), history.history
after = [(a, b) for a, b in zip(before, trained.weights) if b.trainable and a.ndim > 1]
assert all(np.any(a != b.numpy()) for a, b in after)
"""


def test_two_steps_under_jax():
    pytest.importorskip("jax")
    process = start("-c", JAX, KERAS_BACKEND="jax", XLA_FLAGS="--xla_backend_optimization_level=0")
    output = process.communicate()[0]
    assert process.returncode == 0, output
