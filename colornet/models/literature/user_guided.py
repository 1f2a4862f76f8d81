"""Colorization that takes hints: colours at a few places, or the palette of another photo."""

from collections.abc import Callable

import keras
from keras import layers, ops

from colornet.color import bins, lab
from colornet.color.backend import Tensor
from colornet.models import losses
from colornet.models.layers import Inputs, MultipleOf32, block
from colornet.models.recipe import Recipe

# The original's, from the paper and from the release (github.com/richzhang/colorization-pytorch;
# the Global Hints Network: github.com/junyanz/interactive-deep-colorization).
PAPER = dict(
    width=64,  # release, SIGGRAPHGenerator: channels of conv1
    classes=529,  # release, base_options.py: 23x23 cells of 10x10 ab units, in gamut or not
    delta=1.0,  # section 3.1: ab units, where the Huber loss turns from square to absolute
    hints=1 / 8,  # section 3.2: of the geometric distribution of the number of points
    patch=(1, 9),  # section 3.2: pixels, side of a point
    global_layers=4,  # section 3.3: 1x1 convolutions of 512 channels
    optimizer="adam",  # release, train_options.py, as all below
    learning_rate=1e-4,  # train_siggraph.sh: 15 epochs for the classes without hints, then 10 at
    # 1e-5 for the regression with them
    batch_size=32,  # base_options.py
    size=192,  # base_options.py: crops of photos of 256x256
    parameters=34_187_027,  # of the local network, counted in the release
    psnr=24.43,  # dB, release: no hints, ImageNet; 27.39 with five points
)

DELTA = PAPER["delta"]
HUBER_WEIGHT = 0.1  # makes the two losses about equally large
GLOBAL = 0.3  # share of the training photos with hints that get the palette in place of points

RECIPE = Recipe(loss="guided", hints=True)


@keras.saving.register_keras_serializable("colornet")
class LocalHints(layers.Layer):
    """Hints `(batch, H, W, 3)` as far as they are about places: zero where the mask is not 1."""

    def call(self, hints: Tensor) -> Tensor:
        mask = ops.maximum(hints[..., 2:], 0)
        return ops.concatenate([hints[..., :2] * mask, mask], axis=-1)

    def compute_output_shape(self, shape: tuple) -> tuple:
        return shape


@keras.saving.register_keras_serializable("colornet")
class GlobalHints(layers.Layer):
    """The palette in hints `(batch, H, W, 3)`: that of all ab where the mask is -1, section 3.3.

    Gives `(batch, 1, 1, 262)`: the mean of their soft encoding over the bins, in which no place
    is left; and 1 if there is any, else all is 0.
    """

    def call(self, hints: Tensor) -> Tensor:
        there = ops.maximum(-hints[..., 2:], 0)
        means = ops.average_pool(
            ops.concatenate([hints[..., :2] * there, there], axis=-1), bins.STRIDE, bins.STRIDE
        )
        share = means[..., 2:]
        encoded = bins.encode(means[..., :2] / ops.maximum(share, 1e-6) * lab.AB_SCALE)
        total = ops.sum(share, axis=(1, 2), keepdims=True)
        palette = ops.sum(share * encoded, axis=(1, 2), keepdims=True) / ops.maximum(total, 1e-6)
        return ops.concatenate([palette, ops.cast(total > 0, total.dtype)], axis=-1)

    def compute_output_shape(self, shape: tuple) -> tuple:
        return (shape[0], 1, 1, len(bins.centres()) + 1)


def guided_loss(true: Tensor, ab: Tensor, logits: Tensor) -> Tensor:
    """Huber loss of the colours, and cross-entropy of their distribution: one value a photo.

    Args:
        true, ab: `(batch, H, W, 2)`, in the units of `lab.to_network`.
        logits: `(batch, H/4, W/4, 261)`.
    """
    error = ops.abs(ab - true) * lab.AB_SCALE
    huber = ops.where(error < DELTA, error**2 / 2, DELTA * (error - DELTA / 2))
    target = ops.average_pool(true * lab.AB_SCALE, bins.STRIDE, bins.STRIDE)
    entropy = losses.cross_entropy(target, logits)
    return HUBER_WEIGHT * ops.mean(ops.sum(huber, axis=-1), axis=(1, 2)) + entropy


