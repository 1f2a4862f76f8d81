"""What the model cards say of one kind of file: the words of `templates`, chosen and filled in."""

from pathlib import Path

import keras

from colornet.color import lab
from colornet.inference.inputs import MULTIPLE
from colornet.inference.steering import VIVIDNESS
from colornet.models.network import Network

TEMPLATES = Path(__file__).parent / "templates"
TITLES = dict(
    onnx="an ONNX network", litert="a LiteRT network", keras="a Keras network in one file"
)


def told(template: str, **values: object) -> str:
    """The words of a template with values in them."""
    text = (TEMPLATES / f"{template}.md").read_text(encoding="utf-8")
    return text.removesuffix("\n").format(**values)


def release_form(name: str) -> dict[str, str]:
    """What the card of a release says of its files, for `card.card`."""
    return dict(
        library="keras",
        tags="colorization, cie-lab",
        what="a Keras network",
        uses=told("uses_release", name=name),
        start=told("start_release", name=name),
    )


def form(kind: str, name: str, network: keras.Model, paths: list[Path]) -> dict[str, str]:
    """What the card of an export says of its files, for `card.card`.

    Args:
        kind: one of `formats.FORMATS`.
        name: of the network.
        network: a Keras model.
        paths: of the files written.
    """
    own, fixed = Network(network), network.input_shape[1]
    steered = not own.own_answer
    sides = f"h and w are {fixed}" if fixed else "h and w multiples of 32, the lesser near 256"
    size = f"(min(32, round(side * 8 / min(L.shape))) * {MULTIPLE} for side in L.shape)"
    values = dict(
        name=name,
        file=paths[0].name,
        sides=sides,
        size=f"{fixed}, {fixed}" if fixed else size,
        vividness=VIVIDNESS,
        L_scale=lab.L_SCALE,
        ab_scale=lab.AB_SCALE,
    )
    start = told(f"start_{kind}", steering=_unsteered(steered), **values)
    if kind == "saved_model":
        steering = told("steered_saved_model", **values) + "\n" if steered else ""
        return dict(
            library="keras",
            tags="colorization, cie-lab, tensorflow, saved-model",
            what="a TensorFlow SavedModel, photo in and photo out, whose network goes",
            uses=told("uses_saved_model", steering=steering, **values),
            start=start,
        )
    sizes = (f"`{path.name}` ({path.stat().st_size / 1e6:.1f} MB)" for path in paths)
    values |= dict(
        files=", ".join(sizes),
        batch=1 if kind == "litert" else "N",
        optional=", may be left out" if kind == "onnx" else "",
        places="h/4, w/4" if steered else "h, w",
    )
    words = "keras" if kind == "keras" else "network"
    hinted = own.takes_hints if kind == "keras" else steered
    steering = told(f"steered_{words}", **values) + "\n" if hinted else ""
    if steered:
        start += "\n\n" + told(f"example_{kind}", **values)
    return dict(
        library=kind,
        tags=f"colorization, cie-lab, {kind}",
        what=TITLES[kind],
        uses=told(f"uses_{words}", steering=steering, **values),
        start=start,
    )


def _unsteered(steered):
    """What LiteRT's signature wants to be told even where nothing is to be steered."""
    if not steered:
        return ""
    return f", hints=np.zeros((1, h, w, 3), np.float32), vividness=np.float32({VIVIDNESS})"
