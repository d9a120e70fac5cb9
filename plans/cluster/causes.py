"""Why a pod does not run, read from its status, its events and the clues of its log. Pure.

A `Cause` names the thing that is wrong and the area where it is to be mended, which is often not the pod's own: a
pod that waits for a Secret is not broken, the Secret is missing. Nodes and DNS are looked at themselves: there a
cause says how the pod suffers from them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Literal

from domain.cluster import Clue, ClueKind, ClusterSnapshot, Container, Event, Pod, Workload
from domain.health import Kind, KindIfAny
from domain.text import size

Area = Literal[
    "cluster-nodes",
    "cluster-dns",
    "cluster-secrets",
    "cluster-storage",
    "cluster-quota",
    "cluster-workloads",
    "cluster-services",
    "cluster-servers",
]

KIND_OF_AREA: dict[Area, Kind] = {
    "cluster-nodes": "node",
    "cluster-dns": "dns",
    "cluster-secrets": "secret-missing",
    "cluster-storage": "volume",
    "cluster-quota": "quota",
    "cluster-workloads": "workload",
    "cluster-services": "service",
    "cluster-servers": "server",
}

STARTING = timedelta(seconds=60)  # a pod younger than this is not told as pending
RECENT = timedelta(minutes=15)

NODE_LATE = timedelta(minutes=10)

BRING_IT_BACK = (
    "bring it back as it was: riskhub restore configuration, or from the vault; "
    "never make up new values: with another crypt key every auth_state is lost"
)
RAISE_QUOTA = "stop what nobody uses (riskhub sessions cull), or raise the quota in the overlay"
CLAIM_AGAIN = (
    "the data is on its volume: once the claim is gone take claimRef/uid out of the volume (kubectl edit pv), "
    "then riskhub deploy hub makes the claim again"
)
BIND_CLAIM = "look at its events (kubectl describe), then at the volume or the storage class"
FREE_NODE = "free its disk or memory (images, logs, emptyDirs), or replace it; it takes no new pods until then"
_CORRECT_IMAGE = "correct the image in the overlay's images/ (build.py writes it), then riskhub deploy hub"
_CORRECT_MANIFEST = "correct its manifest, then riskhub deploy hub"
_MAKE_ROOM = "make room (riskhub sessions cull), or see why no node is added: the autoscaler's log, the cloud's quota"

_IMAGE_WAITS = frozenset(
    {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable"}
)
_ABSENT_CLAIM = re.compile(r'persistentvolumeclaim "([^"]+)" (not found|is being deleted)')
_ABSENT_SECRET = re.compile(r'secret "([^"]+)" not found|couldn\'t find key (\S+) in Secret [^/]+/(\S+)', re.IGNORECASE)
_ABSENT_MAP = re.compile(
    r'configmap "([^"]+)" not found|couldn\'t find key (\S+) in ConfigMap [^/]+/(\S+)', re.IGNORECASE
)
_QUOTA = re.compile(r"exceeded quota: ([\w.-]+), (requested: .+)")


@dataclass(frozen=True)
class Cause:
    """What is wrong with `thing`, and where it is mended. `area` is empty when that is the pod's own place.

    `kind`: of the trouble, where it is more exact than the area's.
    """

    thing: str
    what: str
    next_step: str
    area: Area | Literal[""] = ""
    kind: KindIfAny = ""


def why_pod_waits(pod: Pod, snapshot: ClusterSnapshot) -> Cause | None:
    """Why `pod` does not run or is not ready; None when it is, or just starts."""
    events = [event for event in snapshot.events if event.uid == pod.uid]
    return (
        _evicted(pod)
        or _unscheduled(pod, events, snapshot)
        or _unmounted(pod, events)
        or _contained(pod, events, snapshot)
        or _unready(pod, events, snapshot)
    )


def why_workload_waits(workload: Workload, snapshot: ClusterSnapshot) -> Cause | None:
    """Why fewer pods of `workload` are ready than should be; None when they merely start."""
    thing = label_of_workload(workload)
    if workload.desired == 0:
        restore = f"kubectl -n {workload.namespace} scale {workload.kind.lower()}/{workload.name} --replicas=1"
        return Cause(thing, "it is scaled to zero, so none of its pods runs", f"{restore}, or riskhub deploy hub")
    refused = [workload.trouble, *(event.message for event in _failed_to_create(workload, snapshot))]
    for words in filter(None, refused):
        if quota := _QUOTA.search(words):
            return over_quota(f"{quota[1]}, {quota[2]}", workload.namespace)
    pods = [pod for pod in pods_of(workload, snapshot) if pod.phase != "Succeeded"]
    # newest first: what an older pod suffered from may be mended
    causes = [
        cause
        for pod in sorted(pods, key=lambda pod: pod.created_at, reverse=True)
        if not pod.ready and (cause := why_pod_waits(pod, snapshot))
    ]
    if causes:
        return replace(causes[0], thing=thing) if not causes[0].area else causes[0]
    words = next(filter(None, refused), "")
    if words:
        return Cause(thing, f"no pod can be made: {words[:300]}", _CORRECT_MANIFEST)
    return None if pods else Cause(thing, "it has no pod at all", "look at the controller-manager: does it run?")


def pods_of(workload: Workload, snapshot: ClusterSnapshot) -> list[Pod]:
    """The pods that a workload's label says are its own."""
    return [
        pod
        for pod in snapshot.pods
        if pod.namespace == workload.namespace and pod.component == workload.component and pod.reason != "Evicted"
    ] or [pod for pod in snapshot.pods if pod.namespace == workload.namespace and pod.component == workload.component]


