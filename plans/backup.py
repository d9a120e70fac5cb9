"""What a backup takes, in which order, and when there is a recovery point."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from domain.clock import in_words
from domain.plan import Action, Plan
from domain.recovery import MemberKind, Snapshot, Taken

MEMBERS: tuple[MemberKind, ...] = ("snapshot", "homes", "database", "configuration")


def plan_backup(targets: dict[MemberKind, str], last: Snapshot | None, *, now: datetime) -> Plan[MemberKind]:
    """Plan one whole recovery point: every member, always, since members of different days do not fit together.

    Args:
        targets: what each member is taken of, as people know it.
        last: the newest snapshot, for the reason shown.
    """
    age = "there is none yet" if last is None else f"the last one is {in_words(now - last.created_at)} old"
    reasons: dict[MemberKind, str] = {
        "snapshot": f"all homes as one, kept by AWS Backup; {age}",
        "homes": "every home as plain objects, at every point in time",
        "database": "users, servers, tokens and encrypted auth_state",
        "configuration": "what the Hub was configured by on that day",
    }
    return Plan(
        title="Take a recovery point",
        actions=tuple(Action("back up", targets[kind], reasons[kind], kind) for kind in MEMBERS),
    )


def is_whole(taken: Sequence[Taken]) -> bool:
    """Do the members make a recovery point? Only when each of them exists."""
    return {each.member.kind for each in taken if each.member} == set(MEMBERS)
