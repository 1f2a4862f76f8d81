"""The metrics against outside references."""

import cv2
import numpy as np
import pytest
import tensorflow as tf
from conftest import crops
from skimage import color
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from colornet.color import lab
from colornet.color.ciede2000 import difference
from colornet.data.samples import sample
from colornet.evaluation import metrics
from colornet.evaluation.metrics import Measured

# Sharma, Wu and Dalal 2005, The CIEDE2000 Color-Difference Formula, table 1.
SHARMA = np.array(
    """
    50.0000 2.6772 -79.7751 50.0000 0.0000 -82.7485 2.0425
    50.0000 3.1571 -77.2803 50.0000 0.0000 -82.7485 2.8615
    50.0000 2.8361 -74.0200 50.0000 0.0000 -82.7485 3.4412
    50.0000 -1.3802 -84.2814 50.0000 0.0000 -82.7485 1.0000
    50.0000 -1.1848 -84.8006 50.0000 0.0000 -82.7485 1.0000
    50.0000 -0.9009 -85.5211 50.0000 0.0000 -82.7485 1.0000
    50.0000 0.0000 0.0000 50.0000 -1.0000 2.0000 2.3669
    50.0000 -1.0000 2.0000 50.0000 0.0000 0.0000 2.3669
    50.0000 2.4900 -0.0010 50.0000 -2.4900 0.0009 7.1792
    50.0000 2.4900 -0.0010 50.0000 -2.4900 0.0010 7.1792
    50.0000 2.4900 -0.0010 50.0000 -2.4900 0.0011 7.2195
    50.0000 2.4900 -0.0010 50.0000 -2.4900 0.0012 7.2195
    50.0000 -0.0010 2.4900 50.0000 0.0009 -2.4900 4.8045
    50.0000 -0.0010 2.4900 50.0000 0.0010 -2.4900 4.8045
    50.0000 -0.0010 2.4900 50.0000 0.0011 -2.4900 4.7461
    50.0000 2.5000 0.0000 50.0000 0.0000 -2.5000 4.3065
    50.0000 2.5000 0.0000 73.0000 25.0000 -18.0000 27.1492
    50.0000 2.5000 0.0000 61.0000 -5.0000 29.0000 22.8977
    50.0000 2.5000 0.0000 56.0000 -27.0000 -3.0000 31.9030
    50.0000 2.5000 0.0000 58.0000 24.0000 15.0000 19.4535
    50.0000 2.5000 0.0000 50.0000 3.1736 0.5854 1.0000
    50.0000 2.5000 0.0000 50.0000 3.2972 0.0000 1.0000
    50.0000 2.5000 0.0000 50.0000 1.8634 0.5757 1.0000
    50.0000 2.5000 0.0000 50.0000 3.2592 0.3350 1.0000
    60.2574 -34.0099 36.2677 60.4626 -34.1751 39.4387 1.2644
    63.0109 -31.0961 -5.8663 62.8187 -29.7946 -4.0864 1.2630
    61.2901 3.7196 -5.3901 61.4292 2.2480 -4.9620 1.8731
    35.0831 -44.1164 3.7933 35.0232 -40.0716 1.5901 1.8645
    22.7233 20.0904 -46.6940 23.0331 14.9730 -42.5619 2.0373
    36.4612 47.8580 18.3852 36.2715 50.5065 21.2231 1.4146
    90.8027 -2.0831 1.4410 91.1528 -1.6435 0.0447 1.4441
    90.9257 -0.5406 -0.9208 88.6381 -0.8985 -0.7239 1.5381
    6.7747 -0.2908 -2.4247 5.8714 -0.0985 -2.2286 0.6377
    2.0776 0.0795 -1.1350 0.9033 -0.0636 -0.5514 0.9082
    """.split(),
    float,
).reshape(34, 7)