def over_quota(words: str, namespace: str) -> Cause:
    """A ResourceQuota that lets nothing more in. `words`: its name, and what was asked, used and limited."""
    name, _, figures = words.partition(", ")
    return Cause(
        f"ResourceQuota {namespace}/{name}",
        f"it lets nothing more in ({figures})" if figures else "it lets nothing more in",
        RAISE_QUOTA,
        "cluster-quota",
    )


def of_clue(clue: Clue, thing: str) -> Cause | None:
    """What a sign in the log means for `thing`; None for one that says nothing about it."""
    if clue.kind not in _CLUES:
        return None  # it is about a user's server
    what, next_step, area = _CLUES[clue.kind]
    kind = _KIND_OF_CLUE.get(clue.kind, "")
    return Cause(thing, what.format(detail=clue.detail or "its server"), next_step, area, kind)


_CLUES: dict[ClueKind, tuple[str, str, Area | Literal[""]]] = {
    "database-password": (
        "the database rejects the password of user {detail}",
        "put the right database_url into Secret hub (riskhub restore configuration if it was right before), "
        "then kubectl -n jupyterhub rollout restart deployment/hub",
        "",
    ),
    "database-missing": ("there is no database {detail}", "correct database_url in Secret hub, or restore it", ""),
    "database-unreachable": (
        "its database at {detail} does not answer",
        "look at the database server, its security group and the NetworkPolicy to it",
        "",
    ),
    "database-schema": (
        "the database's schema ({detail}) is not the one this Hub knows",
        "deploy the Hub that belongs to it, or upgrade it: jupyterhub upgrade-db, after a backup",
        "",
    ),
    "database": (
        "it cannot use its database, and its log does not say why",
        "try database_url of Secret hub with psql from the runbook's pod",
        "",
    ),
    "name-resolution": (
        "it cannot resolve the name {detail}",
        "look at CoreDNS, at the NetworkPolicy to it, and at the name",
        "cluster-dns",
    ),
    "proxy-token": (
        "hub and proxy hold different tokens: the proxy answers the hub 403",
        "restart both, so that they read the same Secret: kubectl -n jupyterhub rollout restart "
        "deployment/proxy deployment/hub",
        "",
    ),
    "proxy-unreachable": (
        "it cannot reach the proxy's API",
        "look at the proxy's pod, at Service proxy-api and at the NetworkPolicy between them",
        "",
    ),
    "variable": (
        "variable {detail} is not set, and it does not start without",
        "set it in ConfigMap platform or Secret hub, as the Hub's configuration names it",
        "",
    ),
    "rights": (
        "its account {detail} lacks a right in the cluster",
        "give it by the Role hub in k8s/base, then riskhub deploy hub",
        "",
    ),
}

_KIND_OF_CLUE: dict[ClueKind, KindIfAny] = {
    "database-password": "database-login",
    "database-missing": "database-login",
    "database-unreachable": "database-down",
    "name-resolution": "dns",
    "proxy-token": "proxy-api",
    "proxy-unreachable": "proxy-api",
}


