"""What really runs, whatever the Hub says: users' servers as pods of the cluster, or as processes of this machine.

A stop that raises inside the spawner is answered 204, and the Hub then lists a running server as stopped.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import psutil

from domain.clock import to_utc
from domain.errors import RiskhubError
from domain.health import Finding
from domain.plan import Outcome
from environments.settings import ClusterSettings, HubSettings

PROBE = "stopped-servers"
GRACE = timedelta(seconds=15)
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_USER, _SERVER = "hub.jupyter.org/username", "hub.jupyter.org/servername"


@dataclass(frozen=True)
class Running:
    """A user's server as it runs: `label` as `Server.label`, `where` and how to `end` it, in words."""

    label: str
    where: str
    end: str
    started: datetime


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
    if cluster is not None:
        look, things = lambda: _pods(cluster), "the cluster's pods"
    elif runs_here(hub):
        look, things = lambda: _processes(hub), "this machine's processes"
    else:
        seen = f"{len(stopped)} stops as the Hub tells of them: it runs elsewhere, and no cluster is configured"
        return list(outcomes), Finding(PROBE, "not configured", seen)
    try:
        left = _left(look, stopped, since, grace) if stopped else {}
    except RiskhubError as error:
        seen = f"{len(stopped)} stops not held against {things}: {error}"
        return list(outcomes), Finding(PROBE, "degraded", seen, next_step=error.next_step)
    told = [_still_runs(outcome, left[outcome.target]) if outcome.target in left else outcome for outcome in outcomes]
    seen = f"{len(stopped) - len(left)} of {len(stopped)} stops seen in {things}"
    if left:
        return told, Finding(PROBE, "failed", seen, next_step="end what still runs: the outcomes name it")
    return told, Finding(PROBE, "ok", seen)


def _left(
    look: Callable[[], list[Running]], stopped: Collection[str], since: datetime, grace: timedelta
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


def server_processes(hub: HubSettings) -> Iterator[tuple[str, psutil.Process]]:
    """The processes that a spawner of this Hub started here, and their children, each with its server's label."""
    for process in psutil.process_iter():
        try:
            variables = process.environ()
            if process.status() == psutil.STATUS_ZOMBIE:
                continue
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        # a server knows its Hub by the address behind the proxy, and by the one that users see
        public = variables.get("JUPYTERHUB_PUBLIC_HUB_URL", "").rstrip("/")
        if hub.api_url in (variables.get("JUPYTERHUB_API_URL"), f"{public}/api"):
            yield f"{variables.get('JUPYTERHUB_USER')}/{variables.get('JUPYTERHUB_SERVER_NAME', '')}", process


def _processes(hub: HubSettings) -> list[Running]:
    found = []
    for label, process in server_processes(hub):
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            started = datetime.fromtimestamp(process.create_time(), UTC)
            found.append(Running(label, f"its process {process.pid}", f"kill {process.pid}", started))
    return found


def _pods(settings: ClusterSettings) -> list[Running]:
    """The pods of users' servers that nobody has deleted."""
    from systems.cluster.connection import connect  # noqa: PLC0415 - the client, only where there is a cluster

    found = []
    path = f"/api/v1/namespaces/{settings.namespace}/pods"
    for item in connect(settings).items(path, labelSelector="component=singleuser-server"):
        metadata = item["metadata"]
        ended = (item.get("status") or {}).get("phase") in ("Succeeded", "Failed")
        if ended or metadata.get("deletionTimestamp"):
            continue
        notes, name = metadata.get("annotations") or {}, metadata["name"]
        label = f"{notes.get(_USER, '')}/{notes.get(_SERVER, '')}"
        end = f"kubectl -n {settings.namespace} delete pod {name}"
        started = to_utc(datetime.fromisoformat(metadata["creationTimestamp"]))
        found.append(Running(label, f"its pod {name}", end, started))
    return found
