"""The paper's eight-convolution network with a fully connected feature path."""

import keras
from keras import layers

from colornet.models import encoder_decoder
from colornet.models.layers import Bilinear, plain_conv

RECIPE = encoder_decoder.RECIPE.but(sized=True)


def eight_conv(width: int = 32, size: int = 256) -> keras.Model:
    """Colorization of Grayscale Images using Deep Convolution Neural Networks, section 3.3.

    Abhishek Gudipalli, Canavoy Narahari Sujatha, Amutha Prabha N, Krishna Khanikhar.
    International Journal of Intelligent Systems and Applications in Engineering, 2024;
    the network of its figure 3.

    | layer | output at 256x256, width 32 |
    |---|---|
    | conv1, conv2, conv3: stride 2 | 128x128x32, 64x64x64, 32x32x128 |
    | conv4 | 32x32x128 |
    | conv5, conv6: stride 2 | 16x16x128, 8x8x64 |
    | flatten, fully connected, repeated over the 32x32 places, joined with conv4 | 4096, 128, 32x32x256 |
    | conv7 | 32x32x128 |
    | up-sampling, conv8 with tanh, up-sampling | 64x64x128, 64x64x2, 256x256x2 |

    1,285,410 parameters at width 32.

    Deviations, where the paper does not say: widths, kernels of 3x3, strides as the
    down-sampling, normalisation after each convolution but the last, and where the flattened
    path joins again (by repetition, as in Iizuka, Simo-Serra and Ishikawa 2016).

    Args:
        width: channels of the first convolution; the others follow.
        size: height and width of the input, a multiple of 32; the fully connected path ties
            the weights to it.

    Returns:
        A Keras model from L `(batch, size, size, 1)` to ab `(batch, size, size, 2)`, float32
        in the units of `lab.to_network`.

    Raises:
        ValueError: a size that is no multiple of 32.
    """
    if size < 32 or size % 32:
        raise ValueError(f"eight_conv takes a size that is a multiple of 32, not {size}")
    L = keras.Input((size, size, 1), name="L")
    x = plain_conv(L, width, 3, 2, "conv1")
    x = plain_conv(x, 2 * width, 3, 2, "conv2")
    x = plain_conv(x, 4 * width, 3, 2, "conv3")
    local = plain_conv(x, 4 * width, 3, 1, "conv4")
    x = plain_conv(local, 4 * width, 3, 2, "conv5")
    x = plain_conv(x, 2 * width, 3, 2, "conv6")
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(4 * width, activation="relu", name="fully_connected")(x)
    x = layers.RepeatVector((size // 8) ** 2, name="repeat")(x)
    x = layers.Reshape((size // 8, size // 8, 4 * width), name="everywhere")(x)
    x = layers.Concatenate(name="join")([local, x])
    x = plain_conv(x, 4 * width, 3, 1, "conv7")
    x = Bilinear(2, name="up1")(x)
    x = layers.Conv2D(2, 3, padding="same", activation="tanh", name="conv8")(x)
    ab = Bilinear(4, name="ab")(x)
    return keras.Model(L, ab, name="eight_conv")
