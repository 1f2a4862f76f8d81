"""A U-Net that has to convince a critic of patches: adversarial training, on any Keras backend."""

from collections.abc import Callable

import keras
from keras import layers, ops

from colornet.color.backend import Tensor
from colornet.models.layers import MultipleOf32
from colornet.models.recipe import Recipe

# The original's settings for grey to colour.
PAPER = dict(
    width=64,  # section 6.1.1, C64
    depth=8,  # section 6.1.1, of the U-Net for 256x256
    discriminator_width=64,  # section 6.1.2, of the 70x70 discriminator
    dropout=0.5,  # section 6.1.1, the only noise
    content_weight=100.0,  # section 3.1 and 4, lambda of L1
    optimizer="adam",  # section 3.3
    learning_rate=2e-4,  # section 3.3
    beta_1=0.5,  # section 3.3
    batch_size=4,  # section 6.2
    size=256,  # section 6.2
    epochs=6,  # section 6.2, about, of ImageNet's 1.2 million photos
)

# Of L1, four times the original's: in some ten thousand photos the generator does not learn to paint
# what a critic takes for real, and at 100 its colours are further from the truth than none.
CONTENT_WEIGHT = 400.0


def normal() -> keras.initializers.Initializer:
    """How the weights begin in GANs: normal, mean 0, deviation 0.02; a new one for each layer."""
    return keras.initializers.RandomNormal(stddev=0.02)


def normalise(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    """Batch normalisation as the original's Torch has it: weights this small need a small epsilon."""
    return layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}_bn")(x)


def down(
    x: keras.KerasTensor, filters: int, name: str, active: bool = True, normalised: bool = True
) -> keras.KerasTensor:
    """Halves height and width: LeakyReLU, 4x4 convolution of stride 2, batch normalisation."""
    if active:
        x = layers.LeakyReLU(0.2, name=f"{name}_relu")(x)
    options = dict(use_bias=False, kernel_initializer=normal(), name=f"{name}_conv")
    x = layers.Conv2D(filters, 4, 2, "same", **options)(x)
    return normalise(x, name) if normalised else x


def up(x: keras.KerasTensor, filters: int, name: str, noisy: bool = False) -> keras.KerasTensor:
    """Doubles height and width: ReLU, 4x4 transposed convolution of stride 2, normalisation."""
    x = layers.ReLU(name=f"{name}_relu")(x)
    options = dict(use_bias=False, kernel_initializer=normal(), name=f"{name}_deconv")
    x = layers.Conv2DTranspose(filters, 4, 2, "same", **options)(x)
    x = normalise(x, name)
    return layers.Dropout(PAPER["dropout"], name=f"{name}_dropout")(x) if noisy else x


def unet(x: keras.KerasTensor, width: int, depth: int, channels: int = 2) -> keras.KerasTensor:
    """The generator, section 6.1.1: what is halved is doubled again, joined with its like."""
    widths = [width * min(2**stage, 8) for stage in range(depth)]
    features = []
    for stage, filters in enumerate(widths, 1):
        # Neither the photo itself nor the bottom, which may be one place, is normalised.
        inner = 1 < stage < depth
        x = down(x, filters, f"down{stage}", active=stage > 1, normalised=inner)
        features.append(x)
    for stage in range(depth, 1, -1):
        filters = widths[stage - 2]
        noisy = stage > depth - 3 and filters == 8 * width
        x = up(x, filters, f"up{stage}", noisy)
        x = layers.Concatenate(name=f"skip{stage}")([x, features[stage - 2]])
    x = layers.ReLU(name="up1_relu")(x)
    return layers.Conv2DTranspose(
        channels, 4, 2, "same", activation="tanh", kernel_initializer=normal(), name="ab"
    )(x)


def patchgan(width: int, channels: int = 3) -> keras.Model:
    """The discriminator, section 6.1.2: for each patch of 70x70 pixels, whether it is real.

    Args:
        width: channels of the first convolution.
        channels: of the photo; L and ab are 3.

    Returns:
        A Keras model from photos `(batch, H, W, channels)` to logits `(batch, H/8 - 2, W/8 - 2,
        1)`, above 0 for what it takes to be real; 2,765,633 parameters at width 64.
    """
    photo = keras.Input((None, None, channels), name="photo")
    x = layers.Conv2D(width, 4, 2, "same", kernel_initializer=normal(), name="patch1_conv")(photo)
    for stage, strides in ((2, 2), (3, 2), (4, 1)):
        filters, name = width * 2 ** (stage - 1), f"patch{stage}"
        x = layers.LeakyReLU(0.2, name=f"{name}_relu")(x)
        x = layers.ZeroPadding2D(1, name=f"{name}_pad")(x)  # "same" pads unevenly at stride 1
        options = dict(use_bias=False, kernel_initializer=normal(), name=f"{name}_conv")
        x = normalise(layers.Conv2D(filters, 4, strides, **options)(x), name)
    x = layers.LeakyReLU(0.2, name="real_relu")(x)
    x = layers.ZeroPadding2D(1, name="real_pad")(x)
    logits = layers.Conv2D(1, 4, kernel_initializer=normal(), name="real")(x)
    return keras.Model(photo, logits, name="discriminator")


