"""Exports as strangers use them: in processes that have no colornet, beside the Keras model."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest
from conftest import colours, crops, tiny

from colornet import models
from colornet.__main__ import main
from colornet.color import lab
from colornet.color.hints import Hint
from colornet.color.lab import luma
from colornet.inference import inputs
from colornet.inference.colorizer import Colorizer
from colornet.inference.compose import compose
from colornet.inference.steering import VIVIDNESS
from colornet.models.network import Network
from colornet.models.releases import RELEASED

onnxruntime = pytest.importorskip("onnxruntime")
Interpreter = pytest.importorskip("ai_edge_litert.interpreter").Interpreter
formats = pytest.importorskip("colornet.export.formats")

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
files = [tf.io.encode_png(grey), tf.io.encode_png(rgb), tf.io.encode_jpeg(rgb, quality=100)]
files = [file.numpy() for file in files]
sig = colorizer.signatures
decode = lambda png: tf.io.decode_png(png).numpy()
bytes_ = sig["serve_bytes"](image_bytes=tf.constant(files))["png_bytes"].numpy()
bytes_ = [decode(png) for png in bytes_]
second = hints + [[1, 0, 0, 0, 0, 0]]
steering = dict(vividness=tf.constant(1.0), hints=tf.constant(hints))
layer = keras.layers.TFSMLayer("saved_model/1", call_endpoint="serving_default")
holed = photos["L"].copy()
holed[7, 7] = np.nan
rgba = np.concatenate([rgb, rgb[..., :1]], -1)[None]
faults = dict(
    hint=lambda: colorizer.serve(grey[None], 0.5, hints + [[0, 1000, 0, 0, 0, 0]]),
    colour=lambda: colorizer.serve(grey[None], 0.5, hints * [[1, 1, 1, np.nan, 1, 1]]),
    alpha=lambda: sig["serve"](images=rgba),
    grey_alpha=lambda: colorizer.serve(rgba[..., 2:]),
    nan=lambda: sig["predict_ab"](L=tf.constant(holed[None])),
    eight_bit=lambda: colorizer.predict_ab(photos["L"][None] * 2.55),
    vividness=lambda: colorizer.serve(grey[None], np.nan),
)
errors = []
for call in faults.values():
    try:
        call()
        errors.append("none")
    except tf.errors.InvalidArgumentError as raised:
        errors.append(raised.message)
np.savez(
    "answers.npz",
    names=sorted(sig),
    grey=sig["serve"](images=grey[None])["colorized"][0],
    default=sig["serving_default"](tf.constant(grey[None]))["colorized"][0],
    layer=layer(grey[None])["colorized"][0],
    rgb=colorizer.serve(rgb[None])["colorized"][0],
    vivid=colorizer.serve(grey[None], 1.0)["colorized"][0],
    hinted=colorizer.serve(grey[None], 0.6, hints)["colorized"][0],
    batch=colorizer.serve(np.stack([grey, grey[::-1]]), 0.6, second)["colorized"],
    steered=sig["serve_steered"](images=grey[None], **steering)["colorized"][0],
    bytes0=bytes_[0], bytes1=bytes_[1], bytes2=bytes_[2],
    steered_bytes=decode(colorizer.serve_bytes(files[:2], 0.6, second)["png_bytes"][1].numpy()),
    ab=sig["predict_ab"](L=photos["L"][None])["ab"][0],
    tiny=colorizer.serve(np.full((1, 1, 1, 1), 128, np.uint8))["colorized"],
    errors=errors,
)
"""


def stranger(code, cwd, blocked=BLOCKED):
    """A process in a folder of its own, by default without colornet."""
    process = subprocess.run(
        [sys.executable, "-c", blocked + code], cwd=cwd, capture_output=True, text=True, timeout=300
    )
    assert process.returncode == 0, process.stderr[-2000:]


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """The released network in every format; paths by name."""
    folder = tmp_path_factory.mktemp("exports")
    return folder, [
        path.relative_to(folder).as_posix() for path in formats.export("colornet", folder)
    ]


@pytest.fixture(scope="module")
def network():
    return models.load("colornet")


GREY = luma(next(crops(1, 400, seed=3)))[:300]  # 300x400
RGB = next(crops(1, 250, seed=4))
HINT = Hint(
    120, 80, tuple(np.asarray(lab.rgb_to_lab(np.float32([200, 40, 40]) / 255))[1:].tolist())
)


@pytest.fixture(scope="module")
def answers(exported):
    folder, _ = exported
    hints = np.float32([[0, HINT.x, HINT.y, 200, 40, 40]])
    L = np.asarray(lab.lightness(np.repeat(GREY[..., None], 3, -1).astype(np.float32) / 255))
    np.savez(folder / "photos.npz", grey=GREY[..., None], rgb=RGB, hints=hints, L=L[..., None])
    stranger(STRANGER, folder)
    return np.load(folder / "answers.npz")


