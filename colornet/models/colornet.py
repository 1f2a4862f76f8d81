"""colornet's own network: a distribution of colours for every place, steered by hints."""

from collections.abc import Callable

import keras
from keras import layers, ops

from colornet.color.backend import Tensor
from colornet.color.bins import STRIDE, centres
from colornet.models import efficientnet_lite
from colornet.models.layers import Bilinear, Inputs, MeanColour, MultipleOf32, conv
from colornet.models.losses import distribution_loss
from colornet.models.recipe import Recipe

HINT_GAIN = 5.0  # so that an ordinary chroma of 20 units comes near to 1


@keras.saving.register_keras_serializable("colornet")
class HintPool(layers.Layer):
    """Hints at a stride: the mean hinted ab of each cell, whether any, and the share hinted."""

    def __init__(self, stride: int, **options: object):
        super().__init__(**options)
        self.stride = stride

    def call(self, hints: Tensor) -> Tensor:
        ab, mask = hints[..., :2] * HINT_GAIN, hints[..., 2:]
        sums = ops.average_pool(ops.concatenate([ab * mask, mask], -1), self.stride, self.stride)
        share = sums[..., 2:]
        return ops.concatenate(
            [sums[..., :2] / ops.maximum(share, 1e-6), ops.cast(share > 0, share.dtype), share], -1
        )

    def compute_output_shape(self, shape: tuple) -> tuple:
        sides = [side and side // self.stride for side in shape[1:3]]
        return (shape[0], *sides, 4)

    def get_config(self) -> dict:
        return super().get_config() | dict(stride=self.stride)


@keras.saving.register_keras_serializable("colornet")
class GlobalAttention(layers.Layer):
    """Every place of a feature map looks at every other; what it sees is added."""

    def __init__(self, heads: int, **options: object):
        super().__init__(**options)
        self.heads = heads

    def build(self, shape: tuple) -> None:
        channels = shape[-1]
        self.norm = layers.LayerNormalization(name="norm")
        self.attention = layers.MultiHeadAttention(
            self.heads, channels // self.heads, output_shape=channels, name="attention"
        )
        tokens = (shape[0], None, channels)
        self.norm.build(tokens)
        self.attention.build(tokens, tokens, tokens)

    def call(self, x: Tensor) -> Tensor:
        batch, height, width, channels = ops.shape(x)
        tokens = self.norm(ops.reshape(x, (batch, height * width, channels)))
        seen = self.attention(tokens, tokens)
        return x + ops.reshape(seen, (batch, height, width, channels))

    def compute_output_shape(self, shape: tuple) -> tuple:
        return shape

    def get_config(self) -> dict:
        return super().get_config() | dict(heads=self.heads)


@keras.saving.register_keras_serializable("colornet")
class HintAttention(layers.Layer):
    """Takes the colours of hints, `(batch, H, W, 4)` of `HintPool`, to where they belong.

    Every place of a feature map looks at the hinted ones, the more the more alike they are and
    the nearer: each head has a slope of its own, learnt, by which distance counts (Press et al.
    2022, arXiv 2108.12409, with fixed slopes). What no hint fits looks at none of them.
    """

    def __init__(self, heads: int, **options: object):
        super().__init__(**options)
        self.heads = heads

    def build(self, x_shape: tuple, hints_shape: tuple) -> None:
        channels = x_shape[-1]
        self.norm = layers.LayerNormalization(name="norm")
        self.query = layers.Dense(channels, name="query")
        self.key = layers.Dense(channels, use_bias=False, name="key")
        self.value = layers.Dense(channels, use_bias=False, name="value")
        self.out = layers.Dense(channels, name="out")
        for layer in (self.norm, self.query, self.key, self.out):
            layer.build((x_shape[0], None, channels))
        self.value.build((x_shape[0], None, hints_shape[-1]))
        halves = keras.initializers.Constant([0.8 / 2**head for head in range(self.heads)])
        self.slope = self.add_weight(shape=(self.heads,), initializer=halves, name="slope")
        self.none = self.add_weight(shape=(self.heads,), initializer="zeros", name="none")

    def call(self, x: Tensor, hints: Tensor) -> Tensor:
        batch, height, width, channels = ops.shape(x)
        places = height * width

        def split(tokens):
            return ops.reshape(tokens, (batch, places, self.heads, channels // self.heads))

        tokens = self.norm(ops.reshape(x, (batch, places, channels)))
        query, key = split(self.query(tokens)), split(self.key(tokens))
        alike = ops.einsum("bqhd,bkhd->bhqk", query, key) / (channels / self.heads) ** 0.5
        rows = ops.cast(ops.arange(places) // width, x.dtype)
        columns = ops.cast(ops.arange(places) % width, x.dtype)
        apart = ops.sqrt((rows[:, None] - rows) ** 2 + (columns[:, None] - columns) ** 2)
        scores = alike - self.slope[:, None, None] * apart
        hinted = ops.reshape(hints[..., 2] > 0, (batch, 1, 1, places))
        scores = ops.where(hinted, scores, -1e9)
        none = ops.zeros_like(scores[..., :1]) + self.none[:, None, None]
        shares = ops.softmax(ops.concatenate([scores, none], axis=-1), axis=-1)[..., :-1]
        colours = split(self.value(ops.reshape(hints, (batch, places, 4))))
        seen = self.out(
            ops.reshape(ops.einsum("bhqk,bkhd->bqhd", shares, colours), (batch, places, channels))
        )
        return x + ops.reshape(seen, (batch, height, width, channels))

    def compute_output_shape(self, x_shape: tuple, hints_shape: tuple) -> tuple:
        return x_shape

    def get_config(self) -> dict:
        return super().get_config() | dict(heads=self.heads)


def decode(
    x: keras.KerasTensor, skips: list[keras.KerasTensor], filters: int, name: str
) -> keras.KerasTensor:
    """Doubles height and width, joins the encoder's features and the hints, convolves."""
    x = layers.UpSampling2D(2, name=f"{name}_up")(x)
    x = layers.Concatenate(name=f"{name}_join")([x, *skips])
    return conv(x, filters, 3, name)


# experiments/ablation.py measures what each choice buys.
RECIPE = Recipe(
    loss="distribution",
    optimizer="adamw",
    initial="imagenet",
    # ImageNet taught the encoder from a hundred times as many photos.
    frozen=("stem", "block"),
    mixed=True,
    hints=True,
    age=0.5,
)


def distribution(network: keras.Model) -> tuple[keras.Model, Callable | None]:
    """The objective: `losses.distribution_loss` of a network's logits, no need of the rest."""
    return keras.Model(network.input, network.get_layer("logits").output), distribution_loss


def colornet(width: int = 96, encoder: str = "lite2") -> keras.Model:
    """A distribution of colours for every place, from L and optional colour hints.

    colornet's own network. It joins the colour distribution of Zhang, Isola, Efros 2016 (Colorful
    Image Colorization, ECCV, arXiv 1603.08511), the hints of Zhang et al. 2017 (Real-Time
    User-Guided Image Colorization with Learned Deep Priors, SIGGRAPH, arXiv 1705.02999), and the
    encoder of Tan and Le 2019 (EfficientNet, ICML, arXiv 1905.11946) in a Lite form, 2 or 0.

    | stage | layer | output at 256x256, width 96 |
    |---|---|---|
    | inputs | L, and hint ab and hint mask, empty if not given | 256x256x1, 256x256x3 |
    | hints4, 8, 16, 32 | mean hint of each cell, whether and how much of it is hinted | 64x64x4 ... 8x8x4 |
    | stem, block0..20 | EfficientNet-Lite2 on L | 128x128x16, 64x64x24, 32x32x48, 16x16x120, 8x8x352 |
    | bottom | 1x1 convolution of the last features and hints | 8x8x192 |
    | decoder16 | upsampled, joined with features and hints, 3x3 convolution | 16x16x192 |
    | context | attention of every place to every other | 16x16x192 |
    | spread | attention of every place to the hinted ones, alike and near: their colours | 16x16x192 |
    | decoder16_b | 3x3 convolution | 16x16x192 |
    | decoder8 | as decoder16 | 32x32x128 |
    | decoder4, decoder4_b | as decoder16; 3x3 convolution | 64x64x96 |
    | logits | 1x1 convolution: 261 bins of ab | 64x64x261 |
    | mean | expectation over the bins | 64x64x2 |
    | ab | bilinear upsampling | 256x256x2 |

    6,147,810 parameters at width 96. Batch normalisation and ReLU follow every convolution but the
    last; Lite2 has ReLU6 and none behind a block's last convolution.

    Deviations. From CIC: the bins are the 261 that sRGB reaches, and how often the training photos
    show each is kept beside them; colours are encoded over all bins, not the nearest five;
    rebalancing comes after training, see `steering.colour`; photos of little colour carry loss, see
    `losses.distribution_loss`. From SIGGRAPH17: one head gives both distribution and mean; hints
    enter the decoder, and spread by attention.

    What to expect of the recipe: from some 30,000 photos, 3.4 hours on two cores, a mean 1.7 dB over
    grey on photos that no training saw; after eight more minutes on a GPU, from 100,000 photos, by
    `experiments/gpu.py`, 2.3 dB.

    Args:
        width: channels of the last stage, a multiple of 12; those of the decoder follow.
        encoder: "lite2", or the smaller "lite0".

    Returns:
        A Keras model from L `(batch, H, W, 1)`, or L, hint ab and hint mask `(batch, H, W, 4)`, to
        ab `(batch, H, W, 2)`, float32 in the units of `lab.to_network`; H and W are multiples
        of 32, else the call raises ValueError. Its layer "logits" gives the distribution.
    """
    x = keras.Input((None, None, None), name="L")
    L, hints = Inputs(name="inputs")(MultipleOf32(name="multiple_of_32")(x))
    features = dict(zip((2, 4, 8, 16, 32), efficientnet_lite.encoder(L, encoder)))
    pools = {stride: HintPool(stride, name=f"hints{stride}")(hints) for stride in (4, 8, 16, 32)}
    y = layers.Concatenate(name="bottom_join")([features[32], pools[32]])
    y = conv(y, 2 * width, 1, "bottom")
    y = decode(y, [features[16], pools[16]], 2 * width, "decoder16")
    y = GlobalAttention(4, name="context")(y)
    y = HintAttention(4, name="spread")(y, pools[16])
    y = conv(y, 2 * width, 3, "decoder16_b")
    y = decode(y, [features[8], pools[8]], width * 4 // 3, "decoder8")
    y = decode(y, [features[4], pools[4]], width, "decoder4")
    y = conv(y, width, 3, "decoder4_b")
    logits = layers.Conv2D(len(centres()), 1, name="logits")(y)
    ab = MeanColour(name="mean")(logits)
    ab = Bilinear(STRIDE, name="ab")(ab)
    return keras.Model(x, ab, name="colornet")