class Guided(keras.Model):
    """What is trained: a network, and a distribution of colours read off its conv8.

    That distribution only teaches the features they share what a colour may be; once trained, it
    could suggest colours to the user, as in section 3.2.

    The training data hint at places. In some photos, drawn anew in each step, these give way to
    the true colours' palette; so the network is run where the true colours are known, in
    `compute_loss`, and `call` just hands on what it gets.
    """

    def __init__(self, network: keras.Model):
        super().__init__(name="guided")
        head = layers.Conv2D(len(bins.centres()), 1, name="bins")
        logits = head(network.get_layer("conv8_relu").output)
        self.both = keras.Model(network.input, [network.output, logits], name="both")
        self.random = keras.random.SeedGenerator()
        self.built = True

    def call(self, x: Tensor) -> Tensor:
        return x

    def with_palettes(self, x: Tensor, true: Tensor) -> Tensor:
        """Some of the inputs that have hints, with the palette of the true ab in their place."""
        L, hints = self.both.get_layer("inputs")(x)
        palette = ops.concatenate([true, -ops.ones_like(true[..., :1])], axis=-1)
        hinted = ops.any(hints[..., 2:] > 0, axis=(1, 2, 3), keepdims=True)
        drawn = keras.random.uniform(ops.shape(hinted), seed=self.random) < GLOBAL
        return ops.concatenate([L, ops.where(hinted & drawn, palette, hints)], axis=-1)

    def compute_loss(
        self,
        x: Tensor = None,
        y: Tensor = None,
        y_pred: Tensor = None,
        sample_weight: None = None,
        training: bool = True,
    ) -> Tensor:
        x = self.with_palettes(x, y) if training else x
        ab, logits = self.both(x, training=training)
        return ops.mean(guided_loss(y, ab, logits))

    # Keras does not save where a generator stands; a resumed run draws what an unbroken one would.
    def save_own_variables(self, store: dict) -> None:
        store["random"] = ops.convert_to_numpy(self.random.state)

    def load_own_variables(self, store: dict) -> None:
        self.random.state.assign(store["random"])


def guided(network: keras.Model) -> tuple[keras.Model, Callable | None]:
    """The objective: see `Guided`, which computes its loss itself."""
    return Guided(network), None


def up(x: keras.KerasTensor, skip: keras.KerasTensor, filters: int, name: str) -> keras.KerasTensor:
    """Doubles height and width and adds a convolution of earlier features; ReLU."""
    options = dict(padding="same", kernel_initializer="he_normal")
    x = layers.Conv2DTranspose(filters, 4, 2, name=f"{name}_up", **options)(x)
    short = layers.Conv2D(filters, 3, name=f"{name}_short", **options)(skip)
    x = layers.Add(name=f"{name}_add")([x, short])
    return layers.ReLU(name=f"{name}_1_relu")(x)


