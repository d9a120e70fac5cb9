"""What really runs, whatever the Hub says: users' servers as pods of the cluster, or as processes of this machine.

A stop that raises inside the spawner is answered 204, and the Hub then lists a running server as stopped.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import psutil

from domain.clock import to_utc
from domain.deployment import ObjectKey
from domain.errors import Failed, Refused, RiskhubError
from domain.health import Finding
from domain.plan import Outcome
from domain.reconciliation import Running
from environments.settings import ClusterSettings, HubSettings

PROBE = "stopped-servers"
GRACE = timedelta(seconds=15)
_KILLED = timedelta(seconds=5)
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_USER, _SERVER = "hub.jupyter.org/username", "hub.jupyter.org/servername"
# What KubeSpawner's pods bear, whichever Hub made them.
_PODS = "app=jupyterhub,component=singleuser-server"


def read_running(hub: HubSettings, cluster: ClusterSettings | None = None) -> tuple[Running, ...] | None:
    """Every user's server that runs and that nobody has ended; None where the Hub's are out of sight.

    Of this machine those processes that this very Hub started, each with its children as one.

    Raises:
        Unreachable, Refused: see `Cluster`.
    """
    if cluster is not None:
        return tuple(_pods(hub, cluster))
    if runs_here(hub):
        return tuple(_processes(hub))
    return None


def end_running(running: Running, cluster: ClusterSettings | None = None, *, grace: timedelta = GRACE) -> None:
    """End exactly this pod or process, children included; one that is gone is fine, and one of its name stays.

    Args:
        grace: how long a process has after SIGTERM before SIGKILL. A pod has its own.

    Raises:
        Failed: the process does not end.
        Refused: the cluster gives us no right to delete pods, as it gives none to flow runs.
        Unreachable: see `Cluster`.
    """
    if running.kind == "process":
        _end_process(running, grace)
    elif cluster is not None:
        _delete_pod(running, cluster)


def confirm_stops(
    hub: HubSettings,
    outcomes: Sequence[Outcome],
    *,
    since: datetime,
    cluster: ClusterSettings | None = None,
    grace: timedelta = GRACE,
) -> tuple[list[Outcome], Finding]:
    """The outcomes with those failed whose server still runs, and what was looked at.

    Args:
        since: when the run began; a server that started later is another one.
        grace: how long what was stopped may take to be gone.
    """
    stopped = {outcome.target for outcome in outcomes if outcome.state == "done"}
    things = "this machine's processes" if cluster is None else "the cluster's pods"
    if cluster is None and not runs_here(hub):
        seen = f"{len(stopped)} stops as the Hub tells of them: it runs elsewhere, and no cluster is configured"
        return list(outcomes), Finding(PROBE, "not configured", seen)
    try:
        left = _left(lambda: read_running(hub, cluster) or (), stopped, since, grace) if stopped else {}
    except RiskhubError as error:
        seen = f"{len(stopped)} stops not held against {things}: {error}"
        return list(outcomes), Finding(PROBE, "degraded", seen, next_step=error.next_step)
    told = [_still_runs(outcome, left[outcome.target]) if outcome.target in left else outcome for outcome in outcomes]
    seen = f"{len(stopped) - len(left)} of {len(stopped)} stops seen in {things}"
    if left:
        return told, Finding(PROBE, "failed", seen, next_step="end what still runs: the outcomes name it")
    return told, Finding(PROBE, "ok", seen)


def require_gone(
    hub: HubSettings, user: str, cluster: ClusterSettings | None = None, *, grace: timedelta = GRACE
) -> None:
    """Wait until nothing of the user runs, whatever the Hub lists; where nobody can look nothing is waited for.

    Raises:
        Failed: something still runs after `grace`.
        Unreachable, Refused: see `Cluster`.
    """
    give_up = time.monotonic() + grace.total_seconds()
    while left := [each for each in read_running(hub, cluster) or () if each.user == user]:
        if time.monotonic() > give_up:
            raise Failed(f"server {left[0].label}", f"{left[0].where} still runs", f"{left[0].end}, then run again")
        time.sleep(0.5)


def _left(
    look: Callable[[], Sequence[Running]], stopped: Collection[str], since: datetime, grace: timedelta
) -> dict[str, Running]:
    give_up = time.monotonic() + grace.total_seconds()
    while True:
        left = {each.label: each for each in look() if each.label in stopped and each.started < since}
        if not left or time.monotonic() > give_up:
            return left
        time.sleep(0.5)


def _still_runs(outcome: Outcome, running: Running) -> Outcome:
    said = f"the Hub lists it as stopped, and {running.where} still runs. Next: {running.end}, and read the Hub's log"
    return replace(outcome, state="failed", detail=said)


def runs_here(hub: HubSettings) -> bool:
    """Are the servers of this Hub, when they are no pods, processes of this machine?"""
    return urlsplit(hub.api_url).hostname in _LOOPBACK


def server_processes(hub: HubSettings) -> Iterator[tuple[tuple[str, str], psutil.Process]]:
    """The processes that a spawner of this Hub started here, and their children, each with its user and server name."""
    for process in psutil.process_iter():
        try:
            variables = process.environ()
            if process.status() == psutil.STATUS_ZOMBIE:
                continue
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        if _made_by(hub, variables):
            yield (variables["JUPYTERHUB_USER"], variables.get("JUPYTERHUB_SERVER_NAME", "")), process


def _processes(hub: HubSettings) -> list[Running]:
    """What spawners of this Hub started here, each with its children as one."""
    found: dict[int, tuple[int, Running]] = {}
    for (user, name), process in server_processes(hub):
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            began, number = process.create_time(), process.pid
            running = Running(
                user=user,
                name=name,
                kind="process",
                id=str(number),
                uid=str(began),
                end=f"kill {number}",
                started=datetime.fromtimestamp(began, UTC),
            )
            found[number] = (process.ppid(), running)
    return [running for parent, running in found.values() if parent not in found]


def _made_by(hub: HubSettings, variables: Mapping[str, str]) -> bool:
    """Are these the variables of a server of this Hub? It tells each by which addresses it is reached itself."""
    return "JUPYTERHUB_USER" in variables and (
        variables.get("JUPYTERHUB_PUBLIC_HUB_URL") == f"{hub.public_url}/hub/"
        or variables.get("JUPYTERHUB_API_URL") == hub.api_url
    )


def _end_process(running: Running, grace: timedelta) -> None:
    alive = _family(running)
    for verb, wait in (("terminate", grace), ("kill", _KILLED)):
        for each in alive:
            with suppress(psutil.NoSuchProcess, psutil.AccessDenied):  # psutil tells a number that was given anew
                getattr(each, verb)()
        give_up = time.monotonic() + wait.total_seconds()
        while (alive := [each for each in alive if _runs(each)]) and time.monotonic() < give_up:
            time.sleep(0.05)
    if alive:
        numbers = " ".join(str(each.pid) for each in alive)
        raise Failed(f"server {running.label}", f"{running.where} does not end", f"as root: kill -9 {numbers}")


def _runs(process: psutil.Process) -> bool:
    """A zombie does not: it waits for its parent alone."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _family(running: Running) -> list[psutil.Process]:
    """The process and its children; none when its number is another's by now."""
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(int(running.id))
        if str(process.create_time()) == running.uid:
            return [process, *process.children(recursive=True)]
    return []


