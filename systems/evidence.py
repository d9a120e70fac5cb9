"""What every run leaves in the bucket: one signed envelope a run, written once and never replaced.

The payload is the record as JSON. Its key tells flow and time, so that a listing is already a log; the public keys
that it can be verified with lie beside it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from datetime import datetime

from pydantic import ValidationError

from domain.errors import Damaged, Refused
from domain.record import Record, RunState
from environments.settings import AwsSettings, ObjectStoreSettings
from systems.answers import Taken
from systems.objects import get_object, list_objects, put_object
from systems.signing import SigningKey, payload_of, signed_by, unsigned, verify
from systems.vault import read_secret

FOLDER = "evidence"
_MOMENT = "%Y%m%dT%H%M%SZ"
KIND = "application/vnd.riskhub.record+json"


def evidence_name(record: Record, body: bytes) -> str:
    """`<flow>/<UTC time>-<short digest>.json`: sorts by time, and two runs in one second do not collide."""
    moment = record.finished_at.strftime(_MOMENT)
    return f"{record.flow}/{moment}-{hashlib.sha256(body).hexdigest()[:12]}.json"


def evidence_body(record: Record, key: SigningKey | None) -> bytes:
    """The bytes that are kept: the envelope over the record. Without a key nobody signed it, and it says so."""
    payload = record.model_dump_json(indent=2).encode() + b"\n"
    return key.sign(payload, KIND) if key else unsigned(payload, KIND)


def store_evidence(store: ObjectStoreSettings, record: Record, key: SigningKey | None) -> str:
    """Keep `record` in the bucket; the key it has there, `evidence/<flow>/<time>-<digest>.json`.

    Raises:
        Unreachable: the object store did not answer.
        Refused: the store refused the write, or the key is taken.
    """
    body = evidence_body(record, key)
    name = f"{FOLDER}/{evidence_name(record, body)}"
    put_object(store, name, body, content_type="application/json", if_absent=True, locked=True)
    return name


def records(
    store: ObjectStoreSettings, flow: str, states: Collection[RunState]
) -> Iterator[tuple[str, Record | Damaged | Refused]]:
    """The records of a flow that ended in one of `states`, newest first, each with its key.

    Each is verified with the public key beside it as it is asked for; one that does not verify hides no other.
    """
    for name in sorted((each.key for each in list_objects(store, f"{FOLDER}/{flow}/")), reverse=True):
        try:
            envelope = get_object(store, name)
            if record_in(payload_of(envelope, thing=name), thing=name).state not in states:
                continue
            signer = signed_by(envelope, thing=name)
            public = get_object(store, public_key_name(signer)) if signer else b""
            yield name, verified_record(envelope, public, thing=name)
        except (Damaged, Refused) as error:
            yield name, error


def last_record(store: ObjectStoreSettings, flow: str, states: Collection[RunState]) -> Record | None:
    """The newest of `records`.

    Raises:
        Damaged, Refused: it does not verify.
    """
    _, newest = next(records(store, flow, states), ("", None))
    if isinstance(newest, (Damaged, Refused)):
        raise newest
    return newest


def last_look(store: ObjectStoreSettings, flow: str, *, since: datetime) -> datetime | None:
    """When a run of `flow` last ended that told what it saw; None where none did after `since`.

    Not verified: who may write here could as well remove what is true.

    Raises:
        Refused, Unreachable: the bucket does not show what is in it.
    """
    prefix = f"{FOLDER}/{flow}/"
    names = [each.key for each in list_objects(store, prefix, after=prefix + since.strftime(_MOMENT))]
    for name in reversed(names):
        try:
            record = record_in(payload_of(get_object(store, name), thing=name), thing=name)
        except Damaged:
            continue
        if record.findings:
            return record.finished_at
    return None


def signing_key(aws: AwsSettings) -> SigningKey:
    """The key that evidence is signed with, from the vault.

    Raises:
        Refused: there is none, or the role may not read it.
        Unreachable: the vault does not answer.
    """
    return SigningKey(read_secret(aws, aws.evidence_key))


def publish_key(store: ObjectStoreSettings, key: SigningKey) -> str:
    """Put the public key beside the evidence; where it lies. It is never replaced."""
    name = public_key_name(key.id)
    try:
        put_object(store, name, key.public, content_type="application/x-pem-file", if_absent=True, locked=True)
    except Taken:
        if get_object(store, name) != key.public:
            raise
    return name


def public_key_name(key_id: str) -> str:
    """Where the public key of this id lies in the bucket."""
    return f"{FOLDER}/keys/{key_id}.pem"


def verified_record(envelope: bytes, public: bytes, *, thing: str) -> Record:
    """The record that the holder of the key to `public` signed.

    Raises:
        Damaged, Refused: as `signing.verify`; or what was signed is no record of ours.
    """
    return record_in(verify(envelope, public, KIND, thing=thing), thing=thing)


def record_in(payload: bytes, *, thing: str) -> Record:
    """The record that a payload holds.

    Raises:
        Damaged: it is none.
    """
    try:
        return Record.model_validate_json(payload)
    except ValidationError:
        raise Damaged(thing, "it holds no record of a run", "give a piece of evidence") from None
