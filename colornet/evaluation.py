"""How good is a network? It, or anybody's pictures, beside the baselines on the same photos."""

import hashlib
import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Callable, NamedTuple

import numpy as np
from tqdm import tqdm

import colornet
from colornet import breakdown, data, gamut, skin, steer
from colornet.colorize import NETWORK, compose, network_input, predict_ab
from colornet.files import read_journal
from colornet.metrics import METRICS, Measured, interval, luma, other_formulas, scores
from colornet.photos import PhotoError, find_photos, read_photo, search

PROTOCOL = (
    "Centre square of each photo, resized to {size}x{size} (area); truly grey photos left out; L "
    "kept exactly; result rounded to 8-bit sRGB; each metric per photo, then the mean; 95 % "
    "bootstrap intervals over photos. PSNR over the three sRGB channels, peak 255; SSIM of Wang "
    "et al. 2004 (Gaussian window of 11, sigma 1.5) per sRGB channel; CIEDE2000 per pixel; "
    "colourfulness of Hasler and Suesstrunk 2003, signed; AuC of ab errors under 0..150 as in "
    "arXiv 1603.08511."
)
MEAN_AB_PHOTOS = 1000  # training photos from which the dataset's mean ab is taken
DIFFERENCE = "colourfulness less the true"  # a metric of every prediction, signed


class TestSet(NamedTuple):
    """The photos to evaluate on.

    names: of the photos; a prepared one's is a hash.
    read: of a number, that photo as uint8 RGB `(size, size, 3)`.
    mean_ab: of the training photos, or of loose photos their own, `(2,)`.
    sources: the names of the files that the photos were in.
    shapes: height and width that these had.
    """

    names: list
    read: Callable
    mean_ab: np.ndarray
    sources: list
    shapes: list


def _left_out(name, why):
    tqdm.write(f"colornet: {name}: left out, {why}", file=sys.stderr)


def _map(function, items):
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        try:
            return list(pool.map(function, items))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _mean_ab(photo):
    return gamut.rgb_to_lab(photo)[..., 1:].mean((0, 1))


