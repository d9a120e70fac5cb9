"""What stands ready for a recovery: one look at points, homes and drills, for whoever tells or measures it."""

from __future__ import annotations

from datetime import datetime

from domain.errors import Damaged
from domain.recovery import RecoveryPoint, Standing
from environments import Environment
from systems.evidence import last_record
from systems.mirror import last_point
from systems.mirrored import Mirrored, homes_of, shared_of
from systems.recovery_points import newest_first


def read_standing(env: Environment) -> Standing:
    """What the bucket holds now.

    Raises:
        Damaged, Refused: the last drill's evidence does not verify.
        Unreachable: the object store does not answer.
    """
    damaged: list[Damaged] = []
    newest: RecoveryPoint | None = None
    for each in newest_first(env.objects):
        if isinstance(each, RecoveryPoint):
            newest = each
            break
        damaged.append(each)
    drill = last_record(env.objects, "recovery-drill", ("complete", "partial", "failed"))
    shared = {folder.name: _made(folder) for folder in shared_of(env)}
    return Standing(newest, tuple(damaged), _made(homes_of(env)), drill, shared)


def _made(folder: Mirrored) -> datetime | None:
    point = last_point(folder.location)
    return point.created_at if point else None
