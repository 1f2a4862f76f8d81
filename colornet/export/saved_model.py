"""A TensorFlow SavedModel: photo in, photo out, in TensorFlow's own operations."""

from collections.abc import Iterator
from pathlib import Path

import keras
import tensorflow as tf

from colornet.color import lab
from colornet.color.hints import SIDE
from colornet.export.converters import answer_of
from colornet.inference.compose import STRIP
from colornet.inference.inputs import LONG_SIDE, MULTIPLE, SHORT_SIDE
from colornet.inference.steering import VIVIDNESS
from colornet.models.network import Network
from colornet.storage import atomic

CHANNELS = (
    "images have neither 1 channel (grey) nor 3 (RGB); alpha is left out by images[..., :3], or "
    "of grey by images[..., :1]"
)
OUTSIDE = "L holds NaN or lies outside of 0 to 100; it is that of CIE Lab, not of 8 bits"


def _working_size(network, shape):
    """`inputs.working_size` of the shape of a batch, a tensor."""
    fixed = network.input_shape[1:3]
    if None not in fixed:
        return tf.constant(fixed)
    sides = tf.cast(shape[1:3], tf.float64)
    sides = tf.round(sides * SHORT_SIDE / tf.reduce_min(sides) / MULTIPLE) * MULTIPLE
    return tf.cast(tf.clip_by_value(sides, MULTIPLE, LONG_SIDE), tf.int32)


def _small(images, size):
    """By area where that shrinks, else bicubically."""
    shape = tf.shape(images)
    return tf.cond(
        tf.reduce_prod(size) <= shape[1] * shape[2],
        lambda: tf.image.resize(images, size, "area"),
        lambda: tf.image.resize(images, size, "bicubic"),
    )


def _planes(hints, shape, size):
    """Hint planes `(N, *size, 3)` of rows of hints, for a batch of that shape: `hints.plant`."""
    count, height, width = (tf.cast(side, tf.float32) for side in tf.unstack(shape[:3]))
    places = tf.stack([hints[:, 0] / count, hints[:, 2] / height, hints[:, 1] / width], -1)
    inside = (places >= 0) & (places < 1)
    places = _checked(places, inside, "a hint lies outside of the photos")
    corners = tf.cast(places[:, 1:] * tf.cast(size, tf.float32), tf.int32) - SIDE // 2

    def patch(first, side):
        steps = tf.range(side) - first[:, None]
        return (steps >= 0) & (steps < SIDE)

    photos = tf.range(shape[0]) == tf.cast(hints[:, :1], tf.int32)
    rows, columns = patch(corners[:, 0], size[0]), patch(corners[:, 1], size[1])
    patches = photos[:, :, None, None] & rows[:, None, :, None] & columns[:, None, None, :]
    # A place belongs to the last hint that covers it; 0: to none.
    numbers = tf.range(1, tf.shape(hints)[0] + 1)[:, None, None, None]
    owner = tf.maximum(tf.reduce_max(tf.cast(patches, tf.int32) * numbers, axis=0), 0)
    rgb, sentence = hints[:, 3:] / 255, "the colour of a hint lies outside of 0 to 255"
    ab = lab.rgb_to_lab(_checked(rgb, (rgb >= 0) & (rgb <= 1), sentence))[:, 1:]
    told = tf.concat([ab, tf.ones_like(ab[:, :1])], -1)
    return tf.gather(tf.concat([tf.zeros((1, 3)), told], 0), owner)


def _checked(x, holds, sentence):
    """A tensor, of which nothing is computed before it is checked."""
    with tf.control_dependencies([tf.debugging.Assert(tf.reduce_all(holds), [sentence])]):
        return tf.identity(x)


def _lightness(images):
    return lab.lightness(tf.cast(images, tf.float32) / 255)[..., None]


