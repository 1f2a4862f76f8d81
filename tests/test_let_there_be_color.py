"""Let there be Color!: what the global features reach, and what the classes teach."""

import keras
import numpy as np
import pytest
from keras import ops

from colornet.models.literature.let_there_be_color import (
    PAPER,
    Classes,
    let_there_be_color,
    parts,
    with_classes,
)
from colornet.models.weights import fold


def small(classes=3, size=32, width=4):
    keras.utils.set_random_seed(0)
    return let_there_be_color(width, size, classes)


def batch():
    """L, ab and labels of six photos, 32x32: three kinds, told by their brightness."""
    label = np.array([0, 1, 2, 0, 1, 2], np.int32)
    noise = np.random.default_rng(0).uniform(-0.1, 0.1, (6, 32, 32, 1))
    L = noise + np.array([-0.8, 0, 0.8])[label, None, None, None]
    colours = np.array([(0.5, 0.3), (-0.4, 0.4), (0.1, -0.5)])[label]
    ab = np.ones_like(L) * colours[:, None, None]
    return L.astype(np.float32), ab.astype(np.float32), label


def compiled(network):
    trained, loss = with_classes(network)
    trained.compile(keras.optimizers.Adam(3e-3), loss, jit_compile=False)
    return trained


def test_full_size():
    with keras.StatelessScope(initialize_variables=False):  # no memory for 42 million weights
        options = {key: PAPER[key] for key in ("width", "size", "classes")}
        network = let_there_be_color(**options)
    weights = sum(int(np.prod(weight.shape)) for weight in network.trainable_weights)
    # None is published. The layers are those of the paper's table 1.
    assert weights == 42_358_287 and f"{weights:,} trainable" in let_there_be_color.__doc__
    dense = {layer.name: layer for layer in network.layers if isinstance(layer, keras.layers.Dense)}
    assert dense["global5"].kernel.shape == (7 * 7 * 512, 1024)
    assert dense["global6"].kernel.shape == (1024, 512)
    assert dense["global7"].kernel.shape == (512, 256)
    assert dense["fusion_global"].kernel.shape == (256, 256)
    filters = [layer.filters for layer in network.layers if layer.name.endswith("_conv")]
    assert sorted(filters) == sorted(
        [64, 128, 128, 256, 256, 512] + [512] * 4 + [512, 256] + [128, 64, 64, 32]
    )


def test_in_two_parts_it_is_the_same_and_takes_the_features_of_another():
    network, (L, _, _) = fold(small()), batch()
    network.set_weights([3 * weight for weight in network.get_weights()])
    whole_of, colour = parts(network)
    whole = whole_of.predict_on_batch(L)
    assert whole.shape == (6, 1, 1, 16)
    ab = network.predict_on_batch(L)
    np.testing.assert_allclose(colour.predict_on_batch([L, whole]), ab, atol=1e-5)
    other = colour.predict_on_batch([L, whole[::-1]])
    assert np.abs(other - ab).max() > 1e-3


def test_from_L_to_ab():
    network = let_there_be_color()
    assert f"{network.count_params():,} parameters at width 16" in let_there_be_color.__doc__
    network.set_weights([10 * weight for weight in network.get_weights()])
    rng = np.random.default_rng(0)
    for height, width in ((32, 32), (96, 160)):  # any, whatever the size it was built for
        L = rng.uniform(-1, 1, (2, height, width, 1)).astype(np.float32)
        ab = np.asarray(network(L))
        assert ab.shape == (2, height, width, 2) and np.abs(ab).max() <= 1
    with pytest.raises(ValueError, match="multiples of 32"):
        network(np.zeros((1, 48, 64, 1), np.float32))
    with pytest.raises(ValueError, match="multiple of 32, not 100"):
        let_there_be_color(size=100)


