"""What a restore of the Hub's database does: beside it first, then in its place."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, NamedTuple

from domain.plan import Action, Plan
from domain.recovery import RecoveryPoint, point_id

Step = Literal["fill", "compare", "swap"]


class Names(NamedTuple):
    """The database, the one beside it that is filled first, and what the one that is there will be called.

    `kept` is None when there is none now.
    """

    name: str
    beside: str
    kept: str | None


def names_of(name: str, point: RecoveryPoint, *, is_there: bool, now: datetime) -> Names:
    """The names of one restore; the same point fills the same one beside, so that a second try goes on from there."""
    kept = f"{name}_before_{point_id(now).lower()}" if is_there else None
    return Names(name, f"{name}_restore_{point.id.lower()}", kept)


def plan_database_restore(point: RecoveryPoint, names: Names, *, now: datetime) -> Plan[Step]:
    """Plan to bring the database back to `point`."""
    name, beside, kept = names
    facts = point.member("database").facts
    content = f"schema {facts['alembic_revision']}, {facts['tables']} tables"
    minutes = int((now - point.created_at).total_seconds() // 60)
    away = f"what is there stays as {kept}" if kept else "there is none now"
    actions: tuple[Action[Step], ...] = (
        Action("fill", beside, f"{content}, empty before", "fill"),
        Action("compare", beside, "every row against the digests that the point keeps", "compare"),
        Action("swap", name, f"by rename, all or nothing; {away}", "swap"),
    )
    return Plan(title=f"Restore database {name} from point {point.id}, {minutes} min old", actions=actions)
