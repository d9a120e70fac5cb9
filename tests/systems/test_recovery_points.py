"""Recovery points read back: only sealed ones, and only what was stored."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from domain.errors import Damaged, Refused
from domain.recovery import Member, RecoveryPoint, point_id
from environments import Environment
from systems.objects import put_object
from systems.recovery_points import (
    list_points,
    newest_first,
    read_member,
    read_point,
    seal_recovery_point,
    store_member,
)

NEVER = "19990101T000000Z"


def new_point() -> str:
    """An id that no other run of these tests has."""
    return point_id(datetime(2000, 1, 1, tzinfo=UTC) + timedelta(seconds=secrets.randbelow(365 * 24 * 3600)))


def stored(env: Environment, point: str, body: bytes = b"{}") -> Member:
    return store_member(env.objects, point, "configuration", "configuration.json", body, facts={"key": "ab"})


def test_a_sealed_point_is_listed_and_its_members_read_back(env: Environment) -> None:
    point = new_point()
    member = stored(env, point, b"the configuration")
    assert point not in list_points(env.objects)
    seal_recovery_point(env.objects, point, [member])
    assert point in list_points(env.objects)
    assert read_point(env.objects, point) == RecoveryPoint(point, (member,))
    assert read_member(env.objects, member) == b"the configuration"


def test_points_are_listed_oldest_first(env: Environment) -> None:
    for point in (new_point(), new_point()):
        seal_recovery_point(env.objects, point, [])
    assert list_points(env.objects) == sorted(list_points(env.objects))


def test_a_point_that_was_never_sealed_is_refused(env: Environment) -> None:
    point = new_point()
    stored(env, point)
    with pytest.raises(Refused, match="it was never sealed"):
        read_point(env.objects, point)


@pytest.mark.parametrize("point", ["", "../evidence", "20260301", f"{NEVER}/..", f"{NEVER}\n", "20261399T250000Z"])
def test_what_is_no_id_is_refused(point: str, env: Environment) -> None:
    with pytest.raises(Refused, match="no point is called so"):
        read_point(env.objects, point)


@pytest.mark.parametrize("manifest", [b"", b"[]", b'{"members": [{"kind": "homes"}]}'])
def test_a_manifest_that_cannot_be_read_is_damaged(manifest: bytes, env: Environment) -> None:
    point = new_point()
    put_object(env.objects, f"recovery-points/{point}/manifest.json", manifest, content_type="application/json")
    with pytest.raises(Damaged, match="its manifest cannot be read"):
        read_point(env.objects, point)


def test_a_damaged_point_hides_no_other(env: Environment) -> None:
    whole, damaged = new_point(), new_point()
    seal_recovery_point(env.objects, whole, [])
    put_object(env.objects, f"recovery-points/{damaged}/manifest.json", b"[]", content_type="application/json")
    found = [*newest_first(env.objects)]
    assert RecoveryPoint(whole, ()) in found
    assert f"recovery point {damaged}" in [each.thing for each in found if isinstance(each, Damaged)]


def test_a_member_that_is_not_what_was_stored_is_damaged(env: Environment) -> None:
    member = stored(env, new_point())
    put_object(env.objects, member.reference, b"altered", content_type="application/json")
    with pytest.raises(Damaged, match="its SHA-256 is not the one in the point's manifest"):
        read_member(env.objects, member)
    assert read_member(env.objects, replace(member, sha256=hashlib.sha256(b"altered").hexdigest())) == b"altered"
