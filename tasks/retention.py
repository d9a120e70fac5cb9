"""Recovery points looked at and removed: read again while the store is silent, each removal with its own outcome."""

from __future__ import annotations

import time
from datetime import datetime

from prefect import task
from prefect.cache_policies import NO_CACHE

from domain.clock import utc_now
from domain.errors import Damaged, RiskhubError
from domain.plan import Action, Outcome, Plan
from domain.recovery import RecoveryPoint
from environments.settings import ObjectStoreSettings
from systems.recovery_points import newest_first, point_locked_until, read_point, remove_point
from tasks.retries import while_unreachable


@task(name="observe-points", cache_policy=NO_CACHE, **while_unreachable(2, 2))
def observe_points(store: ObjectStoreSettings) -> tuple[list[RecoveryPoint | Damaged], dict[str, datetime]]:
    """Every point, newest first, and until when it is locked."""
    points = list(newest_first(store))
    whole = [point.id for point in points if isinstance(point, RecoveryPoint)]
    return points, {point: until for point in whole if (until := point_locked_until(store, point))}


@task(name="remove-points", cache_policy=NO_CACHE)
def remove_points(store: ObjectStoreSettings, plan: Plan[RecoveryPoint]) -> list[Outcome]:
    """Every point of `plan`; one that fails does not stop the others."""
    return [_remove(store, action) for action in plan.actions]


def _remove(store: ObjectStoreSettings, action: Action[RecoveryPoint]) -> Outcome:
    began = time.monotonic()
    try:
        if held := _held(store, action.on):
            return Outcome(action.verb, action.target, "skipped", held, time.monotonic() - began)
        objects = remove_point(store, action.on.id)
    except RiskhubError as error:
        return Outcome(action.verb, action.target, "failed", str(error), time.monotonic() - began)
    return Outcome(action.verb, action.target, "done", f"{objects} objects", time.monotonic() - began)


def _held(store: ObjectStoreSettings, point: RecoveryPoint) -> str:
    """What a look right before the act says against it; empty when nothing does."""
    if read_point(store, point.id) != point:
        return "its manifest is not the one of the plan any more"
    if next(each for each in newest_first(store) if isinstance(each, RecoveryPoint)) == point:
        return "it is the newest now"
    until = point_locked_until(store, point.id)
    return f"it is locked until {until:%Y-%m-%d %H:%M} UTC" if until and until > utc_now() else ""