def network_input(network, pixels, hints=()):
    return inputs.network_input(Network(network), pixels, hints)


def painted(network, pixels, vividness=None, hints=()):
    """A photo coloured by colornet itself, as pixels."""
    return Colorizer(network).colorize(pixels, vividness=vividness, hints=hints).pixels


def near(a, b, mean=0.5, most=12):
    """Whether two 8-bit photos differ by as little as another bicubic kernel does."""
    assert a.shape == b.shape and a.dtype == b.dtype == np.uint8
    apart = cv2.absdiff(a, b)
    return apart.mean() < mean and apart.max() <= most


def beside(kind):
    return [f"{kind}/{name}" for name in ("README.md", "LICENSE", "SHA256SUMS")]


def test_what_is_written(exported):
    folder, paths = exported
    assert paths == [
        "saved_model/1", *beside("saved_model"),
        "onnx/colornet.onnx", "onnx/colornet-float16.onnx", *beside("onnx"),
        "litert/colornet.tflite", "litert/colornet-float16.tflite", "litert/colornet-int8.tflite",
        *beside("litert"),
        "keras/colornet.keras", *beside("keras"),
    ]  # fmt: skip
    assert not [*folder.rglob(".tmp*")]
    whole, half = (
        (folder / f"onnx/colornet{kind}.onnx").stat().st_size for kind in ("", "-float16")
    )
    assert half < 0.55 * whole


@pytest.mark.parametrize("kind", formats.FORMATS)
def test_licence_and_sums_lie_beside(exported, kind):
    folder = exported[0] / kind
    own = Path(__file__).parents[1] / "LICENSE"
    assert (folder / "LICENSE").read_bytes() == own.read_bytes()
    check = [*("sha256sum" if shutil.which("sha256sum") else "shasum -a 256").split(), "-c"]
    process = subprocess.run([*check, "SHA256SUMS"], cwd=folder, capture_output=True, text=True)
    assert process.returncode == 0, process.stdout
    files = {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}
    listed = {line.split("  ")[1] for line in (folder / "SHA256SUMS").read_text().splitlines()}
    assert listed == files - {"SHA256SUMS", "grey.png", "colour.png", "steered.png"}


def test_an_installed_colornet_has_the_licence_too(monkeypatch, tmp_path):
    expected = formats.licence()
    monkeypatch.setattr(formats, "ROOT", tmp_path)  # no clone there
    assert formats.licence() == expected and "Apache License" in expected


def test_onnx_says_what_it_is(exported):
    for name in ("colornet", "colornet-float16"):
        session = onnxruntime.InferenceSession(exported[0] / f"onnx/{name}.onnx")
        meta = session.get_modelmeta()
        assert meta.producer_name == "colornet" and "plausible, not evidence" in meta.description
        told = meta.custom_metadata_map
        assert {"name", "description", "version", "source"} < {*told}
        assert told["name"] == "colornet" and told["license"] == "Apache-2.0"
        entries = [*session.get_inputs(), *session.get_overridable_initializers()]
        entries += session.get_outputs()
        assert {entry.name for entry in entries} == {"L", "hints", "vividness", "ab"}
        for entry in entries:
            assert "Lab" in told[entry.name] or "0 safe to 1 vivid" in told[entry.name]


def test_signatures_have_their_names(answers):
    assert {"serve", "serving_default", "serve_bytes", "predict_ab"} <= {*answers["names"]}
    assert {"serve_steered", "serve_bytes_steered", "predict_ab_steered"} <= {*answers["names"]}


def test_saved_model_colours_as_colorize_does(answers, network):
    expected = painted(network, GREY)
    assert expected.std(axis=-1).mean() > 2
    for name in ("grey", "default", "layer", "bytes0"):
        assert near(answers[name], expected), name
    assert near(answers["rgb"], painted(network, RGB))
    assert near(answers["bytes1"], painted(network, RGB))
    assert near(answers["bytes2"], answers["rgb"], mean=2, most=80)  # JPEG
    assert near(answers["vivid"], painted(network, GREY, vividness=1.0), 1, 25)


def test_saved_model_takes_hints(answers, network):
    expected = painted(network, GREY, hints=[HINT])
    assert not near(expected, painted(network, GREY))
    assert near(answers["hinted"], expected)
    # In a batch, a hint counts for the photo whose number it bears.
    assert near(answers["batch"][0], painted(network, GREY))
    turned = np.ascontiguousarray(GREY[::-1])
    assert near(answers["batch"][1], painted(network, turned, hints=[HINT]), most=16)
    assert near(answers["steered"], painted(network, GREY, 1.0, [HINT]), 1, 25)
    # The stronger the colours, the more one kernel differs from another.
    assert near(answers["steered_bytes"], painted(network, RGB, hints=[HINT]), 1, 25)


