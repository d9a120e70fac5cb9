"""Snapshots of a cluster written by hand: a healthy one, and what differs in it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from domain.cluster import (
    Claim,
    ClusterSnapshot,
    Container,
    Event,
    Need,
    Node,
    Pod,
    QuotaLine,
    Service,
    Workload,
)

NOW = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=3)
GIB = 2**30
HUB_NEEDS = (Need("Secret", "hub", "database_url"), Need("Secret", "hub", "proxy_token"), Need("ConfigMap", "platform"))
HOMES = (Need("PersistentVolumeClaim", "homes"),)


def minutes(number: float) -> datetime:
    """So many minutes ago."""
    return NOW - timedelta(minutes=number)


def container(name: str = "hub", **more: Any) -> Container:
    facts = {"image": f"registry.example/{name}@sha256:ab", "ready": True, "running": True, "memory_limit": GIB}
    return Container(name, **{**facts, **more})


def waiting(name: str = "hub", **more: Any) -> Container:
    """A container that does not run."""
    return container(name, ready=False, running=False, **more)


def pod(component: str, namespace: str = "jupyterhub", **more: Any) -> Pod:
    facts = {"ready": True, "node": "node1", "phase": "Running", "created_at": LONG_AGO}
    facts |= {"containers": (container(component),), "uid": f"uid-of-{component}", "name": f"{component}-7d9f-abcde"}
    return Pod(**{"namespace": namespace, "component": component, **facts, **more})


def server(user: str = "ana", **more: Any) -> Pod:
    """The pod of a user's notebook server."""
    facts = {"user": user, "name": f"business-user-{user}", "uid": f"uid-of-{user}", "needs": HOMES}
    facts |= {"containers": (container("notebook", memory_limit=4 * GIB),)}
    facts |= {"requests": {"pods": 1.0, "requests.memory": 1.0 * GIB, "limits.memory": 4.0 * GIB}}
    return pod("singleuser-server", **{**facts, **more})


def workload(component: str, namespace: str = "jupyterhub", **more: Any) -> Workload:
    facts = {"kind": "Deployment", "name": component, "desired": 1, "ready": 1}
    return Workload(**{"namespace": namespace, "component": component, **facts, **more})


def event(about: Pod, reason: str, message: str, *, warning: bool = True, age: float = 1) -> Event:
    return Event(about.namespace, "Pod", about.name, about.uid, reason, message, warning, 1, minutes(age))


def healthy() -> ClusterSnapshot:
    """Hub, proxy and the runbook's Redis on one node, one user at work."""
    return ClusterSnapshot(
        taken_at=NOW,
        version="v1.35.4",
        namespace="jupyterhub",
        operations_namespace="riskhub",
        nodes=(Node("node1", True, cpu=4, memory=16 * GIB, cpu_used=1.2, memory_used=6 * GIB),),
        pods=(
            pod("hub"),
            pod("proxy"),
            server(),
            pod("redis", "riskhub"),
            pod("kube-dns", "kube-system"),
        ),
        workloads=(workload("hub", needs=HUB_NEEDS), workload("proxy"), workload("redis", "riskhub")),
        services=(
            Service("jupyterhub", "hub", 1, 0, "hub"),
            Service("jupyterhub", "proxy-api", 1, 0, "proxy"),
            Service("riskhub", "redis", 1, 0, "redis"),
            Service("kube-system", "kube-dns", 1, 0, "kube-dns"),
        ),
        claims=(Claim("jupyterhub", "homes", "Bound"),),
        quotas=(
            QuotaLine("jupyterhub", "jupyterhub", "pods", 3, 80),
            QuotaLine("jupyterhub", "jupyterhub", "limits.memory", 6 * GIB, 256 * GIB),
            QuotaLine("jupyterhub", "jupyterhub", "persistentvolumeclaims", 1, 1),
            QuotaLine("jupyterhub", "jupyterhub", "services.nodeports", 0, 0),
        ),
        keys={
            ("Secret", "jupyterhub", "hub"): frozenset({"database_url", "proxy_token"}),
            ("ConfigMap", "jupyterhub", "platform"): frozenset({"HUB_SPAWNER"}),
        },
        metrics=True,
    )


def with_pod(snapshot: ClusterSnapshot, changed: Pod, *events: Event) -> ClusterSnapshot:
    """`changed` in the place of the pod with its uid, or beside the others."""
    others = tuple(each for each in snapshot.pods if each.uid != changed.uid)
    return replace(snapshot, pods=(*others, changed), events=(*snapshot.events, *events))


def with_workload(snapshot: ClusterSnapshot, component: str, **facts: Any) -> ClusterSnapshot:
    """The workload of `component` changed; the addresses of its Services follow its ready pods."""
    changed = tuple(replace(each, **facts) if each.component == component else each for each in snapshot.workloads)
    ready = next(each.ready for each in changed if each.component == component)
    services = tuple(replace(each, ready=ready) if each.component == component else each for each in snapshot.services)
    return replace(snapshot, workloads=changed, services=services)


def without_pods(snapshot: ClusterSnapshot, component: str) -> ClusterSnapshot:
    return replace(snapshot, pods=tuple(each for each in snapshot.pods if each.component != component))
