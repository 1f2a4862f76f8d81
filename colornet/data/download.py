"""Public photo sets by name, checked by size and SHA-256."""

import http.client
import tarfile
import urllib.request
import zipfile
import zlib
from pathlib import Path

from tqdm import tqdm

from colornet.checksums import digest
from colornet.errors import PhotoError, reason
from colornet.storage import AnyPath, atomic

# Size in bytes and SHA-256 as recorded by TensorFlow Datasets.
SETS = {
    "flowers": dict(
        url="http://download.tensorflow.org/example_images/flower_photos.tgz",
        size=228813984,
        sha256="4c54ace7911aaffe13a365c34f650e71dd5bf1be0a58b464e5a7183e3e595d9c",
    ),
    "caltech101": dict(
        url="https://data.caltech.edu/records/mzrjq-6wc02/files/caltech-101.zip?download=1",
        size=137414764,
        sha256="331234750fc7f77520e50d9565e8b6907b03565e30320da1401130db08c61f91",
    ),
    "imagenette": dict(
        url="https://s3.amazonaws.com/fast-ai-imageclas/imagenette2-320.tgz",
        size=341663724,
        sha256="569b4497c98db6dd29f335d1f109cf315fe127053cedf69010d047f0188e158c",
    ),
    "coco": dict(
        url="http://images.cocodataset.org/zips/val2017.zip",
        size=815585330,
        sha256="4f7e2ccb2866ec5041993c9cf2a952bbed69647b115d0f74da7ce8f4bef82f05",
    ),
    "places": dict(
        url="http://data.csail.mit.edu/places/places365/val_256.tar",
        size=525158400,
        sha256="24b4e639ef12a0012af525bc4cb443e4ab4aaea8369a1fb009b70e4a4aad5d48",
    ),
}
BLOCK = 1 << 20


def _fetch(entry, part):
    """Downloads into `part`, going on behind what an interrupted download left there."""
    done = part.stat().st_size if part.exists() else 0
    if done >= entry["size"]:
        return
    request = urllib.request.Request(entry["url"], headers={"Range": f"bytes={done}-"})
    with urllib.request.urlopen(request, timeout=60) as response:
        if response.status != 206:  # the server starts from the beginning
            done = 0
        with (
            open(part, "ab" if done else "wb") as file,
            tqdm(total=entry["size"], initial=done, unit="B", unit_scale=True) as bar,
        ):
            while block := response.read(BLOCK):
                file.write(block)
                bar.update(len(block))


def _extract(archive, folder):
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as packed:
            packed.extractall(folder)
    else:
        with tarfile.open(archive) as packed:
            packed.extractall(folder, filter="data")


def _unpack(archive, folder):
    _extract(archive, folder)
    # Caltech-101 packs archives within its archive; ._ files are what macOS puts beside them.
    packed = [f for f in folder.rglob("*") if f.name.endswith((".tar", ".tar.gz", ".tgz"))]
    for inner in packed:
        if inner.is_file() and not inner.name.startswith("."):
            _extract(inner, inner.parent)
            inner.unlink()


def download(name: str, folder: AnyPath) -> Path:
    """Fetches, checks and unpacks a public set into `folder/name`.

    An interrupted download goes on where it stopped; the set appears only when it is whole.

    Args:
        name: a key of SETS.
        folder: where the set's folder goes.

    Returns:
        The set's folder.

    Raises:
        PhotoError: unknown name, no network, a wrong size or SHA-256, a damaged archive.
    """
    if name not in SETS:
        raise PhotoError(f"{name}: no such set; there are: {', '.join(SETS)}")
    entry, target = SETS[name], Path(folder) / name
    if target.is_dir():
        return target
    part = Path(folder) / f".{name}.part"
    part.parent.mkdir(parents=True, exist_ok=True)
    try:
        _fetch(entry, part)
    except (OSError, http.client.HTTPException) as error:
        if part.exists() and not part.stat().st_size:
            part.unlink()
        cause = reason(getattr(error, "reason", error))
        raise PhotoError(
            f"{name}: cannot fetch {entry['url']} ({cause}); check the network and run again, "
            "or fetch it by hand and give its folder to prepare"
        ) from None
    size = part.stat().st_size
    if size < entry["size"]:
        raise PhotoError(f"{name}: {entry['url']} broke off at {size} bytes; run again to go on")
    if size != entry["size"] or digest(part) != entry["sha256"]:
        part.unlink()
        raise PhotoError(f"{name}: {entry['url']} sent other bytes than recorded; try again")
    try:
        with atomic(target) as temporary:
            temporary.mkdir()
            _unpack(part, temporary)
    except (OSError, EOFError, tarfile.TarError, zipfile.BadZipFile, zlib.error) as error:
        raise PhotoError(
            f"{name}: {entry['url']} cannot be unpacked ({reason(error)}); check the disk "
            "and run again"
        ) from None
    part.unlink()
    return target
