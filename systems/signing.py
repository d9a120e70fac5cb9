"""DSSE envelopes: a payload, what kind it is, and who signed both (github.com/secure-systems-lab/dsse).

Keys are ed25519. The private one lies in the vault, the public one beside what it signed: whoever has that and an
envelope can tell that it was not altered, with this module or without it.
"""

from __future__ import annotations

import json

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import SecretStr
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import CryptoSigner, SSlibKey  # type: ignore[attr-defined]

from domain.errors import Damaged, Refused


class SigningKey:
    """A private key.

    Raises:
        Refused: `pem` is no ed25519 key in PEM; its value is not told.
    """

    def __init__(self, pem: SecretStr) -> None:
        try:
            private = serialization.load_pem_private_key(pem.get_secret_value().encode(), password=None)
        except ValueError:
            private = None
        if not isinstance(private, Ed25519PrivateKey):
            raise Refused(
                "signing key", "what the vault holds is no ed25519 key in PEM", "make one: riskhub evidence key"
            )
        self._signer = CryptoSigner(private)
        self.public = private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self.id = key_id(self.public)

    def sign(self, payload: bytes, kind: str) -> bytes:
        """The envelope, as JSON."""
        envelope = Envelope(payload, kind, {})
        envelope.sign(self._signer)
        return _written(envelope)


def new_key() -> SecretStr:
    """A new private key, in PEM."""
    made = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return SecretStr(made.decode())


def unsigned(payload: bytes, kind: str) -> bytes:
    """An envelope that nobody signed, as JSON: for what must be kept while there is no key. It never verifies."""
    return _written(Envelope(payload, kind, {}))


def signed_by(envelope: bytes, *, thing: str) -> str | None:
    """The id of the key that signed, as the envelope says; None when nobody did. Errors as `payload_of`."""
    return next(iter(_read(envelope, thing).signatures), None)


def payload_of(envelope: bytes, *, thing: str) -> bytes:
    """The payload, whether or not it is what was signed.

    Raises:
        Damaged: it is no envelope.
    """
    return _read(envelope, thing).payload


def verify(envelope: bytes, public: bytes, kind: str, *, thing: str) -> bytes:
    """The payload, which the holder of the key to `public` signed as this kind.

    Raises:
        Damaged: it is no envelope, or not what was signed.
        Refused: nobody signed it, another key did, it is of another kind, or `public` is no key.
    """
    found = _read(envelope, thing)
    if not found.signatures:
        raise Refused(thing, "nobody signed it", "read the run's finding on evidence: it says why there was no key")
    key = _public(public)
    if key.keyid not in found.signatures:
        signers = ", ".join(found.signatures)
        raise Refused(thing, f"key {signers} signed it, and this is key {key.keyid}", "take the public key of that id")
    if found.payload_type != kind:
        raise Refused(thing, f"it is of kind {found.payload_type!r}, not {kind!r}", "give a piece of evidence")
    try:
        found.verify([key], 1)
    except VerificationError:
        raise Damaged(thing, "its signature does not fit: it was altered", "find out who could write there") from None
    return found.payload


def key_id(public: bytes) -> str:
    """The id of a public key in PEM: SHA-256, hex. Errors as `verify`."""
    keyid: str = _public(public).keyid
    return keyid


def _public(pem: bytes) -> SSlibKey:
    try:
        return SSlibKey.from_crypto(serialization.load_pem_public_key(pem))
    except ValueError:
        raise Refused("public key", "it is no public key in PEM", "give the file that evidence/keys/ holds") from None


def _read(envelope: bytes, thing: str) -> Envelope:
    try:
        return Envelope.from_dict(json.loads(envelope))
    except Exception:  # the library raises whatever its parts do on malformed input
        raise Damaged(thing, "it is no DSSE envelope", "give a piece of evidence") from None


def _written(envelope: Envelope) -> bytes:
    return json.dumps(envelope.to_dict(), indent=1).encode() + b"\n"