def pairs():
    """Sample photos beside damaged versions of themselves."""
    rng = np.random.default_rng(0)
    for name in ("astronaut", "coffee", "chelsea"):
        true = sample(name)[:200, :240]
        noisy = true + rng.normal(0, rng.uniform(3, 30), true.shape)
        yield true, np.clip(noisy, 0, 255).astype(np.uint8)
        yield true, np.repeat(lab.luma(true)[..., None], 3, axis=-1)
        yield true, cv2.GaussianBlur(true, (0, 0), 2)


def grey_of(photo):
    """The photo at its own L without colour, 8-bit, by scikit-image alone."""
    L = color.rgb2lab(photo)[..., :1] * [1, 0, 0]
    return np.round(color.lab2rgb(L) * 255).astype(np.uint8)


def test_psnr():
    for true, other in pairs():
        ours = metrics.psnr(true, other)
        assert ours == pytest.approx(peak_signal_noise_ratio(true, other), abs=1e-9)
        assert ours == pytest.approx(float(tf.image.psnr(true, other, 255)), abs=1e-3)
    assert metrics.psnr(true, true) == float("inf")


def test_ssim():
    for true, other in pairs():
        assert metrics.ssim(true, other) == pytest.approx(
            float(tf.image.ssim(true, other, 255)), abs=1e-3
        )
    assert metrics.ssim(true, true) == pytest.approx(1)


def test_ciede2000():
    for row in SHARMA:
        ours = metrics.ciede2000(row[:3].reshape(1, 1, 3), row[3:6].reshape(1, 1, 3))
        assert ours == pytest.approx(row[6], abs=1e-4)
    first, second = SHARMA[:, :3].reshape(2, 17, 3), SHARMA[:, 3:6].reshape(2, 17, 3)
    assert metrics.ciede2000(first, second) == pytest.approx(SHARMA[:, 6].mean(), abs=1e-4)


def slow_auc(true, predicted):
    """As it stands in arXiv 1603.08511: the share of pixels within each threshold, one by one."""
    error = np.hypot(*np.moveaxis(true - predicted, -1, 0))
    return np.trapezoid([np.mean(error <= threshold) for threshold in range(151)]) / 150


def test_a_hundred_photos_by_scikit_image():
    rng = np.random.default_rng(0)
    greatest = dict.fromkeys(metrics.METRICS, 0)
    for number, true in enumerate(crops(100, 80)):
        Lab = color.rgb2lab(true)
        Lab[..., 1:] *= rng.uniform(0, 1.5)
        Lab[..., 1:] += rng.normal(0, 10, 2) + rng.normal(0, number % 5, (80, 80, 2))
        other = np.round(np.clip(color.lab2rgb(Lab), 0, 1) * 255).astype(np.uint8)
        own, found = color.rgb2lab(other), metrics.scores(Measured(true), Measured(other))
        expected = dict(
            psnr=peak_signal_noise_ratio(true, other),
            ssim=structural_similarity(
                true,
                other,
                channel_axis=-1,
                data_range=255,
                gaussian_weights=True,
                sigma=1.5,
                use_sample_covariance=False,
            ),
            ciede2000=color.deltaE_ciede2000(color.rgb2lab(true), own).mean(),
            auc=slow_auc(color.rgb2lab(true)[..., 1:], own[..., 1:]),
        )
        for metric, value in expected.items():
            greatest[metric] = max(greatest[metric], abs(value - found[metric]))
        assert found["colourfulness"] == metrics.colourfulness(other)
    assert max(greatest.values()) < 1e-3, greatest


def test_ciede2000_of_any_pair_of_colours():
    first, second = np.random.default_rng(0).uniform(
        [0, -100, -100], [100, 100, 100], (2, 40, 50, 3)
    )
    second[0] = first[0] * [1, -0.5, -0.5]  # opposite hues
    second[1, :, 1:] = 0  # no hue
    expected = color.deltaE_ciede2000(first, second)
    np.testing.assert_allclose(difference(first, second), expected, atol=1e-6)
    fine = difference(first.astype(np.float32), second.astype(np.float32))
    assert fine.dtype == np.float32 and np.abs(fine - expected)[1:].max() < 1e-3


