"""Exports as strangers use them: in processes that have no colornet, beside the Keras model."""

import re
import subprocess
import sys

import cv2
import keras
import numpy as np
import pytest
from conftest import crops, tiny

from colornet import lab, models
from colornet.__main__ import main
from colornet.colorize import colorize, compose, network_input, predict_ab
from colornet.hints import Hint
from colornet.metrics import luma
from colornet.photos import Photo

onnxruntime = pytest.importorskip("onnxruntime")
Interpreter = pytest.importorskip("ai_edge_litert.interpreter").Interpreter
export = pytest.importorskip("colornet.export")

BLOCKED = "import sys; sys.modules['colornet'] = None\n"  # importing it raises ImportError
STRANGER = """
import keras, numpy as np, tensorflow as tf
try:
    import colornet
    raise SystemExit("colornet can be imported")
except ImportError:
    pass
colorizer = tf.saved_model.load("saved_model/1")
photos = np.load("photos.npz")
grey, rgb, hints = photos["grey"], photos["rgb"], photos["hints"]
files = [tf.io.encode_png(x).numpy() for x in (grey, rgb)] + [tf.io.encode_jpeg(rgb, quality=100).numpy()]
sig = colorizer.signatures
decode = lambda png: tf.io.decode_png(png).numpy()
bytes_ = [decode(png) for png in sig["serve_bytes"](image_bytes=tf.constant(files))["png_bytes"].numpy()]
layer = keras.layers.TFSMLayer("saved_model/1", call_endpoint="serving_default")
try:
    colorizer.serve(grey[None], 0.5, hints + [[0, 1000, 0, 0, 0, 0]])
    error = "none"
except tf.errors.InvalidArgumentError as raised:
    error = raised.message
np.savez(
    "answers.npz",
    names=sorted(sig),
    grey=sig["serve"](images=grey[None])["colorized"][0],
    default=sig["serving_default"](tf.constant(grey[None]))["colorized"][0],
    layer=layer(grey[None])["colorized"][0],
    rgb=colorizer.serve(rgb[None])["colorized"][0],
    vivid=colorizer.serve(grey[None], 1.0)["colorized"][0],
    hinted=colorizer.serve(grey[None], 0.5, hints)["colorized"][0],
    batch=colorizer.serve(np.stack([grey, grey[::-1]]), 0.5, hints + [[1, 0, 0, 0, 0, 0]])["colorized"],
    steered=sig["serve_steered"](images=grey[None], vividness=tf.constant(1.0), hints=tf.constant(hints))["colorized"][0],
    bytes0=bytes_[0], bytes1=bytes_[1], bytes2=bytes_[2],
    steered_bytes=decode(colorizer.serve_bytes(files[:2], 0.5, hints + [[1, 0, 0, 0, 0, 0]])["png_bytes"][1].numpy()),
    ab=sig["predict_ab"](L=photos["L"][None])["ab"][0],
    tiny=colorizer.serve(np.full((1, 1, 1, 1), 128, np.uint8))["colorized"],
    error=error,
)
"""


def stranger(code, cwd):
    """A process without colornet, in a folder of its own."""
    process = subprocess.run(
        [sys.executable, "-c", BLOCKED + code], cwd=cwd, capture_output=True, text=True, timeout=300
    )
    assert process.returncode == 0, process.stderr[-2000:]


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """The released network in every format; paths by name."""
    folder = tmp_path_factory.mktemp("exports")
    return folder, [path.relative_to(folder).as_posix() for path in export.export("colornet", folder)]


@pytest.fixture(scope="module")
def network():
    return models.load("colornet")


GREY = luma(next(crops(1, 400, seed=3)))[:300]  # 300x400
RGB = next(crops(1, 250, seed=4))
HINT = Hint(120, 80, tuple(np.asarray(lab.rgb_to_lab(np.float32([200, 40, 40]) / 255))[1:].tolist()))


