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
TRAINED = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"


@dataclass(frozen=True)
class Step:
    """What was done to a photo or film.

    source: SHA-256 of the file that it was made from, in hexadecimal; None where there was none.
    model: name of the network.
    model_sha256: of its file, or None where it has none.
    settings: what it was steered by, a text.
    when: ISO 8601; None for the time at which it is written.
    """

    source: str | None
    model: str
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
    told = [
        "coloured: lightness of the source, colours by a trained network",
        f"source sha256 {step.source}" if step.source else "source without a file",
        f"network {step.model}" + f" sha256 {step.model_sha256}" * bool(step.model_sha256),
        step.settings,
    ]
    before = xmp.value(packet, SOURCE) if packet else None
    if before and before != TRAINED:
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
    properties = {
        SOURCE: TRAINED,
        "Iptc4xmpExt:AISystemUsed": f"colornet, network {step.model}",
        "Iptc4xmpExt:AISystemVersionUsed": __version__,
        "xmpMM:InstanceID": instance,
    }
    return xmp.renewed(
        packet, properties, dict(action=event.pop("action"), instanceID=instance) | event
    )