def test_colourfulness():
    for true, other in pairs():
        for photo in (true, other):
            r, g, b = cv2.split(photo.astype(np.float64))
            means, spreads = zip(*map(cv2.meanStdDev, (r - g, 0.5 * (r + g) - b)))
            expected = np.linalg.norm(spreads) + 0.3 * np.linalg.norm(means)
            assert metrics.colourfulness(photo) == pytest.approx(expected)
    grey = np.repeat(lab.luma(true)[..., None], 3, axis=-1)
    assert metrics.colourfulness(grey) == 0
    red = np.zeros((4, 4, 3), np.uint8)
    red[..., 0] = 200  # no spread; red minus green 200, yellow minus blue 100
    assert metrics.colourfulness(red) == pytest.approx(0.3 * np.hypot(200, 100))
    red[:2] = 0, 200, 0  # red minus green now +-200: signed, they cancel in the mean
    assert metrics.colourfulness(red) == pytest.approx(200 + 0.3 * 100)


@pytest.mark.parametrize(
    "error, expected",
    # The share is 0 below the error and 1 from it on; the trapezoid before it counts half.
    [(0, 150), (0.5, 149.5), (10, 140.5), (10.5, 139.5), (150, 0.5), (151, 0)],
)
def test_auc_of_a_constant_error(error, expected):
    true = np.random.default_rng(0).uniform(-50, 50, (8, 8, 2))
    predicted = true + np.array([0.6, -0.8]) * error * (1 - 1e-9)
    assert metrics.auc(true, predicted) == pytest.approx(expected / 150)


def test_auc_of_mixed_errors_is_the_mean():
    true, predicted = np.zeros((1, 4, 2)), np.zeros((1, 4, 2))
    predicted[0, :, 1] = [0, 10, 20, 200]
    expected = np.mean([150, 140.5, 130.5, 0]) / 150
    assert metrics.auc(true, predicted) == pytest.approx(expected)


def test_auc_counts_pixels_by_their_weights():
    true, predicted = np.zeros((2, 1, 2)), np.array([[[3, 4]], [[60, 80]]])
    near, far = (metrics.auc(true[i], predicted[i]) for i in (0, 1))
    weighted = metrics.auc(true, predicted, np.array([[3.0], [1.0]]))
    assert weighted == pytest.approx((3 * near + far) / 4)


def test_intervals_cover_the_mean():
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(150):
        found = metrics.interval(rng.normal(20, 5, 60))
        assert found["low"] < found["mean"] < found["high"]
        covered += found["low"] <= 20 <= found["high"]
    # Binomial: 150 draws of 0.95 lie within 0.88 and 0.99 but for one time in some hundreds.
    assert 0.88 < covered / 150 < 0.995
    few, many = (metrics.interval(rng.normal(20, 5, count)) for count in (50, 5000))
    assert few["high"] - few["low"] > 5 * (many["high"] - many["low"])


def test_other_formulas():
    true = sample("coffee")[:128, :128]
    grey = grey_of(true)
    t, g = color.rgb2lab(true), color.rgb2lab(grey)
    found = metrics.other_formulas(
        Measured(true), Measured(grey), metrics.scores(Measured(true), Measured(grey))
    )
    planes = [np.concatenate([t[..., :1] / 50 - 1, x[..., 1:] / 128], -1) for x in (t, g)]
    expected = {
        "PSNR, sRGB, per photo (house)": peak_signal_noise_ratio(true, grey),
        "PSNR, planes L and ab in [-1, 1], peak 2": peak_signal_noise_ratio(*planes, data_range=2),
        "PSNR, planes ab/255, peak 1": peak_signal_noise_ratio(
            t[..., 1:] / 255, g[..., 1:] / 255, data_range=1
        ),
        "squared error, sRGB": np.mean((true.astype(float) - grey) ** 2),
        "SSIM, Gaussian window of 11 (house)": float(tf.image.ssim(true, grey, 255)),
        "SSIM, uniform window of 7": structural_similarity(
            true, grey, channel_axis=-1, data_range=255
        ),
    }
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=1e-3), name
