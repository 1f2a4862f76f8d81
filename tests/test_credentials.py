"""Content credentials, signed with a chain made here and read back by C2PA's own reader."""

import datetime
import json

import numpy as np
import pytest
from PIL import Image

c2pa = pytest.importorskip("c2pa", reason="colornet[c2pa] is not installed")
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from colornet.__main__ import main
from colornet.photos.history import ENHANCED, TRAINED

DAY = datetime.timedelta(days=1)
ROOT = x509.Name(
    [
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Stadtarchiv"),
        x509.NameAttribute(NameOID.COMMON_NAME, "Stadtarchiv's root"),
    ]
)
LEAF = x509.Name(
    [
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Stadtarchiv"),
        x509.NameAttribute(NameOID.COMMON_NAME, "Photos"),
    ]
)


def _certificate(subject, key, signer, root):
    """An X.509 certificate as C2PA's profile wants it, issued by the root."""
    now = datetime.datetime.now(datetime.UTC)
    uses = dict.fromkeys(
        "digital_signature content_commitment key_encipherment data_encipherment key_agreement "
        "key_cert_sign crl_sign encipher_only decipher_only".split(),
        False,
    )
    uses |= dict(key_cert_sign=True, crl_sign=True) if root else dict(digital_signature=True)
    builder = x509.CertificateBuilder(ROOT, subject, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - DAY).not_valid_after(now + DAY)
    own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    above = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
    for extension, critical in (
        (x509.BasicConstraints(root, None), True),
        (x509.KeyUsage(**uses), True),
        (own, False),
        (above, False),
        *([] if root else [(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), False)]),
    ):
        builder = builder.add_extension(extension, critical)
    return builder.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _pem(key):
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


@pytest.fixture(scope="module")
def signer(tmp_path_factory):
    """Files of a chain, of its key, and of the root alone."""
    folder = tmp_path_factory.mktemp("signer")
    above, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    root = _certificate(ROOT, above, above, True)
    (folder / "root.pem").write_bytes(root)
    (folder / "chain.pem").write_bytes(_certificate(LEAF, key, above, False) + root)
    (folder / "key.pem").write_bytes(_pem(key))
    (folder / "other.pem").write_bytes(_pem(rsa.generate_private_key(65537, 2048)))
    (folder / "root_key.pem").write_bytes(_pem(above))
    return folder


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "old.jpg"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (48, 64), np.uint8)).save(path)
    return path


def _colorize(photo, out, signer, certificate="chain.pem", key="key.pem", command="colorize"):
    keys = ["--c2pa-certificate", signer / certificate, "--c2pa-key", signer / key]
    return main([str(word) for word in [command, photo, "-o", out, "--force", *keys]])


def _read(path, root):
    """Its state and active manifest, by C2PA's reader that trusts a root."""
    trust = dict(trust=dict(user_anchors=root.read_text()), verify=dict(verify_trust=True))
    reader = c2pa.Reader(path, context=c2pa.Context.from_dict(trust))
    told = json.loads(reader.json())
    return reader.get_validation_state(), told["manifests"][told["active_manifest"]], told


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_result_is_signed_with_the_original_as_parent(suffix, photo, signer, tmp_path):
    out = tmp_path / f"new{suffix}"
    assert _colorize(photo, out, signer) == 0
    state, manifest, _ = _read(out, signer / "root.pem")
    assert state == "Trusted" and manifest["signature_info"]["common_name"] == "Photos"
    (parent,) = manifest["ingredients"]
    assert (parent["title"], parent["relationship"]) == ("old.jpg", "parentOf")
    actions = manifest["assertions"][0]["data"]["actions"]
    assert [action["action"] for action in actions] == ["c2pa.opened", "c2pa.edited"]
    assert actions[1]["digitalSourceType"] == TRAINED
    assert actions[1]["softwareAgent"]["name"] == "colornet"
    with Image.open(out) as image:
        image.load()


