"""The site without a server, in headless Chromium: how near to the command line, how fast.

    python benchmarks/site.py PHOTOS [--limit 20] [--compare]

PHOTOS: a folder. Each photo is saved by the engine in the browser, as PNG, without hints and with
two, and held against what `colornet colorize` makes of the same file. Then the times: to load, to
answer, by one thread and by more, and on a processor four times as slow; with --compare also
beside onnxruntime-web, from npm. Prints Markdown.
"""

import argparse
import base64
import functools
import gzip
import http.server
import io
import os
import shutil
import subprocess
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import sync_playwright

from colornet.color import gamut
from colornet.inference.colorizer import load
from colornet.photos.photo import find_photos
from colornet.photos.read import read_photo
from colornet.web.site import make_site

FLAGS = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
FLAGS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
ISOLATED = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
}
HINTS = ((0.3, 0.4, "#c03028"), (0.7, 0.6, "#2040c0"))  # shares of width and height
RUNS = 10
ORT = "1.30.0"
OPEN = """async () => {
  const start = performance.now();
  const config = await (await fetch("engine.json")).json();
  window.engine = await (await import("./engine_browser.js")).open(config);
  return performance.now() - start;
}"""
ANSWER = """async ([data, name, hints]) => {
  const photo = new File([Uint8Array.from(atob(data), (c) => c.charCodeAt(0))], name);
  const start = performance.now();
  await engine.answer(photo, { hints });
  const middle = performance.now();
  const blob = await engine.save(photo, { hints }, { vividness: 0.5, format: "png" });
  const url = await new Promise((done) => {
    const reader = new FileReader();
    reader.onload = () => done(reader.result);
    reader.readAsDataURL(blob);
  });
  return [middle - start, performance.now() - middle, url.split(",")[1]];
}"""
NETWORK = """async (runs) => { // on the page's own thread, which Chromium can slow down
  const config = await (await fetch("engine.json")).json();
  const run = await (await import("./network.js")).openNetwork(config);
  const [size, times] = [{ width: 352, height: 256 }, []];
  for (let i = 0; i < runs; i++) {
    const start = performance.now();
    await run(new Float32Array(4 * size.width * size.height), size);
    times.push(performance.now() - start);
  }
  return times;
}"""


ONNX = """async (runs) => {
  const ort = await import("./onnx/ort.wasm.min.mjs");
  ort.env.wasm.wasmPaths = new URL("./onnx/", location).href;
  ort.env.wasm.numThreads = 1;
  const start = performance.now(), times = [];
  const session = await ort.InferenceSession.create("./onnx/network.onnx");
  const loaded = performance.now() - start;
  for (let i = 0; i < runs; i++) {
    const begun = performance.now();
    const x = new ort.Tensor("float32", new Float32Array(4 * 256 * 352), [1, 256, 352, 4]);
    await session.run({ x });
    times.push(performance.now() - begun);
  }
  return [loaded, ...times];
}"""
LITERT = NETWORK.replace(
    "for (let i", "times.push(performance.now() - begun);\n  for (let i", 1
).replace("const config", "const begun = performance.now();\n  const config", 1)


class Handler(http.server.SimpleHTTPRequestHandler):
    """A plain host, with more headers where wanted; blank.html is an empty page."""

    more = {}

    def log_message(self, *_):
        pass

    def end_headers(self):
        for header in self.more.items():
            self.send_header(*header)
        super().end_headers()

    def do_GET(self):
        if self.path != "/blank.html":
            return super().do_GET()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><link rel='icon' href='icon.svg'>")


@contextmanager
def served(folder, headers):
    """The address of a folder's blank page."""
    kind = type("More", (Handler,), dict(more=headers))
    handler = functools.partial(kind, directory=folder)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/blank.html"
    server.shutdown()


def coloured(page, path, hints):
    """Milliseconds to answer and to save, and the pixels."""
    data = base64.b64encode(path.read_bytes()).decode()
    answer, save, result = page.evaluate(ANSWER, [data, path.name, hints])
    return answer, save, np.asarray(Image.open(io.BytesIO(base64.b64decode(result))).convert("RGB"))


def lightness(pixels):
    return gamut.lightness(pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=-1))


def parity(page, paths):
    """Prints how far the browser's photos are from the command line's; returns times."""
    colorizer, times, first = load(), [], None
    print("| | mean, of 255 | under 3, % | worst photo's mean | under 3 | L moved, mean | size |")
    print("|---|---|---|---|---|---|---|")
    for told in ((), HINTS):
        means, shares, moved, same = [], [], [], 0
        for path in paths:
            photo = read_photo(path)
            height, width = photo.pixels.shape[:2]
            hints = [(int(x * width), int(y * height), color) for x, y, color in told]
            wish = [dict(x=x, y=y, color=color, reach=None) for x, y, color in hints]
            answer, save, found = coloured(page, path, wish)
            if first is None:
                first = answer
            elif not hints:
                times.append((answer, save))
            same += found.shape == (height, width, 3)
            wanted = colorizer.colorize(photo, vividness=0.5, hints=hints).pixels
            away = np.abs(found.astype(int) - wanted)
            means.append(away.mean())
            shares.append(100 * np.mean(away < 3))
            moved.append(np.abs(lightness(found) - lightness(photo.pixels)).mean())
        cells = [np.mean(means), np.mean(shares), max(means), min(shares), np.mean(moved)]
        row = " | ".join(f"{cell:.3f}" for cell in cells)
        print(
            f"| {'two hints' if told else 'no hints'} | {row} | {same} of {len(paths)} the same |"
        )
    return first, times


