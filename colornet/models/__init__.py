"""The networks, one file each. Every one maps L `(batch, H, W, 1)` to ab `(batch, H, W, 2)`."""

import json

import keras

from colornet.files import RELEASED, released
from colornet.models import (
    cic,
    dcgan,
    diverse,
    hypercolumn,
    let_there_be_color,
    lightweight,
    pix2pix,
    user_guided,
)
from colornet.models import colornet as own
from colornet.models.eight_conv import eight_conv
from colornet.models.encoder_decoder import PAPER, encoder_decoder
from colornet.models.folding import fold

MODELS = {
    "colornet": own.colornet,
    "encoder_decoder": encoder_decoder,
    "eight_conv": eight_conv,
    "cic": cic.cic,
    "let_there_be_color": let_there_be_color.let_there_be_color,
    "hypercolumn": hypercolumn.hypercolumn,
    "user_guided": user_guided.user_guided,
    "pix2pix": pix2pix.pix2pix,
    "dcgan": dcgan.dcgan,
    "diverse": diverse.diverse,
    "lightweight": lightweight.lightweight,
}

_PAPER = dict(
    initial=None,
    frozen=(),
    schedule="constant",
    augment=True,
    mixed=False,
    hints=False,
    age=0.0,
    labels=False,
    per_set=None,
) | {key: PAPER[key] for key in ("loss", "optimizer", "learning_rate", "batch_size", "size")}

# How each is trained unless told otherwise, see `training.train`.
RECIPES = {
    "colornet": own.RECIPE,
    "encoder_decoder": _PAPER,
    "eight_conv": _PAPER,
    "cic": cic.RECIPE,
    "let_there_be_color": let_there_be_color.RECIPE,
    "hypercolumn": hypercolumn.RECIPE,
    "user_guided": user_guided.RECIPE,
    "pix2pix": pix2pix.RECIPE,
    "dcgan": dcgan.RECIPE,
    "diverse": diverse.RECIPE,
    "lightweight": lightweight.RECIPE,
}

# What a recipe's loss may name beside Keras's own: functions that take a network and give the model
# to train, which shares its weights, and the loss to compile it with.
OBJECTIVES = {
    "distribution": own.distribution,
    "rebalanced": cic.rebalanced,
    "with_classes": let_there_be_color.with_classes,
    "hue_and_chroma": hypercolumn.hue_and_chroma,
    "guided": user_guided.guided,
    "adversarial": pix2pix.adversarial,
    "dcgan": dcgan.adversarial_photo,
    "colour_fields": diverse.colour_fields,
}


def build(name, **options):
    """A fresh network by name, with the options of its builder (`width`, ...).

    Raises:
        ValueError: no such network; the message lists those there are.
    """
    if name not in MODELS:
        raise ValueError(f"no network is called {name!r}; there are: {', '.join(MODELS)}")
    return MODELS[name](**options)


def load(model, folded=True):
    """A trained network.

    Args:
        model: the name of a released network; or a folder with `config.json` and
            `best.weights.h5`, such as a run's; or a `.keras` file.
        folded: its batch normalisation folded into its convolutions, which is faster; False for
            the network as it was built and trained.

    Returns:
        A Keras model from L to ab.

    Raises:
        ValueError: no such network, or damaged files; one line.
    """
    folder = released(model)
    single = folder.suffix == ".keras"
    for file in [folder] if single else [folder / "config.json", folder / "best.weights.h5"]:
        if not file.is_file():
            names = ", ".join(name for name in MODELS if (RELEASED / name).is_dir())
            raise ValueError(
                f"{file}: no trained network there; released: {names or 'none'}; a run folder "
                "or a .keras file will do too"
            )
    try:
        if single:
            network = keras.models.load_model(folder, compile=False)
        else:
            config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
            network = build(config["model"], **config["options"])
            network.load_weights(folder / "best.weights.h5")
        return fold(network) if folded else network
    # JSON, zipfile, h5py and Keras each have their own words for a damaged file.
    except Exception as error:
        reason = str(error).strip().split("\n")[0][:200]
        raise ValueError(f"{folder}: cannot be loaded ({reason}); fetch it again") from None
