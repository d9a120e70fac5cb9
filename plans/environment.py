"""What brings a whole environment back, and in which order: nobody is let in before their files are there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Literal, get_args

from domain.clock import in_words
from domain.errors import Refused
from domain.plan import Action, Plan
from domain.recovery import RecoveryPoint

Step = Literal["configuration", "stop", "database", "homes", "shared", "deploy"]
STEPS: tuple[Step, ...] = get_args(Step)
ON_A_CLUSTER: frozenset[Step] = frozenset({"configuration", "stop", "deploy"})


def plan_environment_recovery(
    point: RecoveryPoint,
    homes_at: datetime,
    shared_at: Mapping[str, datetime | None],
    *,
    name: str,
    on_cluster: bool,
    start_at: Step,
    now: datetime,
) -> Plan[Step]:
    """Plan to bring environment `name` back from `point`, its homes as they were at `homes_at`.

    Args:
        shared_at: the shared folders, each as it was then; one without such a point is left alone, and nothing is done
            about them where there are none.
        on_cluster: without a cluster there is nothing to configure, stop or deploy here.
        start_at: the steps before it were done by an earlier run, and are left alone.

    Raises:
        Refused: nothing is left to do: the environment has none of the steps from `start_at` on.
    """
    database = f"{in_words(now - point.created_at)} old; what is there is kept under another name"
    words: dict[Step, tuple[str, str, str]] = {
        "configuration": ("restore", "configuration", "namespaces, Secrets, ConfigMaps: what is missing or differs"),
        "stop": ("stop", "Hub", "it would write what it has in memory over the database"),
        "database": (
            "restore",
            "database",
            database,
        ),
        "homes": ("restore", "homes", _as_of(homes_at, now)),
        "deploy": ("deploy", "Hub", "the environment's overlay, proven by a real server; then users are let in"),
    }
    kept = [at for at in shared_at.values() if at]
    if kept:
        words["shared"] = ("restore", "shared folders", _as_of(min(kept), now))
    before = STEPS[: STEPS.index(start_at)]
    steps = [step for step in STEPS if step in words and (on_cluster or step not in ON_A_CLUSTER)]
    if not set(steps) - set(before):
        cause = f"nothing is left to do from {start_at} on: it has none of these steps"
        raise Refused(f"environment {name}", cause, f"start at one of: {', '.join(steps)}")
    done = [Action("leave", words[step][1], "an earlier run did it", step) for step in steps if step in before]
    lost = [folder for folder, at in shared_at.items() if at is None]
    none: list[Action[Step]] = [
        Action("leave", each, "there is no point of it as old as that", "shared") for each in lost
    ]
    return Plan(
        title=f"Recover environment {name} from point {point.id}",
        actions=tuple(Action(*words[step], step) for step in steps if step not in before),
        left_alone=(*done, *none),
    )


def plan_parts_restore(
    differing: Iterable[tuple[str, str]], *, title: str, left_alone: Collection[Action[str]] = ()
) -> Plan[str]:
    """An action for each home, or file or folder right below a shared one, however many entries of it come back.

    Args:
        differing: (part, verb) of each entry that is not as in the point.
    """
    found: dict[str, Counter[str]] = {}
    for part, verb in differing:
        found.setdefault(part, Counter())[verb] += 1
    return Plan(
        title=title,
        actions=tuple(
            Action("restore", part, ", ".join(f"{verb} {count}" for verb, count in sorted(verbs.items())), part)
            for part, verbs in found.items()
        ),
        left_alone=left_alone,
    )


def _as_of(at: datetime, now: datetime) -> str:
    return f"as of {at:%Y-%m-%d %H:%M:%S} UTC, {in_words(now - at)} old"
