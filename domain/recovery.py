"""Recovery: snapshots of the users' file system, and recovery points over all that belongs together.

A recovery point is one id over its members. It lies in the bucket below `recovery-points/<id>/`; its
`manifest.json` is written last, and without it there is no point.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from domain.errors import Damaged, Refused
from domain.plan import Outcome
from domain.record import Record

MemberKind = Literal["snapshot", "homes", "database", "configuration"]

_ID = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True)
class Snapshot:
    """One whole snapshot of the file system. `created_at` is when its backup job was created, in UTC."""

    recovery_point_arn: str
    created_at: datetime
    size_bytes: int
    vault: str


@dataclass(frozen=True)
class Member:
    """One part of a recovery point.

    Attributes:
        reference: where it is: a recovery point's ARN, a mirror point's id, a key of the bucket.
        sha256: of an object in the bucket, hex; the mirror's point and AWS's snapshot check themselves.
        facts: what a restore must know (schema revision, versions, counts).
    """

    kind: MemberKind
    reference: str
    bytes: int
    sha256: str | None
    facts: dict[str, str | int]


@dataclass(frozen=True)
class RecoveryPoint:
    """Members that belong together, under one id."""

    id: str
    members: tuple[Member, ...]

    @property
    def created_at(self) -> datetime:
        """When it was begun, in UTC: nothing later is in it."""
        return datetime.strptime(self.id, _ID).replace(tzinfo=UTC)

    def member(self, kind: MemberKind) -> Member:
        """The member of this kind.

        Raises:
            Refused: the point has none.
        """
        found = next((member for member in self.members if member.kind == kind), None)
        if found is None:
            raise Refused(f"recovery point {self.id}", f"it has no {kind}", "choose another point")
        return found


@dataclass(frozen=True)
class Standing:
    """What could be restored now, and the last proof of it.

    Attributes:
        point: the newest recovery point that can be read.
        damaged: newer ones that cannot.
        homes: when the newest point of the homes was made, in UTC.
        drill: the record of the last drill that was carried out.
        shared: when the newest point of each shared folder was made, in UTC; None for one that has none.
    """

    point: RecoveryPoint | None
    damaged: tuple[Damaged, ...]
    homes: datetime | None
    drill: Record | None
    shared: Mapping[str, datetime | None] = field(default_factory=dict)

    @property
    def shared_until(self) -> datetime | None:
        """To when all shared folders could be restored: the oldest of their points; None where one has none."""
        made = [at for at in self.shared.values() if at]
        return min(made) if made and len(made) == len(self.shared) else None


@dataclass(frozen=True)
class Taken:
    """What became of one member: the member when it exists, and the outcome to tell."""

    outcome: Outcome
    member: Member | None = None


def is_point_id(text: str) -> bool:
    """Is it the id of a point: a real time, written as `20260301T013000Z`?"""
    try:
        return point_id(datetime.strptime(text, _ID).replace(tzinfo=UTC)) == text
    except ValueError:
        return False


def point_id(moment: datetime) -> str:
    """The id of a point begun at `moment` (UTC): sorts by time and is safe in keys."""
    return moment.strftime(_ID)
