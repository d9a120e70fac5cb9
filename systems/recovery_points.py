"""Recovery points in the bucket: members first, the manifest last."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime

from domain.errors import Damaged, Refused
from domain.recovery import Member, MemberKind, RecoveryPoint, is_point_id
from environments.settings import ObjectStoreSettings
from systems.answers import Absent
from systems.objects import delete_version, get_object, list_objects, list_versions, locked_until, put_object

FOLDER = "recovery-points"
_PARTS = 3  # of a manifest's key: folder, point, name


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


def point_locked_until(store: ObjectStoreSettings, point: str) -> datetime | None:
    """Until when a sealed point is locked, in UTC: its manifest is. Errors as `systems.objects`."""
    return locked_until(store, f"{FOLDER}/{point}/manifest.json")


def remove_point(store: ObjectStoreSettings, point: str) -> int:
    """Remove every version of a point's objects; how many they were.

    The manifest goes first: without it there is no point, so a removal that is cut off leaves none that lacks a part.

    Raises:
        Refused: a version is locked; where that is the manifest's, the point is still whole.
        Unreachable: as `systems.objects`.
    """
    manifest = f"{FOLDER}/{point}/manifest.json"
    versions = sorted(list_versions(store, f"{FOLDER}/{point}/"), key=lambda each: each[0] != manifest)
    for key, version in versions:
        delete_version(store, key, version)
    return len(versions)


def list_points(store: ObjectStoreSettings) -> list[str]:
    """The ids of all sealed points, oldest first."""
    keys = (each.key for each in list_objects(store, f"{FOLDER}/"))
    manifests = (key.split("/") for key in keys if key.endswith("/manifest.json"))
    return sorted(parts[1] for parts in manifests if len(parts) == _PARTS and is_point_id(parts[1]))


def newest_point(store: ObjectStoreSettings) -> RecoveryPoint | None:
    """The last sealed point, if there is one. Errors as `read_point`."""
    points = list_points(store)
    return read_point(store, points[-1]) if points else None


def choose_point(store: ObjectStoreSettings, point: str | None) -> RecoveryPoint:
    """The point that is named, else the newest.

    Raises:
        Refused: the bucket holds none; or as `read_point`.
    """
    chosen = newest_point(store) if point is None else read_point(store, point)
    if chosen is None:
        where = f"bucket {store.bucket}"
        raise Refused(where, "it holds no recovery point", "run riskhub backup run first, or name the right bucket")
    return chosen


def newest_first(store: ObjectStoreSettings) -> Iterator[RecoveryPoint | Damaged]:
    """Every sealed point, read as it is asked for; a damaged one hides no other. Errors else as `systems.objects`."""
    for point in reversed(list_points(store)):
        try:
            yield read_point(store, point)
        except Damaged as damage:
            yield damage


def read_point(store: ObjectStoreSettings, point: str) -> RecoveryPoint:
    """A sealed point.

    Raises:
        Refused: there is no such point.
        Damaged: its manifest cannot be read.
    """
    thing = f"recovery point {point}"
    if not is_point_id(point):
        raise Refused(thing, "no point is called so", "write it as 20260301T013000Z; riskhub backup run names it")
    try:
        body = get_object(store, f"{FOLDER}/{point}/manifest.json")
    except Absent:
        cause = "there is none, or it was never sealed"
        raise Refused(thing, cause, f"list s3://{store.bucket}/{FOLDER}/ and choose one with a manifest.json") from None
    try:
        return RecoveryPoint(point, tuple(Member(**member) for member in json.loads(body)["members"]))
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