def label_of(pod: Pod) -> str:
    """How messages name a pod: a notebook server by its user."""
    return f"server of {pod.user}" if pod.user else f"pod {pod.namespace}/{pod.name}"


def label_of_workload(workload: Workload) -> str:
    """How messages name a workload."""
    return f"{workload.kind} {workload.namespace}/{workload.name}"


def _evicted(pod: Pod) -> Cause | None:
    if pod.reason != "Evicted":
        return None
    words = pod.message.split(". ")[0].rstrip(".") or "it was short of something"
    return Cause(label_of(pod), f"its node {pod.node} threw it out: {words}", FREE_NODE, "cluster-nodes")


def _unscheduled(pod: Pod, events: list[Event], snapshot: ClusterSnapshot) -> Cause | None:
    words = pod.unschedulable or ("" if pod.node else _last(events, "FailedScheduling"))
    if not words:
        return None
    if claim := _ABSENT_CLAIM.search(words):
        return _missing_claim(pod.namespace, claim[1], claim[2])
    if "unbound immediate PersistentVolumeClaims" in words:
        name = next((need.name for need in pod.needs if need.kind == "PersistentVolumeClaim"), "of the pod")
        return Cause(f"claim {pod.namespace}/{name}", "it is bound to no volume", BIND_CLAIM, "cluster-storage")
    if "untolerated taint" in words and any(node.pressures or not node.ready for node in snapshot.nodes):
        # Kubernetes before 1.35 named the taint; the nodes themselves say it in every version
        return Cause(label_of(pod), "no node takes new pods", FREE_NODE, "cluster-nodes")
    what = f"no node has room for it ({words[:200]}){_scale_up(events, snapshot)}"
    return Cause(label_of(pod), what, _MAKE_ROOM, kind="scheduling")


def _scale_up(events: list[Event], snapshot: ClusterSnapshot) -> str:
    """What the autoscaler made of it: a scale-up that failed is silent everywhere else (2i2c infrastructure#6185)."""
    group = [event for event in snapshot.events if event.namespace == "kube-system"]
    for reason in ("FailedScaleUp", "FailedToScaleUpGroup", "ScaleUpTimedOut"):
        if words := _last([*events, *group], reason):
            return f"; the scale-up failed: {words[:200]}"
    if words := _last(events, "NotTriggerScaleUp"):
        return f"; no scale-up was tried: {words[:200]}"
    asked = max((event.last_seen for event in events if event.reason == "TriggeredScaleUp"), default=None)
    if asked is None:
        return ""
    waited = snapshot.taken_at - asked
    minutes = f"{waited.total_seconds() // 60:.0f} min"
    if waited > NODE_LATE:
        return f"; the scale-up failed: a node was asked for {minutes} ago and did not come"
    return f"; a node was asked for {minutes} ago"


def _unmounted(pod: Pod, events: list[Event]) -> Cause | None:
    if any(container.running or container.ended for container in pod.containers):
        return None
    words = _last(events, "FailedMount") or _last(events, "FailedAttachVolume")
    if not words:
        return None
    return _asked_for(pod, words) or Cause(
        f"volume of {label_of(pod)}",
        f"it cannot be mounted: {words[:200]}",
        "look at the file system (EFS mount targets, security group) and at the driver's pods",
        "cluster-storage",
    )


def _contained(pod: Pod, events: list[Event], snapshot: ClusterSnapshot) -> Cause | None:
    for container in pod.containers:
        cause = (
            _imageless(pod, container, events)
            or _unconfigured(pod, container)
            or _killed(pod, container, snapshot)
            or _crashed(pod, container, snapshot)
        )
        if cause:
            return cause
    return None


def _imageless(pod: Pod, container: Container, events: list[Event]) -> Cause | None:
    tried = [event.message for event in events if event.reason == "Failed" and container.image in event.message]
    if container.waiting not in _IMAGE_WAITS and (container.running or container.ended or not tried):
        return None
    words = " ".join([container.message, *tried]).lower()
    if "not found" in words or "manifest unknown" in words or "does not exist" in words:
        why = "the registry has no such image"
    elif "unauthorized" in words or "denied" in words or "forbidden" in words or "authorization failed" in words:
        why = "the registry does not let the node pull it"
    elif "no such host" in words or "dial tcp" in words or "timeout" in words or "refused" in words:
        why = "the registry does not answer"
    else:
        why = f"it cannot be pulled ({container.waiting or 'Failed'})"
    return Cause(label_of(pod), f"image {container.image}: {why}", _CORRECT_IMAGE, kind="image")


