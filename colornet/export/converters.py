"""Networks as ONNX and LiteRT files, from L to ab."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from colornet import __version__, models
from colornet.checksums import write_sums
from colornet.color import lab
from colornet.inference.litert import FILE
from colornet.inference.matching import FILE as FEATURES
from colornet.inference.steering import VIVIDNESS, colour
from colornet.models import efficientnet_lite
from colornet.models.network import Network
from colornet.models.weights import fold
from colornet.storage import AnyPath, atomic

OPSET = 18  # of ONNX
TOLD = dict(  # of inputs and outputs, in an ONNX file's metadata
    L="CIE Lab L, float32 (N, h, w, 1), 0 to 100",
    hints="a and b in Lab units and 1 where told, else 0, float32 (N, h, w, 3); may be left out",
    vividness="0 safe to 1 vivid, float32, no unit; may be left out",
    ab="CIE Lab a and b, float32, in Lab units",
)
LARGE = 1024  # numbers: what is stored as float16


@keras.saving.register_keras_serializable("colornet")
class Doubled(layers.Layer):
    """`UpSampling2D(2)` as one operation, whose channels the converters know at any size."""

    def call(self, x: tf.Tensor) -> tf.Tensor:
        size = 2 * tf.shape(x)[1:3]
        return tf.raw_ops.ResizeNearestNeighbor(images=x, size=size)

    def compute_output_shape(self, shape: tuple) -> tuple:
        return (shape[0], *(side and 2 * side for side in shape[1:3]), shape[3])


def convertible(network: keras.Model) -> keras.Model:
    def copy(layer):
        if isinstance(layer, layers.UpSampling2D) and layer.interpolation == "nearest":
            return Doubled(name=layer.name)
        return layer.from_config(layer.get_config())

    copied = keras.models.clone_model(network, clone_function=copy)
    copied.set_weights(network.get_weights())
    return copied


def answer_of(network: keras.Model) -> Callable:
    """A function of L, vividness and hint planes to ab, at the network's own resolution.

    L `(N, h, w, 1)` in [0, 100]; planes `(N, h, w, 3)`, ab in Lab units and a mask. Of a network
    that gives one answer alone, a function of L.
    """
    own = Network(network)
    if own.own_answer:
        return lambda L: network(L / lab.L_SCALE - 1) * lab.AB_SCALE
    prior = own.prior  # numbers, before any graph is traced

    def answer(L, vividness, planes):
        count = tf.shape(L)[0]
        L = L / lab.L_SCALE - 1
        hints = tf.concat([planes[..., :2] / lab.AB_SCALE, planes[..., 2:]], -1)
        # With hints, the photos go through once more without. As one batch of a computed size,
        # since the converters cannot follow a condition.
        again = count * tf.cast(tf.reduce_max(hints[..., 2]) > 0, tf.int32)
        bare = tf.concat([L, tf.zeros_like(hints)], -1)[:again]
        logits = own.logits(tf.concat([tf.concat([L, hints], -1), bare], 0))
        return colour(logits[:count], prior, vividness, logits[-count:])

    return answer


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
    answer, sides = _constant(network, answer_of(network)), network.input_shape[1:3]
    spec = [tf.TensorSpec([batch, *sides, 1], name="L")]

    def steered(L, hints, vividness):
        return dict(ab=answer(L, vividness, hints + tf.zeros_like(L)))

    if Network(network).own_answer:
        return tf.function(lambda L: dict(ab=answer(L)), input_signature=spec)
    spec += [tf.TensorSpec([batch, *sides, 3], name="hints"), tf.TensorSpec([], name="vividness")]
    return tf.function(steered, input_signature=spec)


def save_onnx(network: keras.Model, folder: Path, name: str) -> Iterator[Path]:
    """Writes ONNX files, with weights as float32 and as float16; yields their paths."""
    import onnx
    import tf2onnx

    function = _function(convertible(network), None)
    model, _ = tf2onnx.convert.from_function(function, function.input_signature, opset=OPSET)
    graph = model.graph
    _rename(graph, graph.input[0].name, "L")
    defaults = dict(hints=np.zeros((1, 1, 1, 3), np.float32), vividness=np.float32(VIVIDNESS))
    for entry in graph.input[1:]:  # may be left out: then these count
        value = onnx.numpy_helper.from_array(np.asarray(defaults[entry.name]), entry.name)
        graph.initializer.append(value)
    _tell(model, name)
    onnx.checker.check_model(model)
    with atomic(folder / f"{name}.onnx") as temporary:
        onnx.save(model, temporary)
    yield folder / f"{name}.onnx"
    _halve(graph, [entry.name for entry in graph.input])
    with atomic(folder / f"{name}-float16.onnx") as temporary:
        onnx.save(model, temporary)
    yield folder / f"{name}-float16.onnx"


def _tell(model, name):
    """Writes into an ONNX file what it is, whose, and in which units its inputs and outputs are."""
    import onnx

    model.producer_name, model.producer_version = "colornet", __version__
    model.doc_string = (
        f"{name}: gives grey photographs plausible colours, from L to the a and b of CIE Lab. The "
        "colours are plausible, not evidence."
    )
    units = {}
    for entry in (*model.graph.input, *model.graph.output):
        units[entry.name] = entry.doc_string = TOLD[entry.name]
    about = dict(
        name=name,
        description=model.doc_string,
        license="Apache-2.0",
        version=__version__,
        source=f"colornet {__version__}: python -m colornet export {name} --format onnx",
    )
    onnx.helper.set_model_props(model, about | units)


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


def save_keras(network: keras.Model, folder: Path, name: str) -> Iterator[Path]:
    """Writes one `.keras` file, of a network that was not folded; yields its path."""
    with atomic(folder / f"{name}.keras") as temporary:
        network.save(temporary)
    yield folder / f"{name}.keras"


def _litert(function, *kinds):
    """LiteRT's file of a function, as bytes, for each way to store weights: "", float16, int8."""
    module = tf.Module()
    module.function = function
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(module, folder, signatures=dict(serving_default=function))
        for kind in kinds:
            converter = tf.lite.TFLiteConverter.from_saved_model(folder)
            if kind:
                converter.optimizations = [tf.lite.Optimize.DEFAULT]
            if kind == "float16":
                converter.target_spec.supported_types = [tf.float16]
            yield converter.convert()


