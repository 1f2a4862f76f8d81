"""Several answers to one photo: an embedding of whole colour fields, and a mixture over it."""

from collections.abc import Callable
from functools import lru_cache

import keras
import numpy as np
from keras import layers, ops

from colornet.color import bins, lab
from colornet.color.backend import Tensor
from colornet.models.layers import Bilinear, Grid, MultipleOf32, behind, plain_conv
from colornet.models.recipe import Recipe

# The original's settings; where the paper is silent, those of its code (aditya12agd5/divcolor).
PAPER = dict(
    width=128,  # code, vae/arch/vae_skipconn.py: channels of the first convolution
    latent=64,  # section 3: numbers of the embedding
    field=64,  # section 3: height and width of a colour field
    components=8,  # section 4: of the mixture
    deviation=0.1,  # section 4: of every component, fixed
    specificity_weight=0.1,  # section 3.1
    gradient_weight=1e-3,  # section 3.1
    kl_weight=0.32,  # code: 0.01 of the sum over batches of 32, grown to from 0
    principal=20,  # section 3.1: components by whose variance errors count
    dropout=0.3,  # code: in the encoder
    mixture_dropout=0.25,  # code: in the mixture network
    size=224,  # section 4: photos whose grey features, 28x28x512, CIC's conv7 gives
    optimizer="adam",  # code: for the autoencoder; plain descent at 1e-5 for the mixture
    learning_rate=5e-5,  # code, of pytorch_divcolor
    batch_size=32,  # code
)

# There, rarity is 1 / prior, whose mean over the 313 bins' pixels is 313; here the mean is 1.
KL_WEIGHT = PAPER["kl_weight"] / 313**0.5
FIELD_STRIDE = (
    2  # pixels to a place of the colour field, so that photos of 128x128 have one of 64x64
)
WAVES = 3  # cosines along each side, of a and of b: 18 in place of 20 principal components
LEAST = 0.25  # variance of a wave; of few photos it may come out smaller by chance