def test_saved_model_keeps_L_and_any_size(answers):
    L = lab.lightness(answers["vivid"].astype(np.float32) / 255)
    own = lab.lightness(np.repeat(GREY[..., None], 3, -1).astype(np.float32) / 255)
    assert np.abs(np.asarray(L) - np.asarray(own)).max() < 0.7  # an 8-bit step
    assert answers["tiny"].shape == (1, 1, 1, 3)


def test_saved_model_refuses_in_words(answers):
    words = [
        "a hint lies outside of the photos",
        "the colour of a hint lies outside of 0 to 255",
        *["neither 1 channel (grey) nor 3 (RGB); alpha is left out by"] * 2,
        *["L holds NaN or lies outside of 0 to 100"] * 2,
        "vividness lies outside of 0 to 1",
    ]
    for error, told in zip(answers["errors"], words, strict=True):
        assert told in error


def test_predict_ab(answers, network):
    ab = answers["ab"]
    assert ab.shape == (*GREY.shape, 2)
    expected = cv2.resize(colours(network, GREY), GREY.shape[::-1], interpolation=cv2.INTER_CUBIC)
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
        return runner(L=L, hints=hints, vividness=np.float32(VIVIDNESS))["ab"]

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
        ab = run((x[..., :1] + 1) * lab.L_SCALE, planes if planes is None else np.float32(planes))[
            0
        ]
        own = painted(network, grey, hints=hints)
        assert near(compose(grey, ab), own, mean, most)


def test_onnx_takes_batches(exported, network):
    run = run_onnx(exported[0] / "onnx/colornet.onnx")
    L = np.concatenate([(network_input(network, x) + 1) * lab.L_SCALE for x in (GREY, GREY[::-1])])
    ab = run(L)
    assert np.abs(ab[1] - colours(network, np.ascontiguousarray(GREY[::-1]))).max() < 0.05
    assert np.abs(ab[0] - ab[1]).max() > 1


def test_onnx_vividness_is_an_input(exported, network):
    session = onnxruntime.InferenceSession(exported[0] / "onnx/colornet.onnx")
    L = (network_input(network, GREY) + 1) * lab.L_SCALE
    vivid = session.run(["ab"], dict(L=L, vividness=np.array(1, np.float32)))[0][0]
    assert np.abs(vivid - colours(network, GREY, 1.0)).max() < 0.05


def test_nan_gives_what_the_cards_say(exported):
    L = np.full((1, 64, 64, 1), 50, np.float32)
    L[0, 10, 10] = np.nan
    for run, file in ((run_onnx, "onnx/colornet.onnx"), (run_litert, "litert/colornet.tflite")):
        assert np.isnan(run(exported[0] / file)(L)).any()
        text = (exported[0] / file).with_name("README.md").read_text(encoding="utf-8")
        assert "NaN in `L` gives NaN in `ab`" in text
    assert np.isfinite(run_litert(exported[0] / "litert/colornet-int8.tflite")(L)).all()


def test_litert_needs_no_flex(exported):
    from tensorflow.lite.python import schema_py_generated as schema

    for path in (exported[0] / "litert").glob("*.tflite"):
        model = schema.Model.GetRootAsModel(path.read_bytes(), 0)
        custom = [model.OperatorCodes(i).CustomCode() for i in range(model.OperatorCodesLength())]
        assert not any(custom)


@pytest.mark.parametrize("name", ["encoder_decoder", "eight_conv"])
def test_other_networks(name, tmp_path):
    paths = [*formats.export(name, tmp_path)]
    network = models.load(name)
    x = network_input(network, GREY)
    own = network.predict_on_batch(x) * lab.AB_SCALE
    L = (x + 1) * lab.L_SCALE
    assert np.abs(run_onnx(tmp_path / f"onnx/{name}.onnx")(L) - own).max() < 0.05
    runner = Interpreter(str(tmp_path / f"litert/{name}.tflite")).get_signature_runner()
    assert np.abs(runner(L=L)["ab"] - own).max() < 0.05
    import tensorflow as tf

    saved = tf.saved_model.load(str(paths[0]))
    assert near(saved.serve(GREY[None, ..., None])["colorized"][0].numpy(), painted(network, GREY))
    assert "serve_steered" not in saved.signatures
    for kind in formats.FORMATS:
        text = (tmp_path / kind / "README.md").read_text(encoding="utf-8")
        assert "vividness" not in text.split("## Uses")[1].split("## Risks")[0]
    cv2.imwrite(str(tmp_path / "litert" / "grey.png"), GREY)
    stranger(starts(tmp_path / "litert"), tmp_path / "litert")
    assert cv2.imread(str(tmp_path / "litert" / "colour.png")).shape == (*GREY.shape, 3)


