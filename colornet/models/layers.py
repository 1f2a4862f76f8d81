"""What several networks share: layers, blocks, and how networks state what they can do.

A network of ours states it by its layers, whatever their names: `Inputs` takes hints; `MeanColour`
has a distribution over bins; a layer with `answers` gives several, see `literature.diverse`.
"""

import keras
from keras import layers, ops

from colornet.color import lab
from colornet.color.backend import Tensor
from colornet.color.bins import expectation


@keras.saving.register_keras_serializable("colornet")
class MultipleOf32(layers.Layer):
    """Passes L on; raises ValueError where height or width is no multiple of 32."""

    def call(self, L: Tensor) -> Tensor:
        height, width = L.shape[1:3]
        if any(side is not None and side % 32 for side in (height, width)):
            raise ValueError(f"L is {height}x{width}: height and width must be multiples of 32")
        return L

    def compute_output_shape(self, shape: tuple) -> tuple:
        return shape  # told, since JAX would try sizes of its own


@keras.saving.register_keras_serializable("colornet")
class Inputs(layers.Layer):
    """L and hints, `(batch, H, W, 1)` and `(batch, H, W, 3)`, of the two joined or of L alone."""

    def call(self, x: Tensor) -> tuple[Tensor, Tensor]:
        # One way for 1 and 4 channels: a graph may be traced before it is known which.
        L = ops.reshape(x[..., :1], (*ops.shape(x)[:3], 1))
        filled = ops.concatenate([x, *[ops.zeros_like(L)] * 3], axis=-1)[..., 1:4]
        return L, ops.reshape(filled, (*ops.shape(x)[:3], 3))

    def compute_output_shape(self, shape: tuple) -> tuple[tuple, tuple]:
        return (*shape[:-1], 1), (*shape[:-1], 3)


@keras.saving.register_keras_serializable("colornet")
class MeanColour(keras.layers.Layer):
    """Logits over the bins to their mean colour, in the units of `lab.to_network`.

    Carries `prior`, how often the training photos show each bin, for whoever steers colours.

    own_answer: whether the network's own ab is its answer where nobody asks for a vividness;
        else that is a steered one.
    """

    own_answer = False

    def build(self, shape: tuple) -> None:
        uniform = keras.initializers.Constant(1 / shape[-1])
        self.prior = self.add_weight(
            shape=(shape[-1],), initializer=uniform, trainable=False, name="prior"
        )

    def call(self, logits: Tensor) -> Tensor:
        return expectation(ops.softmax(logits, axis=-1)) / lab.AB_SCALE

    def compute_output_shape(self, shape: tuple) -> tuple:
        return (*shape[:-1], 2)


def conv(
    x: keras.KerasTensor,
    filters: int,
    kernel: int,
    name: str,
    strides: int = 1,
    initializer: str = "he_normal",
) -> keras.KerasTensor:
    """Convolution, batch normalisation, ReLU."""
    options = dict(use_bias=False, kernel_initializer=initializer, name=f"{name}_conv")
    x = layers.Conv2D(filters, kernel, strides, "same", **options)(x)
    x = layers.BatchNormalization(name=f"{name}_bn")(x)
    return layers.ReLU(name=f"{name}_relu")(x)


def plain_conv(
    x: keras.KerasTensor, filters: int, kernel: int, strides: int, name: str
) -> keras.KerasTensor:
    """`conv` that begins as Keras does where nothing is said."""
    return conv(x, filters, kernel, name, strides, "glorot_uniform")


def conv_bn(
    x: keras.KerasTensor, filters: int, kernel: int, stride: int, name: str, activate: bool = True
) -> keras.KerasTensor:
    """Convolution or, with `filters` None, depthwise convolution; normalisation; ReLU6."""
    options = dict(padding="same", use_bias=False, name=f"{name}_conv")
    if filters is None:
        x = layers.DepthwiseConv2D(kernel, stride, **options)(x)
    else:
        x = layers.Conv2D(filters, kernel, stride, **options)(x)
    x = layers.BatchNormalization(name=f"{name}_bn")(x)
    return layers.ReLU(6.0, name=f"{name}_relu")(x) if activate else x


def inverted_residual(
    x: keras.KerasTensor, kernel: int, stride: int, expansion: int, filters: int, name: str
) -> keras.KerasTensor:
    """Widens by `expansion`, filters each channel apart, narrows; adds its input where it fits."""
    before, wide = x, x.shape[-1] * expansion
    if expansion > 1:
        x = conv_bn(x, wide, 1, 1, f"{name}_expand")
    x = conv_bn(x, None, kernel, stride, f"{name}_depthwise")
    x = conv_bn(x, filters, 1, 1, f"{name}_project", activate=False)
    fits = stride == 1 and before.shape[-1] == filters
    return layers.Add(name=f"{name}_add")([before, x]) if fits else x


@keras.saving.register_keras_serializable("colornet")
class Bilinear(layers.UpSampling2D):
    """`UpSampling2D` by interpolation, at any size.

    In Keras 3.14 and 3.15 `ops.image.resize`, which `UpSampling2D` calls, fails inside TensorFlow
    graphs where height and width are not known before they run; `Resizing` does not ask for them.
    """

    def __init__(self, size: int, interpolation: str = "bilinear", **options: object):
        super().__init__(size, interpolation=interpolation, **options)

    def call(self, x: Tensor) -> Tensor:
        sides = [side * factor for side, factor in zip(ops.shape(x)[1:3], self.size)]
        resizing = layers.Resizing(*sides, self.interpolation, data_format="channels_last")
        return resizing.transform_images(x)


@keras.saving.register_keras_serializable("colornet")
class Grid(layers.Layer):
    """A feature map resized to so many places a side; `(batch, side, side, channels)`.

    Keras's own `Resizing` makes the normalisations behind it work as in training (3.13, eager).
    """

    def __init__(self, side: int, **options: object):
        super().__init__(**options)
        self.side = side

    def call(self, x: Tensor) -> Tensor:
        return ops.image.resize(x, (self.side, self.side), data_format="channels_last")

    def compute_output_shape(self, shape: tuple) -> tuple:
        return (shape[0], self.side, self.side, shape[3])

    def get_config(self) -> dict:
        return super().get_config() | dict(side=self.side)


def behind(network: keras.Model, layer: str, output: keras.KerasTensor) -> keras.Model:
    """The part of a network from L and what one of its layers gives, as a model of its own."""
    # Not from its input itself, which Keras would then no longer know as that of the network.
    inputs = [network.get_layer(name).output for name in ("check", layer)]
    return keras.Model(inputs, output)


def block(
    x: keras.KerasTensor, filters: int, count: int, name: str, strides: int = 1, dilation: int = 1
) -> keras.KerasTensor:
    """`count` 3x3 convolutions with ReLU, the last of them strided and normalised as well."""
    same = dict(padding="same", kernel_initializer="he_normal", dilation_rate=dilation)
    for i in range(1, count):
        x = layers.Conv2D(filters, 3, activation="relu", name=f"{name}_{i}", **same)(x)
    last = dict(use_bias=False, name=f"{name}_{count}_conv")
    x = layers.Conv2D(filters, 3, strides, **last, **same)(x)
    x = layers.BatchNormalization(name=f"{name}_bn")(x)
    return layers.ReLU(name=f"{name}_relu")(x)
