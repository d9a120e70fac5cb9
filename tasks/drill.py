"""The steps of a drill as tasks, so that the UI shows where one stands and which step it was that failed."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger

from domain.errors import Refused
from domain.plan import Outcome
from domain.recovery import RecoveryPoint
from environments import Environment
from environments.loader import state_folder
from environments.settings import RecoverySettings
from plans.drill import STEPS, Ages, Step, words_of
from systems.cluster.rehearsal import ClusterHub
from systems.drill import Drill
from systems.mirror import last_point
from systems.mirrored import homes_of
from systems.recovery_points import newest_point, read_point
from systems.rehearsal import ProcessHub, drill_folder
from tasks.attempt import attempt
from tasks.retries import while_unreachable


@task(name="observe-recovery", cache_policy=NO_CACHE, **while_unreachable(2, 2))
def observe_recovery(env: Environment, point: str | None, now: datetime) -> tuple[RecoveryPoint, Ages]:
    """The point to drill with (the newest if none is named), and the age of what could be restored now."""
    newest = newest_point(env.objects)
    homes = last_point(homes_of(env).location)
    if newest is None or homes is None:
        where = f"bucket {env.objects.bucket}"
        raise Refused(where, "it holds no recovery point", "run riskhub backup run --execute first")
    chosen = newest if point is None else read_point(env.objects, point)
    return chosen, Ages(now - homes.created_at, now - newest.created_at)


def require_targets(env: Environment) -> RecoverySettings:
    """What the drill is held against.

    Raises:
        Refused: the environment names no targets.
    """
    if env.recovery is None:
        raise Refused(f"environment {env.name}", "it has no [recovery] section", "set its targets and its notebook")
    return env.recovery


def rehearse(
    env: Environment, targets: RecoverySettings, point: RecoveryPoint, homes: int | None
) -> tuple[list[Outcome], timedelta | None]:
    """Every step until one fails, then the end of the second Hub; the outcomes, and how long recovery took."""
    began = time.monotonic()
    recovered: timedelta | None = None
    outcomes: list[Outcome] = []
    with drill_folder(state_folder(), point.id) as folder:
        second = ClusterHub(env, point, folder) if env.cluster else ProcessHub(folder, env.risk_api)
        drill = Drill(env, targets, point, folder, second, homes)
        try:
            for step in STEPS[:-1]:
                outcomes.append(_done(drill, step))
                if outcomes[-1].state == "failed":
                    break
            else:
                recovered = timedelta(seconds=time.monotonic() - began)
        finally:
            outcomes.append(_done(drill, STEPS[-1]))
    return outcomes, recovered


def _done(drill: Drill, step: Step) -> Outcome:
    verb, target = words_of(step)
    # By closure: Prefect looks through every argument of a task, and a drill holds a plan of all homes.
    outcome = task(name=f"drill: {verb} {target}", cache_policy=NO_CACHE)(
        lambda: attempt(verb, target, lambda: str(getattr(drill, step)()))
    )()
    get_run_logger().info("%s %s: %s %s", verb, target, outcome.state, outcome.detail)
    return outcome
