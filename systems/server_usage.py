"""What each user's server uses now and has asked for: of its pod, or of the processes of this machine."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

import psutil

from domain.utilisation import Usage
from environments.settings import ClusterSettings, HubSettings
from systems.running import runs_here, server_processes

WINDOW_SECONDS = 1.0  # over which processor time is counted; metrics-server's own window is 10 to 30 s
NOT_SEEN = Usage(cpu_cores=None, memory_bytes=None, cpu_requested_cores=None, memory_requested_bytes=None)


def server_usage(hub: HubSettings, cluster: ClusterSettings | None) -> dict[str, Usage] | None:
    """By `Server.label`; None where neither a cluster is configured nor the Hub is on this machine.

    Of processes the memory is what is resident, shared pages counted in each; of pods their working set.

    Raises:
        Refused, Unreachable: see `systems.cluster.connection`.
    """
    if cluster is not None:
        return _of_pods(cluster)
    return _of_processes(hub) if runs_here(hub) else None


def _of_processes(hub: HubSettings) -> dict[str, Usage]:
    before = {process: seconds for _, process, seconds, _ in _look(hub)}
    began = time.monotonic()
    time.sleep(WINDOW_SECONDS)
    cores: defaultdict[str, float] = defaultdict(float)
    memory: defaultdict[str, float] = defaultdict(float)
    waited = time.monotonic() - began
    for label, process, seconds, resident in _look(hub):
        cores[label] += (seconds - before.get(process, seconds)) / waited
        memory[label] += resident
    return {label: {**NOT_SEEN, "cpu_cores": cores[label], "memory_bytes": memory[label]} for label in cores}


def _look(hub: HubSettings) -> Iterator[tuple[str, psutil.Process, float, int]]:
    """Label, process, its processor time (s) and resident memory (bytes)."""
    for (user, name), process in server_processes(hub):
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            times = process.cpu_times()
            yield f"{user}/{name}", process, times.user + times.system, process.memory_info().rss


def _of_pods(settings: ClusterSettings) -> dict[str, Usage]:
    from systems.cluster import condition  # noqa: PLC0415 - the client, only where there is a cluster
    from systems.cluster.connection import connect  # noqa: PLC0415

    cluster = connect(settings)
    path = f"/api/v1/namespaces/{settings.namespace}/pods"
    pods = cluster.items(path, labelSelector=condition.SERVERS)
    return usage_of_pods(pods, condition.pods_used(cluster, settings.namespace))


def usage_of_pods(pods: Iterable[Any], used: Mapping[str, tuple[float, float]]) -> dict[str, Usage]:
    """Of the API's JSON of users' pods that have not ended. `used`: cores and bytes, by the pod's name."""
    from systems.cluster import objects  # noqa: PLC0415

    found = {}
    for item in pods:
        pod = objects.pod(item)
        if pod.phase in ("Succeeded", "Failed") or item["metadata"].get("deletionTimestamp"):
            continue
        cores, memory = used.get(pod.name, (None, None))
        found[f"{pod.user}/{pod.server}"] = Usage(
            cpu_cores=cores,
            memory_bytes=memory,
            cpu_requested_cores=pod.requests.get("requests.cpu"),
            memory_requested_bytes=pod.requests.get("requests.memory"),
        )
    return found
