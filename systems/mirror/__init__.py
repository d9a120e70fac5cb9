"""The mirror: a folder in a bucket as plain objects, with every earlier point in time restorable exactly.

`push` makes a point, `plan_restore` and `apply_restore` bring one back, `verify` reads one back, `history`
lists them. The bucket is usable without any of this: keys are paths, bodies are contents.
"""

from systems.mirror.entry import Miss
from systems.mirror.location import MirrorLocation, parse_location
from systems.mirror.manifest import Point
from systems.mirror.points import history
from systems.mirror.progress import Progress
from systems.mirror.push import PushResult, push
from systems.mirror.restore import RestoreResult, apply_restore
from systems.mirror.restore_plan import RestorePlan, plan_restore
from systems.mirror.retention import Retention, retention
from systems.mirror.verify import VerifyResult, verify

__all__ = [
    "MirrorLocation",
    "Miss",
    "Point",
    "Progress",
    "PushResult",
    "RestorePlan",
    "RestoreResult",
    "Retention",
    "VerifyResult",
    "apply_restore",
    "history",
    "parse_location",
    "plan_restore",
    "push",
    "retention",
    "verify",
]
