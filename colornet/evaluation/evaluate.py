"""How good is a network? It, or anybody's pictures, beside the baselines on the same photos."""

import hashlib
import json
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING

import cv2
import numpy as np
from tqdm import tqdm

import colornet
from colornet.color import gamut
from colornet.color.lab import luma
from colornet.errors import PhotoError, say
from colornet.evaluation import breakdown
from colornet.evaluation.metrics import (
    DIFFERENCE,
    METRICS,
    Measured,
    interval,
    other_formulas,
    scores,
)
from colornet.evaluation.testset import Results, TestSet, left_out, read_test_set
from colornet.inference.colorizer import Colorizer, load
from colornet.inference.compose import compose
from colornet.inference.litert import LiteRTNetwork
from colornet.storage import AnyPath, read_journal

if TYPE_CHECKING:
    import keras

PROTOCOL = (
    "Centre square of each photo, resized to {size}x{size} (area); truly grey photos left out; L "
    "kept exactly; result rounded to 8-bit sRGB; each metric per photo, then the mean; 95 % "
    "bootstrap intervals over photos. PSNR over the three sRGB channels, peak 255; SSIM of Wang "
    "et al. 2004 (Gaussian window of 11, sigma 1.5) per sRGB channel; CIEDE2000 per pixel; "
    "colourfulness of Hasler and Suesstrunk 2003, signed; AuC of ab errors under 0..150 as in "
    "arXiv 1603.08511."
)


def _flat(ab):
    return np.asarray(ab, np.float32).reshape(1, 1, 2)


def _answers(colorizer, true):
    """What a network makes of a photo: ab by row of the table."""
    own, from_luma = colorizer.predict_together([true, luma(true)])
    if colorizer.network.own_answer:
        return {"model": own.ab(), "model, luma input": from_luma.ab()}
    # Of a distribution the mean first, by which networks compare.
    return {
        "model": own.ab(0),
        "model, luma input": from_luma.ab(0),
        "model, as by default": own.ab(),
        "model, vivid": own.ab(1),
    }


def _score(colorizer, rgb, mean_ab, picture, wanted):
    """Every row's figures for one photo, a dict for JSON; `wanted` as in `evaluate`."""
    true = Measured(rgb)
    fields = {
        "grey": _flat((0, 0)),
        "dataset mean ab": _flat(mean_ab),
        "oracle mean ab": _flat(true.lab[..., 1:].mean((0, 1))),
    }
    fields |= _answers(colorizer, rgb) if colorizer else {}
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
    return record | {what.name: what.measure(true, guesses) for what in wanted}


def _digest(*parts):
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part if isinstance(part, bytes) else repr(part).encode())
    return digest.hexdigest()[:32]


def _colorizers(model, count):
    """A colorizer for each of so many threads, and what tells its network from others."""
    if model is None:
        return [None] * count, []
    if isinstance(model, (str, os.PathLike)):
        first = load(model)
        own = isinstance(first.network, LiteRTNetwork)  # light enough for each thread to have one
        others = [load(model) if own else first for _ in range(count - 1)]
        return [first, *others], [first.name, first.network.sha256]
    weights = (one.tobytes() for one in model.get_weights())
    return [Colorizer(model)] * count, [model.to_json(), *weights]


