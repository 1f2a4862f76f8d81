"""Networks for others: SavedModel, ONNX and LiteRT, each with its model card.

The one file of the package that needs TensorFlow itself. Around the network a SavedModel does what
`colorize` does, in TensorFlow's own operations; ONNX and LiteRT files hold the network, from L to ab.
"""

import logging
import tempfile
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from colornet import lab, models, steer
from colornet.card import card
from colornet.colorize import LONG_SIDE, MULTIPLE, SHORT_SIDE, STRIP
from colornet.export_cards import form
from colornet.files import atomic, released
from colornet.hints import SIDE
from colornet.light import FILE

FORMATS = ("saved_model", "onnx", "litert")
OPSET = 18  # of ONNX
LARGE = 1024  # numbers: what is stored as float16


@keras.saving.register_keras_serializable("colornet")
class Doubled(layers.Layer):
    """`UpSampling2D(2)` as one operation, whose channels the converters know at any size."""

    def call(self, x):
        size = 2 * tf.shape(x)[1:3]
        return tf.raw_ops.ResizeNearestNeighbor(images=x, size=size)

    def compute_output_shape(self, shape):
        return (shape[0], *(side and 2 * side for side in shape[1:3]), shape[3])


def _convertible(network):
    def copy(layer):
        if isinstance(layer, layers.UpSampling2D) and layer.interpolation == "nearest":
            return Doubled(name=layer.name)
        return layer.from_config(layer.get_config())

    copied = keras.models.clone_model(network, clone_function=copy)
    copied.set_weights(network.get_weights())
    return copied


def _answer(network):
    """A function of L, vividness and hint planes to ab, at the network's own resolution.

    L `(N, h, w, 1)` in [0, 100]; planes `(N, h, w, 3)`, ab in Lab units and a mask. Of a network that
    gives one answer alone, a function of L.
    """
    prior, logits_of = steer.prior(network), steer.up_to_logits(network)
    if prior is None:
        return lambda L: network(L / lab.L_SCALE - 1) * lab.AB_SCALE

    def answer(L, vividness, planes):
        count = tf.shape(L)[0]
        L = L / lab.L_SCALE - 1
        hints = tf.concat([planes[..., :2] / lab.AB_SCALE, planes[..., 2:]], -1)
        # With hints, the photos go through once more without. As one batch of a computed size,
        # since the converters cannot follow a condition.
        again = count * tf.cast(tf.reduce_max(hints[..., 2]) > 0, tf.int32)
        bare = tf.concat([L, tf.zeros_like(hints)], -1)[:again]
        logits = logits_of(tf.concat([tf.concat([L, hints], -1), bare], 0))
        return steer.colour(logits[:count], prior, vividness, logits[-count:])

    return answer


def _working_size(network, shape):
    """`colorize.working_size` of the shape of a batch, a tensor."""
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
    inside = tf.reduce_all((places >= 0) & (places < 1))
    tf.debugging.Assert(inside, ["a hint lies outside of the photos"])
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
    ab = lab.rgb_to_lab(hints[:, 3:] / 255)[:, 1:]
    told = tf.concat([ab, tf.ones_like(ab[:, :1])], -1)
    return tf.gather(tf.concat([tf.zeros((1, 3)), told], 0), owner)


def _lightness(images):
    return lab.lightness(tf.cast(images, tf.float32) / 255)[..., None]