LITERATURE = [
    name for name in models.names() if name not in ("colornet", "encoder_decoder", "eight_conv")
]


@pytest.mark.parametrize("name", LITERATURE)
def test_the_literature(name, tmp_path):
    keras.utils.set_random_seed(0)
    network = tiny(name)
    network.save(tmp_path / f"{name}.keras")
    list(formats.export(tmp_path / f"{name}.keras", tmp_path, ("onnx", "litert")))
    x = network_input(network, GREY)
    own = network.predict_on_batch(x) * lab.AB_SCALE
    L = (x + 1) * lab.L_SCALE
    assert np.abs(run_onnx(tmp_path / f"onnx/{name}.onnx")(L) - own).max() < 0.01
    runner = Interpreter(str(tmp_path / f"litert/{name}.tflite")).get_signature_runner()
    assert np.abs(runner(L=L)["ab"] - own).max() < 0.01


def starts(folder):
    """The lines of "How to start" in a card; later ones go on from the first."""
    text = (folder / "README.md").read_text(encoding="utf-8").split("## How to start")[1]
    return "\n".join(re.findall(r"```python\n(.*?)```", text, re.S))


@pytest.mark.parametrize("kind", formats.FORMATS)
def test_cards_lines_run_as_written(exported, network, kind):
    folder = exported[0] / kind
    cv2.imwrite(str(folder / "grey.png"), GREY)
    stranger(starts(folder), folder, BLOCKED if kind != "keras" else "")
    colour = cv2.imread(str(folder / "colour.png"))[..., ::-1]
    # OpenCV clips where colornet takes chroma; and L is resized here, not the photo.
    assert near(np.ascontiguousarray(colour), painted(network, GREY), 1, 40)
    if kind != "saved_model":
        red = Hint(120, 80, (45.0, 30.0)) if kind != "keras" else (120, 80, "#c03028")
        steered = cv2.imread(str(folder / "steered.png"))[..., ::-1]
        own = painted(network, GREY, 0.8, [red])
        assert not near(painted(network, GREY), own, 5, 255)
        assert near(np.ascontiguousarray(steered), own, 1, 60)  # vivid ones are clipped more


@pytest.mark.parametrize("order", ["import colornet, keras", "import keras, colornet"])
def test_keras_opens_its_file_after_import_colornet(exported, order):
    folder = exported[0] / "keras"
    x = network_input(models.load("colornet"), GREY, [HINT])
    np.save(folder.parent / "x.npy", x)
    stranger(
        f"""{order}
import numpy as np
network = keras.saving.load_model("keras/colornet.keras")
np.save("ab.npy", network.predict_on_batch(np.load("x.npy")))
""",
        folder.parent,
        blocked="",
    )
    ab = np.load(folder.parent / "ab.npy") * lab.AB_SCALE
    for folded, most in ((False, 1e-3), (True, 0.05)):
        own = models.load("colornet", folded).predict_on_batch(x) * lab.AB_SCALE
        assert np.abs(own).max() > 20 and np.abs(ab - own).max() < most


def test_cards_tell_what_the_metrics_tell(exported):
    released = (RELEASED / "colornet" / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (?:grey|model|true) .*$", released, re.M)
    assert rows
    for kind in formats.FORMATS:
        text = (exported[0] / kind / "README.md").read_text(encoding="utf-8")
        assert all(row in text for row in rows)
        assert text.startswith("---\nlicense: apache-2.0\n") and "plausible, not evidence" in text
        assert not re.search(r"\{\w*\}", text)


def test_a_keras_file_and_a_run_can_be_exported(run, tmp_path):
    assert main(["export", str(run), "-o", str(tmp_path), "--format", "onnx"]) == 0
    text = (tmp_path / "onnx" / "README.md").read_text(encoding="utf-8")
    assert "Not evaluated" in text and "| epochs | size |" in text
    models.load(run, folded=False).save(tmp_path / "mine.keras")
    assert (
        main(["export", str(tmp_path / "mine.keras"), "-o", str(tmp_path), "--format", "onnx"]) == 0
    )
    assert (tmp_path / "onnx" / "mine.onnx").is_file()


def test_command_line_and_version_folders(tmp_path, capfd):
    for number in (1, 2):
        arguments = ["export", "eight_conv", "-o", str(tmp_path), "--format", "saved_model"]
        assert main(arguments) == 0
        output = capfd.readouterr()
        assert f"saved_model/{number}: " in output.out and output.err == ""
    names = {path.name for path in (tmp_path / "saved_model").iterdir()}
    assert names == {"1", "2", "README.md", "LICENSE", "SHA256SUMS"}


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
    assert "needs tf2onnx; install it: pip install 'colornet[export]'" in error
    assert error.count("\n") == 1 and not [*tmp_path.rglob("*.onnx")]
