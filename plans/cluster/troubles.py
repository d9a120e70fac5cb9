"""What is wrong in a cluster, area by area, in the order in which one area brings down the next.

Each trouble is told where it is mended. What only suffers from it (the Hub without its Secret, a Service without the
Hub) is a trouble of its own area that says because of which.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from domain.cluster import Clue, ClusterSnapshot, Need, Pod, QuotaLine, Workload
from domain.health import Finding, Kind, KindIfAny
from domain.text import size
from plans.cluster.causes import (
    BIND_CLAIM,
    BRING_IT_BACK,
    CLAIM_AGAIN,
    FREE_NODE,
    RAISE_QUOTA,
    STARTING,
    Area,
    Cause,
    label_of,
    label_of_workload,
    of_clue,
    over_quota,
    pods_of,
    why_pod_waits,
    why_workload_waits,
)
from plans.kinds import HUB, SPAWN

State = Literal["degraded", "failed"]

CORE = ("hub", "proxy")
SERVERS = "singleuser-server"
SPENT_BY_A_SERVER = frozenset(
    {"pods", "count/pods", "cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"}
)
ALMOST = 0.9

_NONE: frozenset[Kind] = frozenset()

# What an overlay may leave out by asking for none of it is no trouble; of these there must be some.
_NEVER_ZERO = ("hub", "proxy", "prefect-server", "prefect-services", "prefect-worker", "redis")
_LOOKED_AT_THEMSELVES = ("cluster-nodes", "cluster-dns")
# What the session says of a server that did not come up; of another kind, it came up and something else was wrong.
_NEVER_READY: frozenset[KindIfAny] = frozenset({"spawn-timeout", "spawn-failed"})
# The Hub goes on without these for as long as nobody asks for more; users do not.
_GRAVE_CLUES = frozenset({"proxy-token", "database-password", "database-missing", "name-resolution"})


@dataclass(frozen=True)
class Trouble:
    """One thing that is wrong.

    Attributes:
        breaks: the kinds of trouble that other probes have by it.
        because_of: the area it comes from.
        kind: of the trouble, where it is more exact than the area's.
    """

    area: Area
    state: State
    thing: str
    what: str
    next_step: str
    breaks: frozenset[Kind] = _NONE
    because_of: Area | Literal[""] = ""
    kind: KindIfAny = ""


def troubles_of(snapshot: ClusterSnapshot, synthetic_user: str, session: Finding | None) -> list[Trouble]:
    """Everything that is wrong, causes before what follows from them; a thing may come twice.

    `session`: the synthetic user's, if it failed, which its pod then tells about.
    """
    return [
        *_of_nodes(snapshot),
        *_of_dns(snapshot),
        *_of_needs(snapshot),
        *_of_claims(snapshot),
        *_of_quotas(snapshot),
        *_of_workloads(snapshot),
        *_of_talk(snapshot),
        *_of_services(snapshot),
        *_of_servers(snapshot),
        *(_of_the_session(snapshot, synthetic_user, session.kind) if session else ()),
    ]


def asked_for(snapshot: ClusterSnapshot) -> dict[tuple[str, str, str], tuple[set[str], set[str]]]:
    """Secrets and ConfigMaps, by namespace, kind and name: the keys that are asked for, and by which components."""
    asked: dict[tuple[str, str, str], tuple[set[str], set[str]]] = {}
    for namespace, component, needs in _needing(snapshot):
        for need in needs:
            if need.kind != "PersistentVolumeClaim":
                keys, components = asked.setdefault((namespace, need.kind, need.name), (set(), set()))
                keys.update({need.key} if need.key else ())
                components.add(component)
    return asked


def servers_of(snapshot: ClusterSnapshot) -> list[Pod]:
    """The pods of the users' servers."""
    return [pod for pod in snapshot.pods if pod.component == SERVERS and pod.namespace == snapshot.namespace]


def _of_nodes(snapshot: ClusterSnapshot) -> Iterator[Trouble]:
    good = [node for node in snapshot.nodes if node.ready and not node.pressures and not node.cordoned]
    state: State = "degraded" if good else "failed"
    breaks = _NONE if good else HUB
    for node in snapshot.nodes:
        thing = f"node {node.name}"
        if not node.ready:
            step = f"kubectl describe node {node.name}; replace it if it does not come back"
            yield Trouble("cluster-nodes", state, thing, f"it is not ready: {node.why[:200]}", step, breaks)
        elif node.pressures:
            what = f"it is under {' and '.join(_spaced(each) for each in node.pressures)}"
            yield Trouble("cluster-nodes", state, thing, what, FREE_NODE, breaks)
    if not snapshot.nodes:
        yield Trouble("cluster-nodes", "failed", "nodes", "there is none", "look at the node groups", HUB)


