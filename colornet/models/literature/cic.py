"""Colorization as classification: a bin of ab for every place, rare colours made to count."""

from collections.abc import Callable

import keras
from keras import layers, ops

from colornet.color import bins, lab
from colornet.color.backend import Tensor
from colornet.models import losses
from colornet.models.layers import Bilinear, MeanColour, MultipleOf32, block
from colornet.models.recipe import Recipe

# The original's, from the paper and, where it is silent, from the release (github.com/richzhang/
# colorization, branch caffe).
PAPER = dict(
    width=64,  # release, colorization_train_val_v2.prototxt: channels of conv1
    bins=313,  # section 2.1: cells of 10x10 ab units in gamut
    neighbours=5,  # section 2.1: bins among which a colour is shared out; release: 10
    sigma=5.0,  # section 2.1: ab units, of the Gaussian that shares it out
    uniform=0.5,  # section 2.2, lambda: of the uniform distribution in the rebalancing weights
    temperature=0.38,  # section 2.3
    coloured=5.0,  # release, NonGrayMaskLayer: |ab| that a photo must exceed to be learnt from
    optimizer="adam",  # release, solver.prototxt, as all below; beta_2 0.99, weight decay 1e-3
    learning_rate=3e-5,  # a tenth of it after 225,000 steps each
    batch_size=40,  # release, colorization_train_val_v2.prototxt
    size=176,  # there: crops of photos of 256x256
    megabytes=129,  # table 1: the model in float32
    auc=89.5,  # table 1: percent, on ImageNet; 67.3 with every bin counting alike
    psnr=22.0,  # dB, on ImageNet: arXiv 1705.02999, table 1, recalled
)
TEMPERATURE = PAPER["temperature"]  # 1 gives the mean, towards 0 the mode
COLOURED = PAPER["coloured"]
RECIPE = Recipe(loss="rebalanced")


@keras.saving.register_keras_serializable("colornet")
class AnnealedMean(MeanColour):
    """Logits over the bins to the mean colour of their sharpened distribution, section 2.3.

    Between the mean, which is the safe, brownish compromise of all that might be, and the mode,
    which is vivid and full of seams. Carries `prior`, as `MeanColour` does, for the rebalancing.
    """

    own_answer = True

    def call(self, logits: Tensor) -> Tensor:
        return super().call(logits / TEMPERATURE)


def rebalanced(network: keras.Model) -> tuple[keras.Model, Callable | None]:
    """The objective: cross-entropy in which rare colours count more, sections 2.1 and 2.2.

    Most of what photos show is nearly grey, and by plain cross-entropy vivid colours hardly
    matter. So each place counts by how rare its colour is, 1 / (half prior + half uniform) of its
    nearest bin, scaled such that a place counts 1 in the mean. Grey photos teach nothing here.

    Args:
        network: of `cic`, its `prior` known before the first step.

    Returns:
        The network up to its bins, and the loss of its logits `(batch, H/4, W/4, 261)` for true ab
        `(batch, H, W, 2)`, one value a photo.
    """
    prior = network.get_layer("annealed_mean").prior

    def loss(ab, logits):
        target = ops.average_pool(ab * lab.AB_SCALE, bins.STRIDE, bins.STRIDE)
        coloured = ops.any(ops.abs(target) > COLOURED, axis=(1, 2, 3))
        weights = bins.rebalancing(ops.convert_to_tensor(prior))
        return losses.cross_entropy(target, logits, weights) * ops.cast(coloured, logits.dtype)

    return keras.Model(network.input, network.get_layer("bins").output), loss


def cic(width: int = 16) -> keras.Model:
    """Colorful Image Colorization.

    Richard Zhang, Phillip Isola, Alexei A. Efros. European Conference on Computer Vision (ECCV),
    2016, arXiv 1603.08511; the network of its figure 2.

    | block | layer | output at 256x256, width 16 |
    |---|---|---|
    | conv1, conv2 | two 3x3 convolutions each, the second of stride 2 | 128x128x16, 64x64x32 |
    | conv3 | three, the last of stride 2 | 32x32x64 |
    | conv4 | three | 32x32x128 |
    | conv5, conv6 | three each, dilated by 2: they see far without losing places | 32x32x128 |
    | conv7 | three | 32x32x128 |
    | conv8 | 4x4 transposed convolution of stride 2, two 3x3 convolutions | 64x64x64 |
    | bins | 1x1 convolution: 261 bins of ab | 64x64x261 |
    | annealed_mean | expectation over the sharpened distribution | 64x64x2 |
    | ab | bilinear upsampling | 256x256x2 |

    ReLU follows every convolution but the last, batch normalisation ends conv1 to conv7.

    2,030,090 parameters at width 16. At width 64, the original's, 32,219,525 are trained: 129 MB in
    float32, which is the size that its table 1 gives. With normalisation folded away, and 313 bins
    in place of 261, they would be 32,230,393, as many as its release has weights.

    **Deviations.** The bins are the 261 cells that sRGB reaches, not 313; a colour is shared out
    among all of them, not the nearest five, which differ from the rest by little; see `bins`. True
    colours are means of 4x4 pixels, the release takes every fourth. Normalisation stands before
    the ReLU, so that it can be folded into the convolution, the original's behind it; and it has a
    learnt scale and shift, Caffe's has none. Rebalancing weighs the loss; the release scaled the
    gradients, to the same effect. Trained on some 10,000 photos instead of 1.3 million, from random
    weights: a learning rate of 1e-3 that falls along a cosine, He initialisation, decoupled weight
    decay. The release's 3e-5 would hardly leave its first weights in that time.

    Args:
        width: channels of the first block; the others follow. The original's is 64.

    Returns:
        A Keras model from L `(batch, H, W, 1)` to ab `(batch, H, W, 2)`, float32 in the units of
        `lab.to_network`; H and W are multiples of 32, else the call raises ValueError. Its layer
        "bins" gives the distribution as logits.
    """
    L = keras.Input((None, None, 1), name="L")
    x = MultipleOf32(name="check")(L)
    x = block(x, width, 2, "conv1", strides=2)
    x = block(x, 2 * width, 2, "conv2", strides=2)
    x = block(x, 4 * width, 3, "conv3", strides=2)
    x = block(x, 8 * width, 3, "conv4")
    x = block(x, 8 * width, 3, "conv5", dilation=2)
    x = block(x, 8 * width, 3, "conv6", dilation=2)
    x = block(x, 8 * width, 3, "conv7")
    options = dict(padding="same", activation="relu", kernel_initializer="he_normal")
    x = layers.Conv2DTranspose(4 * width, 4, 2, name="conv8_1", **options)(x)
    x = layers.Conv2D(4 * width, 3, name="conv8_2", **options)(x)
    x = layers.Conv2D(4 * width, 3, name="conv8_3", **options)(x)
    logits = layers.Conv2D(len(bins.centres()), 1, name="bins")(x)
    ab = AnnealedMean(name="annealed_mean")(logits)
    ab = Bilinear(bins.STRIDE, name="ab")(ab)
    return keras.Model(L, ab, name="cic")
