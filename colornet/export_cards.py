"""What the model cards of exported networks say about their files; the rest is as in `card`."""

from colornet import steer
from colornet.colorize import MULTIPLE

SAVED_MODEL = """It needs TensorFlow and nothing of colornet's. The folder `{version}` is the SavedModel.

| signature | input | output |
|---|---|---|
| `serve`, `serving_default` | `images` uint8 `[N, H, W, 1 or 3]`, of any size | `colorized` uint8 `[N, H, W, 3]` |
| `serve_bytes` | `image_bytes` string `[N]`: JPEG or PNG files, each of any size | `png_bytes` string `[N]` |
| `predict_ab` | `L` float32 `[N, H, W, 1]`, 0 to 100, of any size | `ab` float32 `[N, H, W, 2]`, Lab units |
{steering}
Files are taken as they lie: an EXIF turn is not followed. Keras reads a SavedModel by
`keras.layers.TFSMLayer`, not by `keras.models.load_model`."""

STEERED_SIGNATURES = """| `serve_steered`, `serve_bytes_steered`, `predict_ab_steered` | the same, \
and `vividness` float32, 0 safe to 1 vivid, and `hints` float32 `[K, 6]` | the same |

A row of `hints` tells the colour of one place: the photo's number in the batch; x and y, in its pixels;
red, green, blue, 0 to 255. In Python, `tf.saved_model.load("{version}").serve(images, vividness, hints)`
may leave the last two out.
"""

SERVING = """```python
import tensorflow as tf

colorizer = tf.saved_model.load("{version}")
png = colorizer.serve_bytes([tf.io.read_file("grey.png")])["png_bytes"][0]
tf.io.write_file("colour.png", png)
```

With TF Serving, in this folder:

```
docker run -p 8501:8501 -v "$PWD:/models/{name}" -e MODEL_NAME={name} tensorflow/serving
echo "{{\\"signature_name\\": \\"serve_bytes\\", \\"instances\\": [{{\\"b64\\": \\"$(base64 -w0 grey.png)\\"}}]}}" |
    curl -d @- localhost:8501/v1/models/{name}:predict
```

In the answer, `predictions` holds the coloured PNG, base64 as well."""

NETWORK = """It holds the network alone, once for each way to store its weights: {files}.

| | |
|---|---|
| `L`, input | float32 `[{batch}, h, w, 1]`, 0 to 100; {sides} |
{steering}| `ab`, output | float32 `[{batch}, {places}, 2]`, Lab units |

The lines under "How to start" keep the photo's L but for colours outside of sRGB, which OpenCV clips;
colornet itself takes chroma from these instead."""

STEERED_INPUTS = """| `hints`, input{optional} | float32 `[{batch}, h, w, 3]`: a, b in Lab units and 1 where told, \
best in squares of 7x7; else 0 |
| `vividness`, input{optional} | float32, 0 safe to 1 vivid; colornet's default is {vividness} |
"""

START = """```python
import cv2
import numpy as np
{imported}

photo = cv2.imread("grey.png")
L = cv2.cvtColor(np.float32(photo) / 255, cv2.COLOR_BGR2Lab)[..., 0]
h, w = {size}
small = cv2.resize(L, (w, h), interpolation=cv2.INTER_AREA)[None, ..., None]
{run}
ab = cv2.resize(ab[0], L.shape[::-1], interpolation=cv2.INTER_CUBIC)
colour = cv2.cvtColor(np.dstack([L, ab]), cv2.COLOR_Lab2BGR)
cv2.imwrite("colour.png", np.round(colour * 255))
```"""

ONNX = """network = onnxruntime.InferenceSession("{file}")
(ab,) = network.run(["ab"], {{"L": small}})"""

LITERT = """network = Interpreter("{file}").get_signature_runner()
ab = network(L=small{steering})["ab"]"""


def form(kind, name, network, paths):
    """What `card.card` is to say of one kind of export.

    Args:
        kind: one of `export.FORMATS`.
        name: of the network.
        network: a Keras model.
        paths: of the files written.
    """
    steered, fixed = steer.prior(network) is not None, network.input_shape[1]
    if kind == "saved_model":
        version = paths[0].name
        steering = STEERED_SIGNATURES.format(version=version) if steered else ""
        return dict(
            library="keras",
            tags="colorization, cie-lab, tensorflow, saved-model",
            what="a TensorFlow SavedModel, photo in and photo out, whose network goes",
            uses=SAVED_MODEL.format(version=version, steering=steering),
            start=SERVING.format(version=version, name=name),
        )
    onnx = kind == "onnx"
    batch = "N" if onnx else 1
    steering = STEERED_INPUTS.format(
        batch=batch, optional=", may be left out" if onnx else "", vividness=steer.VIVIDNESS
    )
    if onnx:
        imported, run = "import onnxruntime", ONNX.format(file=paths[0].name)
    else:
        given = f", hints=np.zeros((1, h, w, 3), np.float32), vividness=np.float32({steer.VIVIDNESS})"
        imported = "from ai_edge_litert.interpreter import Interpreter"
        run = LITERT.format(file=paths[0].name, steering=given if steered else "")
    size = f"(min(32, round(side * 8 / min(L.shape))) * {MULTIPLE} for side in L.shape)"
    return dict(
        library=kind,
        tags=f"colorization, cie-lab, {kind}",
        what=f"{'an ONNX' if onnx else 'a LiteRT'} network",
        uses=NETWORK.format(
            files=", ".join(f"`{path.name}` ({path.stat().st_size / 1e6:.1f} MB)" for path in paths),
            batch=batch,
            sides=f"h and w are {fixed}" if fixed else "h and w multiples of 32, the lesser near 256",
            places="h/4, w/4" if steered else "h, w",
            steering=steering if steered else "",
        ),
        start=START.format(imported=imported, size=f"{fixed}, {fixed}" if fixed else size, run=run),
    )