@pytest.fixture(scope="module")
def answers(exported):
    folder, _ = exported
    hints = np.float32([[0, HINT.x, HINT.y, 200, 40, 40]])
    L = np.asarray(lab.lightness(np.repeat(GREY[..., None], 3, -1).astype(np.float32) / 255))
    np.savez(folder / "photos.npz", grey=GREY[..., None], rgb=RGB, hints=hints, L=L[..., None])
    stranger(STRANGER, folder)
    return np.load(folder / "answers.npz")


def near(a, b, mean=0.5, most=12):
    """Whether two 8-bit photos differ by as little as another bicubic kernel does."""
    assert a.shape == b.shape and a.dtype == b.dtype == np.uint8
    apart = cv2.absdiff(a, b)
    return apart.mean() < mean and apart.max() <= most


def test_what_is_written(exported):
    folder, paths = exported
    assert paths == [
        "saved_model/1", "saved_model/README.md",
        "onnx/colornet.onnx", "onnx/colornet-float16.onnx", "onnx/README.md",
        "litert/colornet.tflite", "litert/colornet-float16.tflite", "litert/colornet-int8.tflite",
        "litert/README.md",
    ]  # fmt: skip
    assert not [*folder.rglob(".tmp*")]
    whole, half = ((folder / f"onnx/colornet{kind}.onnx").stat().st_size for kind in ("", "-float16"))
    assert half < 0.55 * whole


def test_signatures_have_their_names(answers):
    assert {"serve", "serving_default", "serve_bytes", "predict_ab"} <= {*answers["names"]}
    assert {"serve_steered", "serve_bytes_steered", "predict_ab_steered"} <= {*answers["names"]}


def test_saved_model_colours_as_colorize_does(answers, network):
    expected = colorize(network, Photo(GREY)).pixels
    assert expected.std(axis=-1).mean() > 2
    for name in ("grey", "default", "layer", "bytes0"):
        assert near(answers[name], expected), name
    assert near(answers["rgb"], colorize(network, Photo(RGB)).pixels)
    assert near(answers["bytes1"], colorize(network, Photo(RGB)).pixels)
    assert near(answers["bytes2"], answers["rgb"], mean=2, most=80)  # JPEG
    assert near(answers["vivid"], colorize(network, Photo(GREY), vividness=1.0).pixels, 1, 25)


def test_saved_model_takes_hints(answers, network):
    expected = colorize(network, Photo(GREY), hints=[HINT]).pixels
    assert not near(expected, colorize(network, Photo(GREY)).pixels)
    assert near(answers["hinted"], expected)
    # In a batch, a hint counts for the photo whose number it bears.
    assert near(answers["batch"][0], colorize(network, Photo(GREY)).pixels)
    turned = np.ascontiguousarray(GREY[::-1])
    assert near(answers["batch"][1], colorize(network, Photo(turned), hints=[HINT]).pixels)
    assert near(answers["steered"], colorize(network, Photo(GREY), 1.0, [HINT]).pixels, 1, 25)
    assert near(answers["steered_bytes"], colorize(network, Photo(RGB), hints=[HINT]).pixels)
    assert "a hint lies outside of the photos" in str(answers["error"])


def test_saved_model_keeps_L_and_any_size(answers):
    L = lab.lightness(answers["vivid"].astype(np.float32) / 255)
    own = lab.lightness(np.repeat(GREY[..., None], 3, -1).astype(np.float32) / 255)
    assert np.abs(np.asarray(L) - np.asarray(own)).max() < 0.7  # an 8-bit step
    assert answers["tiny"].shape == (1, 1, 1, 3)


def test_predict_ab(answers, network):
    ab = answers["ab"]
    assert ab.shape == (*GREY.shape, 2)
    expected = cv2.resize(predict_ab(network, GREY), GREY.shape[::-1], interpolation=cv2.INTER_CUBIC)
    assert np.abs(ab - expected).mean() < 0.3


def run_onnx(path):
    session = onnxruntime.InferenceSession(path)

    def run(L, hints=None):
        given = dict(L=L) if hints is None else dict(L=L, hints=hints)
        return session.run(["ab"], given)[0]

    return run