def _painted(images, ab):
    """Photos, uint8 `(N, H, W, 3)`, in the colours ab: `colorize.compose`."""
    shape = tf.shape(images)
    ab = tf.image.resize(ab, shape[1:3], "bicubic")
    step = tf.maximum(1, STRIP // (shape[0] * shape[2]))
    number = (shape[1] + step - 1) // step
    strips = tf.TensorArray(tf.uint8, number, infer_shape=False, element_shape=[None, None, None, 3])
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
    answer, steered = tf.function(_answer(network)), steer.prior(network) is not None

    def ab_of(L, shape, size, vividness, hints):
        return answer(L, vividness, _planes(hints, shape, size)) if steered else answer(L)

    def serve(images, vividness, hints):
        shape = tf.shape(images)
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
        size = _working_size(network, shape)
        ab = ab_of(_small(L, size), shape, size, vividness, hints)
        return dict(ab=tf.image.resize(ab, shape[1:3], "bicubic"))

    module, signatures = tf.Module(), {}
    module.network = network
    none = tf.zeros((0, 6))
    steering = [tf.TensorSpec([], name="vividness"), tf.TensorSpec([None, 6], name="hints")]

    def add(function, spec):
        def whole(x, vividness=tf.constant(steer.VIVIDNESS), hints=none):
            return function(x, vividness, hints)

        own = tf.function(lambda x: function(x, steer.VIVIDNESS, none), input_signature=[spec])
        signatures[function.__name__] = own
        if steered:
            # In Python, vividness and hints may be left out; a signature takes all its inputs or
            # none, so there are two.
            own = tf.function(whole, input_signature=[spec, *steering])
            signatures[f"{function.__name__}_steered"] = own
        setattr(module, function.__name__, own)

    add(serve, tf.TensorSpec([None, None, None, None], tf.uint8, "images"))
    add(serve_bytes, tf.TensorSpec([None], tf.string, "image_bytes"))
    add(predict_ab, tf.TensorSpec([None, None, None, 1], name="L"))
    return module, signatures | dict(serving_default=signatures["serve"])


def _constant(network, function):
    """A function of tensors with the network's weights as constants, which converters take."""
    values = [(variable, variable.numpy()) for variable in network.variables]

    def frozen(*inputs):
        with keras.StatelessScope([(variable, tf.constant(value)) for variable, value in values]):
            return function(*inputs)

    return frozen


def _function(network, batch):
    """The network as one function of L, and of hints and vividness where it knows them.

    batch: how many photos at once; None for any number.
    """
    answer, sides = _constant(network, _answer(network)), network.input_shape[1:3]
    spec = [tf.TensorSpec([batch, *sides, 1], name="L")]

    def steered(L, hints, vividness):
        return dict(ab=answer(L, vividness, hints + tf.zeros_like(L)))

    if steer.prior(network) is None:
        return tf.function(lambda L: dict(ab=answer(L)), input_signature=spec)
    spec += [tf.TensorSpec([batch, *sides, 3], name="hints"), tf.TensorSpec([], name="vividness")]
    return tf.function(steered, input_signature=spec)


def _save_saved_model(network, folder, name):
    module, signatures = _pipeline(network)
    version = 1 + max([int(path.name) for path in folder.glob("[0-9]*") if path.name.isdigit()], default=0)
    with atomic(folder / str(version)) as temporary:
        tf.saved_model.save(module, str(temporary), signatures=signatures)
    yield folder / str(version)


def _save_onnx(network, folder, name):
    import onnx
    import tf2onnx

    function = _function(_convertible(network), None)
    model, _ = tf2onnx.convert.from_function(function, function.input_signature, opset=OPSET)
    graph = model.graph
    _rename(graph, graph.input[0].name, "L")
    defaults = dict(hints=np.zeros((1, 1, 1, 3), np.float32), vividness=np.float32(steer.VIVIDNESS))
    for entry in graph.input[1:]:  # may be left out: then these count
        graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(defaults[entry.name]), entry.name))
    onnx.checker.check_model(model)
    with atomic(folder / f"{name}.onnx") as temporary:
        onnx.save(model, temporary)
    yield folder / f"{name}.onnx"
    _halve(graph, [entry.name for entry in graph.input])
    with atomic(folder / f"{name}-float16.onnx") as temporary:
        onnx.save(model, temporary)
    yield folder / f"{name}-float16.onnx"


def _rename(graph, old, new):
    graph.input[0].name = new
    for node in graph.node:
        node.input[:] = [new if name == old else name for name in node.input]


def _halve(graph, inputs):
    """Stores the large weights as float16, to be cast when the file is loaded."""
    import onnx

    for weights in graph.initializer:
        values = onnx.numpy_helper.to_array(weights)
        if values.dtype == np.float32 and values.size > LARGE and weights.name not in inputs:
            name = weights.name
            weights.CopyFrom(onnx.numpy_helper.from_array(values.astype(np.float16), f"{name}:16"))
            cast = onnx.helper.make_node("Cast", [f"{name}:16"], [name], to=onnx.TensorProto.FLOAT)
            graph.node.insert(0, cast)


def _litert(function, kind):
    """LiteRT's file of a function, as bytes; kind: how weights are stored, "", float16 or int8."""
    module = tf.Module()
    module.function = function
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(module, folder, signatures=dict(serving_default=function))
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        if kind:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if kind == "float16":
            converter.target_spec.supported_types = [tf.float16]
        return converter.convert()


def _save_litert(network, folder, name):
    function = _function(_convertible(network), 1)
    # LiteRT computes transposed convolutions of int8 weights thirty times as slowly as others.
    slow = any(isinstance(layer, layers.Conv2DTranspose) for layer in network.layers)
    for kind in ("", "float16") if slow else ("", "float16", "int8"):
        path = folder / f"{name}{kind and '-'}{kind}.tflite"
        with atomic(path) as temporary:
            temporary.write_bytes(_litert(function, kind))
        yield path


def save_light(folder):
    """Writes the file that `light` colours by into the folder of a release, if it has bins."""
    network = _convertible(models.load(folder))
    if steer.prior(network) is None:
        return
    prior = tf.constant(steer.prior(network))
    logits = _constant(network, steer.up_to_logits(network))
    spec = [tf.TensorSpec([1, None, None, 4], name="x")]
    function = tf.function(lambda x: dict(logits=logits(x), prior=prior), input_signature=spec)
    with atomic(Path(folder) / FILE) as temporary:
        temporary.write_bytes(_litert(function, "float16"))


def export(model, out, formats=FORMATS):
    """Writes a trained network as files that need nothing of ours.

    Args:
        model: as in `models.load`.
        out: the folder; each format gets one of its own, with its model card. A SavedModel gets a
            number there, one above those that are there already, as TF Serving wants it.
        formats: some of `FORMATS`.

    Yields:
        The path of each file and of each SavedModel's folder, as soon as it is written.

    Raises:
        ValueError: no such network.
    """
    network, source = models.load(model), released(model)
    name = source.stem if source.suffix == ".keras" else source.resolve().name
    for tool in ("tensorflow", "tf2onnx"):  # which tell of every step
        logging.getLogger(tool).setLevel(logging.ERROR)
    save = dict(saved_model=_save_saved_model, onnx=_save_onnx, litert=_save_litert)
    for kind in formats:
        folder = Path(out) / kind
        paths = []
        for path in save[kind](network, folder, name):
            paths.append(path)
            yield path
        with atomic(folder / "README.md") as temporary:
            text = card(source, models.load(model, folded=False), form(kind, name, network, paths))
            temporary.write_text(text, encoding="utf-8")
        yield folder / "README.md"
