"""The network that finds damage: its loss, and how it is trained."""

import keras
from keras import layers, ops

from colornet.color.backend import Tensor
from colornet.models import efficientnet_lite
from colornet.models.layers import MultipleOf32, conv
from colornet.models.recipe import Recipe

RECIPE = Recipe(
    loss="overlap",
    damage=True,
    initial="imagenet",
    frozen=("stem", "block"),
    batch_size=16,
    learning_rate=2e-3,
    epochs=10,
)
MOMENTUM = 0.9  # of the means that inference uses: at 0.99 they lag behind a short training
RARE = -3.0  # the first logit of every pixel: one in twenty is damaged
WIDTHS = (1, 4 / 3, 2, 8 / 3, 4)  # of the stages, in widths of the first


def overlap(network: keras.Model) -> tuple[keras.Model, object]:
    """The objective "overlap" for `training.train`: the network itself, and `overlap_loss`."""
    return network, overlap_loss


def overlap_loss(mask: Tensor, logits: Tensor) -> Tensor:
    """Cross-entropy of every pixel, and one minus the Dice coefficient of the whole batch.

    Cross-entropy alone hardly minds that a hair-thin scratch is missed; Dice alone does not mind
    how sure a wrong mark is. Of the batch, since a photo without damage has no overlap.

    Args:
        mask: 1 where the photo is lost, else 0, `(batch, H, W, 1)`.
        logits: of the network, the same shape.

    Returns:
        One value a photo, `(batch,)`.
    """
    mask = ops.cast(mask, logits.dtype)
    found = ops.sigmoid(logits)
    # Of logits and not of probabilities, whose logarithm would be lost to rounding.
    entropy = ops.softplus(logits) - mask * logits
    dice = (2 * ops.sum(found * mask) + 1) / (ops.sum(found) + ops.sum(mask) + 1)
    return ops.mean(entropy, axis=(1, 2, 3)) + 0.5 * (1 - dice)


def damage(width: int = 24) -> keras.Model:
    """U-Net: Convolutional Networks for Biomedical Image Segmentation.

    Olaf Ronneberger, Philipp Fischer, Thomas Brox. MICCAI 2015, arXiv 1505.04597. Its first stages
    look through the eyes of EfficientNet (Tan and Le, ICML 2019, arXiv 1905.11946) in its Lite form
    0 as well, which knows from ImageNet what hair, grass and wires look like.

    | stage | layer | output at 256x256, width 24 |
    |---|---|---|
    | stem, block0..4 | EfficientNet-Lite0's first blocks, as ImageNet trained them | 128x128x16, 64x64x24, 32x32x40 |
    | down1 | 4x4 convolution of stride 2; joined with block0; 3x3 convolution | 128x128x24 |
    | down2, down3 | 2x2 max pooling; joined with block2, block4; two 3x3 convolutions | 64x64x32, 32x32x48 |
    | down4, middle | 2x2 max pooling; two 3x3 convolutions | 16x16x64, 8x8x96 |
    | up4..1 | nearest upsampling, joined with down4..1; two 3x3 convolutions | 16x16x64, 32x32x48, 64x64x32, 128x128x24 |
    | damage | 4x4 transposed convolution of stride 2 | 256x256x1 |

    596,017 parameters at width 24; each convolution but the last has batch normalisation and ReLU.

    Deviations: a third of the widths, and less; the first stage works at half the size, at a
    quarter of the cost: its channels hold the 4 pixels that each place stands for; borders are
    padded, so that the mask has the photo's size; batch normalisation; nearest upsampling within;
    the eyes from ImageNet, which training leaves as they are: without them twice as many steps come
    to less; the loss is that of `overlap_loss`, without weights for the borders between cells.

    Args:
        width: channels of the first stage; the others follow.

    Returns:
        A Keras model from L `(batch, H, W, 1)`, float32 in the units of `lab.to_network`, to
        damage `(batch, H, W, 1)`, float32 logits: 0 is a probability of one half. H and W are
        multiples of 32, else the call raises ValueError.
    """
    L = keras.Input((None, None, 1), name="L")
    widths = [round(width * factor) for factor in WIDTHS]
    x, skips = MultipleOf32(name="check")(L), []
    seen = efficientnet_lite.encoder(x, "lite0")[:3]
    for stage, filters in enumerate(widths, 1):
        name, count = f"down{stage}" if stage < len(widths) else "middle", 2
        if stage == 1:
            x, count = conv(x, filters, 4, f"{name}_0", strides=2), 1
        else:
            x = layers.MaxPooling2D(name=f"{name}_pool")(x)
        if seen:
            x = layers.Concatenate(name=f"{name}_seen")([x, seen.pop(0)])
        for i in range(count):
            x = conv(x, filters, 3, f"{name}_{i + 1}")
        skips.append(x)
    for stage in range(4, 0, -1):
        x = layers.UpSampling2D(name=f"double{stage}")(x)
        x = layers.Concatenate(name=f"skip{stage}")([x, skips[stage - 1]])
        for i in (1, 2):
            x = conv(x, widths[stage - 1], 3, f"up{stage}_{i}")
    rare = keras.initializers.Constant(RARE)
    x = layers.Conv2DTranspose(1, 4, 2, "same", bias_initializer=rare, name="damage")(x)
    network = keras.Model(L, x, name="damage")
    for layer in network.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = MOMENTUM
    return network
