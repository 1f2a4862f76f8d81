"""The results of a record made again, byte for byte."""

import json
from collections.abc import Callable
from pathlib import Path

from colornet.checksums import digest
from colornet.errors import PhotoError, say, unforeseen
from colornet.inference.colorizer import Colorizer
from colornet.inference.folders import Work, identity
from colornet.inference.order import Order
from colornet.inference.repair import finder
from colornet.storage import AnyPath

NEEDED = {"photo", "picture", "sha256", "results", "out", "when"}
NEEDED |= {"model", "model_sha256", "settings", "signed"}


def _entries(record):
    """The last entry of each result, in the order of the record; those of errors left out."""
    found, number = {}, 0
    try:
        with open(record, encoding="utf-8") as file:
            for line in file:
                number += 1
                entry = json.loads(line)
                if entry["error"] is None:
                    if not NEEDED <= {*entry}:
                        raise KeyError
                    found[entry["results"][0]["file"]] = entry
    except OSError as error:
        raise PhotoError(f"{record}: cannot be read ({error.strerror}); check the path") from None
    except (ValueError, KeyError, TypeError, IndexError):
        line = f"{record}: line {number} is none that colorize --record wrote; take it out"
        raise PhotoError(line) from None
    return [*found.values()]


def _check(colorizer, entry, record):
    """Raises PhotoError where the record is of another network or mask."""
    repair = entry["settings"].get("repair")
    if repair and repair["mask"]:
        if _digest(repair["mask"]) != entry["repair"]["sha256"]:
            raise PhotoError(f"{repair['mask']}: is not the mask of {record}; put that one back")
    elif repair and entry["repair"]["sha256"] != finder().sha256:
        line = f"{record}: its damage was found by a network of another SHA-256"
        raise PhotoError(f"{line} than {finder().name}; install the colornet that wrote it")
    if colorizer and entry["model_sha256"] != colorizer.network.sha256:
        raise PhotoError(
            f"{record}: was made by a network {entry['model']} with SHA-256 "
            f"{entry['model_sha256']}, this one has {colorizer.network.sha256}; name it by --model"
        )


def _digest(mask):
    try:
        return digest(mask)
    except OSError as error:
        raise PhotoError(f"{mask}: cannot be read ({error.strerror}); check the mask") from None


def _again(colorizer, entry, targets, force):
    """What became of one picture: made, there or changed."""
    file = Path(entry["photo"])
    if digest(file) != entry["sha256"]:
        say(f"{file}: is not the photo that was coloured, its SHA-256 is another; left out")
        return "changed"
    wanted = dict(zip(targets, (result["sha256"] for result in entry["results"])))
    there = {target for target in targets if target.exists() and digest(target) == wanted[target]}
    if len(there) == len(targets):
        return "there"
    for target in targets:
        if target.exists() and target not in there and not force:
            raise PhotoError(f"{target}: is there and another; --force replaces it")
    order = Order.of_settings(entry["settings"], entry["when"])
    Work(colorizer, order, []).picture(file, targets, entry["picture"])
    if entry["signed"]:
        say(f"{file}: its results were signed; they are made again without a signature")
        return "made"
    for target in targets:
        if digest(target) != wanted[target]:
            made = f"made by colornet {entry['colornet']}"
            raise PhotoError(f"{target}: is not the same again ({made}); compare them")
    return "made"


def recolor(
    record: AnyPath,
    load: Callable[[str], Colorizer],
    out: AnyPath | None = None,
    force: bool = False,
) -> dict[str, int]:
    """Makes the results of a record again, and tells where they cannot be the same.

    Args:
        record: a file that `Record` wrote.
        load: gives a `Colorizer` by the name of its network; it is called once for each.
        out: a folder for the results; None for where they lay.
        force: replace what is there.

    Returns:
        How many pictures were `made`, `there` already, `changed` since, or `failed`.

    Raises:
        PhotoError: no record, or of another network; before any work.
    """
    entries, colorizers = _entries(record), {}
    for entry in entries:
        name = entry["model"]
        if name not in colorizers:
            colorizers[name] = load(name) if name else None  # repaired alone
        _check(colorizers[name], entry, record)
    photos = {identity(entry["photo"]) for entry in entries} - {None}
    counts = dict(made=0, there=0, changed=0, failed=0)
    for entry in entries:
        targets = [Path(result["file"]) for result in entry["results"]]
        if out is not None:
            before = Path(entry["out"])
            targets = [
                Path(out, path.relative_to(before) if before in path.parents else path.name)
                for path in targets
            ]
        try:
            for target in targets:
                if identity(target) in photos:
                    raise PhotoError(f"{target}: is one of the photos; choose another place")
            what = _again(colorizers[entry["model"]], entry, targets, force)
        except OSError as error:
            say(f"{entry['photo']}: {error.strerror or error}; check the file")
            what = "failed"
        except PhotoError as error:
            say(error)
            what = "failed"
        except Exception as error:  # one photo must not cost the others
            say(f"{entry['photo']}: {unforeseen(error)}")
            what = "failed"
        counts[what] += 1
    return counts