class Adversarial(keras.Model):
    """A generator of colours and a discriminator that learn against each other, by plain `fit`.

    Goodfellow et al. 2014, arXiv 1406.2661, with the L1 term of pix2pix. There, two optimizers
    take turns. Here one loss is the sum of both sides', and each side's part reaches the other's
    weights through a stopped gradient only: so the sum's gradient holds, for each weight, the
    gradient of its own side's loss, and Adam, which treats every weight by itself, serves both.

    The metrics `generator_loss` and `discriminator_loss` tell whether they are in balance: both
    are log 2 = 0.69 where the discriminator can only guess. In validation the loss is the content
    term alone, the mean absolute error of ab, so that `val_loss` says how good the colours are.

    Args:
        generator: a network from L to ab.
        discriminator: a Keras model from L and ab, joined, to logits of any number.
        content_weight: of the mean absolute error beside the generator's adversarial loss.
    """

    def __init__(self, generator: keras.Model, discriminator: keras.Model, content_weight: float):
        super().__init__(name="adversarial")
        self.generator, self.discriminator = generator, discriminator
        self.content_weight = content_weight
        self.generator_loss = keras.metrics.Mean("generator_loss")
        self.discriminator_loss = keras.metrics.Mean("discriminator_loss")
        self.built = True  # both parts are; only built models load weights

    def call(self, L: Tensor, training: bool = False) -> Tensor:
        return self.generator(L, training=training)

    def judge(self, weights: list[Tensor], L: Tensor, ab: Tensor) -> Tensor:
        """The discriminator's logits, were its weights these; by the statistics of the batch."""
        # Without side effects: it always judges whole batches, so it needs no moving averages.
        moving = self.discriminator.non_trainable_variables
        photo = ops.concatenate([L, ab], axis=-1)
        return self.discriminator.stateless_call(weights, moving, photo, training=True)[0]

    def compute_loss(
        self,
        x: Tensor,
        y: Tensor,
        y_pred: Tensor,
        sample_weight: None = None,
        training: bool = True,
    ) -> Tensor:
        content = ops.mean(ops.abs(y - y_pred))
        weights = self.discriminator.trainable_variables
        held = [ops.stop_gradient(weight) for weight in weights]
        # The generator wants its colours taken for real: the form that does not saturate.
        convincing = ops.mean(ops.softplus(-self.judge(held, x, y_pred)))
        real = ops.mean(ops.softplus(-self.judge(weights, x, y)))
        fake = ops.mean(ops.softplus(self.judge(weights, x, ops.stop_gradient(y_pred))))
        telling = (real + fake) / 2
        self.generator_loss.update_state(convincing)
        self.discriminator_loss.update_state(telling)
        if not training:
            return content
        return self.content_weight * content + convincing + telling


def adversarial(network: keras.Model) -> tuple[keras.Model, Callable | None]:
    """The objective "adversarial": L1 and a `patchgan` as wide as the generator.

    Args:
        network: a `pix2pix`.

    Returns:
        The model to train, and None: it computes its loss itself.
    """
    width = network.get_layer("down1_conv").filters
    return Adversarial(network, patchgan(width), CONTENT_WEIGHT), None


RECIPE = Recipe(
    loss="adversarial",
    optimizer=dict(class_name="adam", config=dict(beta_1=PAPER["beta_1"])),
    learning_rate=PAPER["learning_rate"],
)


def pix2pix(width: int = 20, depth: int = 5) -> keras.Model:
    """Image-to-Image Translation with Conditional Adversarial Networks.

    Phillip Isola, Jun-Yan Zhu, Tinghui Zhou, Alexei A. Efros. CVPR 2017, arXiv 1611.07004.

    | stage | layer | output at 256x256, width 20 |
    |---|---|---|
    | down1..5 | LeakyReLU (not in 1), convolution, batch normalisation (not in 1 and 5) | 128x128x20, 64x64x40, 32x32x80, 16x16x160, 8x8x160 |
    | up5..2 | ReLU, transposed convolution, batch normalisation, joined with down4..1 | 16x16x320, 32x32x160, 64x64x80, 128x128x40 |
    | ab | ReLU, transposed convolution, tanh | 256x256x2 |

    1,629,522 parameters at width 20. The original's width 64 and depth 8 are 54,409,858 trainable
    ones from L to ab, and 54,413,955 from three channels to three, as which the authors' PyTorch
    release prints 54.414 M.

    Deviations. Eight halvings would need multiples of 256: depth 5, by default, needs multiples of
    32, and leaves dropout in up5 alone. Dropout and the statistics of the batch are for training;
    the original keeps both when it colours. Both sides step at once, see `Adversarial`, where the
    original alternates. Batches of 32 in place of 4, and a cosine. L1 weighs 400, not 100, see
    `CONTENT_WEIGHT`. The discriminator is as wide as the generator. No biases before normalisation.

    Args:
        width: channels of the first stage; the others follow.
        depth: the number of halvings; H and W are multiples of 2 to its power, and of 32.

    Returns:
        A Keras model from L `(batch, H, W, 1)` to ab `(batch, H, W, 2)`, float32 in the
        units of `lab.to_network`; H and W are multiples of 32, else the call raises
        ValueError.
    """
    L = keras.Input((None, None, 1), name="L")
    x = MultipleOf32(name="check")(L)
    return keras.Model(L, unet(x, width, depth), name="pix2pix")
