"""Hypercolumns: every layer of a classifier at one place tells that place's hue and chroma."""

from collections.abc import Callable

import keras
import numpy as np
from keras import layers, ops

from colornet.color import bins, lab
from colornet.color.backend import Tensor
from colornet.models.layers import Bilinear, MultipleOf32, conv
from colornet.models.recipe import Recipe

# The original's, from the paper and from the release (github.com/gustavla/autocolorize).
PAPER = dict(
    width=64,  # section 3.5: VGG-16, channels of its first stage
    deep=4096,  # section 3.5: channels of fc6 and fc7, and 64 times the width
    column=12_417,  # section 3.5: channels of a hypercolumn
    hidden=1024,  # section 3.5: channels it is reduced to, 16 times the width
    bins=32,  # section 3.2: of hue, and of chroma
    hue_weight=5.0,  # section 3.2, lambda_H: about one over the mean chroma
    fade=0.03,  # section 3.3, eta
    places=128,  # section 3.5: of each photo, drawn at random, that are learnt from in a step
    optimizer="sgd",  # release, solver_vgg16.prototxt, as all below; momentum 0.9, decay 5e-4
    learning_rate=1e-3,  # a tenth of it after 1, 1.5 and 1.75 million steps of 2 million
    batch_size=8,  # release, train_vgg16.prototxt
    size=352,  # there: crops
    megabytes=588,  # of the release's weights, in float32: 588,203,256 bytes with their names
    psnr=24.9,  # dB, on ImageNet: arXiv 1705.02999, table 1, recalled
)

BINS = PAPER["bins"]
CHROMA = 128.0  # ab units that the bins of chroma span; sRGB's blue alone has more
HUE_WEIGHT = PAPER["hue_weight"]
FADE = PAPER["fade"]

RECIPE = Recipe(loss="hue_and_chroma")


def hue_and_chroma_loss(ab: Tensor, logits: Tensor) -> Tensor:
    """KL divergence of hue's and chroma's distributions from the truth, section 3.2.

    The truth is one bin each, so the divergence is its negative log-probability. What is nearly
    grey has no hue to speak of: hue counts by chroma.

    Args:
        ab: true colours `(batch, H, W, 2)`, in the units of `lab.to_network`.
        logits: `(batch, H/4, W/4, 64)`: 32 bins of hue, 32 of chroma.

    Returns:
        One value a photo.
    """
    a, b = ops.split(ops.average_pool(ab * lab.AB_SCALE, bins.STRIDE, bins.STRIDE), 2, axis=-1)
    chroma = ops.minimum(ops.sqrt(a**2 + b**2) / CHROMA, 1.0)[..., 0]
    hue = ops.arctan2(b, a)[..., 0] / (2 * np.pi) % 1.0

    def divergence(share, logits):
        true = ops.minimum(ops.cast(share * BINS, "int32"), BINS - 1)
        return -ops.sum(ops.one_hot(true, BINS) * ops.log_softmax(logits, axis=-1), axis=-1)

    of_hue = divergence(hue, logits[..., :BINS])
    of_chroma = divergence(chroma, logits[..., BINS:])
    return ops.mean(of_chroma + HUE_WEIGHT * chroma * of_hue, axis=(1, 2))


def hue_and_chroma(network: keras.Model) -> tuple[keras.Model, Callable | None]:
    """The objective: the network up to its bins, and `hue_and_chroma_loss`."""
    return keras.Model(network.input, network.get_layer("bins").output), hue_and_chroma_loss


@keras.saving.register_keras_serializable("colornet")
class Colour(layers.Layer):
    """One colour from the distributions of hue and chroma, section 3.3; units of a network.

    Chroma's median, since many a thing may be grey as well and the mean would always be pale; and
    the direction of hue's mean point on the circle. Where that point lies near the centre hue is in
    doubt, and chroma fades in proportion.
    """

    def call(self, logits: Tensor) -> Tensor:
        angles = 2 * np.pi * (np.arange(BINS) + 0.5) / BINS
        circle = np.stack([np.cos(angles), np.sin(angles)], axis=-1).astype("float32")
        mean = ops.matmul(ops.softmax(logits[..., :BINS], axis=-1), circle) / BINS
        length = ops.sqrt(ops.sum(mean**2, axis=-1, keepdims=True))
        chances = ops.softmax(logits[..., BINS:], axis=-1)
        below = ops.cumsum(chances, axis=-1) - chances
        # How much of each bin lies below the median.
        filled = ops.clip((0.5 - below) / ops.maximum(chances, 1e-9), 0.0, 1.0)
        chroma = CHROMA * ops.mean(filled, axis=-1, keepdims=True)
        # Over its length the mean is a direction; over FADE, where it is shorter, less than that.
        ab = chroma * mean / ops.maximum(length, FADE)
        return ops.clip(ab / lab.AB_SCALE, -1.0, 1.0)

    def compute_output_shape(self, shape: tuple) -> tuple:
        return (*shape[:-1], 2)


