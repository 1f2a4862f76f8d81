"""Released networks photo by photo: PSNR of one over grey and over others, pale photos to vivid.

    python experiments/compare.py colornet encoder_decoder eight_conv
        [--set PREPARED --drop imagenet]

Reads the per_photo.csv of each release; all were measured on the same test photos. `--drop` leaves
out the photos whose source in PREPARED's manifest has that word.
"""

import argparse
import csv

import numpy as np

from colornet.data import dataset
from colornet.evaluation.metrics import interval
from colornet.models.releases import RELEASED


def read(name):
    """Of each photo: PSNR of grey and network, and the true colourfulness."""
    with open(RELEASED / name / "per_photo.csv", newline="", encoding="utf-8") as file:
        rows = {(row["photo"], row["row"]): row for row in csv.DictReader(file)}
    photos = sorted({photo for photo, _ in rows})
    return photos, {
        "grey": np.array([float(rows[photo, "grey"]["psnr"]) for photo in photos]),
        "model": np.array([float(rows[photo, "model"]["psnr"]) for photo in photos]),
        "true": np.array([float(rows[photo, "true"]["colourfulness"]) for photo in photos]),
    }


def main():
    args = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    args.add_argument("model")
    args.add_argument("others", nargs="*")
    args.add_argument("--set", metavar="PREPARED")
    args.add_argument("--drop", default="imagenet")
    args = args.parse_args()
    photos, mine = read(args.model)
    rivals = {"grey": mine["grey"]}
    for name in args.others:
        same, theirs = read(name)
        assert same == photos, f"{name} was measured on other photos"
        rivals[name] = theirs["model"]
    order = np.argsort(mine["true"])
    groups = {"all": order}
    for number, part in enumerate(np.array_split(order, 4)):
        low, high = mine["true"][part[[0, -1]]]
        groups[f"quarter {number + 1}, colourfulness {low:.0f} to {high:.0f}"] = part
    if args.set:
        dropped = {r["photo"] for r in dataset.read_manifest(args.set) if args.drop in r["file"]}
        groups[f"without {args.drop}"] = np.array(
            [i for i, photo in enumerate(photos) if photo not in dropped]
        )
    print("| photos | number | " + " | ".join(f"over {name} [dB]" for name in rivals) + " |")
    print("|---" * (len(rivals) + 2) + "|")
    for group, chosen in groups.items():
        cells = []
        for values in rivals.values():
            gain = interval((mine["model"] - values)[chosen])
            cells.append(f"{gain['mean']:+.2f} ({gain['low']:+.2f} to {gain['high']:+.2f})")
        print(f"| {group} | {len(chosen)} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
