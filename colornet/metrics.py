"""How good are the colours? Per-photo metrics, the baselines, and the table."""

import os
import sys
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
from skimage.color import deltaE_ciede2000
from skimage.metrics import structural_similarity
from tqdm import tqdm

from colornet import data, lab, steer
from colornet.colorize import compose, predict_ab
from colornet.photos import PhotoError, find_photos, read_photo

PROTOCOL = (
    "Centre square of each photo, resized to {size}x{size} (area); truly grey photos left out; L "
    "kept exactly; result rounded to 8-bit sRGB; each metric per photo, then the mean; 95 % "
    "bootstrap intervals over photos. PSNR over the three sRGB channels, peak 255; SSIM of Wang "
    "et al. 2004 (Gaussian window of 11, sigma 1.5) per sRGB channel; CIEDE2000 per pixel; "
    "colourfulness of Hasler and Suesstrunk 2003, signed; AuC of ab errors under 0..150 as in "
    "arXiv 1603.08511."
)
METRICS = dict(psnr="dB", ssim="", ciede2000="", colourfulness="", auc="")
BOOTSTRAP = 2000
MEAN_AB_PHOTOS = 1000  # training photos from which the dataset's mean ab is taken


def psnr(true, predicted, peak=255):
    """Peak signal-to-noise ratio in dB of two arrays of one shape; infinite if equal."""
    error = np.mean((true.astype(np.float64) - predicted) ** 2)
    return float(10 * np.log10(peak**2 / error)) if error else float("inf")


def ssim(true, predicted):
    """SSIM of two uint8 RGB photos `(H, W, 3)`: Wang et al. 2004, mean over the channels."""
    return float(
        structural_similarity(
            true,
            predicted,
            channel_axis=-1,
            data_range=255,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
    )


def ciede2000(true, predicted):
    """Mean CIEDE2000 colour difference of two Lab photos `(H, W, 3)`."""
    return float(deltaE_ciede2000(true, predicted).mean())


def colourfulness(rgb):
    """Hasler and Suesstrunk 2003, M3: of uint8 RGB `(H, W, 3)`, opponent colours signed."""
    r, g, b = np.moveaxis(rgb.astype(np.float64), -1, 0)
    rg, yb = r - g, (r + g) / 2 - b
    return float(np.hypot(rg.std(), yb.std()) + 0.3 * np.hypot(rg.mean(), yb.mean()))


def auc(true, predicted, weights=None):
    """Area under the share of pixels whose ab error is at most 0..150, in [0, 1].

    Zhang et al. 2016, arXiv 1603.08511, section 3.1.

    Args:
        true, predicted: ab in Lab units `(H, W, 2)`.
        weights: how much each pixel counts, `(H, W)`; by default all alike.
    """
    error = np.hypot(*np.moveaxis(true - predicted, -1, 0)).ravel()
    order = np.argsort(error)
    total = np.cumsum(np.ones(error.size) if weights is None else weights.ravel()[order])
    within = np.searchsorted(error[order], np.arange(151), side="right")
    return float(np.trapezoid(np.append(0, total)[within] / total[-1]) / 150)


def _lab(rgb):
    return np.asarray(lab.rgb_to_lab(rgb.astype(np.float32) / 255))


def per_photo(true, predicted):
    """Every metric of one predicted uint8 RGB photo `(H, W, 3)` against the true one."""
    true_lab, predicted_lab = _lab(true), _lab(predicted)
    return dict(
        psnr=psnr(true, predicted),
        ssim=ssim(true, predicted),
        ciede2000=ciede2000(true_lab, predicted_lab),
        colourfulness=colourfulness(predicted),
        auc=auc(true_lab[..., 1:], predicted_lab[..., 1:]),
    )


def other_formulas(true, predicted):
    """One prediction under formulas that papers have called PSNR and SSIM.

    Args:
        true, predicted: uint8 RGB `(H, W, 3)`.
    """
    t, p = _lab(true), _lab(predicted)
    # The ranges that the formulas presuppose: L in [-1, 1] and ab/128.
    scale = np.array([50, 128, 128])
    return {
        "PSNR, sRGB, per photo (house)": psnr(true, predicted),
        "squared error, sRGB": float(np.mean((true.astype(float) - predicted) ** 2)),
        "PSNR, planes L and ab in [-1, 1], peak 2": psnr(
            t / scale, np.concatenate([t[..., :1], p[..., 1:]], -1) / scale, peak=2
        ),
        "PSNR, planes ab/255, peak 1": psnr(t[..., 1:] / 255, p[..., 1:] / 255, peak=1),
        "SSIM, Gaussian window of 11 (house)": ssim(true, predicted),
        "SSIM, uniform window of 7": float(
            structural_similarity(true, predicted, channel_axis=-1, data_range=255)
        ),
    }


def interval(values, seed=0):
    """The mean of per-photo values and its 95 % bootstrap interval."""
    values = np.asarray(values, np.float64)
    rng = np.random.default_rng(seed)
    means = [rng.choice(values, len(values)).mean() for _ in range(BOOTSTRAP)]
    low, high = np.percentile(means, [2.5, 97.5])
    return dict(mean=float(values.mean()), low=float(low), high=float(high))


def luma(rgb):
    """The grey version that cameras and editors make: Rec. 601 luma of uint8 RGB, `(H, W)`."""
    return cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)


