"""The cluster's configuration as tasks: held against a recovery point, and put back.

Secrets are opened and closed within one task each; what travels between them are keys and fingerprints.
"""

from __future__ import annotations

from prefect import task
from prefect.cache_policies import NO_CACHE

from domain.deployment import Difference, ObjectKey
from domain.plan import Outcome, Plan
from environments import Environment
from systems import recovery_points
from systems.cluster.configuration import asked_by_workloads, differences, restore
from systems.cluster.connection import cluster_of, connect
from systems.configuration import open_configuration, require_seal
from tasks.retries import while_unreachable


@task(name="choose-point", cache_policy=NO_CACHE, **while_unreachable(2, 2))
def choose_point(env: Environment, point: str | None) -> str:
    """The recovery point to restore a cluster from: the one that is named, else the newest."""
    cluster_of(env)
    return recovery_points.choose_point(env.objects, point).id


@task(name="compare-configuration", cache_policy=NO_CACHE, **while_unreachable(2, 2))
def compare_configuration(env: Environment, point: str) -> tuple[tuple[Difference, ...], frozenset[ObjectKey]]:
    """Each saved object against the cluster, by fingerprints, and what its workloads ask for; nothing is changed."""
    settings = cluster_of(env)
    seal = require_seal(settings)
    saved = open_configuration(_body(env, point), seal, thing=f"configuration of point {point}")
    cluster = connect(settings)
    return tuple(differences(cluster, saved, seal)), asked_by_workloads(cluster)


@task(name="restore-objects", cache_policy=NO_CACHE)
def restore_objects(env: Environment, point: str, plan: Plan[ObjectKey]) -> list[Outcome]:
    """Put back what the plan names; an outcome is `done` when the object reads back as it was saved."""
    settings = cluster_of(env)
    seal = require_seal(settings)
    saved = open_configuration(_body(env, point), seal, thing=f"configuration of point {point}")
    return restore(connect(settings), saved, [action.on for action in plan.actions], seal)


def _body(env: Environment, point: str) -> bytes:
    member = recovery_points.read_point(env.objects, point).member("configuration")
    return recovery_points.read_member(env.objects, member)