def _of_dns(snapshot: ClusterSnapshot) -> Iterator[Trouble]:
    service = next((each for each in snapshot.services if each.namespace == "kube-system"), None)
    if service is None or service.ready:
        return
    pods = [pod for pod in snapshot.pods if pod.namespace == "kube-system"]
    cause = next(filter(None, (why_pod_waits(pod, snapshot) for pod in pods)), None)
    what = f"none of its {len(pods)} pods is ready" if pods else "it has no pod"
    what = f"{what}, so no name resolves in the cluster{f': {cause.what}' if cause else ''}"
    step = "kubectl -n kube-system get deployment coredns; scale it up, or roll it back"
    yield Trouble("cluster-dns", "failed", "CoreDNS", what, step, HUB, cause.area if cause else "")


def _of_needs(snapshot: ClusterSnapshot) -> Iterator[Trouble]:
    waiting = {each.component for each in snapshot.workloads if each.ready == 0 and each.component in CORE}
    for (namespace, kind, name), (keys, components) in asked_for(snapshot).items():
        there = snapshot.keys.get((kind, namespace, name))
        lacking = keys - (there or frozenset())
        if there is not None and not lacking:
            continue
        what = "it is missing" if there is None else f"without the key {', '.join(sorted(lacking))}"
        what += f"; {', '.join(sorted(components))} cannot start without it, and what runs ends with its next restart"
        step = BRING_IT_BACK if kind == "Secret" else "riskhub deploy hub brings it back"
        breaks = HUB if components & waiting else SPAWN if SERVERS in components else _NONE
        yield Trouble("cluster-secrets", "failed", f"{kind} {namespace}/{name}", what, step, breaks)


def _of_claims(snapshot: ClusterSnapshot) -> Iterator[Trouble]:
    claims = {(claim.namespace, claim.name): claim for claim in snapshot.claims}
    wanted = {
        (namespace, need.name)
        for namespace, _, needs in _needing(snapshot)
        for need in needs
        if need.kind == "PersistentVolumeClaim"
    }
    for namespace, name in sorted(wanted | claims.keys()):
        claim, thing = claims.get((namespace, name)), f"claim {namespace}/{name}"
        if claim is None:
            yield Trouble("cluster-storage", "failed", thing, "it is missing", CLAIM_AGAIN, HUB)
        elif claim.deleting:
            what = "it was deleted, and only waits for its last pod to end"
            yield Trouble("cluster-storage", "failed", thing, what, CLAIM_AGAIN, SPAWN)
        elif claim.phase != "Bound":
            what = f"it is bound to no volume ({claim.phase})"
            yield Trouble("cluster-storage", "failed", thing, what, BIND_CLAIM, HUB)


def _of_quotas(snapshot: ClusterSnapshot) -> Iterator[Trouble]:
    for clue in snapshot.clues:
        if clue.kind == "quota":
            cause = over_quota(clue.detail, snapshot.namespace)
            yield Trouble("cluster-quota", "failed", cause.thing, cause.what, RAISE_QUOTA, SPAWN)
    lines = [line for line in snapshot.quotas if line.resource in SPENT_BY_A_SERVER]
    for line in sorted(lines, key=lambda line: line.used < line.hard):  # spent ones first: a thing is told once
        thing = f"ResourceQuota {line.namespace}/{line.quota}"
        if line.used >= line.hard:
            breaks = SPAWN if line.namespace == snapshot.namespace else _NONE
            what = f"it lets nothing more in ({_used(line)})"
            yield Trouble("cluster-quota", "failed", thing, what, RAISE_QUOTA, breaks)
        elif line.used >= ALMOST * line.hard:
            yield Trouble("cluster-quota", "degraded", thing, f"little is left of it ({_used(line)})", RAISE_QUOTA)