def run_litert(path):
    runner = Interpreter(str(path)).get_signature_runner()

    def run(L, hints=None):
        hints = np.zeros((*L.shape[:3], 3), np.float32) if hints is None else hints
        return runner(L=L, hints=hints, vividness=np.float32(0.5))["ab"]

    return run


@pytest.mark.parametrize(
    "file, mean, most",
    [
        ("onnx/colornet.onnx", 0.01, 1),
        ("onnx/colornet-float16.onnx", 0.1, 3),
        ("litert/colornet.tflite", 0.01, 1),
        ("litert/colornet-float16.tflite", 0.3, 8),
        ("litert/colornet-int8.tflite", 2, 40),
    ],
)
def test_parity_at_several_sizes(exported, network, file, mean, most):
    run = (run_onnx if file.startswith("onnx") else run_litert)(exported[0] / file)
    for grey, hints in ((GREY, ()), (GREY.T.copy(), [HINT]), (luma(RGB), ())):
        x = network_input(network, grey, hints)
        planes = x[..., 1:] * [lab.AB_SCALE, lab.AB_SCALE, 1] if hints else None
        ab = run((x[..., :1] + 1) * lab.L_SCALE, planes if planes is None else np.float32(planes))[0]
        own = colorize(network, Photo(grey), hints=hints).pixels
        assert near(compose(grey, ab), own, mean, most)


def test_onnx_takes_batches(exported, network):
    run = run_onnx(exported[0] / "onnx/colornet.onnx")
    L = np.concatenate([(network_input(network, x) + 1) * lab.L_SCALE for x in (GREY, GREY[::-1])])
    ab = run(L)
    assert np.abs(ab[1] - predict_ab(network, np.ascontiguousarray(GREY[::-1]))).max() < 0.05
    assert np.abs(ab[0] - ab[1]).max() > 1


def test_onnx_vividness_is_an_input(exported, network):
    session = onnxruntime.InferenceSession(exported[0] / "onnx/colornet.onnx")
    L = (network_input(network, GREY) + 1) * lab.L_SCALE
    vivid = session.run(["ab"], dict(L=L, vividness=np.array(1, np.float32)))[0][0]
    assert np.abs(vivid - predict_ab(network, GREY, 1.0)).max() < 0.05


def test_litert_needs_no_flex(exported):
    from tensorflow.lite.python import schema_py_generated as schema

    for path in (exported[0] / "litert").glob("*.tflite"):
        model = schema.Model.GetRootAsModel(path.read_bytes(), 0)
        custom = [model.OperatorCodes(i).CustomCode() for i in range(model.OperatorCodesLength())]
        assert not any(custom)


@pytest.mark.parametrize("name", ["encoder_decoder", "eight_conv"])
def test_other_networks(name, tmp_path):
    paths = [*export.export(name, tmp_path, ("saved_model", "onnx", "litert"))]
    network = models.load(name)
    x = network_input(network, GREY)
    own = network.predict_on_batch(x) * lab.AB_SCALE
    L = (x + 1) * lab.L_SCALE
    assert np.abs(run_onnx(tmp_path / f"onnx/{name}.onnx")(L) - own).max() < 0.05
    runner = Interpreter(str(tmp_path / f"litert/{name}.tflite")).get_signature_runner()
    assert np.abs(runner(L=L)["ab"] - own).max() < 0.05
    import tensorflow as tf

    saved = tf.saved_model.load(str(paths[0]))
    assert near(saved.serve(GREY[None, ..., None])["colorized"][0].numpy(), colorize(network, Photo(GREY)).pixels)
    assert "serve_steered" not in saved.signatures
    for kind in export.FORMATS:
        text = (tmp_path / kind / "README.md").read_text(encoding="utf-8")
        assert "vividness" not in text.split("## Uses")[1].split("## Risks")[0]
    cv2.imwrite(str(tmp_path / "litert" / "grey.png"), GREY)
    stranger(starts(tmp_path / "litert"), tmp_path / "litert")
    assert cv2.imread(str(tmp_path / "litert" / "colour.png")).shape == (*GREY.shape, 3)


