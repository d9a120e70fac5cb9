"""What a run of the mirror does: one push, or one a shard."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from domain.plan import Action, Plan


def plan_mirroring(shards: Sequence[str], last: datetime | None, *, now: datetime) -> Plan[int]:
    """Plan a point over these shards, each named in words.

    Args:
        last: when the newest point was made, for the reason shown.
    """
    age = "there is no point yet" if last is None else f"the last point is {_minutes(now, last)} min old"
    return Plan(
        title="Make a point of the mirror",
        actions=tuple(Action("push", f"homes {words}", age, number) for number, words in enumerate(shards)),
    )


def plan_shard(sequence: int, shards: Sequence[str], number: int) -> Plan[int]:
    """Plan the push of one of these shards, each named in words."""
    reason = f"part {number + 1} of {len(shards)} of point {sequence}"
    return Plan(title="Push a part of the mirror", actions=(Action("push", f"homes {shards[number]}", reason, number),))


def _minutes(now: datetime, then: datetime) -> int:
    return int((now - then).total_seconds() // 60)