def _of_workloads(snapshot: ClusterSnapshot) -> Iterator[Trouble]:
    for component in CORE:
        if not any(each.component == component and each.namespace == snapshot.namespace for each in snapshot.workloads):
            thing = f"Deployment {snapshot.namespace}/{component}"
            yield Trouble("cluster-workloads", "failed", thing, "it is missing", "riskhub deploy hub", HUB)
    for workload in snapshot.workloads:
        yield from _of_workload(workload, snapshot)
    owned = {(each.namespace, each.component) for each in snapshot.workloads}
    for pod in snapshot.pods:  # flow runs and other Jobs
        if (pod.namespace, pod.component) in owned or pod.component == SERVERS or pod.namespace == "kube-system":
            continue
        cause = why_pod_waits(pod, snapshot) if pod.phase == "Pending" and not _starting(pod, snapshot) else None
        if cause:
            yield from _caused("cluster-workloads", "degraded", label_of(pod), cause, _NONE)


def _of_workload(workload: Workload, snapshot: ClusterSnapshot) -> Iterator[Trouble]:
    core = workload.component in CORE and workload.namespace == snapshot.namespace
    missing = workload.ready < workload.desired
    if workload.desired == 0 and workload.component not in _NEVER_ZERO:
        return
    if not missing and workload.desired and workload.current:
        yield from _of_restarts(workload, snapshot)
        return
    cause = why_workload_waits(workload, snapshot)
    if cause:
        state: State = "failed" if core and (missing or workload.desired == 0) else "degraded"
        breaks = HUB if core and workload.ready == 0 else _NONE
        yield from _caused("cluster-workloads", state, label_of_workload(workload), cause, breaks)
    elif core and workload.ready == 0:
        what = f"it starts: no pod of it was ready yet within {STARTING.total_seconds():.0f} s"
        yield Trouble("cluster-workloads", "degraded", label_of_workload(workload), what, "look again in a minute", HUB)


def _of_restarts(workload: Workload, snapshot: ClusterSnapshot) -> Iterator[Trouble]:
    """What runs again after it ended within the hour: the next time it may not."""
    for pod in pods_of(workload, snapshot):
        for container in pod.containers:
            since = snapshot.taken_at - container.ended_at if container.ended_at else timedelta.max
            if container.init or not container.restarts or since > timedelta(hours=1):
                continue
            limit = f" at its limit of {size(container.memory_limit)}" if container.memory_limit else ""
            how = f"out of memory{limit}" if container.ended == "OOMKilled" else f"exit code {container.exit_code}"
            what = f"container {container.name} ended {since.total_seconds() // 60:.0f} min ago ({how}) and runs again"
            what += f"; {container.restarts} restarts in all"
            step = f"kubectl -n {pod.namespace} logs {pod.name} -c {container.name} --previous"
            yield Trouble("cluster-workloads", "degraded", label_of(pod), what, step)


def _of_talk(snapshot: ClusterSnapshot) -> Iterator[Trouble]:
    """What the logs of a hub or proxy that counts as ready give away: /hub/health asks neither database nor proxy."""
    ready = {each.component: each for each in snapshot.workloads if each.namespace == snapshot.namespace and each.ready}
    for clue in snapshot.clues:
        workload = ready.get(clue.component)
        if workload is None or _only_follows(clue, ready):
            continue
        cause = of_clue(clue, label_of_workload(workload))
        if cause:
            grave = clue.kind in _GRAVE_CLUES
            state: State = "failed" if grave else "degraded"
            yield from _caused("cluster-workloads", state, cause.thing, cause, HUB if grave else SPAWN)


def _only_follows(clue: Clue, ready: dict[str, Workload]) -> bool:
    """Does the clue say no more than that the proxy is away, which is told by itself?"""
    return clue.kind == "proxy-unreachable" and "proxy" not in ready


def _of_services(snapshot: ClusterSnapshot) -> Iterator[Trouble]:
    """A Service without an address: it follows from a workload that has no pod ready, else its selector is wrong."""
    owners = {(each.namespace, each.component): each for each in snapshot.workloads}
    for service in snapshot.services:
        owner = owners.get((service.namespace, service.component))
        if service.ready or owner is None or (owner.desired == 0 and owner.component not in _NEVER_ZERO):
            continue
        what = f"no address stands behind it; {owner.ready} of {owner.desired} pods of {owner.name} are ready"
        yield Trouble(
            "cluster-services",
            "failed" if service.component in CORE else "degraded",
            f"Service {service.namespace}/{service.name}",
            what,
            "compare its selector and ports with the pods'; riskhub deploy hub puts both right",
            HUB if service.component in CORE else _NONE,
            "" if owner.ready else "cluster-workloads",
        )