def _read_prepared_set(folder, size):
    rows = {row["photo"]: row for row in data.read_manifest(folder)}
    files, training = data.split_files(folder, "test"), data.split_files(folder, "train")
    if not files or not training:
        missing = "training" if files else "test"
        raise PhotoError(f"{folder}: no {missing} photos; prepare more photos")

    def square(file):
        return data.square(data.read_prepared(file), size)

    # A prepared photo may have had its colours outside the square.
    grey = _map(lambda file: data.is_grey(square(file)), files)
    for file in (file for file, is_grey in zip(files, grey) if is_grey):
        _left_out(file.stem, "truly grey")
    files = [file for file, is_grey in zip(files, grey) if not is_grey]
    if not files:
        raise PhotoError(f"{folder}: no colour photos to compare with")
    some = training[:: max(1, len(training) // MEAN_AB_PHOTOS)]
    names = [file.stem for file in files]
    return TestSet(
        names,
        lambda i: square(files[i]),
        np.mean(_map(lambda file: _mean_ab(square(file)), some), axis=0),
        [rows[name]["file"] for name in names],
        [(int(rows[name]["height"]), int(rows[name]["width"])) for name in names],
    )


def _read_loose(target, size):
    def read(pair):
        file, name = pair
        try:
            pixels = read_photo(file).pixels
        except PhotoError as error:
            tqdm.write(f"colornet: {error}", file=sys.stderr)
            return None
        photo = data.square8(pixels, size)
        if data.is_grey(photo):
            _left_out(name, "truly grey")
            return None
        return name, photo, pixels.shape[:2]

    there = search(target)
    for _, line in there.unopened:
        tqdm.write(f"colornet: {line}", file=sys.stderr)
    found = [one for one in _map(read, there.photos) if one]
    if not found:
        raise PhotoError(f"{target[0]}: no colour photos to compare with")
    names, photos, shapes = map(list, zip(*found))
    mean_ab = np.mean([_mean_ab(photo) for photo in photos], axis=0)
    return TestSet(names, photos.__getitem__, mean_ab, names, shapes)


def read_test_set(target, size=256):
    """The photos to evaluate on.

    Args:
        target: a list: one prepared set, of which the test split is taken; or photo files and
            folders, cropped and resized here. Truly grey ones, whose PSNR would be infinite, and
            unreadable loose ones are left out and named on stderr.

    Returns:
        A `TestSet`.

    Raises:
        PhotoError: nothing to evaluate on, or a missing source.
    """
    if len(target) == 1 and data.is_prepared(target[0]):
        return _read_prepared_set(target[0], size)
    return _read_loose(target, size)


class Results:
    """Pictures that some colorizer made of the photos of a `TestSet`.

    A picture belongs to the photo of its name, whatever the suffix; to a prepared photo by the
    name there or by that of the file it came from. A picture is taken if it has the shape of the
    photo, or of its square.

    Raises:
        PhotoError: a missing folder, or no picture for any photo.
    """

    def __init__(self, folder, test, size):
        self._size, self._shapes = size, test.shapes
        by_name = {}
        for file, name in find_photos([folder]):
            by_name.setdefault(os.path.splitext(name)[0], []).append(file)
        self._files = []
        for name, source in zip(test.names, test.sources):
            stems = [os.path.splitext(source)[0], Path(name).stem, Path(source).stem]
            self._files.append(next((by_name[stem] for stem in stems if stem in by_name), []))
        if not any(self._files):
            raise PhotoError(
                f"{folder}: no picture has the name of any of the {len(test.names)} photos, "
                f"such as {os.path.splitext(test.sources[0])[0]}.png"
            )

    def read(self, i):
        """The picture of photo i, uint8 RGB `(size, size, 3)`.

        Raises:
            PhotoError: none, several, an unreadable one, or one of another shape.
        """
        files = self._files[i]
        if len(files) != 1:
            raise PhotoError(f"{len(files)} results" if files else "no result")
        pixels = read_photo(files[0]).pixels
        (height, width), own = pixels.shape[:2], self._shapes[i]
        same_shape = abs(height * own[1] - width * own[0]) <= max(height, width, *own)
        if height != width and not same_shape:
            raise PhotoError(f"{files[0]}: is {width}x{height}, the photo {own[1]}x{own[0]}")
        if (height, width) not in (own, (self._size, self._size)):
            what = f"is {width}x{height}, resized to {self._size}x{self._size}"
            tqdm.write(f"colornet: {files[0]}: {what}", file=sys.stderr)
        return data.square8(pixels, self._size)


def _flat(ab):
    return np.asarray(ab, np.float32).reshape(1, 1, 2)


def _answers(network, true):
    """What a network makes of a photo: ab by row of the table."""
    if steer.prior(network) is None:
        answers = {"model": predict_ab(network, true)}
        return answers | {"model, luma input": predict_ab(network, luma(true))}
    # Every vividness from one run. Of a distribution the mean, by which networks compare, first.
    both = np.concatenate([network_input(network, photo) for photo in (true, luma(true))])
    with NETWORK:
        own, from_luma = steer.up_to_logits(network).predict_on_batch(both)
    wanted = {
        "model": (own, 0),
        "model, luma input": (from_luma, 0),
        "model, as by default": (own, steer.VIVIDNESS),
        "model, vivid": (own, 1),
    }
    prior = steer.prior(network)
    return {row: np.asarray(steer.colour(of, prior, v)) for row, (of, v) in wanted.items()}


def _score(network, rgb, mean_ab, picture, wanted, encode):
    """Every row's figures for one photo, a dict for JSON; `wanted` as in `evaluate`."""
    true = Measured(rgb)
    fields = {
        "grey": _flat((0, 0)),
        "dataset mean ab": _flat(mean_ab),
        "oracle mean ab": _flat(true.lab[..., 1:].mean((0, 1))),
    }
    fields |= _answers(network, rgb) if network is not None else {}
    if picture is not None:
        fields["results"] = gamut.rgb_to_lab(picture)[..., 1:]
    guesses = {row: Measured(compose(rgb, ab)) for row, ab in fields.items()}
    if picture is not None:
        guesses["results, own L"] = Measured(picture)
    rows = {row: scores(true, guess) for row, guess in guesses.items()}
    for of in rows.values():
        of[DIFFERENCE] = of["colourfulness"] - true.colourfulness
    record = dict(
        rows=rows | {"true": dict(colourfulness=true.colourfulness)},
        formulas={
            row: other_formulas(true, guesses[row], rows[row])
            for row in ("grey", "model", "results")
            if row in rows
        },
    )
    if "skin" in wanted:
        record["skin"] = skin.measure(true, guesses)
    if "features" in wanted:
        rgbs = {"true": rgb} | {row: guess.rgb for row, guess in guesses.items()}
        record["features"] = dict(zip(rgbs, encode(np.stack([*rgbs.values()]))))
    return record


def _digest(*parts):
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part if isinstance(part, bytes) else repr(part).encode())
    return digest.hexdigest()[:32]


def _identity(network):
    """A hash of what a network is and of the code by which its figures come about."""
    folder = Path(__file__).parent
    code = [file.read_bytes() for file in sorted(folder.glob("*.py"))]
    own = [network.to_json(), *(w.tobytes() for w in network.get_weights())] if network else []
    return _digest(colornet.__version__, *code, *own)


def evaluate(network, target, size=256, limit=None, results=None, wanted=(), journal=None):
    """The table: a network, or anybody's pictures, and the baselines under the house protocol.

    Rows: `true` (its colourfulness), `grey` (ab 0), `dataset mean ab` (of the training photos;
    of loose photos, their own), `oracle mean ab` (each photo's true mean), `model`, and
    `model, luma input` (the network sees the Rec. 601 grey version, as most grey files are). For a
    network with a distribution these are its mean, vividness 0; then come `model, as by default`
    and `model, vivid` (vividness 1). Of pictures, `results`, their colours at the true L, and
    `results, own L`, the pictures as they are.

    Args:
        network: a Keras model from L to ab; None where `results` alone are scored.
        target, size: see `read_test_set`.
        limit: only so many photos.
        results: a folder of coloured pictures, see `Results`. Photos whose picture is missing or
            cannot be read are named on stderr and left out of every row.
        wanted: what takes longer: some of "skin", see `skin`, and "features", see `features`.
        journal: a file to which each photo's figures go at once. What it holds of the same network,
            photo, picture and code is not done again.

    Returns:
        `(report, photos)`: the report as a dict for JSON, with the mean and interval of every
        metric of every row, the paired gain of the model (or else the results) over grey, these
        under other formulas, and the gains by group, see `breakdown`; and the per-photo values,
        `{row: {metric: [...]}}`, with `names`.

    Raises:
        PhotoError: nothing to evaluate on or with, or a missing source.
    """
    if journal:
        Path(journal).parent.mkdir(parents=True, exist_ok=True)
        open(journal, "a").close()  # to fail at once where it cannot be written
    test = read_test_set(target, size)
    count = len(test.names[:limit])
    pictures = Results(results, test, size) if results else None
    encode = None
    if "features" in wanted:
        from colornet import features  # with Keras, which starts slowly

        encode = features.encoder()
    identity = _identity(network)
    known = {record["key"]: record for record in read_journal(journal)} if journal else {}

    def score(i):
        """The photo's figures, and whether they are new; None where it is left out."""
        rgb = test.read(i)
        picture = None
        if pictures:
            try:
                picture = pictures.read(i)
            except PhotoError as error:
                _left_out(test.names[i], error)
                return None
        seen = [rgb.tobytes(), picture is not None and picture.tobytes()]
        key = _digest(identity, test.mean_ab.round(6).tolist(), size, *seen)
        if key in known and all(what in known[key] for what in wanted):
            return known[key], False
        record = _score(network, rgb, test.mean_ab, picture, wanted, encode)
        if any(np.isinf(of.get("psnr", 0)) for of in record["rows"].values()):
            _left_out(test.names[i], "a result equals it in every pixel: is it the photo itself?")
            return None
        return dict(key=key, photo=test.names[i]) | record, True

    records, sources = [], []
    with open(journal or os.devnull, "a", encoding="utf-8") as log:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            try:
                found = tqdm(pool.map(score, range(count)), total=count, unit="photo")
                for source, one in zip(test.sources, found):
                    if one is None:
                        continue
                    records.append(one[0])
                    sources.append(source)
                    if one[1]:
                        log.write(json.dumps(one[0]) + "\n")
                        log.flush()
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
    if not records:
        raise PhotoError(f"{results}: none of the {count} photos has a result that can be compared")
    if len(records) < count:
        left = f"{count - len(records)} of {count} photos left out of every row, named above"
        print(f"colornet: {left}", file=sys.stderr)
    return _report(records, sources, size, wanted)


def _report(records, sources, size, wanted):
    rows = {
        row: {metric: [one["rows"][row][metric] for one in records] for metric in metrics}
        for row, metrics in records[0]["rows"].items()
    }
    answer = "model" if "model" in rows else "results"
    report = dict(
        protocol=PROTOCOL.format(size=size),
        photos=len(records),
        rows={
            row: {metric: interval(values) for metric, values in metrics.items()}
            for row, metrics in rows.items()
        },
        gain_over_grey={
            metric: interval(np.subtract(rows[answer][metric], rows["grey"][metric]))
            for metric in METRICS
        },
        other_formulas={
            row: _pooled([one["formulas"][row] for one in records]) for row in records[0]["formulas"]
        },
        by=dict(
            set=breakdown.by_set(rows, sources), colourfulness=breakdown.by_colourfulness(rows)
        ),
    )
    if "skin" in wanted:
        report["by"]["skin"] = skin.summary([one["skin"] for one in records])
    if "features" in wanted:
        from colornet import features

        report["features"] = features.distances([one["features"] for one in records])
    return report, rows | dict(names=[one["photo"] for one in records])


def _pooled(values):
    means = {key: float(np.mean([v[key] for v in values])) for key in values[0]}
    error = means.pop("squared error, sRGB")
    return means | {"PSNR of the pooled error, sRGB": 10 * np.log10(255**2 / error)}


def table(report):
    """A report as Markdown: the rows with intervals, the gain over grey, the other formulas."""
    metrics = dict(METRICS)
    if any(DIFFERENCE in of for of in report["rows"].values()):  # not in reports of old
        metrics[DIFFERENCE] = ""
    head = "| |" + "".join(f" {m}{f' [{unit}]' if unit else ''} |" for m, unit in metrics.items())
    lines = [head, "|---|" + "---|" * len(metrics)]

    def cell(metric, value, sign=""):
        digits = 3 if metric in ("ssim", "auc") else 2
        sign = "+" if metric == DIFFERENCE else sign
        mean, half = value["mean"], (value["high"] - value["low"]) / 2
        return f"{mean:{sign}.{digits}f} ± {half:.{digits}f}"

    def cells(of, sign=""):
        return " | ".join(cell(m, of[m], sign) if m in of else "" for m in metrics)

    lines += [f"| {row} | {cells(of)} |" for row, of in report["rows"].items()]
    formulas = report["other_formulas"]
    answer = "model" if "model" in formulas else "results"
    lines += [f"| *{answer} minus grey, per photo* | {cells(report['gain_over_grey'], '+')} |", ""]
    lines += ["| the same predictions under | " + " | ".join(formulas) + " |"]
    lines += ["|---" * (len(formulas) + 1) + "|"]
    for name in formulas["grey"]:
        digits = 3 if "SSIM" in name else 2
        values = " | ".join(f"{of[name]:.{digits}f}" for of in formulas.values())
        lines.append(f"| {name} | {values} |")
    return "\n".join(lines)