@contextmanager
def _one_core_each():
    """Keeps OpenCV, and networks that are loaded here, from starting threads of their own."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


class _Scorer:
    """Scores the photos of a test set, those aside that a journal knows.

    Called with the number of a photo, it gives its figures and whether they are new, or None where
    the photo is left out.
    """

    def __init__(self, colorizers, network, test, results, wanted, journal):
        self.test, self.wanted = test, wanted
        self._free = SimpleQueue()
        for colorizer in colorizers:
            self._free.put(colorizer)
        self._pictures = Results(results, test) if results else None
        code = [file.read_bytes() for file in sorted(Path(colornet.__file__).parent.rglob("*.py"))]
        brought = [what.sha256 for what in wanted if hasattr(what, "sha256")]
        self._identity = _digest(colornet.__version__, *code, *network, *brought)
        self._known = {record["key"]: record for record in read_journal(journal)} if journal else {}

    def __call__(self, i):
        test, picture = self.test, None
        rgb, name = test.read(i), test.names[i]
        if self._pictures:
            try:
                picture = self._pictures.read(i)
            except PhotoError as error:
                left_out(name, error)
                return None
        seen = [rgb.tobytes(), picture is not None and picture.tobytes()]
        key = _digest(self._identity, test.mean_ab.round(6).tolist(), test.size, *seen)
        known = self._known.get(key, {})
        if known and all(what.name in known for what in self.wanted):
            return known, False
        colorizer = self._free.get()
        try:
            record = _score(colorizer, rgb, test.mean_ab, picture, self.wanted)
        finally:
            self._free.put(colorizer)
        if any(np.isinf(of.get("psnr", 0)) for of in record["rows"].values()):
            left_out(name, "a result equals it in every pixel: is it the photo itself?")
            return None
        return dict(key=key, photo=name) | record, True


def evaluate(
    model: "keras.Model | AnyPath | None",
    photos: TestSet | AnyPath | list,
    size: int = 256,
    results: AnyPath | None = None,
    wanted: tuple | list = (),
    journal: AnyPath | None = None,
) -> tuple[dict, dict]:
    """The table: a network, or anybody's pictures, and the baselines under the house protocol.

    Rows: `true` (its colourfulness), `grey` (ab 0), `dataset mean ab` (of the training photos;
    of loose photos, their own), `oracle mean ab` (each photo's true mean), `model`, and
    `model, luma input` (the network sees the Rec. 601 grey version, as most grey files are). For a
    network with a distribution these are its mean, vividness 0; then come `model, as by default`
    and `model, vivid` (vividness 1). Of pictures, `results`, their colours at the true L, and
    `results, own L`, the pictures as they are.

    Args:
        model: a Keras model from L to ab, or what `colorizer.load` takes, which is run as that
            runs it; None where `results` alone are scored.
        photos: a `TestSet`; or what `read_test_set` takes, with `size`.
        results: a folder of coloured pictures, see `Results`. Photos whose picture is missing or
            cannot be read are named on stderr and left out of every row.
        wanted: figures that take longer: some of `skin.Skin()`, `features.Features()`, and the
            `FID` and `LPIPS` of `brought`.
        journal: a file to which each photo's figures go at once. What it holds of the same network,
            photo, picture and code is not done again.

    Returns:
        `(report, photos)`: the report as a dict for JSON, with the mean and interval of every
        metric of every row, the paired gain of the model (or else the results) over grey, these
        under other formulas, the gains by group, see `breakdown`, and what was wanted, by its name;
        and the per-photo values,
        `{row: {metric: [...]}}`, with `names`.

    Raises:
        PhotoError: nothing to evaluate on or with, or a missing source.
        ValueError: no such network.
    """
    with _one_core_each():
        colorizers, network = _colorizers(model, os.cpu_count())
        if journal:
            Path(journal).parent.mkdir(parents=True, exist_ok=True)
            open(journal, "a").close()  # to fail at once where it cannot be written
        test = photos if isinstance(photos, TestSet) else read_test_set(photos, size)
        score = _Scorer(colorizers, network, test, results, wanted, journal)
        records, sources = _scored(score, len(colorizers), journal)
    if not records:
        raise PhotoError(
            f"{results}: none of the {len(test.names)} photos has a result that can be compared"
        )
    if left := len(test.names) - len(records):
        say(f"{left} of {len(test.names)} photos left out of every row, named above")
    return _report(records, sources, test.size, wanted)


def _scored(score, threads, journal):
    """The figures of all photos, and the sources of these; each goes into the journal at once."""
    records, sources, count = [], [], len(score.test.names)
    log = open(journal or os.devnull, "a", encoding="utf-8")
    with log, ThreadPoolExecutor(threads) as pool:
        try:
            found = tqdm(pool.map(score, range(count)), total=count, unit="photo")
            for one, source in zip(found, score.test.sources):
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
    return records, sources


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
            row: _pooled([one["formulas"][row] for one in records])
            for row in records[0]["formulas"]
        },
        by=dict(
            set=breakdown.by_set(rows, sources), colourfulness=breakdown.by_colourfulness(rows)
        ),
    )
    for what in wanted:
        report[what.name] = what.summary([one[what.name] for one in records])
    return report, rows | dict(names=[one["photo"] for one in records])


def _pooled(values):
    means = {key: float(np.mean([v[key] for v in values])) for key in values[0]}
    error = means.pop("squared error, sRGB")
    return means | {"PSNR of the pooled error, sRGB": 10 * np.log10(255**2 / error)}
