"""The networks, one file each. Every one maps L `(batch, H, W, 1)` to ab `(batch, H, W, 2)`."""

from colornet.models.eight_conv import eight_conv
from colornet.models.encoder_decoder import encoder_decoder

MODELS = {
    "encoder_decoder": encoder_decoder,
    "eight_conv": eight_conv,
}


def build(name, **options):
    """A fresh network by name, with the options of its builder (`width`, ...).

    Raises:
        ValueError: no such network; the message lists those there are.
    """
    if name not in MODELS:
        raise ValueError(f"no network is called {name!r}; there are: {', '.join(MODELS)}")
    return MODELS[name](**options)