def _of_servers(snapshot: ClusterSnapshot) -> Iterator[Trouble]:
    for pod in servers_of(snapshot):
        pending = pod.phase == "Pending"
        cause = None if pending and _starting(pod, snapshot) else why_pod_waits(pod, snapshot)
        if cause:
            yield from _caused("cluster-servers", "degraded", label_of(pod), cause, SPAWN if pending else _NONE)


def _of_the_session(snapshot: ClusterSnapshot, user: str, kind: KindIfAny) -> Iterator[Trouble]:
    """Why the synthetic user's session failed, by its server's pod as last seen and what was said about it."""
    pods = [pod for pod in (*snapshot.pods, *snapshot.gone) if pod.user == user]
    cause = next(filter(None, (why_pod_waits(pod, snapshot) for pod in pods)), None)
    if cause:
        yield from _caused("cluster-servers", "failed", label_of(pods[0]), cause, SPAWN)
        return
    ran = next((pod for pod in pods if pod.phase == "Running"), None)
    if ran and kind in _NEVER_READY:
        what, step, because = _why_given_up(ran)
        broken_hub = any(clue.kind in _GRAVE_CLUES for clue in snapshot.clues)
        root: Area | Literal[""] = "cluster-workloads" if broken_hub else because
        yield Trouble("cluster-servers", "failed", label_of(ran), what, step, SPAWN, root)


def _why_given_up(pod: Pod) -> tuple[str, str, Area | Literal[""]]:
    """What a pod that ran, and that the Hub waited for in vain, said itself; what to do; the area it comes from."""
    said = {clue.kind: clue.detail for clue in pod.clues}
    if "server-listens" in said:
        return (
            "it is up in its pod, and the Hub did not reach it or was not told",
            "look at the NetworkPolicies hub-to-users, users-from-hub and hub-to-api-server; else restart the hub, "
            "whose watch of the pods may be cut: kubectl -n jupyterhub rollout restart deployment/hub",
            "",
        )
    if "name-resolution" in said:
        name = said["name-resolution"]
        return f"it cannot resolve the name {name}", "look at CoreDNS and NetworkPolicy to-dns", "cluster-dns"
    if "hub-unreachable" in said:
        return (
            f"it cannot reach the hub at {said['hub-unreachable']}",
            "look at Service hub and at the NetworkPolicies users-to-hub and hub-from-users",
            "",
        )
    return (
        "its pod ran, and it was not up when the time was over: it starts too slowly",
        "look at the load of its node and at its limit of CPU; then at start_timeout and HUB_SPAWN_DEADLINE",
        "",
    )


def _caused(area: Area, state: State, thing: str, cause: Cause, breaks: frozenset[Kind]) -> Iterator[Trouble]:
    """The trouble of `thing`; when it comes from elsewhere also the one there."""
    if cause.area in ("", area):
        yield Trouble(area, state, cause.thing, cause.what, cause.next_step, breaks, kind=cause.kind)
        return
    what = cause.what
    if cause.area not in _LOOKED_AT_THEMSELVES:
        yield Trouble(cause.area, "failed", cause.thing, cause.what, cause.next_step, breaks)  # type: ignore[arg-type]
        what = f"it waits for {cause.thing}"
    yield Trouble(area, state, thing, what, cause.next_step, breaks, cause.area)


def _needing(snapshot: ClusterSnapshot) -> Iterator[tuple[str, str, tuple[Need, ...]]]:
    for workload in snapshot.workloads:
        yield workload.namespace, workload.component, workload.needs
    for pod in (*snapshot.pods, *snapshot.gone):
        if pod.user:
            yield pod.namespace, pod.component, pod.needs


def _starting(pod: Pod, snapshot: ClusterSnapshot) -> bool:
    return snapshot.taken_at - pod.created_at < STARTING


def _used(line: QuotaLine) -> str:
    used, hard = (size(each) if "memory" in line.resource else f"{each:g}" for each in (line.used, line.hard))
    return f"{line.resource}: {used} of {hard} used"


def _spaced(condition: str) -> str:
    """`DiskPressure` as people say it: disk pressure."""
    return "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in condition).strip()
