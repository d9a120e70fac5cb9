"""Recovery: snapshots of the users' file system, and recovery points over all that belongs together.

A recovery point is one id over its members. It lies in the bucket below `recovery-points/<id>/`; its
`manifest.json` is written last, and without it there is no point.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from domain.plan import Outcome

MemberKind = Literal["snapshot", "homes", "database", "configuration"]


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
class Taken:
    """What became of one member: the member when it exists, and the outcome to tell."""

    outcome: Outcome
    member: Member | None = None


def point_id(moment: datetime) -> str:
    """The id of a point begun at `moment` (UTC): sorts by time and is safe in keys."""
    return moment.strftime("%Y%m%dT%H%M%SZ")
