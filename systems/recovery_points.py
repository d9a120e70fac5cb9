"""Recovery points in the bucket: members first, the manifest last."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict

from domain.errors import Damaged
from domain.recovery import Member, MemberKind
from environments.settings import ObjectStoreSettings
from systems.objects import get_object, put_object

FOLDER = "recovery-points"


def store_member(
    store: ObjectStoreSettings,
    point: str,
    kind: MemberKind,
    name: str,
    body: bytes,
    *,
    facts: dict[str, str | int] | None = None,
) -> Member:
    """Write a member's bytes to `recovery-points/<point>/<name>` and read them back.

    Raises:
        Damaged: the bucket returns other bytes than were written.
        Refused, Unreachable: as `systems.objects`.
    """
    key = f"{FOLDER}/{point}/{name}"
    put_object(store, key, body, content_type="application/octet-stream", if_absent=True)
    digest = hashlib.sha256(body).hexdigest()
    if hashlib.sha256(get_object(store, key)).hexdigest() != digest:
        raise Damaged(f"s3://{store.bucket}/{key}", "it reads back with another SHA-256", "look at the object store")
    return Member(kind, key, len(body), digest, facts or {})


def seal_recovery_point(store: ObjectStoreSettings, point: str, members: Sequence[Member]) -> str:
    """Write the manifest, which makes the members a recovery point; its key."""
    key = f"{FOLDER}/{point}/manifest.json"
    body = json.dumps({"id": point, "members": [asdict(member) for member in members]}, indent=1)
    put_object(store, key, body.encode(), content_type="application/json", if_absent=True, locked=True)
    return key
