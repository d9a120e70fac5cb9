"""A whole environment looked at before it is brought back, and the steps that are no chapter of their own."""

from __future__ import annotations

import json
import tempfile
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from prefect import task
from prefect.cache_policies import NO_CACHE

from domain.errors import Damaged, Refused, RiskhubError
from domain.plan import Outcome
from domain.recovery import RecoveryPoint
from environments import Environment
from environments.settings import ClusterSettings
from systems.cluster.connection import cluster_of, connect
from systems.cluster.scale import stop_hub
from systems.configuration import open_configuration, require_seal
from systems.crypt_key import CryptKey, crypt_key_among, crypt_key_of
from systems.homes import require_home_mount
from systems.mirror import Point, last_point, read_point_header
from systems.mirrored import homes_of, shared_of
from systems.point_check import check_point
from systems.recovery_points import choose_point, read_member
from tasks.retries import while_unreachable


class Observed(NamedTuple):
    """What an environment would be brought back from.

    `shared`: when the point of each shared folder was made, in UTC; None for one that has no point as old as that.
    """

    chosen: RecoveryPoint
    homes: Point
    shared: dict[str, datetime | None]


@task(name="observe-recovery-point", cache_policy=NO_CACHE, **while_unreachable(2, 2))
def observe_point(env: Environment, point: str | None) -> Observed:
    """The recovery point, its members read and held against each other, and the points of homes and shared folders.

    Without a name all are the newest: homes are saved far more often than databases, and nothing of theirs should
    be lost. A point that is named brings its own homes, and what was shared when it was taken.

    Raises:
        Refused, Damaged: there is none, it is of another cluster, or its members do not fit.
    """
    require_home_mount(env.homes)
    chosen = choose_point(env.objects, point)
    with tempfile.TemporaryDirectory(prefix="riskhub-") as folder:
        check_point(env, chosen, Path(folder) / "database.dump", key=lambda env: _key_of_the_point(env, chosen))
    location = homes_of(env).location
    newest = last_point(location) if point is None else None
    until = chosen.created_at if point else None
    shared = {each.name: last_point(each.location, until) for each in shared_of(env)}
    return Observed(
        chosen,
        newest or read_point_header(location, chosen.member("homes").reference),
        {name: found.created_at if found else None for name, found in shared.items()},
    )


@task(name="stop-hub", cache_policy=NO_CACHE)
def stop_the_hub(env: Environment) -> Outcome:
    """No pod of the Hub left; refused while users' servers run."""
    settings = cluster_of(env)
    try:
        return Outcome("stop", "Hub", "done", stop_hub(connect(settings), deadline=settings.rollout_deadline))
    except RiskhubError as error:
        return Outcome("stop", "Hub", "failed", str(error))


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
