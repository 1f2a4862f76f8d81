"""C2PA content credentials: what was done to a photo or film, and from what, signed."""

import io
import os
from pathlib import Path

import c2pa
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from colornet import __version__
from colornet.errors import PhotoError, reason
from colornet.photos.history import ENHANCED, TRAINED, now

CURVES = dict(secp256r1="es256", secp384r1="es384", secp521r1="es512")
SIGNED = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".mp4")
# Without the thumbnails, which would add a hundred times what the rest takes.
SETTINGS = dict(builder=dict(thumbnail=dict(enabled=False)))


def _algorithm(key):
    """C2PA's name of the way to sign with a key."""
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in CURVES:
        return CURVES[key.curve.name]
    if isinstance(key, rsa.RSAPrivateKey):
        return "ps256"
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return "ed25519"
    raise ValueError("of a kind that C2PA does not know; take an EC, RSA or Ed25519 key")


def _read(path, parse):
    try:
        data = Path(path).read_bytes()
        return data, parse(data)
    except OSError as error:
        raise PhotoError(f"{path}: cannot be read ({error.strerror}); check the file") from None
    except (ValueError, TypeError) as error:
        line = f"{path}: no PEM file that can be used ({reason(error)}); check the file"
        raise PhotoError(line) from None


class Credentials:
    """A certificate by which results are signed.

    Args:
        certificate: a PEM file, the signer's certificate first, then those that vouch for it.
        key: a PEM file of the signer's private key, without a password.

    Raises:
        PhotoError: files that cannot be used, or a key of another certificate.
    """

    def __init__(self, certificate: str | os.PathLike, key: str | os.PathLike):
        chain, certificates = _read(certificate, x509.load_pem_x509_certificates)
        _, private = _read(key, lambda data: serialization.load_pem_private_key(data, None))
        if certificates[0].public_key() != private.public_key():
            raise PhotoError(f"{key}: is not the key of {certificate}; name those that belong")
        plain = private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        try:
            self._signer = _algorithm(private), chain, plain
        except ValueError as error:
            raise PhotoError(f"{key}: {error}") from None

    def sign(self, file: Path, original: Path, invented: bool = True) -> None:
        """Signs a file of a suffix in `SIGNED` as made from an original, in place.

        invented: whether its colours are a network's; else it was repaired alone.

        Raises:
            PhotoError: the certificate is not one to sign such claims with.
        """
        agent = dict(name="colornet", version=__version__)
        edited = dict(action="c2pa.edited", digitalSourceType=TRAINED, softwareAgent=agent)
        words = "coloured: lightness of the original, colours by a trained network"
        if not invented:
            edited["digitalSourceType"] = ENHANCED
            words = "repaired: marked places filled from what surrounds them"
        edited |= dict(when=now(), description=words)
        actions = dict(label="c2pa.actions.v2", data=dict(actions=[edited]))
        told = dict(claim_generator_info=[agent], assertions=[actions])
        kind = file.suffix.lower().lstrip(".")
        try:
            context = c2pa.Context.from_dict(SETTINGS)
            signer = c2pa.Signer.from_info(c2pa.C2paSignerInfo(*self._signer, None))
            builder = c2pa.Builder.from_json(told, context)
            builder.set_intent(c2pa.C2paBuilderIntent.EDIT)
            with open(original, "rb") as parent:
                suffix = original.suffix.lower().lstrip(".") or "bin"
                ingredient = dict(title=original.name, relationship="parentOf")
                builder.add_ingredient(ingredient, suffix, parent)
            unsigned = io.BytesIO(file.read_bytes())
            with open(file, "w+b") as signed:
                builder.sign(signer, kind, unsigned, signed)
        except c2pa.C2paError as error:
            line = f"{original}: its result cannot be signed ({reason(error)}); check certificate"
            raise PhotoError(f"{line} and key") from None
