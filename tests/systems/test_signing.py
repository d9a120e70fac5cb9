"""Evidence verifies with its public key, and with nothing else; anyone can check it without us."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from pydantic import SecretStr

from domain.clock import utc_now
from domain.errors import Damaged, Refused, RiskhubError
from domain.record import Record
from systems.evidence import evidence_body, verified_record
from systems.signing import SigningKey, new_key, signed_by

KEY, OTHER = SigningKey(new_key()), SigningKey(new_key())
NOW = utc_now()
RECORD = Record(
    flow="recovery-drill", environment="local", state="failed", summary="no port", started_at=NOW, finished_at=NOW
)
ENVELOPE = evidence_body(RECORD, KEY)


def altered(change: Callable[[dict[str, Any]], object]) -> bytes:
    envelope = json.loads(ENVELOPE)
    change(envelope)
    return json.dumps(envelope).encode()


def say_it_passed(envelope: dict[str, Any]) -> None:
    record = json.loads(base64.b64decode(envelope["payload"]))
    envelope["payload"] = base64.b64encode(json.dumps(record | {"state": "complete"}).encode()).decode()


def flip_the_signature(envelope: dict[str, Any]) -> None:
    signature = bytearray(base64.b64decode(envelope["signatures"][0]["sig"]))
    signature[0] ^= 1
    envelope["signatures"][0]["sig"] = base64.b64encode(signature).decode()


def test_what_was_signed_is_the_record_and_names_its_key() -> None:
    assert verified_record(ENVELOPE, KEY.public, thing="it") == RECORD
    assert signed_by(ENVELOPE, thing="it") == KEY.id


@pytest.mark.parametrize(
    ("envelope", "public", "kind", "why"),
    [
        (altered(say_it_passed), KEY.public, Damaged, "it was altered"),
        (altered(flip_the_signature), KEY.public, Damaged, "it was altered"),
        (altered(lambda envelope: envelope.update(payloadType="text/plain")), KEY.public, Refused, "of kind"),
        (altered(lambda envelope: envelope.update(signatures=[])), KEY.public, Refused, "nobody signed it"),
        (ENVELOPE, OTHER.public, Refused, "and this is key"),
        (
            altered(lambda envelope: envelope["signatures"][0].update(keyid=OTHER.id)),
            OTHER.public,
            Damaged,
            "it was altered",
        ),
        (evidence_body(RECORD, None), KEY.public, Refused, "nobody signed it"),
        (KEY.sign(b"[]", "application/vnd.riskhub.record+json"), KEY.public, Damaged, "it holds no record"),
        (b"{}", KEY.public, Damaged, "no DSSE envelope"),
        (b"\xff", KEY.public, Damaged, "no DSSE envelope"),
        (b"[1]", KEY.public, Damaged, "no DSSE envelope"),
        (ENVELOPE, b"no key", Refused, "no public key in PEM"),
    ],
)
def test_what_was_not_signed_so_does_not_verify(
    envelope: bytes, public: bytes, kind: type[RiskhubError], why: str
) -> None:
    with pytest.raises(kind, match=why):
        verified_record(envelope, public, thing="it")


def test_anyone_can_check_it_without_us() -> None:
    """As docs/evidence.md tells auditors: the pre-authentication encoding of DSSE, and ed25519."""
    envelope = json.loads(ENVELOPE)
    payload, kind = base64.b64decode(envelope["payload"]), envelope["payloadType"].encode()
    signature = base64.b64decode(envelope["signatures"][0]["sig"])
    signed = b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)
    public = load_pem_public_key(KEY.public)
    assert isinstance(public, Ed25519PublicKey)
    public.verify(signature, signed)
    with pytest.raises(InvalidSignature):
        public.verify(signature, signed + b" ")


@pytest.mark.parametrize("pem", ["", "no key", KEY.public.decode()])
def test_what_is_no_private_key_is_refused_and_not_shown(pem: str) -> None:
    with pytest.raises(Refused, match="no ed25519 key") as refused:
        SigningKey(SecretStr(pem))
    assert not pem or pem not in str(refused.value)
