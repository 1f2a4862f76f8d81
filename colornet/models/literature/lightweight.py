"""A colorizer for speed: inverted residuals down, separable convolutions up."""

import math

import keras
from keras import layers

from colornet.models.layers import Bilinear, MultipleOf32, conv_bn, inverted_residual
from colornet.models.recipe import Recipe

# Those of the paper that the encoder follows; they are about classifying ImageNet.
PAPER = dict(
    width=32,  # table 2: channels of the first convolution
    # table 2: expansion, channels, repeats, stride
    stages=[
        (1, 16, 1, 1),
        (6, 24, 2, 2),
        (6, 32, 3, 2),
        (6, 64, 4, 2),
        (6, 96, 3, 1),
        (6, 160, 3, 2),
        (6, 320, 1, 1),
    ],
    parameters=3.4e6,  # table 4, with the classifier; 300 million multiplications at 224x224
    optimizer="rmsprop",  # section 6.1; decay and momentum 0.9, weight decay 4e-5
    learning_rate=0.045,  # section 6.1; 0.98 times as much after each epoch
    batch_size=96,  # section 6.1
    size=224,  # section 6.1
)

COLOUR_STRIDE = 4  # pixels of L to a side of a place that gets a colour of its own

RECIPE = Recipe(loss="mse", learning_rate=2e-3)


def encoder(L: keras.KerasTensor, width: int, depth: float) -> list[keras.KerasTensor]:
    """MobileNetV2's features of L at strides 4, 8, 16 and 32."""
    x, features, block = conv_bn(L, width, 3, 2, "stem"), [], 0
    for expansion, channels, repeats, stride in PAPER["stages"]:
        if stride == 2:
            features.append(x)
        filters = channels * width // PAPER["width"]
        for repeat in range(math.ceil(repeats * depth)):
            strides = stride if repeat == 0 else 1
            x = inverted_residual(x, 3, strides, expansion, filters, f"block{block}")
            block += 1
    return [*features[1:], x]


def decode(
    x: keras.KerasTensor, skip: keras.KerasTensor, filters: int, name: str
) -> keras.KerasTensor:
    """Doubles height and width, joins the encoder's features; a separable convolution.

    That is a convolution in two: 3x3 of each channel apart, then 1x1 of all at each place. From C
    channels to D it multiplies 9C + CD times at a place, an ordinary one 9CD times.
    """
    x = layers.UpSampling2D(2, name=f"{name}_up")(x)
    x = layers.Concatenate(name=f"{name}_join")([x, skip])
    x = conv_bn(x, None, 3, 1, f"{name}_depthwise")
    return conv_bn(x, filters, 1, 1, f"{name}_pointwise")


def lightweight(width: int = 24, depth: float = 1 / 3) -> keras.Model:
    """MobileNetV2: Inverted Residuals and Linear Bottlenecks.

    Mark Sandler, Andrew Howard, Menglong Zhu, Andrey Zhmoginov, Liang-Chieh Chen. Conference on
    Computer Vision and Pattern Recognition (CVPR), 2018, arXiv 1801.04381: the encoder. The decoder
    is a U-Net's of separable convolutions, those of Andrew Howard et al., MobileNets: Efficient
    Convolutional Neural Networks for Mobile Vision Applications, 2017, arXiv 1704.04861, section
    3.1. So are many colorizers for speed built, no one paper's design is followed.

    | stage | layer | output at 256x256, width 24 |
    |---|---|---|
    | stem | 3x3 convolution of stride 2 | 128x128x24 |
    | block0 | inverted residual: 3x3 of each channel apart, 1x1 | 128x128x12 |
    | block1 | 1x1 to six times the channels, 3x3 of each apart at stride 2, 1x1 | 64x64x18 |
    | block2 | the same | 32x32x24 |
    | block3, block4, block5 | the same, the first of stride 2 | 16x16x48, 16x16x48, 16x16x72 |
    | block6, block7 | the same, the first of stride 2 | 8x8x120, 8x8x240 |
    | decoder16 | upsampled, joined with block5; separable convolution | 16x16x144 |
    | decoder8, decoder4 | the same with block2, block1 | 32x32x96, 64x64x72 |
    | quarter | 1x1 convolution, tanh | 64x64x2 |
    | ab | bilinear upsampling | 256x256x2 |

    Batch normalisation follows every convolution but the last, and ReLU6 that, but for the last
    one of an inverted residual: its bottleneck is linear, and added to its input where it fits.

    537,920 parameters at width 24. At width 32 and depth 1 the encoder is MobileNetV2's: 1,811,136
    that are trained, and 3,504,872 with the colour input and the classifier, which here are left
    out; its table 4 says 3.4 million. For a colorizer of this build none are published. A photo of
    256x256 takes 166 million multiplications, a tenth of what `encoder_decoder` takes.

    **Deviations.** A third of the blocks, rounded up: on a CPU a layer of few places costs hardly
    less than one of many, and depth costs the most time. Channels are not rounded to multiples of
    8. Colours are told at a quarter of the resolution, where the eye, and JPEG, take them as well.
    Trained with the mean squared error, on some 10,000 photos and from random weights: AdamW at a
    rate of 2e-3 that falls along a cosine.

    Args:
        width: channels of the stem, a multiple of 4; the others follow. The original's is 32.
        depth: share of the original's blocks in each stage.

    Returns:
        A Keras model from L `(batch, H, W, 1)` to ab `(batch, H, W, 2)`, float32 in the units of
        `lab.to_network`; H and W are multiples of 32, else the call raises ValueError.
    """
    L = keras.Input((None, None, 1), name="L")
    *skips, x = encoder(MultipleOf32(name="check")(L), width, depth)
    for stride, factor in (16, 6), (8, 4), (4, 3):
        x = decode(x, skips.pop(), factor * width, f"decoder{stride}")
    grey_at_first = keras.initializers.RandomNormal(stddev=0.01)
    options = dict(activation="tanh", kernel_initializer=grey_at_first, name="quarter")
    x = layers.Conv2D(2, 1, **options)(x)
    ab = Bilinear(COLOUR_STRIDE, name="ab")(x)
    return keras.Model(L, ab, name="lightweight")
