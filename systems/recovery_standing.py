"""What stands ready for a recovery: one look at points, homes and drills, for whoever tells or measures it."""

from __future__ import annotations

from domain.errors import Damaged
from domain.recovery import RecoveryPoint, Standing
from environments.settings import ObjectStoreSettings
from systems.evidence import last_record
from systems.homes import MIRROR_PREFIX
from systems.mirror import MirrorLocation, last_point
from systems.recovery_points import newest_first


def read_standing(store: ObjectStoreSettings) -> Standing:
    """What the bucket holds now.

    Raises:
        Damaged, Refused: the last drill's evidence does not verify.
        Unreachable: the object store does not answer.
    """
    damaged: list[Damaged] = []
    newest: RecoveryPoint | None = None
    for each in newest_first(store):
        if isinstance(each, RecoveryPoint):
            newest = each
            break
        damaged.append(each)
    homes = last_point(MirrorLocation(store, MIRROR_PREFIX))
    drill = last_record(store, "recovery-drill", ("complete", "partial", "failed"))
    return Standing(newest, tuple(damaged), homes.created_at if homes else None, drill)
