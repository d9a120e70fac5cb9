"""The API's JSON as the runbook's own types: pods, workloads, claims and the rest, as far as a diagnosis needs them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from domain.clock import to_utc
from domain.cluster import Claim, Container, Event, Node, Pod, QuotaLine, Service, Workload
from domain.needs import needs_of

USER, SERVER = "hub.jupyter.org/username", "hub.jupyter.org/servername"
PRESSURES = ("MemoryPressure", "DiskPressure", "PIDPressure", "NetworkUnavailable")


def amount(quantity: str | int | float) -> float:
    """A Kubernetes quantity (`100m`, `2Gi`) as a number: cores, bytes, a count."""
    from kubernetes.utils.quantity import parse_quantity  # noqa: PLC0415 - loaded by connect already

    parse: Any = parse_quantity
    return float(parse(quantity))


def pod(item: Any, *, memory_used: float | None = None) -> Pod:
    """A Pod."""
    metadata, spec, status = item["metadata"], item["spec"], item.get("status") or {}
    labels, notes = metadata.get("labels") or {}, metadata.get("annotations") or {}
    conditions = {each["type"]: each for each in status.get("conditions") or ()}
    scheduled = conditions.get("PodScheduled") or {}
    return Pod(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        component=labels.get("component") or labels.get("k8s-app") or "",
        phase=status.get("phase") or "Pending",
        created_at=_moment(metadata["creationTimestamp"]),
        user=notes.get(USER) or "",
        server=notes.get(SERVER) or "",
        ready=(conditions.get("Ready") or {}).get("status") == "True",
        reason=status.get("reason") or "",
        message=status.get("message") or "",
        node=spec.get("nodeName") or "",
        unschedulable=scheduled.get("message") or "" if scheduled.get("status") == "False" else "",
        containers=tuple(_containers(spec, status)),
        needs=needs_of(spec),
        requests=_requests(spec),
        memory_used=memory_used,
    )


def workload(kind: str, item: Any) -> Workload:
    """A Deployment, StatefulSet or DaemonSet."""
    metadata, spec, status = item["metadata"], item["spec"], item.get("status") or {}
    template = spec["template"]
    if kind == "DaemonSet":
        desired, ready = status.get("desiredNumberScheduled") or 0, status.get("numberReady") or 0
        updated, made = status.get("updatedNumberScheduled") or 0, status.get("currentNumberScheduled") or 0
    else:
        desired, ready = spec.get("replicas", 1), status.get("readyReplicas") or 0
        updated, made = status.get("updatedReplicas") or 0, status.get("replicas") or 0
    seen = (status.get("observedGeneration") or 0) >= metadata.get("generation", 0)
    conditions = {each["type"]: each for each in status.get("conditions") or ()}
    failure = conditions.get("ReplicaFailure") or {}
    return Workload(
        namespace=metadata["namespace"],
        kind=kind,
        name=metadata["name"],
        component=(template["metadata"].get("labels") or {}).get("component") or metadata["name"],
        desired=desired,
        ready=ready,
        current=seen and updated == desired == made,
        trouble=failure.get("message") or "" if failure.get("status") == "True" else "",
        needs=needs_of(template["spec"]),
    )


def node(item: Any, usage: Any | None) -> Node:
    """A Node, and what the metrics API says of it."""
    status = item["status"]
    conditions = {each["type"]: each for each in status.get("conditions") or ()}
    ready = conditions.get("Ready") or {}
    room = status.get("allocatable") or {}
    return Node(
        name=item["metadata"]["name"],
        ready=ready.get("status") == "True",
        why=ready.get("message") or ready.get("reason") or "it reports nothing",
        pressures=tuple(name for name in PRESSURES if (conditions.get(name) or {}).get("status") == "True"),
        cordoned=bool(item["spec"].get("unschedulable")),
        cpu=amount(room.get("cpu", 0)),
        memory=amount(room.get("memory", 0)),
        cpu_used=amount(usage["usage"]["cpu"]) if usage else None,
        memory_used=amount(usage["usage"]["memory"]) if usage else None,
    )


def service(item: Any, slices: Iterable[Any]) -> Service:
    """A Service with the addresses that its EndpointSlices hold."""
    metadata, selector = item["metadata"], item["spec"].get("selector") or {}
    count: Counter[bool] = Counter()
    for each in slices:
        if (each["metadata"].get("labels") or {}).get("kubernetes.io/service-name") == metadata["name"]:
            for endpoint in each.get("endpoints") or ():
                # "ready" left out means ready, by the API's own account
                count[(endpoint.get("conditions") or {}).get("ready") is not False] += len(endpoint["addresses"])
    component = selector.get("component") or selector.get("k8s-app") or ""
    return Service(metadata["namespace"], metadata["name"], count[True], count[False], component)


def claim(item: Any) -> Claim:
    """A PersistentVolumeClaim."""
    metadata = item["metadata"]
    phase = (item.get("status") or {}).get("phase") or "Pending"
    return Claim(metadata["namespace"], metadata["name"], phase, deleting="deletionTimestamp" in metadata)


def quota_lines(item: Any) -> Iterator[QuotaLine]:
    """Each resource of a ResourceQuota."""
    metadata, status = item["metadata"], item.get("status") or {}
    used = status.get("used") or {}
    for resource, hard in (status.get("hard") or {}).items():
        yield QuotaLine(metadata["namespace"], metadata["name"], resource, amount(used.get(resource, 0)), amount(hard))


def event(item: Any) -> Event:
    """An event of either API: the old one counts in itself, the new one in a series."""
    about, series = item["involvedObject"], item.get("series") or {}
    seen = series.get("lastObservedTime") or item.get("lastTimestamp") or item.get("eventTime")
    return Event(
        namespace=item["metadata"]["namespace"],
        kind=about.get("kind") or "",
        name=about.get("name") or "",
        uid=about.get("uid") or "",
        reason=item.get("reason") or "",
        message=item.get("message") or "",
        warning=item.get("type") == "Warning",
        count=series.get("count") or item.get("count") or 1,
        last_seen=_moment(seen or item["metadata"]["creationTimestamp"]),
    )


def _containers(spec: Any, status: Any) -> Iterator[Container]:
    for init, declared, told in (
        (True, spec.get("initContainers"), status.get("initContainerStatuses")),
        (False, spec["containers"], status.get("containerStatuses")),
    ):
        by_name = {each["name"]: each for each in told or ()}
        for container in declared or ():
            yield _container(container, by_name.get(container["name"]) or {}, init=init)


def _container(declared: Any, told: Any, *, init: bool) -> Container:
    state = told.get("state") or {}
    waiting = state.get("waiting") or {}
    ended = state.get("terminated") or (told.get("lastState") or {}).get("terminated") or {}
    limit = ((declared.get("resources") or {}).get("limits") or {}).get("memory")
    return Container(
        name=declared["name"],
        image=declared["image"],
        ready=bool(told.get("ready")),
        running="running" in state,
        init=init,
        restarts=told.get("restartCount") or 0,
        waiting=waiting.get("reason") or "",
        message=waiting.get("message") or "",
        ended=ended.get("reason") or "",
        exit_code=ended.get("exitCode"),
        ended_at=_moment(ended["finishedAt"]) if ended.get("finishedAt") else None,
        memory_limit=int(amount(limit)) if limit else None,
    )


def _requests(spec: Any) -> dict[str, float]:
    """What the pod takes of a quota, by the names that quotas use. Init containers run before, not beside."""
    taken: defaultdict[str, float] = defaultdict(float, {"pods": 1.0, "count/pods": 1.0})
    for container in spec["containers"]:
        asked = container.get("resources") or {}
        limits = asked.get("limits") or {}
        requests = {**limits, **(asked.get("requests") or {})}  # what is not requested is requested as limited
        for resource in ("cpu", "memory"):
            taken[f"requests.{resource}"] += amount(requests.get(resource, 0))
            taken[f"limits.{resource}"] += amount(limits.get(resource, 0))
        for resource in ("cpu", "memory"):
            taken[resource] = taken[f"requests.{resource}"]
    return {name: value for name, value in taken.items() if value}


def _moment(text: str) -> datetime:
    return to_utc(datetime.fromisoformat(text))
