"""Local features and global ones of the whole photo, fused; and what the photo is of, beside."""

from collections.abc import Callable

import keras
from keras import layers, ops

from colornet.color.backend import Tensor
from colornet.models.layers import Bilinear, Grid, MultipleOf32, behind, plain_conv
from colornet.models.recipe import Recipe

# The original's settings.
PAPER = dict(
    width=64,  # table 1, channels of the first convolution
    size=224,  # section 3.1, to which a copy of the photo is scaled for the global features
    classes=205,  # section 4, scenes of Places
    alpha=1 / 300,  # section 3.6, weight of the classification
    optimizer="adadelta",  # section 3.6
    batch_size=128,  # section 4
    steps=200_000,  # section 4, some 11 epochs of 2.3 million photos
    psnr=23.7,  # dB, on ImageNet: arXiv 1705.02999, table 1, recalled
)


@keras.saving.register_keras_serializable("colornet")
class Classes(layers.Layer):
    """The classification network, section 3.5: passes global features on, with logits beside them.

    It passes them on because a Keras model keeps the layers alone that lead to its output.

    Args:
        hidden: neurons of the layer between features and logits.
        classes: the number of labels.
    """

    def __init__(self, hidden: int, classes: int, **options: object):
        super().__init__(**options)
        self.hidden, self.classes = hidden, classes

    def build(self, shape: tuple) -> None:
        self.first = layers.Dense(self.hidden, activation="relu", name="first")
        self.second = layers.Dense(self.classes, name="second")
        self.first.build(shape)
        self.second.build((shape[0], self.hidden))

    def call(self, features: Tensor) -> tuple[Tensor, Tensor]:
        return features, self.second(self.first(features))

    def compute_output_shape(self, shape: tuple) -> tuple[tuple, tuple]:
        return shape, (shape[0], self.classes)

    def get_config(self) -> dict:
        return super().get_config() | dict(hidden=self.hidden, classes=self.classes)


class WithClasses(keras.Model):
    """Trains colours and classes together, by plain `fit` on batches of (L, (ab, label)).

    The loss is the mean squared error of ab, scaled to [0, 1] as the sigmoid gives it, and alpha
    times the cross-entropy of the classes, section 3.6; in validation the former alone. With one
    class the latter is 0, and so it is for photos of label -1, which have none. The metric
    `class_accuracy` tells how many photos are put into their class.

    Args:
        network: a `let_there_be_color`.
    """

    def __init__(self, network: keras.Model):
        super().__init__(name="with_classes")
        logits = network.get_layer("classes").output[1]
        self.both = keras.Model(network.input, [network.output, logits], name="both")
        self.class_accuracy = keras.metrics.SparseCategoricalAccuracy("class_accuracy")
        self.built = True  # its one part is; only built models load weights

    def call(self, L: Tensor, training: bool = False) -> list[Tensor]:
        return self.both(L, training=training)

    def compute_loss(
        self, x: Tensor, y: tuple, y_pred: tuple, sample_weight: None = None, training: bool = True
    ) -> Tensor:
        (ab, label), (painted, logits) = y, y_pred
        error = ops.mean(((ab - painted) / 2) ** 2)
        self.class_accuracy.update_state(label, logits)
        if not training:
            return error
        hit = ops.one_hot(label, logits.shape[-1], dtype=logits.dtype)
        entropy = -ops.mean(ops.sum(hit * ops.log_softmax(logits, axis=-1), axis=-1))
        return error + PAPER["alpha"] * entropy


def with_classes(network: keras.Model) -> tuple[keras.Model, Callable | None]:
    """The objective "with_classes".

    Args:
        network: a `let_there_be_color`, built for as many classes as there are labels.

    Returns:
        The model to train, and None: it computes its loss itself.
    """
    return WithClasses(network), None


def parts(network: keras.Model) -> tuple[keras.Model, keras.Model]:
    """A `let_there_be_color` in two: from L to global features, from L and these to ab.

    A photo with the global features of another takes on its general tone, the paper's style
    transfer (recalled). They are `(batch, 1, 1, 4 * width)`.
    """
    whole = network.get_layer("everywhere").output
    return keras.Model(network.input, whole), behind(network, "everywhere", network.output)


RECIPE = Recipe(loss="with_classes", optimizer="adam", labels=True)


