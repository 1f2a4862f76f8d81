"""FID and LPIPS by brought networks, here small ones of the true ones' signatures."""

import json

import numpy as np
import pytest
from conftest import crops
from PIL import Image
from scipy.linalg import sqrtm

torch = pytest.importorskip("torch", reason="the perceptual extra is not installed")

from colornet.__main__ import main
from colornet.color import lab
from colornet.errors import NotInstalled
from colornet.evaluation.brought import FID, LPIPS
from colornet.evaluation.metrics import Measured

PHOTOS = 12


class Inception(torch.nn.Module):
    """Takes uint8 and answers as the file of NVIDIA does; of random weights."""

    def __init__(self):
        super().__init__()
        self.seen = torch.nn.Conv2d(3, 2048, 8, 8)

    def forward(self, x, return_features: bool = False):
        assert x.dtype == torch.uint8 and return_features
        return torch.relu(self.seen((x.float() - 128) / 128)).mean(dim=(2, 3))


class VGG(torch.nn.Module):
    """Takes float in 0..255 and answers as the file of NVIDIA does; of random weights."""

    def __init__(self):
        super().__init__()
        self.seen = torch.nn.Conv2d(3, 8, 5, 2)

    def forward(self, x, resize_images: bool = True, return_lpips: bool = False):
        assert x.dtype == torch.float32 and return_lpips and not resize_images
        return self.seen(x / 255).flatten(1)


class Other(torch.nn.Module):
    def forward(self, x, return_features: bool = False):
        return x.float().flatten(1)[:, :4096]


class Pair(torch.nn.Module):
    def forward(self, x, return_features: bool = False):
        return x, x


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("brought")
    for name, network in (("inception", Inception()), ("vgg16", VGG())):
        torch.jit.script(network).save(str(folder / f"{name}.pt"))
    (folder / "broken.pt").write_bytes(b"no network")
    torch.jit.script(torch.nn.Conv2d(3, 8, 5)).save(str(folder / "other.pt"))
    return folder


@pytest.fixture(scope="module")
def photos():
    true = np.stack([*crops(PHOTOS, 64)])
    return true, np.stack([np.repeat(lab.luma(photo)[..., None], 3, axis=-1) for photo in true])


def records(figure, photos):
    return [
        figure.measure(Measured(true), dict(grey=Measured(grey), same=Measured(true)))
        for true, grey in zip(*photos)
    ]


def test_fid_is_its_definition(files, photos):
    fid = FID(files / "inception.pt")
    found = json.loads(json.dumps(fid.summary(records(fid, photos))))
    network = torch.jit.load(str(files / "inception.pt"))
    with torch.inference_mode():
        true, grey = (
            network(torch.from_numpy(x).permute(0, 3, 1, 2), return_features=True).double().numpy()
            for x in photos
        )
    A, B = np.cov(true.T), np.cov(grey.T)
    expected = np.sum((true.mean(0) - grey.mean(0)) ** 2)
    expected += np.trace(A + B - 2 * sqrtm(A @ B).real)
    assert found["photos"] == PHOTOS
    assert found["distance"]["grey"] == pytest.approx(expected, rel=0.01) and expected > 0
    assert abs(found["distance"]["same"]) < 1e-3 * expected
    assert f"{PHOTOS} photos" in fid.table(found)


def test_lpips_is_its_definition(files, photos):
    lpips = LPIPS(files / "vgg16.pt")
    found = records(lpips, photos)
    network = torch.jit.load(str(files / "vgg16.pt"))
    with torch.inference_mode():
        true, grey = (
            network(
                torch.from_numpy(x).permute(0, 3, 1, 2).float(),
                resize_images=False,
                return_lpips=True,
            )
            for x in photos
        )
    expected = (true - grey).square().sum(1).numpy()
    np.testing.assert_allclose([one["grey"] for one in found], expected, rtol=1e-4)
    assert all(one["same"] == 0 for one in found)
    assert f"| grey | {expected.mean():.3f} ±" in lpips.table(lpips.summary(found))


def test_the_command_gives_both(files, photos, tmp_path, capsys):
    for i, photo in enumerate(photos[0]):
        Image.fromarray(photo).save(tmp_path / f"{i}.png")
    command = ["evaluate", str(tmp_path), "--size", "64", "--json", str(tmp_path / "report.json")]
    command += ["--fid", str(files / "inception.pt"), "--lpips", str(files / "vgg16.pt")]
    assert main(command) == 0
    text, report = capsys.readouterr().out, json.loads((tmp_path / "report.json").read_text())
    assert "FID" in text and "LPIPS" in text
    assert set(report["fid"]["distance"]) == set(report["lpips"]) == set(report["rows"]) - {"true"}
    # Another file of weights has other figures.
    torch.jit.script(VGG()).save(str(tmp_path / "vgg16.pt"))
    assert main([*command[:-1], str(tmp_path / "vgg16.pt")]) == 0
    other = json.loads((tmp_path / "report.json").read_text())["lpips"]["grey"]["mean"]
    assert other != report["lpips"]["grey"]["mean"]


@pytest.mark.parametrize(
    "name, said",
    [
        ("gone.pt", "no such file; bring vgg16.pt"),
        ("broken.pt", "is not vgg16.pt"),
        ("other.pt", "is not vgg16.pt"),
    ],
)
def test_what_is_no_such_network_is_refused_in_a_line(files, name, said, capsys):
    assert main(["evaluate", str(files), "--lpips", str(files / name)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"colornet: {files / name}: ") and said in line


def test_the_other_network_is_no_inception(tmp_path):
    # NVIDIA's vgg16.pt takes what Inception is asked for too, and gives 4,096 numbers.
    torch.jit.script(Other()).save(str(tmp_path / "vgg16.pt"))
    with pytest.raises(ValueError, match=r"is not inception-2015-12-05.pt \(of a photo .* 4096"):
        FID(tmp_path / "vgg16.pt")
    torch.jit.script(Pair()).save(str(tmp_path / "pair.pt"))
    with pytest.raises(ValueError, match="pair.pt: is not inception"):
        FID(tmp_path / "pair.pt")


def test_without_pytorch_the_remedy_is_told(files, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    with pytest.raises(NotInstalled, match=r"FID needs torch; .*colornet\[perceptual\]"):
        FID(files / "inception.pt")