def _painted(images, ab):
    """Photos, uint8 `(N, H, W, 3)`, in the colours ab: `compose.compose`."""
    shape = tf.shape(images)
    ab = tf.image.resize(ab, shape[1:3], "bicubic")
    step = tf.maximum(1, STRIP // (shape[0] * shape[2]))
    number = (shape[1] + step - 1) // step
    sides = [None, None, None, 3]
    strips = tf.TensorArray(tf.uint8, number, infer_shape=False, element_shape=sides)
    for i in tf.range(number):
        rows = slice(i * step, (i + 1) * step)
        colours = tf.concat([_lightness(images[:, rows]), ab[:, rows]], -1)
        # The search for the chroma that sRGB can show, only where it is needed.
        outside = tf.where(~lab.in_gamut(colours))
        fitted = lab.fit_gamut(tf.gather_nd(colours, outside))
        colours = tf.tensor_scatter_nd_update(colours, outside, fitted)
        strip = tf.cast(tf.round(lab.lab_to_rgb(colours, fitted=True) * 255), tf.uint8)
        strips = strips.write(i, tf.transpose(strip, (1, 0, 2, 3)))
    return tf.transpose(strips.concat(), (1, 0, 2, 3))


def _pipeline(network):
    """What a SavedModel holds, and its signatures."""
    # As a function of its own, traced once for all signatures.
    answer, steered = tf.function(answer_of(network)), not Network(network).own_answer

    def ab_of(L, shape, size, vividness, hints):
        return answer(L, vividness, _planes(hints, shape, size)) if steered else answer(L)

    def serve(images, vividness, hints):
        shape = tf.shape(images)
        images = _checked(images, (shape[3] == 1) | (shape[3] == 3), CHANNELS)
        images = tf.broadcast_to(images, tf.concat([shape[:3], [3]], 0))
        size = _working_size(network, shape)
        L = _lightness(tf.clip_by_value(tf.round(_small(images, size)), 0, 255))
        return dict(colorized=_painted(images, ab_of(L, shape, size, vividness, hints)))

    def serve_bytes(image_bytes, vividness, hints):
        def one(i):
            image = tf.io.decode_image(image_bytes[i], channels=3, expand_animations=False)
            image.set_shape((None, None, 3))
            own = tf.boolean_mask(hints, tf.cast(hints[:, 0], tf.int32) == i) * [0, 1, 1, 1, 1, 1]
            return tf.io.encode_png(serve(image[None], vividness, own)["colorized"][0])

        numbers = tf.range(tf.shape(image_bytes)[0])
        return dict(png_bytes=tf.map_fn(one, numbers, fn_output_signature=tf.string))

    def predict_ab(L, vividness, hints):
        shape = tf.shape(L)
        L = _checked(L, (L > -1) & (L < 101), OUTSIDE)  # as NaN is; rounding is let pass
        size = _working_size(network, shape)
        ab = ab_of(_small(L, size), shape, size, vividness, hints)
        return dict(ab=tf.image.resize(ab, shape[1:3], "bicubic"))

    module, signatures = tf.Module(), {}
    module.network = network
    none = tf.zeros((0, 6))
    told = [tf.TensorSpec([], name="vividness"), tf.TensorSpec([None, 6], name="hints")]

    def add(function, spec):
        def whole(x, vividness=tf.constant(VIVIDNESS), hints=none):
            in_range = (vividness >= 0) & (vividness <= 1)  # which NaN is not
            vividness = _checked(vividness, in_range, "vividness lies outside of 0 to 1")
            return function(x, vividness, hints)

        own = tf.function(lambda x: function(x, VIVIDNESS, none), input_signature=[spec])
        signatures[function.__name__] = own
        if steered:
            # In Python, vividness and hints may be left out; a signature takes all its inputs or
            # none, so there are two.
            own = tf.function(whole, input_signature=[spec, *told])
            signatures[f"{function.__name__}_steered"] = own
        setattr(module, function.__name__, own)

    add(serve, tf.TensorSpec([None, None, None, None], tf.uint8, "images"))
    add(serve_bytes, tf.TensorSpec([None], tf.string, "image_bytes"))
    add(predict_ab, tf.TensorSpec([None, None, None, 1], name="L"))
    return module, signatures | dict(serving_default=signatures["serve"])


def save_saved_model(network: keras.Model, folder: Path, name: str) -> Iterator[Path]:
    """Writes a SavedModel in the next numbered folder; yields its path."""
    module, signatures = _pipeline(network)
    before = [int(path.name) for path in folder.glob("[0-9]*") if path.name.isdigit()]
    version = 1 + max(before, default=0)
    with atomic(folder / str(version)) as temporary:
        tf.saved_model.save(module, str(temporary), signatures=signatures)
    yield folder / str(version)
