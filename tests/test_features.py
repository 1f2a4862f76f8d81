"""The feature distance: the formula against its definition, and that it sees colour."""

import numpy as np
from conftest import crops
from scipy.linalg import sqrtm

from colornet.color import lab
from colornet.evaluation import features
from colornet.evaluation.frechet import frechet
from colornet.evaluation.metrics import Measured
from colornet.models import efficientnet_lite


def test_distance_is_the_formula_of_dowson_and_landau():
    rng = np.random.default_rng(0)
    first, second = (
        rng.normal(size=(60, 12)),
        rng.normal(1, 2, (60, 12)) @ rng.normal(size=(12, 12)),
    )
    A, B = np.cov(first.T), np.cov(second.T)
    means = np.sum((first.mean(0) - second.mean(0)) ** 2)
    expected = means + np.trace(A + B - 2 * sqrtm(A @ B).real)
    np.testing.assert_allclose(frechet(first, second), expected, rtol=1e-6)
    assert abs(frechet(first, first)) < 1e-9
    few = frechet(first[:5], second[:5])  # fewer photos than features
    assert np.isfinite(few) and few > 0


def test_grey_photos_lie_farther_off_than_slightly_changed_ones():
    photos = np.stack([*crops(24, 96)])
    grey = np.stack([np.repeat(lab.luma(photo)[..., None], 3, axis=-1) for photo in photos])
    noise = np.random.default_rng(0).integers(-4, 5, photos.shape)
    near = np.clip(photos + noise, 0, 255).astype(np.uint8)
    seen = features.Features()
    found = seen.summary(
        [
            seen.measure(Measured(true), dict(grey=Measured(dull), near=Measured(like)))
            for true, dull, like in zip(photos, grey, near)
        ]
    )
    assert found["photos"] == 24 and set(found["distance"]) == {"grey", "near"}
    assert found["distance"]["grey"] > 3 * found["distance"]["near"]
    assert "(not FID), 24 photos" in seen.table(found)


def test_of_a_grey_photo_it_has_the_features_of_the_encoder_of_grey():
    # The kernels for L are the sum of these, up to the rounding to float16.
    grey = np.random.default_rng(0).uniform(-1, 1, (1, 64, 64, 1)).astype(np.float32)
    expected = np.asarray(efficientnet_lite.imagenet("lite0")(grey)[-1]).mean((1, 2))
    found = np.asarray(features.network()(np.repeat(grey, 3, axis=-1)))
    assert np.abs(found - expected).max() < 0.02 * np.abs(expected).max()