def _pods(hub: HubSettings, settings: ClusterSettings) -> list[Running]:
    """The pods of users' servers that nobody has deleted, in the Hub's namespace of the very cluster."""
    from systems.cluster.connection import connect  # noqa: PLC0415 - the client, only where there is a cluster

    path = f"/api/v1/namespaces/{settings.namespace}/pods"
    return [pod_as_running(hub, item) for item in connect(settings).items(path, labelSelector=_PODS) if _is_alive(item)]


def _delete_pod(running: Running, settings: ClusterSettings) -> None:
    from systems.cluster.connection import Forbidden, connect  # noqa: PLC0415

    try:
        connect(settings).remove(ObjectKey("v1", "Pod", settings.namespace, running.id), running.uid)
    except Forbidden as error:
        step = "run riskhub sessions reconcile --execute with on-call's own kubeconfig; flow runs may delete no pod"
        raise Refused(f"pod {running.id}", error.cause, step) from None


def _is_alive(item: Any) -> bool:
    ended = (item.get("status") or {}).get("phase") in ("Succeeded", "Failed")
    return not ended and not item["metadata"].get("deletionTimestamp")


def pod_as_running(hub: HubSettings, item: Any) -> Running:
    """A pod of a user's server, from the API's JSON. Its tokens, which its variables hold too, stay here."""
    metadata = item["metadata"]
    notes, name = metadata.get("annotations") or {}, metadata["name"]
    containers = item["spec"].get("containers") or ()
    variables = [{each["name"]: each.get("value") or "" for each in one.get("env") or ()} for one in containers]
    return Running(
        user=notes.get(_USER, ""),
        name=notes.get(_SERVER, ""),
        kind="pod",
        id=name,
        uid=metadata["uid"],
        end=f"kubectl -n {metadata['namespace']} delete pod {name}",
        started=to_utc(datetime.fromisoformat(metadata["creationTimestamp"])),
        ours=any(_made_by(hub, each) for each in variables),
    )