def mixture(x: keras.KerasTensor, width: int, grid: int) -> keras.KerasTensor:
    """The mixture density network, section 3.2: each component's logit and mean, from L."""
    for stage in range(1, 4):
        x = plain_conv(x, width * 2 ** (stage - 1), 5, 2, f"grey{stage}")  # in place of CIC's conv7
    for stage, filters in enumerate((3 * width, width * 5 // 2, width * 9 // 4), 1):
        x = plain_conv(x, filters, 5, 1, f"mixture{stage}")
    x = plain_conv(x, 2 * width, 5, 2, "mixture4")
    x = plain_conv(x, width, 5, 1, "mixture5")
    x = Grid(grid, name="grid")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dropout(PAPER["mixture_dropout"], name="mixture5_dropout")(x)
    x = layers.Dense(32 * width, activation="tanh", name="mixture6")(x)
    x = layers.Dropout(PAPER["mixture_dropout"], name="mixture6_dropout")(x)
    numbers = 1 + PAPER["latent"]
    x = layers.Dense(PAPER["components"] * numbers, name="mixture7")(x)
    return layers.Reshape((PAPER["components"], numbers), name="mixture")(x)


@keras.saving.register_keras_serializable("colornet")
class Likeliest(layers.Layer):
    """The mean of the likeliest component, of logits and means `(batch, 8, 65)`.

    answers: how many a network has that this layer is part of, one a component.
    """

    def build(self, shape: tuple) -> None:
        self.answers = shape[1]

    def several(self, network: keras.Model, L: np.ndarray, count: int) -> np.ndarray:
        """So many of the network's answers to one photo: ab `(count, H, W, 2)`."""
        return diverse_fields(network, L, count)[0][:, 0]

    def call(self, components: Tensor) -> Tensor:
        logits, means = components[..., 0], components[..., 1:]
        # Not by argmax, which ONNX's converter cannot follow.
        chosen = ops.cast(logits >= ops.max(logits, axis=-1, keepdims=True), means.dtype)
        return ops.sum(chosen[..., None] * means, axis=1)

    def compute_output_shape(self, shape: tuple) -> tuple:
        return shape[0], shape[2] - 1


@keras.saving.register_keras_serializable("colornet")
class Rarity(layers.Layer):
    """Passes a colour field on; carries `prior`, how often the training photos show each bin."""

    def build(self, shape: tuple) -> None:
        count = len(bins.centres())
        uniform = keras.initializers.Constant(1 / count)
        self.prior = self.add_weight(
            shape=(count,), initializer=uniform, trainable=False, name="prior"
        )

    def call(self, field: Tensor) -> Tensor:
        return field

    def compute_output_shape(self, shape: tuple) -> tuple:
        return shape


def decode(x: keras.KerasTensor, z: keras.KerasTensor, width: int) -> keras.KerasTensor:
    """The decoder: the colour field of an embedding, for a photo whose L it sees too."""
    x, features = layers.AveragePooling2D(FIELD_STRIDE, name="half")(x), []
    for stage, filters in enumerate((width, 2 * width, 4 * width), 1):
        x = plain_conv(x, filters, 5, 2, f"condition{stage}")
        features.append(x)
    x = plain_conv(x, z.shape[-1], 4, 2, "condition4")
    z = layers.Reshape((1, 1, z.shape[-1]), name="everywhere")(z)
    x = layers.Multiply(name="conditioned")([x, z])
    x = plain_conv(x, 8 * width, 4, 1, "decoder1")
    for stage, filters in enumerate((4 * width, 2 * width, width), 2):
        x = Bilinear(2, name=f"decoder{stage}_up")(x)
        x = layers.Concatenate(name=f"decoder{stage}_join")([x, features[4 - stage]])
        x = plain_conv(x, filters, 5, 1, f"decoder{stage}")
    x = Bilinear(2, name="decoder5_up")(x)
    x = layers.Conv2D(2, 5, padding="same", activation="tanh", name="decoder5")(x)
    return Rarity(name="field")(x)


def field_encoder(width: int) -> keras.Model:
    """The encoder: a colour field `(batch, h, w, 2)` to mean and log variance `(batch, 128)`."""
    x = field = keras.Input((None, None, 2), name="field")
    for stage, (filters, kernel) in enumerate(zip((1, 2, 4, 8), (5, 5, 5, 4)), 1):
        x = plain_conv(x, filters * width, kernel, 2, f"encoder{stage}")
    x = Grid(PAPER["field"] // 16, name="encoder_grid")(x)
    x = layers.Flatten(name="encoder_flatten")(x)
    x = layers.Dense(2 * PAPER["latent"], name="encoder5")(x)
    return keras.Model(field, x, name="field_encoder")


def nearest_bins() -> np.ndarray:
    """The index of the nearest bin, for each cell of 10 units of a and b from -110 to 110."""
    sides = np.arange(-110, 111, bins.STEP)
    cells = np.stack(np.meshgrid(sides, sides, indexing="ij"), axis=-1)
    return np.linalg.norm(cells[:, :, None] - bins.centres(), axis=-1).argmin(-1).ravel()


def rarity_error(target: Tensor, error: Tensor, prior: Tensor) -> Tensor:
    """Distance of two fields in which rare colours count more; L_hist of section 3.1.

    Args:
        target, error: the true field and what the other differs by, `(batch, h, w, 2)`.
        prior: `(261,)`, how often training photos show each bin.

    Returns:
        `(batch,)`.
    """
    cells = ops.cast(ops.round(target * (lab.AB_SCALE / bins.STEP)), "int32") + 11
    cells = ops.clip(cells, 0, 22)
    nearest = ops.take(nearest_bins(), cells[..., 0] * 23 + cells[..., 1])
    weights = ops.take(bins.rebalancing(prior), nearest)
    return ops.sqrt(ops.sum(weights[..., None] * error**2, axis=(1, 2, 3)) + 1e-6)


def specificity_error(target: Tensor, error: Tensor) -> Tensor:
    """Squared error in each of the main ways in which fields vary, by its variance; L_mah there.

    The ways are principal components there, and here the longest cosine waves, which those of
    natural photos nearly are. The rest of the error counts as the least of them does.
    """

    def waves(field):
        for _ in "hw":
            size, number = ops.shape(field)[1], np.arange(WAVES, dtype="float32")
            places = ops.cast(ops.arange(size), "float32")[:, None] + 0.5
            scale = ops.sqrt(np.where(number, 2, 1) / ops.cast(size, "float32"))
            basis = scale * ops.cos(np.pi * places * number / ops.cast(size, "float32"))
            field = ops.tensordot(field, basis, axes=[[1], [0]])
        return field  # (batch, 2, waves, waves), since each side in turn went to the end

    variance = ops.maximum(ops.mean(waves(target) ** 2, axis=0), LEAST)
    squares = waves(error) ** 2
    rest = ops.sum(error**2, axis=(1, 2, 3)) - ops.sum(squares, axis=(1, 2, 3))
    return ops.sum(squares / variance, axis=(1, 2, 3)) + rest / ops.min(variance)


def gradient_error(error: Tensor) -> Tensor:
    """Distance of the gradients of two fields; L_grad there."""
    down, across = error[:, 1:] - error[:, :-1], error[:, :, 1:] - error[:, :, :-1]
    squares = ops.sum(down**2, axis=(1, 2, 3)) + ops.sum(across**2, axis=(1, 2, 3))
    return ops.sqrt(squares + 1e-6)


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL divergence of a normal distribution `(batch, n)` from the standard one, `(batch,)`."""
    return ops.sum(mean**2 + ops.exp(log_variance) - log_variance - 1, axis=-1) / 2


def mixture_error(components: Tensor, z: Tensor) -> Tensor:
    """Negative log likelihood of embeddings, but for a constant; L_mdn of section 3.2.

    Of the component alone whose mean is nearest, so that the others are free to be other answers.

    Args:
        components: logits and means, `(batch, 8, 65)`.
        z: embeddings, `(batch, 64)`.
    """
    logits, means = components[..., 0], components[..., 1:]
    distance = ops.sum((means - z[:, None]) ** 2, axis=-1) / (2 * PAPER["deviation"] ** 2)
    nearest = ops.one_hot(ops.argmin(distance, axis=-1), logits.shape[-1], dtype=logits.dtype)
    return ops.sum(nearest * (distance - ops.log_softmax(logits, axis=-1)), axis=-1)


class ColourFields(keras.Model):
    """Trains the autoencoder of colour fields, and the mixture to guess its embeddings from L.

    There one after the other, here side by side, by plain `fit`: what the mixture learns does not
    reach the autoencoder, whose embeddings it sees behind a stopped gradient. In validation the
    loss is the mean squared error of the one answer that the network gives.

    Args:
        network: a `diverse`.
    """

    def __init__(self, network: keras.Model):
        super().__init__(name="colour_fields")
        embedding, field = (network.get_layer(name) for name in ("likeliest", "field"))
        self.network, self.rarity = network, field
        self.mixture = keras.Model(network.input, embedding.input)
        self.decoder = behind(network, "likeliest", field.output)
        self.encoder = field_encoder(network.get_layer("condition1_conv").filters)
        self.noise = keras.random.SeedGenerator(0)
        names = ("field_loss", "kl_loss", "mixture_loss")
        self.parts = [keras.metrics.Mean(name) for name in names]
        self.built = True  # its parts are; only built models load weights

    def call(self, L: Tensor, training: bool = False) -> Tensor:
        # In training the decoder is shown the true embedding, see below, not the guessed one.
        return (self.mixture if training else self.network)(L, training=training)

    def compute_loss(
        self,
        x: Tensor,
        y: Tensor,
        y_pred: Tensor,
        sample_weight: None = None,
        training: bool = True,
    ) -> Tensor:
        components = y_pred if training else self.mixture(x, training=False)
        target = ops.average_pool(y, FIELD_STRIDE, FIELD_STRIDE)
        code = self.encoder(target, training=training)
        mean, log_variance = ops.split(code, 2, axis=-1)
        noise = keras.random.normal(ops.shape(mean), seed=self.noise)
        z = mean + ops.exp(log_variance / 2) * noise
        error = self.decoder([x, z], training=training) - target
        field = (
            rarity_error(target, error, self.rarity.prior)
            + PAPER["specificity_weight"] * specificity_error(target, error)
            + PAPER["gradient_weight"] * gradient_error(error)
        )
        kl = divergence(mean, log_variance)
        guess = mixture_error(components, ops.stop_gradient(mean))
        for metric, part in zip(self.parts, (field, kl, guess)):
            metric.update_state(part)
        if not training:
            return ops.mean((y - y_pred) ** 2)
        return ops.mean(field + KL_WEIGHT * kl + guess)


def colour_fields(network: keras.Model) -> tuple[keras.Model, Callable | None]:
    """The objective "colour_fields".

    Args:
        network: a `diverse`.

    Returns:
        The model to train, and None: it computes its loss itself.
    """
    return ColourFields(network), None


@lru_cache(maxsize=2)
def parts(network: keras.Model) -> tuple[keras.Model, keras.Model]:
    """From L to the mixture's components, and from L and an embedding to ab."""
    components = keras.Model(network.input, network.get_layer("likeliest").input)
    return components, behind(network, "likeliest", network.output)


def diverse_fields(
    network: keras.Model, L: np.ndarray, count: int = PAPER["components"]
) -> tuple[np.ndarray, np.ndarray]:
    """Several answers for each photo: those of the likeliest components.

    Args:
        network: a `diverse`.
        L: `(batch, H, W, 1)`, as the network takes it.
        count: of answers, at most 8.

    Returns:
        ab `(count, batch, H, W, 2)` in the units of `lab.to_network`, the likeliest first, which
        is the network's own; and their probabilities, `(count, batch)`.
    """
    mixture_of, decoder = parts(network)
    components = mixture_of.predict_on_batch(L)
    order = np.argsort(-components[..., 0], axis=1, kind="stable")[:, :count]
    chances = np.exp(components[..., 0] - components[..., 0].max(1, keepdims=True))
    chances = np.take_along_axis(chances / chances.sum(1, keepdims=True), order, axis=1)
    means = np.take_along_axis(components[..., 1:], order[..., None], axis=1)
    answers = [decoder.predict_on_batch([L, means[:, i]]) for i in range(order.shape[1])]
    return np.stack(answers), chances.T


RECIPE = Recipe(loss="colour_fields", optimizer="adam", learning_rate=2e-3)


def diverse(width: int = 16, size: int = 128) -> keras.Model:
    """Learning Diverse Image Colorization.

    Aditya Deshpande, Jiajun Lu, Mao-Chuang Yeh, Min Jin Chong, David Forsyth. CVPR 2017,
    arXiv 1612.01958.

    A variational autoencoder learns to put the colours of a whole photo into 64 numbers, and a
    mixture density network to guess these from L: each of its components is an answer of its
    own, see `diverse_fields`. The network's one answer is that of the likeliest.

    | part | layer | output at 256x256, width 16, size 128 |
    |---|---|---|
    | grey1..3 | 5x5 convolution of stride 2, batch normalisation, ReLU | 128x128x16, 64x64x32, 32x32x64 |
    | mixture1..5 | the same, stride 1 but in 4 | 32x32x48, 32x32x40, 32x32x36, 16x16x32, 16x16x16 |
    | grid | resized to what a photo of `size` has | 8x8x16 |
    | mixture6, mixture7 | fully connected, tanh in between: logit and mean of each component | 512, 8x65 |
    | likeliest | the mean of the likeliest component | 64 |
    | half, condition1..4 | L at half size, convolutions of stride 2 | 128x128x1, 64x64x16, 32x32x32, 16x16x64, 8x8x64 |
    | conditioned, decoder1 | multiplied with the embedding, 4x4 convolution | 8x8x64, 8x8x128 |
    | decoder2..4 | upsampled, joined with condition3..1, 5x5 convolution | 16x16x64, 32x32x32, 64x64x16 |
    | decoder5, field | upsampled, 5x5 convolution, tanh: the colour field | 128x128x2 |
    | ab | upsampled | 256x256x2 |

    1,726,431 parameters at width 16; for training there is an encoder of colour fields besides,
    458,624. At the original's width 128 and size 224: 153,441,354 trainable ones and 14,592,128
    in the encoder; none published.

    Deviations. The grey features are not CIC's, learnt from ImageNet, but learnt here. Autoencoder
    and mixture learn side by side, see `ColourFields`. The embedding is of the whole photo at any
    size: what the fully connected layers see is resized to a grid, and the colour field is half
    as large as the photo, 64x64 for 128x128. All three terms of section 3.1 and the skips of the
    code; cosines in place of principal components; the gaussian's mean, not a sample, for the
    mixture to learn; no dropout in the encoder; normalisation before ReLU and none at the end.
    Adam at 2e-3 with a cosine in place of 5e-5, for budgets of some ten thousand photos.

    Args:
        width: channels of the first convolutions, a multiple of 4; the others follow.
        size: of the photos at which the mixture sees its features as they are, a multiple of 32.

    Returns:
        A Keras model from L `(batch, H, W, 1)` to ab `(batch, H, W, 2)`, float32 in the
        units of `lab.to_network`; H and W are multiples of 32, else the call raises
        ValueError.

    Raises:
        ValueError: a size that is no multiple of 32.
    """
    if size < 32 or size % 32:
        raise ValueError(f"diverse takes a size that is a multiple of 32, not {size}")
    L = keras.Input((None, None, 1), name="L")
    x = MultipleOf32(name="check")(L)
    z = Likeliest(name="likeliest")(mixture(x, width, size // 16))
    field = decode(x, z, width)
    ab = Bilinear(FIELD_STRIDE, name="ab")(field)
    return keras.Model(L, ab, name="diverse")
