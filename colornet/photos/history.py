"""The mark: what a photo or film says of where its colours come from, in XMP for machines to read.

IPTC's Photo Metadata Standard 2025.1 names the source and the system; xmpMM:History has each step.
"""

import os
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime

from colornet import __version__
from colornet.photos import xmp

SOURCE = "Iptc4xmpExt:DigitalSourceType"
KINDS = "http://cv.iptc.org/newscodes/digitalsourcetype/"
TRAINED = f"{KINDS}compositeWithTrainedAlgorithmicMedia"
ENHANCED = f"{KINDS}algorithmicallyEnhanced"
INVENTED = "lgorithmicMedia"  # what ends in it says more than `ENHANCED` does


@dataclass(frozen=True)
class Step:
    """What was done to a photo or film.

    source: SHA-256 of the file that it was made from, in hexadecimal; None where there was none.
    model: name of the network that coloured it; None where it was only repaired.
    model_sha256: of its file, or None where it has none.
    settings: what it was steered by, a text.
    when: ISO 8601; None for the time at which it is written.
    """

    source: str | None
    model: str | None
    model_sha256: str | None
    settings: str = ""
    when: str | None = None


def now() -> str:
    """The time as `Step` has it: ISO 8601, seconds, with the distance from UTC.

    `SOURCE_DATE_EPOCH`, seconds since 1970, stands in for it where results are to be the same.
    """
    told = os.environ.get("SOURCE_DATE_EPOCH")
    time = datetime.fromtimestamp(int(told), UTC) if told else datetime.now().astimezone()
    return time.isoformat(timespec="seconds")


def marked(packet: bytes | None, step: Step) -> tuple[bytes, bool]:
    """A packet of XMP with the mark of a step, see `xmp.renewed`; what it said before stays."""
    before = xmp.value(packet, SOURCE) if packet else None
    told = [f"source sha256 {step.source}" if step.source else "source without a file"]
    if step.model:
        told.insert(0, "coloured: lightness of the source, colours by a trained network")
        told.append(
            f"network {step.model}" + f" sha256 {step.model_sha256}" * bool(step.model_sha256)
        )
        kind = TRAINED
    else:
        kind = before if before and before.endswith(INVENTED) else ENHANCED
    told.append(step.settings)
    if before and before != kind:
        told.append(f"DigitalSourceType before {before}")
    event = dict(
        action="edited",
        when=step.when or now(),
        softwareAgent=f"colornet {__version__}",
        changed="/",
        parameters="; ".join(filter(None, told)),
    )
    # By its own words, so that the same step is the same instance.
    instance = f"xmp.iid:{uuid.uuid5(uuid.NAMESPACE_URL, repr(event))}"
    properties = {SOURCE: kind, "xmpMM:InstanceID": instance}
    if step.model:
        properties["Iptc4xmpExt:AISystemUsed"] = f"colornet, network {step.model}"
        properties["Iptc4xmpExt:AISystemVersionUsed"] = __version__
    return xmp.renewed(
        packet, properties, dict(action=event.pop("action"), instanceID=instance) | event
    )
