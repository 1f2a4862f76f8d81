"""Milliseconds of a network alone, beside one of SIGGRAPH17's shape, in one run on this machine.

    pip install -e '.[benchmark]'
    python benchmarks/network.py [--model colornet] [--size 256]

SIGGRAPH17 is Zhang et al. 2017, arXiv 1705.02999: 34,187,027 parameters, here with random
weights, since time does not depend on them; PyTorch on the CPU with as many threads as cores.
"""

import argparse
import os
import time

import keras
import numpy as np
import torch
from torch import nn

from colornet import models
from colornet.data.samples import sample
from colornet.inference.colorizer import Colorizer
from colornet.photos.photo import Photo

PARAMETERS = 34_187_027


def _block(before, filters, convolutions, dilation=1):
    """3x3 convolutions, each with ReLU, and one batch normalisation."""
    parts = []
    for _ in range(convolutions):
        parts += [nn.Conv2d(before, filters, 3, padding=dilation, dilation=dilation), nn.ReLU()]
        before = filters
    return nn.Sequential(*parts, nn.BatchNorm2d(filters))


class Siggraph17(nn.Module):
    """L, hint ab and mask `(batch, 4, H, W)` to ab `(batch, 2, H, W)` and 529 class logits."""

    def __init__(self):
        super().__init__()
        shapes = [(4, 64, 2, 1), (64, 128, 2, 1), (128, 256, 3, 1), (256, 512, 3, 1)]
        shapes += [(512, 512, 3, 2), (512, 512, 3, 2), (512, 512, 3, 1)]
        self.down = nn.ModuleList(_block(*shape) for shape in shapes)
        widths = [(512, 256, 256), (256, 128, 128), (128, 128, 64)]
        self.up = nn.ModuleList(nn.ConvTranspose2d(a, b, 4, 2, 1) for a, b, _ in widths)
        self.short = nn.ModuleList(nn.Conv2d(s, b, 3, padding=1) for _, b, s in widths)
        last = nn.Sequential(nn.Conv2d(128, 128, 3, padding=1), nn.LeakyReLU(0.2))
        self.join = nn.ModuleList([_block(256, 256, 2), _block(128, 128, 1), last])
        self.classes = nn.Conv2d(256, 529, 1)
        self.out = nn.Sequential(nn.Conv2d(128, 2, 1), nn.Tanh())

    def forward(self, x):
        skips = []
        for number, block in enumerate(self.down):
            x = block(x)
            if number < 3:
                skips.append(x)
                x = x[:, :, ::2, ::2]
        logits = None
        for up, short, join in zip(self.up, self.short, self.join):
            x = join(torch.relu(up(x) + short(skips.pop())))
            logits = self.classes(x) if logits is None else logits
        return self.out(x), logits


def milliseconds(function, runs):
    """Median over `runs` after one to warm up."""
    function()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        function()
        times.append(1000 * (time.perf_counter() - start))
    return float(np.median(times))


def main():
    args = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    args.add_argument("--model", default="colornet")
    args.add_argument("--size", type=int, default=256)
    args.add_argument("--runs", type=int, default=10)
    args = args.parse_args()
    torch.set_num_threads(os.cpu_count())
    theirs = Siggraph17().eval()
    assert sum(p.numel() for p in theirs.parameters()) == PARAMETERS
    network = models.load(args.model)
    colorizer = Colorizer(network)
    rng = np.random.default_rng(0)
    L = rng.uniform(-1, 1, (1, args.size, args.size, 1)).astype(np.float32)
    x = torch.from_numpy(rng.uniform(-1, 1, (1, 4, args.size, args.size)).astype(np.float32))
    grey = np.tile(sample("astronaut")[..., 1], (2, 2))[:1000, :1000]
    with torch.inference_mode():
        slow = milliseconds(lambda: theirs(x), args.runs)
    fast = milliseconds(lambda: network.predict_on_batch(L), args.runs)
    whole = milliseconds(lambda: colorizer.colorize(Photo(grey)), args.runs)
    print(f"{os.cpu_count()} cores, torch {torch.__version__}, keras {keras.__version__}")
    print(f"SIGGRAPH17's shape, {args.size}x{args.size}: {slow:.0f} ms")
    print(f"{args.model}, {args.size}x{args.size}: {fast:.1f} ms, {slow / fast:.1f} times faster")
    print(f"colorize, one photo of a megapixel, model loaded: {whole:.0f} ms")


if __name__ == "__main__":
    main()
