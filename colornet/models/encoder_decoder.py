"""The paper's encoder-decoder with skip connections."""

import keras
from keras import layers

from colornet.models.layers import MultipleOf32, plain_conv
from colornet.models.recipe import Recipe

# The recipe and the claims as the paper states them.
PAPER = dict(
    loss="mse",
    optimizer="adam",
    learning_rate=1e-3,
    batch_size=32,
    size=256,
    validation_split=0.2,
    photos=10_000,
    psnr=27.4,  # dB, claimed; the formula is not given
    ssim=0.85,  # claimed; the formula is not given
)
RECIPE = Recipe(
    **{key: PAPER[key] for key in ("loss", "optimizer", "learning_rate", "batch_size", "size")},
    schedule="constant",
)


def deconv_block(x: keras.KerasTensor, filters: int, name: str) -> keras.KerasTensor:
    """Doubles height and width: 4x4 transposed convolution of stride 2, normalisation, ReLU."""
    x = layers.Conv2DTranspose(filters, 4, 2, "same", use_bias=False, name=f"{name}_deconv")(x)
    x = layers.BatchNormalization(name=f"{name}_bn")(x)
    return layers.ReLU(name=f"{name}_relu")(x)


def encoder_decoder(width: int = 32) -> keras.Model:
    """Colorization of Grayscale Images using Deep Convolution Neural Networks, section 3.2.

    Abhishek Gudipalli, Canavoy Narahari Sujatha, Amutha Prabha N, Krishna Khanikhar.
    International Journal of Intelligent Systems and Applications in Engineering, 2024.

    | stage | layer | output at 256x256, width 32 |
    |---|---|---|
    | encoder1..5 | convolution, batch normalisation, ReLU | 128x128x32, 64x64x64, 32x32x128, 16x16x256, 8x8x256 |
    | decoder5..2 | transposed convolution, batch normalisation, ReLU, joined with encoder 4..1 | 16x16x512, 32x32x256, 64x64x128, 128x128x64 |
    | decoder1 | transposed convolution, batch normalisation, ReLU, joined with L | 256x256x17 |
    | ab | 3x3 convolution, sigmoid | 256x256x2 |

    4,183,668 parameters at width 32.

    Deviations, where the paper does not say: kernels are 4x4 with stride 2 in place of
    pooling, widths double from 32 to 256, skips are concatenations; the sigmoid sits on a
    3x3 convolution of its own, since a sigmoid behind a ReLU could only give half its range,
    and its output is stretched from [0, 1] to the [-1, 1] of `lab.to_network`.

    Args:
        width: channels of the first stage; the others follow.

    Returns:
        A Keras model from L `(batch, H, W, 1)` to ab `(batch, H, W, 2)`, float32 in the
        units of `lab.to_network`; H and W are multiples of 32, else the call raises
        ValueError.
    """
    L = keras.Input((None, None, 1), name="L")
    widths = [width, 2 * width, 4 * width, 8 * width, 8 * width]
    x, skips = MultipleOf32(name="check")(L), []
    for stage, filters in enumerate(widths, 1):
        skips.append(x)
        x = plain_conv(x, filters, 4, 2, f"encoder{stage}")
    for stage in range(5, 0, -1):
        filters = widths[stage - 2] if stage > 1 else width // 2
        x = deconv_block(x, filters, f"decoder{stage}")
        x = layers.Concatenate(name=f"skip{stage}")([x, skips[stage - 1]])
    x = layers.Conv2D(2, 3, padding="same", activation="sigmoid", name="sigmoid")(x)
    ab = layers.Rescaling(2.0, -1.0, name="ab")(x)
    return keras.Model(L, ab, name="encoder_decoder")