def save_litert(network: keras.Model, folder: Path, name: str) -> Iterator[Path]:
    """Writes LiteRT files, one for each way to store weights; yields their paths."""
    function = _function(convertible(network), 1)
    # LiteRT computes transposed convolutions of int8 weights thirty times as slowly as others.
    slow = any(isinstance(layer, layers.Conv2DTranspose) for layer in network.layers)
    kinds = ("", "float16") if slow else ("", "float16", "int8")
    for kind, converted in zip(kinds, _litert(function, *kinds)):
        path = folder / f"{name}{kind and '-'}{kind}.tflite"
        with atomic(path) as temporary:
            temporary.write_bytes(converted)
        yield path


def save_quick(folder: AnyPath) -> None:
    """Writes the file that is used without Keras into the folder of a release, if it has bins.

    Or if it finds damage: `inference.litert` and `inference.damage` say what goes in and out.
    """
    network = convertible(models.load(folder))
    if network.name in models.FINDERS:
        logits = _constant(network, network)
        channels, answer = 1, lambda x: dict(damage=tf.sigmoid(logits(x)))
    else:
        own = Network(network)
        if own.own_answer:
            return
        prior, logits = tf.constant(own.prior), _constant(network, own.logits)
        channels, answer = 4, lambda x: dict(logits=logits(x), prior=prior)
    spec = [tf.TensorSpec([1, None, None, channels], name="x")]
    function = tf.function(answer, input_signature=spec)
    with atomic(Path(folder) / FILE) as temporary:
        temporary.write_bytes(*_litert(function, "float16"))


def save_features(folder: AnyPath) -> None:
    """Writes the file by which `inference.matching` sees what a photo shows, and lists it.

    Args:
        folder: of `efficientnet_lite.imagenet("lite0")`, whose features at stride 16 these are.
    """
    encoder = efficientnet_lite.imagenet("lite0")
    network = fold(keras.Model(encoder.input, encoder.outputs[3]))
    features = _constant(network, network)
    spec = [tf.TensorSpec([1, None, None, 1], name="x")]
    function = tf.function(lambda x: dict(features=features(x)), input_signature=spec)
    file = Path(folder) / FEATURES
    with atomic(file) as temporary:
        temporary.write_bytes(*_litert(function, "float16"))
    write_sums(folder, [file, *sorted(Path(folder).glob("encoder.*"))])
