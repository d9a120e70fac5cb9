"""Waiting for workloads to get ready, and not longer than there is hope."""

from __future__ import annotations

import time
from collections.abc import Collection
from datetime import timedelta

from domain.cluster import Pod, Workload
from domain.deployment import ObjectKey
from systems.cluster import objects
from systems.cluster.condition import read_workloads
from systems.cluster.connection import Cluster

# What does not mend itself; seen for so long, nobody needs to wait for the deadline.
STUCK_FOR = timedelta(seconds=30)
_STUCK = frozenset({"ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "CreateContainerConfigError"})
_CRASHES = 3
_POLL_SECONDS = 1.0


def await_rollouts(cluster: Cluster, keys: Collection[ObjectKey], *, deadline: timedelta) -> tuple[ObjectKey, ...]:
    """Wait until every workload of `keys` runs its newest template, all pods ready; those that do not.

    It gives up at `deadline`, or when the newest pod of one has been in a state for 30 s that no waiting mends.

    Raises:
        Unreachable: the cluster does not answer.
    """
    began = time.monotonic()
    stuck_since: dict[ObjectKey, float] = {}
    while True:
        now = time.monotonic()
        waiting = _waiting(cluster, keys)
        stuck = {key for key, workload in waiting.items() if workload and _is_stuck(cluster, workload)}
        stuck_since = {key: stuck_since.get(key, now) for key in stuck}
        given_up = any(now - since > STUCK_FOR.total_seconds() for since in stuck_since.values())
        if not waiting or given_up or now - began > deadline.total_seconds():
            return tuple(sorted(waiting))
        time.sleep(_POLL_SECONDS)


def _waiting(cluster: Cluster, keys: Collection[ObjectKey]) -> dict[ObjectKey, Workload | None]:
    """Those that are not there, not of the newest template, or not ready."""
    found = {
        (each.kind, each.namespace, each.name): each
        for namespace in sorted({key.namespace for key in keys})
        for each in read_workloads(cluster, namespace)
    }
    by_key = {key: found.get((key.kind, key.namespace, key.name)) for key in keys}
    return {key: each for key, each in by_key.items() if not each or not each.current or each.ready < each.desired}


def _is_stuck(cluster: Cluster, workload: Workload) -> bool:
    if workload.trouble:
        return True
    path = f"/api/v1/namespaces/{workload.namespace}/pods"
    pods = [objects.pod(item) for item in cluster.items(path, labelSelector=f"component={workload.component}")]
    newest = max(pods, key=lambda pod: pod.created_at, default=None)
    return newest is not None and _no_hope(newest)


def _no_hope(pod: Pod) -> bool:
    return any(
        container.waiting in _STUCK or (container.waiting == "CrashLoopBackOff" and container.restarts >= _CRASHES)
        for container in pod.containers
    )
