"""The literature side by side: every network on the same photos, budget and protocol."""

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from colornet import models
from colornet.data import dataset
from colornet.evaluation.metrics import METRICS, Measured, colourfulness, interval, scores
from colornet.evaluation.tables import about, markdown, signed
from colornet.evaluation.testset import read_test_set
from colornet.inference.colorizer import Colorizer
from colornet.inference.compose import compose
from colornet.photos.photo import Photo
from colornet.storage import AnyPath, atomic, write_json
from colornet.training.run import read_history
from colornet.training.train import train

if TYPE_CHECKING:
    import keras

BUDGET = 30_000  # photos that each network sees in training
PHOTOS = 300  # of the test split
SIZE, TEST_SIZE = 128, 256  # pixels, in training and under the house protocol
TIMED = 10  # runs, of which the median counts


def _scores(title, read, photos, ab_of):
    """Every photo's metrics, `{metric: [...]}`, where `ab_of` gives its colours."""

    def score(i):
        true = read(i)
        return scores(Measured(true), Measured(compose(true, ab_of(true))))

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = list(tqdm(pool.map(score, range(photos)), title, photos, unit="photo"))
    return {metric: [round(one[metric], 5) for one in found] for metric in METRICS}


def milliseconds(network: "keras.Model", size: int = TEST_SIZE) -> float:
    """Of a photo alone, the network loaded: the median of some runs after one to warm up."""
    L = np.zeros((1, *[side or size for side in network.input_shape[1:3]], 1), np.float32)
    network.predict_on_batch(L)
    times = []
    for _ in range(TIMED):
        start = time.perf_counter()
        network.predict_on_batch(L)
        times.append(1000 * (time.perf_counter() - start))
    return float(np.median(times))


def _baselines(read, photos, mean_ab):
    flat = {"grey": (0, 0), "dataset mean ab": mean_ab}
    rows = {
        row: _scores(row, read, photos, lambda true, ab=ab: np.float32(ab).reshape(1, 1, 2))
        for row, ab in flat.items()
    }
    return rows | {"true": dict(colourfulness=[colourfulness(read(i)) for i in range(photos)])}


def _write(out, results):
    write_json(out / "results.json", results)
    with atomic(out / "table.md") as temporary:
        temporary.write_text(table(results), encoding="utf-8")


def benchmark(
    folder: AnyPath,
    out: AnyPath,
    budget: int = BUDGET,
    photos: int = PHOTOS,
    size: int = SIZE,
    names: list[str] | None = None,
) -> dict:
    """Trains networks one after another, each by its own recipe, and scores them.

    The learning rate falls as half a cosine for all, so that a small budget comes to an end. Each
    network has its run in `out`, see `train.train`. What is there already is not done again, and
    an interrupted run goes on. After each network `results.json` and `table.md` are written anew;
    at last all networks are timed once more, one right after another, so that their times compare.

    Args:
        folder: a prepared set.
        out: a folder.
        budget: photos that each network sees in training, made up to whole epochs.
        photos: so many of the test split are scored, as `colorize` colours them by default.
        size: pixels of a side in training. Scored is at 256x256.
        names: some of `models.names()`; by default all.

    Returns:
        The results, a dict for JSON: `data` (fingerprint), `photos` (names), `rows` of the
        baselines, and `networks` by name, each with `parameters`, `milliseconds`, `epochs`, `seen`
        (photos in training), `size`, `seconds` (of training, all cores together) and `scores`;
        all scores photo by photo, `{metric: [...]}`.

    Raises:
        PhotoError: no prepared set.
        ValueError: an unknown network, or as `train` does.
    """
    out, names = Path(out), list(names or models.names())
    for name in names:
        models.builder(name)  # says which there are, where it is unknown
        if name in models.FINDERS:
            raise ValueError(f"{name}: {models.NO_COLOURS}")
    epochs = -(-budget // max(1, len(dataset.split_files(folder, "train"))))
    test = read_test_set([folder], TEST_SIZE)
    asked = dict(data=dataset.fingerprint(folder), photos=test.names[:photos])
    photos = len(asked["photos"])
    results = read_results(out / "results.json") if (out / "results.json").exists() else {}
    if any(results.get(key) != value for key, value in asked.items()):
        results = asked | dict(rows=_baselines(test.read, photos, test.mean_ab), networks={})
        write_json(out / "results.json", results)
    left = [name for name in names if results["networks"].get(name, {}).get("epochs") != epochs]
    for name in left:
        print(f"{name}: {epochs} epochs")
        run = out / name
        train(folder, run, name, epochs=epochs, size=size, schedule="cosine")
        network, config = models.load(run), json.loads((run / "config.json").read_text())
        colours = Colorizer(network).predict
        results["networks"][name] = dict(
            parameters=models.load(run, folded=False).count_params(),
            milliseconds=milliseconds(network),
            epochs=epochs,
            seen=epochs * config["photos"]["train"],
            size=config["stages"][-1]["size"],
            seconds=sum(row["cpu_seconds"] for row in read_history(run)),
            scores=_scores(name, test.read, photos, lambda true, of=colours: of(Photo(true)).ab()),
        )
        _write(out, results)
    if left:
        for name, of in results["networks"].items():
            of["milliseconds"] = milliseconds(models.load(out / name))
        _write(out, results)
    return results


def read_results(path: AnyPath) -> dict:
    """The results that `benchmark` wrote, its networks in the order of `models.names()`."""
    results = json.loads(Path(path).read_text(encoding="utf-8"))
    done = results["networks"]
    return results | dict(networks={name: done[name] for name in models.names() if name in done})


def table(results: dict) -> str:
    """The results of `benchmark` as Markdown."""
    grey = results["rows"]["grey"]

    def cells(scores):
        for metric in METRICS:
            if metric not in scores:
                yield ""
                continue
            digits = 3 if metric in ("ssim", "auc") else 2
            yield about(interval(scores[metric]), digits)
        gain = interval(np.subtract(scores["psnr"], grey["psnr"])) if "psnr" in scores else None
        yield signed(gain) if gain else ""

    head = ["", "parameters", "training, CPU s", "ms a photo"]
    head += [f"{m} [{unit}]" if unit else m for m, unit in METRICS.items()] + ["over grey [dB]"]
    lines = [[row, "", "", "", *cells(of)] for row, of in results["rows"].items()]
    networks = results["networks"]
    for name, of in networks.items():
        own = [name, f"{of['parameters']:,}", f"{of['seconds']:.0f}", f"{of['milliseconds']:.0f}"]
        lines.append([*own, *cells(of["scores"])])
    seen = sorted({(of["seen"], of["size"]) for of in networks.values()})
    budget = ", ".join(f"{number:,} photos at {size}x{size}" for number, size in seen)
    scored = f"Scored: {len(results['photos'])} test photos."
    told = f"Seen in training by each: {budget}. {scored}\n"
    return "\n".join([*markdown(head, lines), "", told])
