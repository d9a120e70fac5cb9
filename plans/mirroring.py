"""What a run of the mirror does: one push, one a shard, or one a folder."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from domain.clock import in_words
from domain.plan import Action, Plan


def plan_mirroring(pushes: Iterable[tuple[str, datetime | None]], *, now: datetime) -> Plan[int]:
    """Plan these pushes, each named in words.

    Args:
        pushes: with each, when the newest point of what it adds to was made, for the reason shown.
    """
    return Plan(
        title="Make a point of the mirror",
        actions=tuple(Action("push", words, _age(last, now), number) for number, (words, last) in enumerate(pushes)),
    )


def plan_shard(sequence: int, shards: Sequence[str], number: int) -> Plan[int]:
    """Plan the push of one of these shards, each named in words."""
    reason = f"part {number + 1} of {len(shards)} of point {sequence}"
    return Plan(title="Push a part of the mirror", actions=(Action("push", f"homes {shards[number]}", reason, number),))


def _age(last: datetime | None, now: datetime) -> str:
    return "there is no point yet" if last is None else f"the last point is {in_words(now - last)} old"