def sizes(folder):
    """Prints megabytes: of what a visitor fetches, as it is and packed by gzip."""
    parts = dict(page=[], runtime=[], network=[])
    for path in folder.rglob("*"):
        if path.suffix == ".tflite":
            parts["network"].append(path)
        elif path.parent.name != "litert" and path.is_file():
            parts["page"].append(path)
        elif path.stem in ("litert_wasm_internal", "index", "wasm-utils"):
            parts["runtime"].append(path)
    print("\n| first visit | MB | packed |\n|---|---|---|")
    for name, paths in parts.items():
        whole = [path.read_bytes() for path in paths]
        packed = sum(len(gzip.compress(data)) for data in whole)
        print(f"| {name} | {sum(map(len, whole)) / 1e6:.2f} | {packed / 1e6:.2f} |")


def write_onnx(folder):
    """The network as ONNX, weights as float16, and onnxruntime-web beside it."""
    import onnx
    import tensorflow as tf
    import tf2onnx

    from colornet import models
    from colornet.export import converters
    from colornet.models.network import Network

    network = converters.convertible(models.load("colornet"))
    logits = converters._constant(network, Network(network).logits)
    spec = [tf.TensorSpec([None, None, None, 4], name="x")]
    function = tf.function(lambda x: dict(logits=logits(x)), input_signature=spec)
    model, _ = tf2onnx.convert.from_function(function, spec, opset=converters.OPSET)
    converters._halve(model.graph, ["x"])
    command = ["npm", "install", "--ignore-scripts", "--no-audit", f"onnxruntime-web@{ORT}"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    shutil.copytree(folder / "node_modules/onnxruntime-web/dist", folder / "onnx")
    onnx.save(model, folder / "onnx" / "network.onnx")
    return folder / "onnx"


def compare(browser, site):
    """Prints LiteRT.js beside onnxruntime-web, one thread each."""
    onnx = write_onnx(site)
    pages = dict(
        LiteRT=[LITERT, site / "light.tflite", site / "litert/litert_wasm_internal.wasm"],
        ONNX=[ONNX, onnx / "network.onnx", onnx / "ort-wasm-simd-threaded.wasm"],
    )
    print("\n| one thread | load, ms | first | later, median | runtime, MB (packed) | network |")
    print("|---|---|---|---|---|---|")
    with served(site, {}) as url:
        for name, (script, network, runtime) in pages.items():
            page = browser.new_page()
            page.goto(url)
            load, first, *later = page.evaluate(script, RUNS)
            data, packed = runtime.read_bytes(), len(gzip.compress(runtime.read_bytes()))
            cells = f"{load:.0f} | {first:.0f} | {np.median(later):.0f}"
            sizes = (
                f"{len(data) / 1e6:.1f} ({packed / 1e6:.1f}) | {network.stat().st_size / 1e6:.1f}"
            )
            print(f"| {name} | {cells} | {sizes} |")
            page.close()


def main():
    args = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    args.add_argument("photos")
    args.add_argument("--limit", type=int, default=20)
    args.add_argument("--compare", action="store_true")
    args = args.parse_args()
    paths = [path for path, _ in find_photos([args.photos])]
    paths = paths[:: max(1, len(paths) // args.limit)][: args.limit]
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as started:
        site, lines = make_site(Path(folder) / "site"), []
        browser = started.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        for headers in ({}, ISOLATED):
            with served(site, headers) as url:
                context = browser.new_context()
                loads = []
                for _ in range(2):
                    page = context.new_page()
                    page.goto(url)
                    loads.append(page.evaluate(OPEN))
                if headers:
                    answers = [coloured(page, path, [])[:2] for path in paths]
                    first, times = answers[0][0], answers[1:]
                else:
                    first, times = parity(page, paths)
                middle = [*np.median(times, axis=0)]
                threads = f"{os.cpu_count()} threads" if headers else "one thread"
                cells = [*loads, first, *middle]
                lines.append(f"| {threads} | " + " | ".join(f"{ms:.0f}" for ms in cells) + " |")
                page.close()
                context.close()
        print("\n| milliseconds | first load | later | first answer | answer | save |")
        print("|---|---|---|---|---|---|", *lines, sep="\n")
        print(f"\n| the network alone, 352 x 256 | median of {RUNS}, ms |\n|---|---|")
        with served(site, {}) as url:
            for slower in (1, 4):
                page = browser.new_page()
                page.goto(url)
                session = page.context.new_cdp_session(page)
                session.send("Emulation.setCPUThrottlingRate", dict(rate=slower))
                times = page.evaluate(NETWORK, RUNS)
                name = "as it is" if slower == 1 else f"slowed {slower} times"
                print(f"| {name} | {np.median(times):.0f} |")
                page.close()
        sizes(site)
        if args.compare:
            compare(browser, site)
        browser.close()


if __name__ == "__main__":
    main()