def let_there_be_color(width: int = 16, size: int = 128, classes: int = 1) -> keras.Model:
    """Let there be Color!: Joint End-to-end Learning of Global and Local Image Priors for Automatic Image Colorization with Simultaneous Classification.

    Satoshi Iizuka, Edgar Simo-Serra, Hiroshi Ishikawa. SIGGRAPH 2016, ACM Transactions on
    Graphics 35(4); not on arXiv.

    | part | layer | output at 256x256, width 16, size 128 |
    |---|---|---|
    | low1..6 | 3x3 convolution, batch normalisation, ReLU; 1, 3 and 5 of stride 2 | 128x128x16, 128x128x32, 64x64x32, 64x64x64, 32x32x64, 32x32x128 |
    | mid1, mid2 | the same | 32x32x128, 32x32x64 |
    | grid | low6 resized to what a photo of `size` has | 16x16x128 |
    | global1..4 | the same as low; 1 and 3 of stride 2 | 8x8x128, 8x8x128, 4x4x128, 4x4x128 |
    | global5, global6, classes, global7 | fully connected, ReLU; in between, the class's logits | 256, 128, 128 and the number of classes, 64 |
    | fusion | at every place, mid2 and global7 through one layer, ReLU | 32x32x64 |
    | color1..4 | 3x3 convolution, batch normalisation, ReLU; before 2 and 4, upsampled | 32x32x32, 64x64x16, 64x64x16, 128x128x8 |
    | sigmoid, ab | 3x3 convolution, sigmoid; stretched to [-1, 1] and upsampled | 128x128x2, 256x256x2 |

    1,567,363 parameters at width 16, size 128 and one class. At the original's width 64, size 224
    and 205 classes: 42,358,287 trainable ones; none published.

    Deviations. The original scales a copy of the photo to 224x224 and gives it low1..6 anew, with
    the same weights; here their features are scaled, which costs half as much, and is the same for
    photos of `size`. No normalisation in the fully connected layers and the fusion, ReLU in the
    latter. Adam at 1e-3 with a cosine in place of Adadelta, for budgets of some ten thousand
    photos; photos of 128x128 in batches of 32. With one class there is nothing to classify.

    Args:
        width: channels of the first convolution; the others follow.
        size: of the photos at which the global features are seen as they are, a multiple of 32.
        classes: the number of labels that the photos have; 1 for none.

    Returns:
        A Keras model from L `(batch, H, W, 1)` to ab `(batch, H, W, 2)`, float32 in the
        units of `lab.to_network`; H and W are multiples of 32, else the call raises
        ValueError.

    Raises:
        ValueError: a size that is no multiple of 32.
    """
    if size < 32 or size % 32:
        raise ValueError(f"let_there_be_color takes a size that is a multiple of 32, not {size}")
    L = keras.Input((None, None, 1), name="L")
    x = MultipleOf32(name="check")(L)
    for stage, (factor, strides) in enumerate(zip((1, 2, 2, 4, 4, 8), (2, 1) * 3), 1):
        x = plain_conv(x, factor * width, 3, strides, f"low{stage}")
    local = plain_conv(x, 8 * width, 3, 1, "mid1")
    local = plain_conv(local, 4 * width, 3, 1, "mid2")
    x = Grid(size // 8, name="grid")(x)
    for stage, strides in enumerate((2, 1) * 2, 1):
        x = plain_conv(x, 8 * width, 3, strides, f"global{stage}")
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(16 * width, activation="relu", name="global5")(x)
    x = layers.Dense(8 * width, activation="relu", name="global6")(x)
    x, _ = Classes(4 * width, classes, name="classes")(x)
    x = layers.Dense(4 * width, activation="relu", name="global7")(x)
    # One layer on both, joined, is the sum of a layer on each; so nothing need be repeated.
    x = layers.Dense(4 * width, use_bias=False, name="fusion_global")(x)
    x = layers.Reshape((1, 1, 4 * width), name="everywhere")(x)
    local = layers.Conv2D(4 * width, 1, name="fusion_local")(local)
    x = layers.ReLU(name="fusion")(layers.Add(name="fusion_sum")([local, x]))
    x = plain_conv(x, 2 * width, 3, 1, "color1")
    x = layers.UpSampling2D(2, name="up1")(x)
    x = plain_conv(x, width, 3, 1, "color2")
    x = plain_conv(x, width, 3, 1, "color3")
    x = layers.UpSampling2D(2, name="up2")(x)
    x = plain_conv(x, width // 2, 3, 1, "color4")
    x = layers.Conv2D(2, 3, padding="same", activation="sigmoid", name="sigmoid")(x)
    x = layers.Rescaling(2.0, -1.0, name="stretch")(x)
    ab = Bilinear(2, name="ab")(x)
    return keras.Model(L, ab, name="let_there_be_color")