def user_guided(width: int = 12) -> keras.Model:
    """Real-Time User-Guided Image Colorization with Learned Deep Priors.

    Richard Zhang, Jun-Yan Zhu, Phillip Isola, Xinyang Geng, Angela S. Lin, Tianhe Yu, Alexei A.
    Efros. ACM Transactions on Graphics (SIGGRAPH), 2017, arXiv 1705.02999; the networks of its
    figure 2.

    | block | layer | output at 256x256, width 12 |
    |---|---|---|
    | inputs | L, and hint ab and hint mask, empty if not given | 256x256x1, 256x256x3 |
    | local_hints | those about places: hint ab and mask where it is 1 | 256x256x3 |
    | global_hints | palette of the hint ab where the mask is -1, and whether any is | 1x1x262 |
    | global1..4 | 1x1 convolutions | 1x1x96 |
    | conv1 | of L and local_hints joined; two 3x3 convolutions | 256x256x12 |
    | conv2 | every second place of conv1; two | 128x128x24 |
    | conv3, conv4 | every second place again; three each | 64x64x48, 32x32x96 |
    | palette | global4 added to every place of conv4 | 32x32x96 |
    | conv5, conv6 | three each, dilated by 2 | 32x32x96 |
    | conv7 | three | 32x32x96 |
    | conv8 | 4x4 transposed convolution of stride 2, conv3 added; two | 64x64x48 |
    | conv9 | the same with conv2; one | 128x128x24 |
    | conv10 | the same with conv1; one, leaky ReLU | 256x256x24 |
    | ab | 1x1 convolution, tanh | 256x256x2 |

    ReLU follows every convolution but the last, batch normalisation ends conv1 to conv9.

    1,253,486 parameters at width 12. At width 64, the original's, 34,048,194 are trained without
    global1..4. Its release's 34,187,027 count 529 classes, which here serve training alone and are
    261, and biases before normalisations, which those undo.

    **Deviations.** The palette comes in the same planes as the points, with a mask of -1, so that
    one network takes either, or both; the original trained two. The average saturation, the other
    global hint, is left out, and so is normalisation in global1..4, whose statistics would come
    from a few palettes a batch. Normalisation stands before the ReLU, so that it can be folded into
    the convolution; the original's stands behind it. The original learnt the distribution first,
    then, at a tenth of the rate, the colours; here both are learnt at once, from some 10,000 photos
    in place of 1.3 million and from random weights: a rate of 1e-3 that falls along a cosine, He
    initialisation, decoupled weight decay. Points: see `augment.random_hints`.

    Args:
        width: channels of the first block; the others follow. The original's is 64.

    Returns:
        A Keras model from L `(batch, H, W, 1)`, or L, hint ab and hint mask `(batch, H, W, 4)`, to
        ab `(batch, H, W, 2)`, float32 in the units of `lab.to_network`; H and W are multiples of
        32, else the call raises ValueError. The mask is 1 where a place's colour is told, 0 where
        it is not, and -1 where ab is part of a palette: anywhere, such as all over in the ab of
        another photo.
    """
    x = keras.Input((None, None, None), name="L")
    L, hints = Inputs(name="inputs")(MultipleOf32(name="check")(x))
    palette = GlobalHints(name="global_hints")(hints)
    for number in range(1, 5):
        options = dict(activation="relu", kernel_initializer="he_normal", name=f"global{number}")
        palette = layers.Conv2D(8 * width, 1, **options)(palette)
    y = layers.Concatenate(name="join")([L, LocalHints(name="local_hints")(hints)])
    conv1 = block(y, width, 2, "conv1")
    conv2 = block(layers.MaxPooling2D(1, 2, name="half1")(conv1), 2 * width, 2, "conv2")
    conv3 = block(layers.MaxPooling2D(1, 2, name="half2")(conv2), 4 * width, 3, "conv3")
    y = block(layers.MaxPooling2D(1, 2, name="half3")(conv3), 8 * width, 3, "conv4")
    y = layers.Add(name="palette")([y, palette])
    y = block(y, 8 * width, 3, "conv5", dilation=2)
    y = block(y, 8 * width, 3, "conv6", dilation=2)
    y = block(y, 8 * width, 3, "conv7")
    y = block(up(y, conv3, 4 * width, "conv8"), 4 * width, 2, "conv8")
    y = block(up(y, conv2, 2 * width, "conv9"), 2 * width, 1, "conv9")
    y = up(y, conv1, 2 * width, "conv10")
    y = layers.Conv2D(2 * width, 3, padding="same", name="conv10_2")(y)
    y = layers.LeakyReLU(0.2, name="conv10_relu")(y)
    grey_at_first = keras.initializers.RandomNormal(stddev=0.01)
    options = dict(activation="tanh", kernel_initializer=grey_at_first, name="ab")
    ab = layers.Conv2D(2, 1, **options)(y)
    return keras.Model(x, ab, name="user_guided")