LITERATURE = [name for name in models.MODELS if name not in ("colornet", "encoder_decoder", "eight_conv")]


@pytest.mark.parametrize("name", LITERATURE)
def test_the_literature(name, tmp_path):
    keras.utils.set_random_seed(0)
    network = tiny(name)
    network.save(tmp_path / f"{name}.keras")
    list(export.export(tmp_path / f"{name}.keras", tmp_path, ("onnx", "litert")))
    x = network_input(network, GREY)
    own = network.predict_on_batch(x) * lab.AB_SCALE
    L = (x + 1) * lab.L_SCALE
    assert np.abs(run_onnx(tmp_path / f"onnx/{name}.onnx")(L) - own).max() < 0.01
    runner = Interpreter(str(tmp_path / f"litert/{name}.tflite")).get_signature_runner()
    assert np.abs(runner(L=L)["ab"] - own).max() < 0.01


def starts(folder):
    """The lines of "How to start" in a card."""
    text = (folder / "README.md").read_text(encoding="utf-8").split("## How to start")[1]
    return re.search(r"```python\n(.*?)```", text, re.S).group(1)


@pytest.mark.parametrize("kind", ["saved_model", "onnx", "litert"])
def test_cards_lines_run_as_written(exported, network, kind):
    folder = exported[0] / kind
    cv2.imwrite(str(folder / "grey.png"), GREY)
    stranger(starts(folder), folder)
    colour = cv2.imread(str(folder / "colour.png"))[..., ::-1]
    # OpenCV clips where colornet takes chroma; and L is resized here, not the photo.
    assert near(np.ascontiguousarray(colour), colorize(network, Photo(GREY)).pixels, 1, 40)


def test_cards_tell_what_the_metrics_tell(exported):
    released = (models.RELEASED / "colornet" / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (?:grey|model|true) .*$", released, re.M)
    assert rows
    for kind in export.FORMATS:
        text = (exported[0] / kind / "README.md").read_text(encoding="utf-8")
        assert all(row in text for row in rows)
        assert text.startswith("---\nlicense: apache-2.0\n") and "plausible, not evidence" in text
        assert not re.search(r"\{\w*\}", text)


def test_a_keras_file_and_a_run_can_be_exported(run, tmp_path):
    assert main(["export", str(run), "-o", str(tmp_path), "--format", "onnx"]) == 0
    text = (tmp_path / "onnx" / "README.md").read_text(encoding="utf-8")
    assert "Not evaluated" in text and "| epochs | size |" in text
    models.load(run, folded=False).save(tmp_path / "mine.keras")
    assert main(["export", str(tmp_path / "mine.keras"), "-o", str(tmp_path), "--format", "onnx"]) == 0
    assert (tmp_path / "onnx" / "mine.onnx").is_file()


def test_command_line_and_version_folders(tmp_path, capfd):
    for number in (1, 2):
        arguments = ["export", "eight_conv", "-o", str(tmp_path), "--format", "saved_model"]
        assert main(arguments) == 0
        output = capfd.readouterr()
        assert f"saved_model/{number}: " in output.out and output.err == ""
    assert {path.name for path in (tmp_path / "saved_model").iterdir()} == {"1", "2", "README.md"}


def test_faults_are_one_line(tmp_path, capfd):
    (tmp_path / "file").write_text("")
    for arguments, part in (
        (["nothing", "-o", str(tmp_path)], "no trained network there"),
        (["eight_conv", "-o", str(tmp_path / "file"), "--format", "onnx"], "file"),
    ):
        assert main(["export", *arguments]) == 1
        error = capfd.readouterr().err
        assert error.startswith("colornet: ") and part in error and error.count("\n") == 1


def test_without_the_extra_it_says_what_to_install(tmp_path, capfd, monkeypatch):
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    assert main(["export", "eight_conv", "-o", str(tmp_path), "--format", "onnx"]) == 1
    error = capfd.readouterr().err
    assert "needs tf2onnx; install it: pip install -e '.[export]'" in error
    assert error.count("\n") == 1 and not [*tmp_path.rglob("*.onnx")]
