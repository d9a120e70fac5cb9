"""What every run leaves in the bucket: one JSON object a run, written once and never replaced.

The key tells flow and time, so that a listing is already a log. Signing the envelope comes on top of this.
"""

from __future__ import annotations

import hashlib

from domain.record import Record
from environments.settings import ObjectStoreSettings
from systems.objects import put_object


def evidence_name(record: Record, body: bytes) -> str:
    """`<flow>/<UTC time>-<short digest>.json`: sorts by time, and two runs in one second do not collide."""
    moment = record.finished_at.strftime("%Y%m%dT%H%M%SZ")
    return f"{record.flow}/{moment}-{hashlib.sha256(body).hexdigest()[:12]}.json"


def evidence_body(record: Record) -> bytes:
    """The bytes that are kept: the record as JSON, indented, since people read it on a bad day."""
    return record.model_dump_json(indent=2).encode() + b"\n"


def store_evidence(store: ObjectStoreSettings, record: Record) -> str:
    """Keep `record` in the bucket; the key it has there, `evidence/<flow>/<time>-<digest>.json`.

    Raises:
        Unreachable: the object store did not answer.
        Refused: the store refused the write, or the key is taken.
    """
    body = evidence_body(record)
    key = f"evidence/{evidence_name(record, body)}"
    put_object(store, key, body, content_type="application/json", if_absent=True, locked=True)
    return key
