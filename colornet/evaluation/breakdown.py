"""Where colours are gained and where lost: the photos of an evaluation by set and vividness."""

import numpy as np

from colornet.data import dataset
from colornet.evaluation.metrics import interval
from colornet.evaluation.tables import markdown, signed

WITHOUT = ("true", "grey", "dataset mean ab", "oracle mean ab")  # rows that are no one's answer
QUARTERS = 4


def _group(name, chosen, rows):
    """One group's figures.

    Args:
        name: of the group.
        chosen: the numbers of its photos.
        rows: per-photo values, `{row: {metric: [...]}}`.

    Returns:
        A dict for JSON: `name`, `photos` (how many), `gain` over grey in dB with its interval and
        `colourfulness` by row, the true one among these.
    """
    of = {
        row: {m: np.asarray(v)[chosen] for m, v in metrics.items()} for row, metrics in rows.items()
    }
    answers = [row for row in rows if row not in WITHOUT]
    return dict(
        name=name,
        photos=len(chosen),
        gain={row: interval(of[row]["psnr"] - of["grey"]["psnr"]) for row in answers},
        colourfulness={row: float(of[row]["colourfulness"].mean()) for row in ["true", *answers]},
    )


def by_set(rows: dict, sources: list[str]) -> list[dict]:
    """The groups of a list of photos by the sets that they come from, see `dataset.set_of`."""
    sets = [dataset.set_of(source) or "no set" for source in sources]
    numbers = {name: [i for i, own in enumerate(sets) if own == name] for name in sorted(set(sets))}
    return [_group(name, chosen, rows) for name, chosen in numbers.items()]


def by_colourfulness(rows: dict) -> list[dict]:
    """The quarters of the photos by their true colourfulness, from the palest on."""
    true = np.asarray(rows["true"]["colourfulness"])
    parts = np.array_split(np.argsort(true, kind="stable"), min(QUARTERS, len(true)))
    return [_group(f"{true[p[0]]:.0f} to {true[p[-1]]:.0f}", p, rows) for p in parts]


def table(report: dict, what: str) -> str:
    """The groups of a report of `evaluation` as Markdown; `what` is set or colourfulness."""
    groups = report["by"][what]
    answers = list(groups[0]["gain"])
    colours = [row for row in groups[0]["colourfulness"] if row != "model, luma input"]
    head = [f"by {what}", "photos", *(f"{row} over grey [dB]" for row in answers)]
    head += [f"colourfulness: {', '.join(colours)}"]
    cells = []
    for group in groups:
        shown = ", ".join(f"{group['colourfulness'][row]:.1f}" for row in colours)
        gains = map(signed, group["gain"].values())
        cells.append([group["name"], str(group["photos"]), *gains, shown])
    return "\n".join(markdown(head, cells))
