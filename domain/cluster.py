"""A Kubernetes cluster as one look saw it, in what the runbook decides by and no more.

Quantities are plain numbers: cores, bytes, counts. Times are aware UTC. Of Secrets there are names and keys,
never a value; of logs only the signs that were recognised in them, since a Hub's log quotes tokens
(KubeSpawner logs the whole pod it failed to create, environment included).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

NeedKind = Literal["Secret", "ConfigMap", "PersistentVolumeClaim"]

ClueKind = Literal[
    "database",  # the Hub cannot use its database, and its log does not say why
    "database-password",
    "database-unreachable",
    "database-missing",
    "database-schema",
    "name-resolution",
    "proxy-token",
    "proxy-unreachable",
    "hub-unreachable",  # a server waits for its Hub
    "quota",
    "server-listens",  # a server is up, by its own words
    "variable",
    "rights",
]


@dataclass(frozen=True)
class Need:
    """What a pod asks for by name. `key`: one key of a Secret or ConfigMap; None for the whole."""

    kind: NeedKind
    name: str
    key: str | None = None


@dataclass(frozen=True)
class Container:
    """One container of a pod, init containers too.

    Attributes:
        waiting: why it does not run, in Kubernetes's word (`ImagePullBackOff`); empty when it runs or ended.
        message: what the kubelet says about it.
        ended: the word for its last end (`OOMKilled`, `Error`); empty when it never ended.
        memory_limit: bytes; None without one.
    """

    name: str
    image: str
    ready: bool = False
    running: bool = False
    init: bool = False
    restarts: int = 0
    waiting: str = ""
    message: str = ""
    ended: str = ""
    exit_code: int | None = None
    ended_at: datetime | None = None
    memory_limit: int | None = None


@dataclass(frozen=True)
class Clue:
    """A sign recognised in the log of a pod. `detail` holds names only (a host, a user, a quota's figures)."""

    component: str
    kind: ClueKind
    detail: str = ""


@dataclass(frozen=True)
class Pod:
    """One pod.

    Attributes:
        component: its label `component`, e.g. "hub"; `kube-dns` for CoreDNS.
        user: whose notebook server it is, by the name the Hub knows; empty for the platform's own pods.
        server: that server's name; empty for the default one.
        reason, message: of the pod itself, e.g. `Evicted`.
        unschedulable: the scheduler's words while no node takes it.
        requests: what it asks of a quota (`requests.cpu`, `limits.memory`, `pods`, ...).
        clues: what its log gave away, where that was read (the synthetic user's own server only).
    """

    namespace: str
    name: str
    uid: str
    component: str
    phase: str
    created_at: datetime
    user: str = ""
    server: str = ""
    ready: bool = False
    reason: str = ""
    message: str = ""
    node: str = ""
    unschedulable: str = ""
    containers: tuple[Container, ...] = ()
    needs: tuple[Need, ...] = ()
    requests: Mapping[str, float] = field(default_factory=dict)
    memory_used: float | None = None
    clues: tuple[Clue, ...] = ()


@dataclass(frozen=True)
class Workload:
    """A Deployment, StatefulSet or DaemonSet. `current`: every pod is of its newest template.

    `trouble` is the controller's own complaint when it cannot even make the pods (a quota, Pod Security).
    """

    namespace: str
    kind: str
    name: str
    component: str
    desired: int
    ready: int
    current: bool = True
    trouble: str = ""
    needs: tuple[Need, ...] = ()


@dataclass(frozen=True)
class Service:
    """A Service and how many addresses stand behind it. `component`: of the pods it selects."""

    namespace: str
    name: str
    ready: int
    not_ready: int
    component: str = ""


@dataclass(frozen=True)
class Claim:
    """A PersistentVolumeClaim. `deleting`: somebody deleted it, and it only waits for its last pod to end."""

    namespace: str
    name: str
    phase: str
    deleting: bool = False


@dataclass(frozen=True)
class Node:
    """A node. `pressures`: its conditions that are not good (`DiskPressure`). Usage is None without metrics."""

    name: str
    ready: bool
    why: str = ""
    pressures: tuple[str, ...] = ()
    cordoned: bool = False
    cpu: float = 0.0
    memory: float = 0.0
    cpu_used: float | None = None
    memory_used: float | None = None


@dataclass(frozen=True)
class QuotaLine:
    """One resource of one ResourceQuota."""

    namespace: str
    quota: str
    resource: str
    used: float
    hard: float


@dataclass(frozen=True)
class Event:
    """What a part of the cluster said about an object. `uid`: of that object, since names come again."""

    namespace: str
    kind: str
    name: str
    uid: str
    reason: str
    message: str
    warning: bool
    count: int
    last_seen: datetime


@dataclass(frozen=True)
class ClusterSnapshot:
    """Everything one look saw.

    Attributes:
        namespace: the Hub's; `operations_namespace` the runbook's own.
        gone: notebook pods that were seen while the other probes looked and are gone by now, as last seen:
            the Hub deletes the pod of a spawn that failed, and the reason with it.
        keys: of each Secret and ConfigMap there is, by (kind, namespace, name).
        metrics: whether the metrics API answered.
    """

    taken_at: datetime
    version: str
    namespace: str
    operations_namespace: str
    nodes: tuple[Node, ...] = ()
    pods: tuple[Pod, ...] = ()
    gone: tuple[Pod, ...] = ()
    workloads: tuple[Workload, ...] = ()
    services: tuple[Service, ...] = ()
    claims: tuple[Claim, ...] = ()
    quotas: tuple[QuotaLine, ...] = ()
    events: tuple[Event, ...] = ()
    clues: tuple[Clue, ...] = ()
    keys: Mapping[tuple[str, str, str], frozenset[str]] = field(default_factory=dict)
    metrics: bool = False
