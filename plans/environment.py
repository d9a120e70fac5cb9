"""What brings a whole environment back, and in which order: nobody is let in before their files are there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Literal, get_args

from domain.clock import in_words
from domain.errors import Refused
from domain.plan import Action, Plan
from domain.recovery import RecoveryPoint

Step = Literal["configuration", "stop", "database", "homes", "deploy"]
STEPS: tuple[Step, ...] = get_args(Step)
ON_A_CLUSTER: frozenset[Step] = frozenset({"configuration", "stop", "deploy"})


def plan_environment_recovery(
    point: RecoveryPoint, homes_at: datetime, *, name: str, on_cluster: bool, start_at: Step, now: datetime
) -> Plan[Step]:
    """Plan to bring environment `name` back from `point`, its homes as they were at `homes_at`.

    Args:
        on_cluster: without a cluster there is nothing to configure, stop or deploy here.
        start_at: the steps before it were done by an earlier run, and are left alone.

    Raises:
        Refused: nothing is left to do: the steps from `start_at` on are of a cluster, and there is none.
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
        "homes": ("restore", "homes", f"as of {homes_at:%Y-%m-%d %H:%M:%S} UTC, {in_words(now - homes_at)} old"),
        "deploy": ("deploy", "Hub", "the environment's overlay, proven by a real server; then users are let in"),
    }
    before = STEPS[: STEPS.index(start_at)]
    steps = [step for step in STEPS if on_cluster or step not in ON_A_CLUSTER]
    if not set(steps) - set(before):
        cause = f"it has no cluster, so nothing is left to do from {start_at} on"
        raise Refused(f"environment {name}", cause, f"start at one of: {', '.join(steps)}")
    return Plan(
        title=f"Recover environment {name} from point {point.id}",
        actions=tuple(Action(*words[step], step) for step in steps if step not in before),
        left_alone=tuple(
            Action("leave", words[step][1], "an earlier run did it", step) for step in steps if step in before
        ),
    )


def plan_homes_restore(differing: Iterable[tuple[str, str]], *, title: str) -> Plan[str]:
    """An action a home, however many entries of it come back.

    Args:
        differing: (home, verb) of each entry that is not as in the point.
    """
    found: dict[str, Counter[str]] = {}
    for home, verb in differing:
        found.setdefault(home, Counter())[verb] += 1
    return Plan(
        title=title,
        actions=tuple(
            Action("restore", home, ", ".join(f"{verb} {count}" for verb, count in sorted(verbs.items())), home)
            for home, verbs in found.items()
        ),
    )
