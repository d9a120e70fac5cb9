"""One look at a cluster: nodes, pods, workloads, services, claims, quotas, events, and what logs give away."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from domain.clock import utc_now
from domain.cluster import Clue, ClusterSnapshot, Container, Event, Pod, Service, Workload
from domain.errors import RiskhubError, Unreachable
from systems.cluster import objects
from systems.cluster.clues import clues_in
from systems.cluster.connection import Cluster, Invalid, NotThere

SERVERS = "component=singleuser-server"
DNS = "kube-dns"  # CoreDNS keeps the label and the Service's name of its predecessor
AUTOSCALER = "cluster-autoscaler-status"
_TALKERS = ("hub", "proxy")
_WORKLOADS = {"deployments": "Deployment", "statefulsets": "StatefulSet", "daemonsets": "DaemonSet"}
_LOG_LINES = 400
_LOG_SECONDS = 120  # a trouble that was mended must not be told for long
_POLL_SECONDS = 1.0
_UNKNOWN = (None, None)


def read_version(cluster: Cluster) -> str:
    """Of the API server, e.g. "v1.35.4"."""
    return str(cluster.get("/version")["gitVersion"])


def look(cluster: Cluster, *, seen: tuple[Pod, ...] = ()) -> ClusterSnapshot:
    """The whole condition of the two namespaces, the nodes and the cluster's DNS.

    `seen`: notebook pods from `watched_servers`; those that are gone by now are kept as last seen.

    Raises:
        Unreachable, Refused: as `Cluster`; a right that is missing is named.
    """
    hub, ours = cluster.settings.namespace, cluster.settings.operations_namespace
    namespaces = (hub, ours)
    nodes, metrics = _nodes(cluster)
    used = pods_used(cluster, hub) if metrics else {}
    pods = [
        objects.pod(item, memory_used=used.get(item["metadata"]["name"], _UNKNOWN)[1] if space == hub else None)
        for space in namespaces
        for item in cluster.items(f"/api/v1/namespaces/{space}/pods")
    ]
    dns = [objects.pod(item) for item in cluster.items("/api/v1/namespaces/kube-system/pods", labelSelector=_dns())]
    there = {pod.uid for pod in pods}
    return ClusterSnapshot(
        taken_at=utc_now(),
        version=read_version(cluster),
        namespace=hub,
        operations_namespace=ours,
        nodes=nodes,
        pods=(*pods, *dns),
        gone=tuple(pod for pod in seen if pod.uid not in there),
        workloads=tuple(each for space in namespaces for each in read_workloads(cluster, space)),
        services=tuple(each for space in (*namespaces, "kube-system") for each in _services(cluster, space)),
        claims=_listed(cluster, namespaces, "persistentvolumeclaims", objects.claim),
        quotas=tuple(
            line
            for space in namespaces
            for item in _items(cluster, space, "resourcequotas")
            for line in objects.quota_lines(item)
        ),
        events=(*_listed(cluster, namespaces, "events", objects.event), *_of_the_autoscaler(cluster)),
        clues=tuple(clue for pod in pods for clue in _clues(cluster, pod)),
        keys={key: names for space in namespaces for key, names in read_keys(cluster, space).items()},
        metrics=metrics,
    )


def read_workloads(cluster: Cluster, namespace: str) -> list[Workload]:
    """Every Deployment, StatefulSet and DaemonSet of a namespace."""
    return [
        objects.workload(kind, item)
        for plural, kind in _WORKLOADS.items()
        for item in cluster.items(f"/apis/apps/v1/namespaces/{namespace}/{plural}")
    ]


def read_keys(cluster: Cluster, namespace: str) -> dict[tuple[str, str, str], frozenset[str]]:
    """The keys of each Secret and ConfigMap, by (kind, namespace, name). An empty value counts as no key."""
    found = {}
    for plural, kind in (("secrets", "Secret"), ("configmaps", "ConfigMap")):
        for item in _items(cluster, namespace, plural):
            entries = {**(item.get("data") or {}), **(item.get("binaryData") or {})}
            names = frozenset(name for name, value in entries.items() if value)
            found[kind, namespace, str(item["metadata"]["name"])] = names
    return found


@contextmanager
def watched_servers(cluster: Cluster, user: str) -> Iterator[Callable[[], tuple[Pod, ...]]]:
    """While the block runs, this user's pods are looked at every second, and what they say themselves.

    The call gives each as last seen before somebody deleted it: the Hub does that at once to the pod of a spawn that
    failed, and with it goes why: out of memory, an image, a crash.
    """
    pods: dict[str, Pod] = {}
    ended = threading.Event()
    query = f"{SERVERS},hub.jupyter.org/username={user}"

    def watch() -> None:
        while not ended.is_set():
            try:
                for item in _items(cluster, cluster.settings.namespace, "pods", labelSelector=query):
                    pod = objects.pod(item)
                    if pod.uid in pods and item["metadata"].get("deletionTimestamp"):
                        continue  # how it ends now is the Hub's doing
                    pods[pod.uid] = replace(pod, clues=clues_in(pod.component, _own_words(cluster, pod)))
            except RiskhubError:
                return  # the look at the whole cluster comes next and tells it
            ended.wait(_POLL_SECONDS)

    watching = threading.Thread(target=watch, name="watched-servers", daemon=True)
    watching.start()
    try:
        yield lambda: tuple(pods.values())
    finally:
        ended.set()
        watching.join(cluster.settings.timeout.total_seconds())


def _of_the_autoscaler(cluster: Cluster) -> tuple[Event, ...]:
    """What the cluster autoscaler says of a node group that does not grow: on its own status, not on any pod."""
    items = _items(cluster, "kube-system", "events", fieldSelector=f"involvedObject.name={AUTOSCALER}")
    return tuple(objects.event(item) for item in items)


def _dns() -> str:
    return f"k8s-app={DNS}"


def _nodes(cluster: Cluster) -> tuple[tuple[Any, ...], bool]:
    """The nodes with their usage, and whether the metrics API answered."""
    try:
        told = list(cluster.items("/apis/metrics.k8s.io/v1beta1/nodes"))
    except (NotThere, Unreachable):  # it is an add-on: a cluster without it is no worse
        told = []
    usage = {item["metadata"]["name"]: item for item in told}
    items = cluster.items("/api/v1/nodes")
    return tuple(objects.node(item, usage.get(item["metadata"]["name"])) for item in items), bool(told)


def pods_used(cluster: Cluster, namespace: str) -> dict[str, tuple[float, float]]:
    """Cores and bytes that each pod uses, by its name; none where the metrics API, which is an add-on, does not answer.

    Raises:
        Refused: we may not ask it.
    """
    path = f"/apis/metrics.k8s.io/v1beta1/namespaces/{namespace}/pods"
    try:
        told = list(cluster.items(path))
    except (NotThere, Unreachable):
        return {}
    return {item["metadata"]["name"]: (_used(item, "cpu"), _used(item, "memory")) for item in told}


def _used(item: Any, resource: str) -> float:
    return sum(objects.amount(each["usage"][resource]) for each in item["containers"])


def _services(cluster: Cluster, namespace: str) -> list[Service]:
    only = {"fieldSelector": f"metadata.name={DNS}"} if namespace == "kube-system" else {}
    slices = list(cluster.items(f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"))
    items = _items(cluster, namespace, "services", **only)
    return [objects.service(item, slices) for item in items if item["spec"].get("selector")]


def _clues(cluster: Cluster, pod: Pod) -> Iterator[Clue]:
    """What the Hub's and the proxy's logs give away: of a running one the last minutes, of a dead one its end."""
    if pod.component not in _TALKERS or pod.namespace != cluster.settings.namespace:
        return
    for container in pod.containers:
        if container.running:
            yield from clues_in(pod.component, _log(cluster, pod, container, sinceSeconds=_LOG_SECONDS))
        if container.restarts and container.running and not container.ready:
            yield from clues_in(pod.component, _log(cluster, pod, container, previous="true"))
        elif not container.running and container.exit_code:
            yield from clues_in(pod.component, _log(cluster, pod, container))


def _own_words(cluster: Cluster, pod: Pod) -> str:
    return "".join(_log(cluster, pod, each) for each in pod.containers if each.running)


def _log(cluster: Cluster, pod: Pod, container: Container, **query: str | int) -> str:
    path = f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}/log"
    try:
        return cluster.text(path, container=container.name, tailLines=_LOG_LINES, **query)
    except (Invalid, NotThere, Unreachable):  # the container never ran, or its node is away, which is told by itself
        return ""


def _listed(cluster: Cluster, namespaces: tuple[str, ...], plural: str, make: Callable[[Any], Any]) -> tuple[Any, ...]:
    return tuple(make(item) for space in namespaces for item in _items(cluster, space, plural))


def _items(cluster: Cluster, namespace: str, plural: str, **query: str | int) -> Iterator[Any]:
    return cluster.items(f"/api/v1/namespaces/{namespace}/{plural}", **query)
