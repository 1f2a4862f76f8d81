"""The paper's encoder-decoder as the generator of a DCGAN, which it names as future work."""

from collections.abc import Callable

import keras
from keras import layers

from colornet.models.encoder_decoder import encoder_decoder
from colornet.models.literature.pix2pix import CONTENT_WEIGHT, Adversarial, normal, normalise
from colornet.models.recipe import Recipe

# The original's settings.
PAPER = dict(
    noise=100,  # section 4.1, numbers that the generator begins with, in place of L
    generator=(1024, 512, 256, 128, 3),  # figure 1, channels at 4x4, 8x8, ... 64x64
    kernel=5,  # figure 1
    size=64,  # figure 1
    leak=0.2,  # section 4, of the discriminator's LeakyReLU
    deviation=0.02,  # section 4, of the first weights, see `pix2pix.normal`
    optimizer="adam",  # section 4
    learning_rate=2e-4,  # section 4
    beta_1=0.5,  # section 4
    batch_size=128,  # section 4
)


def discriminator(width: int) -> keras.Model:
    """The discriminator, by the guidelines of section 3: whether a photo is real, in one logit.

    Args:
        width: channels of the first convolution.

    Returns:
        A Keras model from L and ab, joined, `(batch, H, W, 3)`, to logits `(batch, 1)`, above 0
        for what it takes to be real.
    """
    x = photo = keras.Input((None, None, 3), name="photo")
    for stage in range(1, 6):
        filters, name = width * min(2 ** (stage - 1), 8), f"photo{stage}"
        # Strides in place of pooling; all is normalised but the photo itself.
        options = dict(use_bias=stage == 1, kernel_initializer=normal(), name=f"{name}_conv")
        x = layers.Conv2D(filters, 4, 2, "same", **options)(x)
        if stage > 1:
            x = normalise(x, name)
        x = layers.LeakyReLU(PAPER["leak"], name=f"{name}_relu")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(photo, layers.Dense(1, name="real")(x), name="discriminator")


def adversarial_photo(network: keras.Model) -> tuple[keras.Model, Callable | None]:
    """The objective "dcgan": L1 and a discriminator of whole photos, as wide as the generator.

    Args:
        network: a `dcgan`.

    Returns:
        The model to train, and None: it computes its loss itself, see `pix2pix.Adversarial`.
    """
    width = network.get_layer("encoder1_conv").filters
    return Adversarial(network, discriminator(width), CONTENT_WEIGHT), None


RECIPE = Recipe(
    loss="adversarial_photo",
    optimizer=dict(class_name="adam", config=dict(beta_1=PAPER["beta_1"])),
    learning_rate=PAPER["learning_rate"],
)


def dcgan(width: int = 20) -> keras.Model:
    """Unsupervised Representation Learning with Deep Convolutional Generative Adversarial Networks.

    Alec Radford, Luke Metz, Soumith Chintala. ICLR 2016, arXiv 1511.06434.

    The house paper's encoder-decoder as the generator, which that paper names as future work.

    | stage | layer | output at 256x256, width 20 |
    |---|---|---|
    | encoder1..5 | convolution, batch normalisation, ReLU | 128x128x20, 64x64x40, 32x32x80, 16x16x160, 8x8x160 |
    | decoder5..2 | transposed convolution, batch normalisation, ReLU, joined with encoder 4..1 | 16x16x320, 32x32x160, 64x64x80, 128x128x40 |
    | decoder1 | transposed convolution, batch normalisation, ReLU, joined with L | 256x256x11 |
    | ab | 3x3 convolution, tanh | 256x256x2 |

    1,635,600 parameters at width 20; 4,183,668 at width 32, as many as `encoder_decoder`. The
    original's generator, from noise to a photo of 64x64, is another network; none published.

    Deviations. L in place of noise, an encoder before the generator with skips to it, and an L1
    term beside the adversarial loss, as heavy as in `pix2pix`: nothing else ties the colours to the
    photo. Kernels are 4x4.
    The discriminator sees L beside ab, halves five times and ends in the mean over all places; the
    original's, for 64x64, halves four times and is flattened. Both sides step at once, see
    `pix2pix.Adversarial`. Batches of 32 in place of 128, and a cosine.

    Args:
        width: channels of the first stage; the others follow.

    Returns:
        A Keras model from L `(batch, H, W, 1)` to ab `(batch, H, W, 2)`, float32 in the
        units of `lab.to_network`; H and W are multiples of 32, else the call raises
        ValueError.
    """
    house = encoder_decoder(width)
    x = house.get_layer("skip1").output
    ab = layers.Conv2D(
        2, 3, padding="same", activation="tanh", kernel_initializer=normal(), name="ab"
    )(x)
    return keras.Model(house.input, ab, name="dcgan")
