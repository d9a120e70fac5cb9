"""Recovery points with one member replaced."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from domain.clock import utc_now
from domain.recovery import RecoveryPoint, point_id
from environments import Environment
from systems.configuration import require_seal
from systems.recovery_points import list_points, read_member, seal_recovery_point, store_member
from systems.sealing import Seal
from tests.cluster.conditions import wait_until


def with_configuration(env: Environment, good: RecoveryPoint, made_of: Callable[[bytes, Seal], bytes]) -> str:
    """A point like `good`, of another configuration; its id."""
    assert env.cluster is not None
    old = good.member("configuration")
    body = made_of(read_member(env.objects, old), require_seal(env.cluster))
    wait_until(lambda: point_id(utc_now()) not in list_points(env.objects))
    made = point_id(utc_now())
    member = store_member(env.objects, made, "configuration", "configuration.json", body, facts=old.facts)
    others = [each for each in good.members if each.kind != "configuration"]
    seal_recovery_point(env.objects, made, [*others, member])
    return made


def replaced(body: bytes, cluster: dict[str, Any]) -> bytes:
    """The document with another cluster's part."""
    return json.dumps({**json.loads(body), "cluster": cluster}).encode()
