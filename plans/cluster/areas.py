"""One finding an area of the cluster, and what each brings about elsewhere. Pure.

What only follows from another area's trouble says so in `because_of`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import get_args

from domain.cluster import ClusterSnapshot
from domain.health import Finding, Kind
from domain.text import size
from plans.cluster.causes import KIND_OF_AREA, RECENT, Area, why_workload_waits
from plans.cluster.troubles import ALMOST, SPENT_BY_A_SERVER, Trouble, asked_for, servers_of, troubles_of

AREAS: tuple[Area, ...] = get_args(Area)
_SHOWN = 5
_NONE: frozenset[Kind] = frozenset()


def areas_of(
    snapshot: ClusterSnapshot, synthetic_user: str, session: Finding | None
) -> tuple[tuple[Finding, ...], dict[str, frozenset[Kind]]]:
    """A finding for each area, and the kinds of trouble that each brings about elsewhere.

    `session`: that of `synthetic_user`, if it failed; why is read from its pod.
    """
    troubles = _rooted(troubles_of(snapshot, synthetic_user, session))
    of_area = {area: [each for each in troubles if each.area == area] for area in AREAS}
    breaks: dict[str, frozenset[Kind]] = {
        area: _NONE.union(*(each.breaks for each in told if not each.because_of)) for area, told in of_area.items()
    }
    return tuple(_finding(area, of_area[area], snapshot) for area in AREAS), breaks


def workload_causes(snapshot: ClusterSnapshot, waiting: Iterable[tuple[str, str, str]]) -> tuple[str, ...]:
    """Why each of the workloads (kind, namespace, name) is not ready, one line each."""
    by_key = {(each.kind, each.namespace, each.name): each for each in snapshot.workloads}
    told = []
    for kind, namespace, name in waiting:
        workload = by_key.get((kind, namespace, name))
        cause = why_workload_waits(workload, snapshot) if workload else None
        told.append(f"{cause.thing}: {cause.what}" if cause else f"{kind} {namespace}/{name}: it is not ready in time")
    return tuple(dict.fromkeys(told))


def _rooted(troubles: Iterable[Trouble]) -> list[Trouble]:
    """Each thing once; a trouble that comes from an area where nothing is wrong is its own cause."""
    once: dict[tuple[Area, str], Trouble] = {}
    for each in troubles:
        before = once.setdefault((each.area, each.thing), each)
        once[each.area, each.thing] = replace(before, breaks=before.breaks | each.breaks)
    areas = {area for area, _ in once}
    return [each if each.because_of in areas else replace(each, because_of="") for each in once.values()]


def _finding(area: Area, troubles: list[Trouble], snapshot: ClusterSnapshot) -> Finding:
    if not troubles:
        return Finding(area, "ok", _WELL[area](snapshot))
    roots = [each for each in troubles if not each.because_of]
    told = sorted(roots or troubles, key=lambda each: each.state != "failed")
    seen = "; ".join(f"{each.thing}: {each.what}" for each in told[:_SHOWN])
    seen += f"; and {len(told) - _SHOWN} more" if len(told) > _SHOWN else ""
    because = "" if roots else told[0].because_of
    step = f"mend {because} first" if because else told[0].next_step
    return Finding(area, told[0].state, seen, step, because_of=because, kind=told[0].kind or KIND_OF_AREA[area])


def _nodes_well(snapshot: ClusterSnapshot) -> str:
    if not snapshot.metrics:
        return f"{len(snapshot.nodes)} nodes ready; the metrics API does not answer, so their usage is not known"
    told = (
        f"{node.name} uses {node.cpu_used or 0:.1f} of {node.cpu:g} cores, "
        f"{size(node.memory_used or 0)} of {size(node.memory)}"
        for node in snapshot.nodes[:_SHOWN]
    )
    return f"{len(snapshot.nodes)} nodes ready: {'; '.join(told)}"


def _dns_well(snapshot: ClusterSnapshot) -> str:
    ready = sum(each.ready for each in snapshot.services if each.namespace == "kube-system")
    return f"CoreDNS: {ready} addresses ready" if ready else "this cluster has no Service kube-dns to look at"


def _needs_well(snapshot: ClusterSnapshot) -> str:
    return f"all {len(asked_for(snapshot))} Secrets and ConfigMaps that pods ask for are there, with every key"


def _claims_well(snapshot: ClusterSnapshot) -> str:
    return f"{len(snapshot.claims)} claims bound"


def _quotas_well(snapshot: ClusterSnapshot) -> str:
    lines = [each for each in snapshot.quotas if each.resource in SPENT_BY_A_SERVER and each.hard]
    if not lines:
        return "no quota limits the servers"
    tightest = max(lines, key=lambda each: each.used / each.hard)
    what = f"tightest is {tightest.resource} of {tightest.quota}: {tightest.used / tightest.hard:.0%} used"
    largest = max(servers_of(snapshot), key=lambda pod: pod.requests.get("requests.memory", 0), default=None)
    asked = largest.requests if largest else {}
    ours = [each for each in lines if each.namespace == snapshot.namespace and asked.get(each.resource)]
    room = min(((each.hard - each.used) // asked[each.resource] for each in ours), default=None)
    return what if room is None else f"{what}; room for {room:.0f} more servers like the largest that runs"


def _workloads_well(snapshot: ClusterSnapshot) -> str:
    return f"{sum(each.ready for each in snapshot.workloads)} pods of {len(snapshot.workloads)} workloads ready"


def _services_well(snapshot: ClusterSnapshot) -> str:
    return f"{len(snapshot.services)} Services, an address behind each that has a pod"


def _servers_well(snapshot: ClusterSnapshot) -> str:
    servers = servers_of(snapshot)
    limits = {pod.uid: sum(each.memory_limit or 0 for each in pod.containers) for pod in servers}
    full = [
        f"{pod.user} {pod.memory_used / limits[pod.uid]:.0%} of {size(limits[pod.uid])}"
        for pod in servers
        if pod.memory_used and limits[pod.uid] and pod.memory_used > ALMOST * limits[pod.uid]
    ]
    recent = [each for each in snapshot.events if each.warning and snapshot.taken_at - each.last_seen < RECENT]
    parts = [f"{sum(pod.ready for pod in servers)} of {len(servers)} servers' pods ready"]
    parts += [f"near their memory limit: {', '.join(full[:_SHOWN])}"] if full else []
    kinds = ", ".join(sorted({each.reason for each in recent})[:_SHOWN])
    parts += [f"{len(recent)} warnings in the last {RECENT.seconds // 60} min: {kinds}"] if recent else []
    return "; ".join(parts)


_WELL: dict[Area, Callable[[ClusterSnapshot], str]] = {
    "cluster-nodes": _nodes_well,
    "cluster-dns": _dns_well,
    "cluster-secrets": _needs_well,
    "cluster-storage": _claims_well,
    "cluster-quota": _quotas_well,
    "cluster-workloads": _workloads_well,
    "cluster-services": _services_well,
    "cluster-servers": _servers_well,
}