def test_fusion_is_one_layer_on_both_joined():
    network, L = small(), batch()[0]
    names = ("mid2_relu", "global7", "fusion")
    parts = keras.Model(network.input, [network.get_layer(name).output for name in names])
    local, everywhere, fused = map(np.asarray, parts(L))
    joined = np.concatenate([local, np.broadcast_to(everywhere[:, None, None], local.shape)], -1)
    layer, other = network.get_layer("fusion_local"), network.get_layer("fusion_global")
    matrix = np.concatenate([np.asarray(layer.kernel)[0, 0], np.asarray(other.kernel)])
    np.testing.assert_allclose(fused, np.maximum(joined @ matrix, 0), atol=1e-5)


def test_what_is_far_away_counts_through_the_global_features_alone():
    network = small(size=256)
    L = np.random.default_rng(0).uniform(-1, 1, (1, 256, 256, 1)).astype(np.float32)
    other = L.copy()
    other[0, :64, :64] *= -1

    def change():
        return np.abs(np.asarray(network(L)) - np.asarray(network(other)))[0, 224:, 224:].max()

    assert change() > 1e-6
    fusion = network.get_layer("fusion_global")
    fusion.set_weights([0 * weight for weight in fusion.get_weights()])
    assert change() == 0


def test_loss_against_numpy():
    trained, (L, ab, label) = compiled(small()), batch()
    painted, logits = (np.asarray(output) for output in trained(L))
    chances = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    error = np.mean(((ab + 1) / 2 - (painted + 1) / 2) ** 2)
    entropy = -np.log(chances[np.arange(6), label])

    def loss(label, training=True):
        y = ops.convert_to_tensor(ab), ops.convert_to_tensor(np.int32(label))
        return float(trained.compute_loss(L, y, trained(L), training=training))

    assert loss(label) == pytest.approx(error + entropy.mean() / 300, rel=1e-5)
    assert loss(label, training=False) == pytest.approx(error, rel=1e-5)
    some = [0, 1, 2, -1, -1, -1]
    assert loss(some) == pytest.approx(error + entropy[:3].sum() / 6 / 300, rel=1e-5)


def test_one_class_is_none():
    trained, (L, ab, _) = compiled(small(classes=1)), batch()
    painted, _ = trained(L)
    y = ops.convert_to_tensor(ab), ops.zeros(6, "int32")
    colours = trained.compute_loss(L, y, (painted, ops.ones((6, 1))), training=False)
    assert float(trained.compute_loss(L, y, (painted, ops.ones((6, 1))))) == float(colours)


def test_learns_colours_and_classes_and_is_resumed(tmp_path):
    network, (L, ab, label) = small(width=8), batch()
    trained = compiled(network)
    head = network.get_layer("classes").get_weights()
    history = trained.fit(L, (ab, label), epochs=40, batch_size=6, verbose=0).history
    assert history["loss"][-1] < 0.6 * history["loss"][0]
    assert history["class_accuracy"][-1] > 0.6
    assert all(np.any(a != b) for a, b in zip(head, network.get_layer("classes").get_weights()))
    trained.save_weights(tmp_path / "last.weights.h5")
    again = compiled(small(width=8))
    again.optimizer.build(again.trainable_variables)
    again.load_weights(tmp_path / "last.weights.h5")
    assert all(map(np.array_equal, trained.get_weights(), again.get_weights()))


def test_comes_back_from_a_keras_file_and_folds(tmp_path):
    network, (L, _, _), rng = small(classes=5), batch(), np.random.default_rng(1)
    for layer in network.layers:
        if layer.name.endswith("_bn"):
            layer.set_weights([rng.uniform(0.5, 1.5, w.shape) for w in layer.get_weights()])
    network.save(tmp_path / "network.keras")
    loaded = keras.models.load_model(tmp_path / "network.keras")
    folded = fold(loaded)
    assert not [layer for layer in folded.layers if layer.name.endswith("_bn")]
    for other in (loaded, folded):
        np.testing.assert_allclose(other(L), network(L), atol=1e-5)
        head = other.get_layer("classes")
        assert isinstance(head, Classes) and head.classes == 5
        assert all(
            map(np.array_equal, head.get_weights(), network.get_layer("classes").get_weights())
        )
