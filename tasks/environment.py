"""A whole environment looked at before it is brought back, and the steps that are no chapter of their own."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from domain.errors import Damaged, Refused, RiskhubError, Unreachable
from domain.plan import Outcome, Plan
from domain.recovery import RecoveryPoint
from environments import Environment
from environments.settings import ClusterSettings
from plans.environment import plan_homes_restore
from systems import homes, hub
from systems.cluster.connection import cluster_of, connect
from systems.cluster.scale import stop_hub
from systems.configuration import open_configuration, require_seal
from systems.crypt_key import CryptKey, crypt_key_among, crypt_key_of
from systems.mirror import Point, RestorePlan, apply_restore, plan_restore, read_point_header
from systems.mirror import last_point as last_point_of_homes
from systems.point_check import check_point
from systems.recovery_points import choose_point, read_member
from tasks.mirror import mirror_of
from tasks.progress import in_the_ui
from tasks.retries import while_unreachable

_TOLD = 100  # of what was not brought back


@task(name="observe-recovery-point", cache_policy=NO_CACHE, **while_unreachable(2, 2))
def observe_point(env: Environment, point: str | None) -> tuple[RecoveryPoint, Point]:
    """The recovery point, its members read and held against each other, and the point of the homes.

    Without a name both are the newest: homes are saved far more often than databases, and nothing of theirs should
    be lost. A point that is named brings its own homes.

    Raises:
        Refused, Damaged: there is none, it is of another cluster, or its members do not fit.
    """
    homes.require_home_mount(env.homes)
    chosen = choose_point(env.objects, point)
    with tempfile.TemporaryDirectory(prefix="riskhub-") as folder:
        check_point(env, chosen, Path(folder) / "database.dump", key=lambda env: _key_of_the_point(env, chosen))
    newest = last_point_of_homes(mirror_of(env)) if point is None else None
    return chosen, newest or read_point_header(mirror_of(env), chosen.member("homes").reference)


@task(name="stop-hub", cache_policy=NO_CACHE)
def stop_the_hub(env: Environment) -> Outcome:
    """No pod of the Hub left; refused while users' servers run."""
    settings = cluster_of(env)
    try:
        return Outcome("stop", "Hub", "done", stop_hub(connect(settings), deadline=settings.rollout_deadline))
    except RiskhubError as error:
        return Outcome("stop", "Hub", "failed", str(error))


@task(name="compare-homes", cache_policy=NO_CACHE, **while_unreachable(2, 2))
def compare_homes(env: Environment, at: datetime | None) -> tuple[RestorePlan, Plan[str]]:
    """Every home held against the mirror's point, by SHA-256; and the same, home by home."""
    homes.require_home_mount(env.homes)
    found = plan_restore(mirror_of(env), env.homes.user_data, at=at, progress=in_the_ui("restore-homes"))
    return found, plan_homes_restore(_by_home(found), title=found.title)


@task(name="require-no-server", cache_policy=NO_CACHE)
def require_no_server(env: Environment) -> None:
    """Refuse while anybody works in a home; a Hub that does not answer has nobody new in them."""
    try:
        running = hub.list_servers(env.hub)
    except Unreachable:
        return
    if running:
        cause = f"{len(running)} servers run ({running[0].label} first), and would write over what is restored"
        raise Refused("homes", cause, "stop them (Hub's admin page), then run again")


@task(name="apply-homes-restore", cache_policy=NO_CACHE)
def apply_homes_restore(
    env: Environment, found: RestorePlan, plan: Plan[str]
) -> tuple[list[Outcome], dict[str, str], dict[str, int]]:
    """Bring back what differs, then compare again: a home is `done` when nothing of it differs any more."""
    result = apply_restore(found, progress=in_the_ui("restore-homes"))
    again = plan_restore(mirror_of(env), env.homes.user_data, point=found.point.id)
    why = {miss.path: miss.reason for miss in result.skipped}
    left: dict[str, list[str]] = {}
    for action in again.actions:
        kept = left.setdefault(_home(action.target), [])
        if len(kept) < _TOLD:
            kept.append(f"{action.target}: {why.get(action.target, action.reason)}")
    outcomes = [
        Outcome("restore", each.on, "failed" if each.on in left else "done", "; ".join(left.get(each.on, ())))
        for each in plan.actions
    ]
    links = {"what was replaced": str(result.kept)} if result.kept else {}
    return outcomes, links, {"files": result.files, "bytes": result.bytes}


def _by_home(found: RestorePlan) -> Iterator[tuple[str, str]]:
    return ((_home(action.target), action.verb) for action in found.actions)


def _home(path: str) -> str:
    return path.partition("/")[0] or "user-data"


def _key_of_the_point(env: Environment, point: RecoveryPoint) -> CryptKey:
    """The key that the Hub will run with: on a cluster the saved one, since the cluster may be new and empty."""
    if env.cluster is None:
        return crypt_key_of(env)
    body = read_member(env.objects, point.member("configuration"))
    thing = f"configuration of point {point.id}"
    _require_same_name(body, env.cluster, thing)
    return crypt_key_among(open_configuration(body, require_seal(env.cluster), thing=thing), env.cluster.namespace)


def _require_same_name(body: bytes, cluster: ClusterSettings, thing: str) -> None:
    try:
        name = json.loads(body)["cluster"]["name"]
    except (KeyError, TypeError, ValueError):
        raise Damaged(thing, "it does not tell of which cluster it is", "take another recovery point") from None
    if name != cluster.name:
        step = f"choose a point of {cluster.name}, or name the environment that it is of"
        raise Refused(thing, f"it is of cluster {name}, and this is {cluster.name}", step)