def test_a_repair_is_signed_as_no_more_than_that(photo, signer, tmp_path):
    out = tmp_path / "new.png"
    assert _colorize(photo, out, signer, command="repair") == 0
    state, manifest, _ = _read(out, signer / "root.pem")
    edited = manifest["assertions"][0]["data"]["actions"][1]
    assert state == "Trusted" and edited["digitalSourceType"] == ENHANCED
    assert edited["description"].startswith("repaired: ")


def test_what_is_changed_after_signing_is_noticed(photo, signer, tmp_path):
    out = tmp_path / "new.png"
    assert _colorize(photo, out, signer) == 0
    data = bytearray(out.read_bytes())
    data[-20] ^= 1
    out.write_bytes(data)
    assert _read(out, signer / "root.pem")[0] == "Invalid"


def test_signed_twice_tells_both_steps(photo, signer, tmp_path):
    first, second = tmp_path / "first.jpg", tmp_path / "second.jpg"
    assert _colorize(photo, first, signer) == 0 and _colorize(first, second, signer) == 0
    state, manifest, told = _read(second, signer / "root.pem")
    assert state == "Trusted" and len(told["manifests"]) == 2
    assert manifest["ingredients"][0]["active_manifest"] in told["manifests"]


@pytest.mark.parametrize("certificate, key, told", [
    ("chain.pem", "other.pem", "is not the key of"),
    ("key.pem", "key.pem", "key.pem: no PEM file that can be used"),
    ("chain.pem", "chain.pem", "chain.pem: no PEM file that can be used"),
    ("chain.pem", "gone.pem", "gone.pem: cannot be read"),
    ("root.pem", "root_key.pem", "cannot be signed"),
])  # fmt: skip
def test_unfit_certificates(certificate, key, told, photo, signer, tmp_path, capfd):
    assert _colorize(photo, tmp_path / "new.jpg", signer, certificate, key) == 1
    lines = [line for line in capfd.readouterr().err.splitlines() if line]
    assert told in lines[0] and len(lines) == 1 and not (tmp_path / "new.jpg").exists()


def test_both_files_are_needed(photo, tmp_path, capfd):
    command = ["colorize", photo, "-o", tmp_path / "new.jpg", "--c2pa-key", "key.pem"]
    assert main([str(word) for word in command]) == 1
    assert "need both" in capfd.readouterr().err


def test_bmp_cannot_be_signed_and_says_so(photo, signer, tmp_path, capfd):
    assert _colorize(photo, tmp_path / "new.bmp", signer) == 0
    assert "content credentials" in capfd.readouterr().err


def test_recolor_of_what_was_signed(photo, signer, tmp_path, capfd):
    record = tmp_path / "r.jsonl"
    words = ["colorize", photo, "-o", tmp_path / "new.png", "--record", record]
    words += ["--c2pa-certificate", signer / "chain.pem", "--c2pa-key", signer / "key.pem"]
    assert main([str(word) for word in words]) == 0
    assert main(["recolor", str(record), "-o", str(tmp_path / "again")]) == 0
    assert "made again without a signature" in capfd.readouterr().err
    one, other = (
        np.asarray(Image.open(path / "new.png")) for path in (tmp_path, tmp_path / "again")
    )
    np.testing.assert_array_equal(one, other)


def test_a_film_is_signed(signer, tmp_path):
    av = pytest.importorskip("av")
    film, out = tmp_path / "old.mp4", tmp_path / "new.mp4"
    with av.open(str(film), "w") as file:
        stream = file.add_stream("libx264", rate=5)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        frame = av.VideoFrame.from_ndarray(np.full((48, 64), 90, np.uint8), "gray")
        file.mux(stream.encode(frame.reformat(format="yuv420p")))
        file.mux(stream.encode())
    words = ["video", film, out, "--c2pa-certificate", signer / "chain.pem"]
    assert main([str(word) for word in [*words, "--c2pa-key", signer / "key.pem"]]) == 0
    state, manifest, _ = _read(out, signer / "root.pem")
    assert state == "Trusted" and manifest["ingredients"][0]["title"] == "old.mp4"
    with av.open(str(out)) as file:
        assert len([*file.decode(video=0)]) == 1
