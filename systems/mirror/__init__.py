"""The mirror: a folder in a bucket as plain objects, with every earlier point in time restorable exactly.

`push` makes a point; `plan_batch`, `push_shard` by any number of processes and `join_shards` make the same one.
`plan_restore` and `apply_restore` bring one back, `verify` reads one back, `history` lists them and `retention`
says since when; `hold` keeps what one path of a point needs. The bucket is usable without any of this: keys are paths,
bodies are contents.
"""

from systems.mirror.entry import Miss
from systems.mirror.holding import HoldResult, hold
from systems.mirror.location import MirrorLocation, parse_location
from systems.mirror.manifest import Point
from systems.mirror.points import Overtaken, history, last_point, read_point_header
from systems.mirror.progress import Listener, Progress
from systems.mirror.push import PushPolicy, PushResult, join_shards, push, push_shard
from systems.mirror.rest import HomeAtRest, homes_at_rest
from systems.mirror.restore import RestoreResult, apply_restore
from systems.mirror.restore_plan import RestorePlan, plan_restore
from systems.mirror.retention import Retention, retention
from systems.mirror.shards import Batch, Part, Shard, batch_of, plan_batch, starts_of
from systems.mirror.sizes import home_sizes
from systems.mirror.verify import VerifyResult, verify
from systems.mirror.walk import unreadable_in

__all__ = [
    "Batch",
    "HoldResult",
    "HomeAtRest",
    "Listener",
    "MirrorLocation",
    "Miss",
    "Overtaken",
    "Part",
    "Point",
    "Progress",
    "PushPolicy",
    "PushResult",
    "RestorePlan",
    "RestoreResult",
    "Retention",
    "Shard",
    "VerifyResult",
    "apply_restore",
    "batch_of",
    "history",
    "hold",
    "home_sizes",
    "homes_at_rest",
    "join_shards",
    "last_point",
    "parse_location",
    "plan_batch",
    "plan_restore",
    "push",
    "push_shard",
    "read_point_header",
    "retention",
    "starts_of",
    "unreadable_in",
    "verify",
]
