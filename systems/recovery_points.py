"""Recovery points in the bucket: members first, the manifest last."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import asdict

from domain.errors import Damaged, Refused
from domain.recovery import Member, MemberKind
from environments.settings import ObjectStoreSettings
from systems.answers import Absent
from systems.objects import get_object, list_objects, put_object

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


def list_points(store: ObjectStoreSettings) -> list[str]:
    """The ids of all sealed points, oldest first."""
    keys = (each.key for each in list_objects(store, f"{FOLDER}/"))
    return sorted(key.split("/")[1] for key in keys if re.fullmatch(rf"{FOLDER}/[^/]+/manifest\.json", key))


def read_point(store: ObjectStoreSettings, point: str) -> tuple[Member, ...]:
    """The members of a sealed point.

    Raises:
        Refused: there is no such point.
        Damaged: its manifest cannot be read.
    """
    thing = f"recovery point {point}"
    if not re.fullmatch(r"[0-9]{8}T[0-9]{6}Z", point):
        raise Refused(thing, "no point is called so", "write it as 20260301T013000Z; riskhub backup run names it")
    try:
        body = get_object(store, f"{FOLDER}/{point}/manifest.json")
    except Absent:
        cause = "there is none, or it was never sealed"
        raise Refused(thing, cause, f"list s3://{store.bucket}/{FOLDER}/ and choose one with a manifest.json") from None
    try:
        return tuple(Member(**member) for member in json.loads(body)["members"])
    except (KeyError, TypeError, ValueError):
        raise Damaged(thing, "its manifest cannot be read", "take another point") from None


def read_member(store: ObjectStoreSettings, member: Member) -> bytes:
    """A member's bytes, held against the SHA-256 of the point's manifest, which cannot be altered.

    Raises:
        Damaged: they are not what was stored.
    """
    body = get_object(store, member.reference)
    if hashlib.sha256(body).hexdigest() != member.sha256:
        thing = f"s3://{store.bucket}/{member.reference}"
        raise Damaged(thing, "its SHA-256 is not the one in the point's manifest", "restore its earlier version")
    return body
