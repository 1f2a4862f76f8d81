"""Figures as Markdown."""

from colornet.evaluation.metrics import DIFFERENCE, METRICS


def markdown(head: list[str], cells: list[list[str]]) -> list[str]:
    """The lines of a Markdown table."""
    lines = ["| " + " | ".join(row) + " |" for row in (head, *cells)]
    return [lines[0], "|---" * len(head) + "|", *lines[1:]]


def about(value: dict, digits: int, sign: str = "") -> str:
    """A mean and half of its interval."""
    half = (value["high"] - value["low"]) / 2
    return f"{value['mean']:{sign}.{digits}f} ± {half:.{digits}f}"


def signed(value: dict) -> str:
    """A mean with its sign and interval."""
    return f"{value['mean']:+.2f} ({value['low']:+.2f} to {value['high']:+.2f})"


def table(report: dict) -> str:
    """A report as Markdown: the rows with intervals, the gain over grey, the other formulas."""
    metrics = dict(METRICS)
    if any(DIFFERENCE in of for of in report["rows"].values()):  # not in reports of old
        metrics[DIFFERENCE] = ""
    head = "| |" + "".join(f" {m}{f' [{unit}]' if unit else ''} |" for m, unit in metrics.items())
    lines = [head, "|---|" + "---|" * len(metrics)]

    def cell(metric, value, sign=""):
        digits = 3 if metric in ("ssim", "auc") else 2
        sign = "+" if metric == DIFFERENCE else sign
        return about(value, digits, sign)

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