def _unconfigured(pod: Pod, container: Container) -> Cause | None:
    if container.waiting not in ("CreateContainerConfigError", "CreateContainerError", "RunContainerError"):
        return None
    what = f"container {container.name} cannot be made: {container.message[:200]}"
    return _asked_for(pod, container.message) or Cause(label_of(pod), what, _CORRECT_MANIFEST)


def _asked_for(pod: Pod, words: str) -> Cause | None:
    """A Secret, ConfigMap or claim that `words` say is missing."""
    if secret := _ABSENT_SECRET.search(words):
        what = "it is missing" if secret[1] else f"its key {secret[2]} is missing"
        return Cause(f"Secret {pod.namespace}/{secret[1] or secret[3]}", what, BRING_IT_BACK, "cluster-secrets")
    if values := _ABSENT_MAP.search(words):
        what = "it is missing" if values[1] else f"its key {values[2]} is missing"
        thing = f"ConfigMap {pod.namespace}/{values[1] or values[3]}"
        return Cause(thing, what, "riskhub deploy hub brings it back", "cluster-secrets")
    if claim := _ABSENT_CLAIM.search(words):
        return _missing_claim(pod.namespace, claim[1], claim[2])
    return None


def _killed(pod: Pod, container: Container, snapshot: ClusterSnapshot) -> Cause | None:
    if container.ended != "OOMKilled" or not _lately(container, snapshot):
        return None
    limit = f" at its limit of {size(container.memory_limit)}" if container.memory_limit else ""
    step = "give it more memory in the overlay" if not pod.user else "the user needs a larger profile, or less data"
    what = f"container {container.name} was killed, out of memory{limit}"
    return Cause(label_of(pod), what, step, kind="memory")


def _crashed(pod: Pod, container: Container, snapshot: ClusterSnapshot) -> Cause | None:
    if pod.ready or not container.exit_code:
        return None
    for clue in _clues_of(pod, snapshot):
        if told := of_clue(clue, label_of(pod)):
            return told
    if container.running:  # again, and its log does not say that this run will end as the last one did
        return None
    what = f"container {container.name} ends again and again (exit code {container.exit_code})"
    return Cause(label_of(pod), what, f"kubectl -n {pod.namespace} logs {pod.name} -c {container.name} --previous")


def _unready(pod: Pod, events: list[Event], snapshot: ClusterSnapshot) -> Cause | None:
    if pod.ready or pod.user or not any(container.running for container in pod.containers):
        return None
    if snapshot.taken_at - pod.created_at < STARTING:
        return None
    for clue in _clues_of(pod, snapshot):
        if told := of_clue(clue, label_of(pod)):
            return told
    waits = next((container.name for container in pod.containers if container.init and container.running), "")
    words = f"init container {waits} does not end" if waits else _last(events, "Unhealthy")[:200]
    what = words or "it runs, but is not ready"
    return Cause(label_of(pod), what, f"kubectl -n {pod.namespace} logs {pod.name}{f' -c {waits}' if waits else ''}")


def _missing_claim(namespace: str, name: str, how: str) -> Cause:
    deleted = how == "is being deleted"
    what = "it was deleted, and only waits for its last pod to end" if deleted else "it is missing"
    return Cause(f"claim {namespace}/{name}", what, CLAIM_AGAIN, "cluster-storage")


def _failed_to_create(workload: Workload, snapshot: ClusterSnapshot) -> Iterator[Event]:
    for event in snapshot.events:
        recent = snapshot.taken_at - event.last_seen < RECENT
        ours = event.namespace == workload.namespace and event.name.startswith(workload.name)
        if event.reason == "FailedCreate" and ours and recent:
            yield event


def _clues_of(pod: Pod, snapshot: ClusterSnapshot) -> Iterable[Clue]:
    return (clue for clue in snapshot.clues if clue.component == pod.component)


def _lately(container: Container, snapshot: ClusterSnapshot) -> bool:
    return container.ended_at is None or snapshot.taken_at - container.ended_at < timedelta(hours=1)


def _last(events: list[Event], reason: str) -> str:
    """The newest message for `reason`; empty when there is none."""
    told = [event for event in events if event.reason == reason]
    return max(told, key=lambda event: event.last_seen).message if told else ""
