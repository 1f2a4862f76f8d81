"""The DCGAN: the guidelines of its paper, and what its two sides learn."""

import keras
import numpy as np
import pytest

from colornet.models.encoder_decoder import encoder_decoder
from colornet.models.literature.dcgan import CONTENT_WEIGHT, adversarial_photo, dcgan, discriminator
from colornet.models.weights import fold


def batch():
    """L of three photos, 32x32 and of 16 squares each, and colours that follow from it."""
    squares = np.random.default_rng(0).uniform(-1, 1, (3, 4, 4, 1)).astype(np.float32)
    L = squares.repeat(8, axis=1).repeat(8, axis=2)
    return L, np.concatenate([0.5 * L, -0.3 * L], axis=-1)


def compiled(network):
    trained, loss = adversarial_photo(network)
    trained.compile(keras.optimizers.Adam(5e-3, beta_1=0.5), loss, run_eagerly=True)
    return trained


def test_generator_is_the_encoder_decoder_with_tanh():
    network = dcgan()
    assert f"{network.count_params():,} parameters at width 20" in dcgan.__doc__
    assert dcgan(32).count_params() == encoder_decoder(32).count_params() == 4_183_668
    last = network.layers[-1]
    assert last.name == "ab" and last.activation is keras.activations.tanh
    network.set_weights([10 * weight for weight in network.get_weights()])
    ab = np.asarray(network(batch()[0]))
    assert ab.shape == (3, 32, 32, 2) and np.abs(ab).max() <= 1
    with pytest.raises(ValueError, match="multiples of 32"):
        network(np.zeros((1, 48, 64, 1), np.float32))


def test_discriminator_follows_the_guidelines():
    critic = discriminator(4)
    for size in (32, 96):
        assert critic(np.zeros((2, size, size, 3), np.float32)).shape == (2, 1)
    kinds = {kind: [] for kind in ("Conv2D", "BatchNormalization", "LeakyReLU", "Dense")}
    for layer in critic.layers[1:]:
        kinds.setdefault(type(layer).__name__, []).append(layer)
    assert [conv.strides for conv in kinds["Conv2D"]] == [(2, 2)] * 5
    assert [relu.negative_slope for relu in kinds["LeakyReLU"]] == pytest.approx([0.2] * 5)
    assert len(kinds["BatchNormalization"]) == 4 and critic.layers[2].name == "photo1_relu"
    assert [dense.units for dense in kinds["Dense"]] == [1]
    assert not [kind for kind in kinds if "MaxPooling" in kind or "AveragePooling2D" == kind]


def test_both_sides_learn_and_are_resumed(tmp_path):
    keras.utils.set_random_seed(0)
    network, (L, ab) = dcgan(8), batch()
    trained = compiled(network)

    def losses():
        trained.reset_metrics()
        painted = network(L, training=True)
        trained.compute_loss(L, ab, painted)
        return float(np.abs(ab - painted).mean()), float(trained.discriminator_loss.result())

    before = losses()
    history = trained.fit(L, ab, epochs=8, batch_size=3, verbose=0).history
    after = losses()
    assert trained.content_weight == CONTENT_WEIGHT and history["loss"][0] > CONTENT_WEIGHT * 0.1
    assert after[0] < 0.8 * before[0] and after[1] < before[1] - 0.1
    trained.save_weights(tmp_path / "last.weights.h5")
    again = compiled(dcgan(8))
    again.optimizer.build(again.trainable_variables)
    again.load_weights(tmp_path / "last.weights.h5")
    assert all(map(np.array_equal, trained.get_weights(), again.get_weights()))


def test_comes_back_from_a_keras_file_and_folds(tmp_path):
    network, (L, _), rng = dcgan(4), batch(), np.random.default_rng(1)
    for layer in network.layers:
        if layer.name.endswith("_bn"):
            layer.set_weights([rng.uniform(0.5, 1.5, w.shape) for w in layer.get_weights()])
    network.save(tmp_path / "network.keras")
    loaded = keras.models.load_model(tmp_path / "network.keras")
    folded = fold(loaded)
    assert not [layer for layer in folded.layers if layer.name.endswith("_bn")]
    for other in (loaded, folded):
        np.testing.assert_allclose(other(L), network(L), atol=1e-5)