def stage(x: keras.KerasTensor, filters: int, count: int, name: str) -> list[keras.KerasTensor]:
    """`count` convolutions of VGG-16; the features of each."""
    features = [x]
    for number in range(1, count + 1):
        features.append(conv(features[-1], filters, 3, f"{name}_{number}"))
    return features[1:]


def column(
    features: list[keras.KerasTensor], stride: int, hidden: int, name: str
) -> keras.KerasTensor:
    """One stage's share in the layer behind the hypercolumn, at a quarter of the resolution."""
    x = layers.Concatenate(name=f"{name}_column")(features)
    if stride < bins.STRIDE:
        x = layers.AveragePooling2D(bins.STRIDE // stride, name=f"{name}_quarter")(x)
    # Only one of the shares needs a bias, since they are summed.
    x = layers.Conv2D(hidden, 1, use_bias=stride == bins.STRIDE, name=f"{name}_hidden")(x)
    if stride > bins.STRIDE:
        size = stride // bins.STRIDE
        x = Bilinear(size, name=f"{name}_quarter")(x)
    return x


def hypercolumn(width: int = 16, deep: int = 128) -> keras.Model:
    """Learning Representations for Automatic Colorization.

    Gustav Larsson, Michael Maire, Gregory Shakhnarovich. European Conference on Computer Vision
    (ECCV), 2016, arXiv 1603.06668; the network of its figure 2.

    | stage | layer | output at 256x256, width 16 |
    |---|---|---|
    | conv1 | two 3x3 convolutions, as in VGG-16 | 256x256x16 |
    | conv2 | 2x2 maximum, two | 128x128x32 |
    | conv3, conv4, conv5 | 2x2 maximum, three each | 64x64x64, 32x32x128, 16x16x128 |
    | fc6, fc7 | 2x2 maximum; a 7x7 and a 1x1 convolution | 8x8x128 |
    | column | L and all these features at one place: 1313 of them, never put side by side | |
    | hidden | 1x1 convolution of the column | 64x64x256 |
    | bins | 1x1 convolution: 32 bins of hue, 32 of chroma | 64x64x64 |
    | colour | chroma's median, hue's mean | 64x64x2 |
    | ab | bilinear upsampling | 256x256x2 |

    Batch normalisation and ReLU follow every convolution of VGG-16, ReLU follows hidden.

    A 1x1 convolution of features joined is the sum of one of each, and it does not matter whether
    the upsampling of a feature map comes before or behind it. So each stage is convolved at its own
    resolution and the sum upsampled: the same answer, without a map of 12,417 channels.

    2,096,720 parameters at width 16. At the original's width 64 and 4096 channels in fc6 and fc7,
    147,041,024 once normalisation is folded away: 588 MB in float32, as its release has and table 1
    of arXiv 1603.08511 quotes.

    **Deviations.** Hue and chroma are those of Lab, since L is to stay, not of the colour bicone
    over (R + G + B) / 3; 128 units of chroma make 1. All places of a quarter of the resolution are
    learnt from, not 128 at random; the truth is the bin of the mean of 4x4 pixels. Colours are
    inferred at that resolution and then upsampled; in the original the distributions are. The
    original starts from VGG-16 as ImageNet taught it, the same on grey. Here weights are random and
    photos some 10,000, so all is normalised, as in the release's training file, but without its
    dropout, and AdamW's rate is 1e-3 and falls along a cosine. The small version's fc6 has few
    channels: 64 times the width would be most of its weights.

    Args:
        width: channels of the first stage; the others follow. The original's is 64.
        deep: channels of fc6 and fc7. The original's are 4096.

    Returns:
        A Keras model from L `(batch, H, W, 1)` to ab `(batch, H, W, 2)`, float32 in the units of
        `lab.to_network`; H and W are multiples of 32, else the call raises ValueError. Its layer
        "bins" gives both distributions as logits.
    """
    L = keras.Input((None, None, 1), name="L")
    x = MultipleOf32(name="check")(L)
    columns = []
    for number, count in enumerate((2, 2, 3, 3, 3), 1):
        features = stage(x, width * min(2 ** (number - 1), 8), count, f"conv{number}")
        joined = [x, *features] if number == 1 else features
        columns.append(column(joined, 2 ** (number - 1), 16 * width, f"conv{number}"))
        x = layers.MaxPooling2D(2, name=f"pool{number}")(features[-1])
    fc6 = conv(x, deep, 7, "fc6")
    fc7 = conv(fc6, deep, 1, "fc7")
    columns.append(column([fc6, fc7], 32, 16 * width, "fc"))
    x = layers.Add(name="hidden")(columns)
    x = layers.ReLU(name="hidden_relu")(x)
    logits = layers.Conv2D(2 * BINS, 1, name="bins")(x)
    ab = Colour(name="colour")(logits)
    ab = Bilinear(bins.STRIDE, name="ab")(ab)
    return keras.Model(L, ab, name="hypercolumn")