def _mean_ab(photos):
    return np.mean([_lab(photo)[..., 1:].mean((0, 1)) for photo in photos], axis=0)


def _left_out(name, why):
    print(f"colornet: {name}: left out, {why}", file=sys.stderr)


def _read_colour(found, size):
    """Those of `(file, name)` photos that can be read and have colours, as `(name, square)`."""
    for file, name in found:
        try:
            photo = data.square8(read_photo(file).pixels, size)
        except PhotoError as error:
            print(f"colornet: {error}", file=sys.stderr)
            continue
        if data.is_grey(photo):
            _left_out(name, "truly grey")
        else:
            yield name, photo


def read_test_set(target, size=256):
    """The photos to evaluate on, with their names, and the mean ab of the training photos.

    Args:
        target: a list: one prepared set, of which the test split is taken; or photo files and
            folders, cropped and resized here. Truly grey ones, whose PSNR would be infinite, and
            unreadable loose ones are left out and named on stderr.

    Returns:
        `(names, read, mean_ab)`: `read(i)` gives photo i as uint8 RGB `(size, size, 3)`.

    Raises:
        PhotoError: nothing to evaluate on, or a missing source.
    """
    if len(target) == 1 and data.is_prepared(target[0]):
        files = data.split_files(target[0], "test")
        training = data.split_files(target[0], "train")
        if not files or not training:
            missing = "training" if files else "test"
            raise PhotoError(f"{target[0]}: no {missing} photos; prepare more photos")
        some = training[:: max(1, len(training) // MEAN_AB_PHOTOS)]
        mean_ab = _mean_ab(data.square(data.read_prepared(f), size) for f in some)

        def read(i):
            return data.square(data.read_prepared(files[i]), size)

        # A prepared photo may have had its colours outside the square.
        grey = [i for i in range(len(files)) if data.is_grey(read(i))]
        for i in reversed(grey):
            _left_out(files.pop(i).stem, "truly grey")
        if not files:
            raise PhotoError(f"{target[0]}: no colour photos to compare with")
        return [file.stem for file in files], read, mean_ab
    found = list(_read_colour(find_photos(target), size))
    if not found:
        raise PhotoError(f"{target[0]}: no colour photos to compare with")
    names, photos = zip(*found)
    return list(names), photos.__getitem__, _mean_ab(photos)


def _score(network, true, mean_ab):
    """Every row's metrics for one photo."""
    flat = {
        "grey": np.zeros(2),
        "dataset mean ab": mean_ab,
        "oracle mean ab": _lab(true)[..., 1:].mean((0, 1)),
    }
    guesses = {
        row: compose(true, ab.reshape(1, 1, 2).astype(np.float32)) for row, ab in flat.items()
    }
    # Of a distribution the mean, by which networks compare; then what else the slider gives.
    steered = steer.prior(network) is not None
    safe = 0 if steered else None
    guesses["model"] = compose(true, predict_ab(network, true, safe))
    guesses["model, luma input"] = compose(true, predict_ab(network, luma(true), safe))
    if steered:
        guesses["model, as by default"] = compose(true, predict_ab(network, true))
        guesses["model, vivid"] = compose(true, predict_ab(network, true, 1))
    rows = {row: per_photo(true, guess) for row, guess in guesses.items()}
    return dict(
        rows=rows | {"true": dict(colourfulness=colourfulness(true))},
        formulas={row: other_formulas(true, guesses[row]) for row in ("grey", "model")},
    )


def evaluate(network, target, size=256, limit=None):
    """The table: a network and the baselines under the house protocol.

    Rows: `true` (its colourfulness), `grey` (ab 0), `dataset mean ab` (of the training photos;
    of loose photos, their own), `oracle mean ab` (each photo's true mean), `model`, and
    `model, luma input` (the network sees the Rec. 601 grey version, as most grey files are). For a
    network with a distribution these are its mean, vividness 0; then come `model, as by default`
    and `model, vivid` (vividness 1).

    Args:
        network: a Keras model from L to ab.
        target, size: see `read_test_set`.
        limit: only so many photos.

    Returns:
        `(report, photos)`: the report as a dict for JSON, with the mean and interval of every
        metric of every row, the paired gain of the model over grey, and the model and grey
        under other formulas; and the per-photo values, `{row: {metric: [...]}}`, with `names`.

    Raises:
        PhotoError: nothing to evaluate on, or a missing source.
    """
    names, read, mean_ab = read_test_set(target, size)
    names, rows, formulas = names[:limit], {}, {"grey": [], "model": []}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        scores = pool.map(lambda i: _score(network, read(i), mean_ab), range(len(names)))
        for score in tqdm(scores, total=len(names), unit="photo"):
            for row, values in score["rows"].items():
                for metric, value in values.items():
                    rows.setdefault(row, {}).setdefault(metric, []).append(value)
            for row, values in score["formulas"].items():
                formulas[row].append(values)
    report = dict(
        protocol=PROTOCOL.format(size=size),
        photos=len(names),
        rows={
            row: {metric: interval(values) for metric, values in metrics.items()}
            for row, metrics in rows.items()
        },
        gain_over_grey={
            metric: interval(np.subtract(rows["model"][metric], rows["grey"][metric]))
            for metric in METRICS
        },
        other_formulas={row: _pooled(values) for row, values in formulas.items()},
    )
    return report, rows | dict(names=names)


def _pooled(values):
    means = {key: float(np.mean([v[key] for v in values])) for key in values[0]}
    error = means.pop("squared error, sRGB")
    return means | {"PSNR of the pooled error, sRGB": 10 * np.log10(255**2 / error)}


def table(report):
    """A report as Markdown: the rows with intervals, the gain over grey, the other formulas."""
    head = "| |" + "".join(f" {m}{f' [{unit}]' if unit else ''} |" for m, unit in METRICS.items())
    lines = [head, "|---|" + "---|" * len(METRICS)]

    def cell(metric, value, sign=""):
        digits = 3 if metric in ("ssim", "auc") else 2
        mean, half = value["mean"], (value["high"] - value["low"]) / 2
        return f"{mean:{sign}.{digits}f} ± {half:.{digits}f}"

    for row, metrics in report["rows"].items():
        cells = [cell(m, metrics[m]) if m in metrics else "" for m in METRICS]
        lines.append(f"| {row} | " + " | ".join(cells) + " |")
    gains = [cell(m, report["gain_over_grey"][m], "+") for m in METRICS]
    lines += ["| *model minus grey, per photo* | " + " | ".join(gains) + " |", ""]
    lines += ["| the same predictions under | grey | model |", "|---|---|---|"]
    grey, model = (report["other_formulas"][row] for row in ("grey", "model"))
    for name in grey:
        digits = 3 if "SSIM" in name else 2
        lines.append(f"| {name} | {grey[name]:.{digits}f} | {model[name]:.{digits}f} |")
    return "\n".join(lines)
