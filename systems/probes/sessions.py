"""Probes of the Hub: its API and database, the proxy and its routes, and a synthetic user's whole session."""

from __future__ import annotations

import secrets
import time
from datetime import timedelta

import httpx

from domain.clock import utc_now
from domain.errors import Failed, RiskhubError, Unreachable
from environments.settings import DatabaseSettings, HealthSettings, HubSettings
from systems import database as databases
from systems import hub as hubs
from systems.kernels.cells import run_cell
from systems.network import trust, unreachable
from systems.probes.look import Seen

CELL_DEADLINE = timedelta(seconds=45)
STOP_DEADLINE = timedelta(seconds=45)
START_DEADLINE = timedelta(seconds=60)
STARTING = timedelta(minutes=2)
SLOW_SECONDS = 3.0
_SHOWN = 5

# Written and read back through the file system, not the page's memory: what a user loses when a home is full,
# read-only or not mounted.
_CELL = """\
import os, pathlib
path = pathlib.Path.home() / ".riskhub-check"
try:
    with path.open("w") as file:
        file.write("{mark}")
        file.flush()
        os.fsync(file.fileno())
    print(path.read_text())
finally:
    path.unlink(missing_ok=True)
"""


def look_at_hub(hub: HubSettings, database: DatabaseSettings) -> Seen:
    """An authenticated call, which the Hub answers from its database only; of one that does not answer, whether it is
    about to: a Hub that starts or hangs is connected to its database, one that is down is not."""
    started = time.monotonic()
    try:
        version = hubs.read_version(hub)
        servers = hubs.list_servers(hub)
    except RiskhubError as error:
        if error.kind not in ("hub-down", "hub-overloaded"):
            raise
        return _without_answer(error, _connected_for(database))
    seconds = time.monotonic() - started
    ready = sum(server.ready for server in servers)
    what = f"JupyterHub {version}, {ready} servers ready, {len(servers) - ready} pending"
    if seconds > SLOW_SECONDS:
        step = "look at its one core: who starts or stops many servers at once, and how many users it lists"
        return Seen(f"{what}; it took {seconds:.1f} s to say so", "degraded", step, "hub-overloaded")
    return Seen(what)


def look_at_proxy(hub: HubSettings) -> Seen:
    """The proxy answers by itself, the Hub through it, and each ready server has its route."""
    thing = f"proxy at {hub.public_url}"
    step = "start the proxy; the Hub then adds its routes"
    try:
        status = httpx.get(
            f"{hub.public_url}/_chp_healthz", timeout=hub.timeout.total_seconds(), verify=trust()
        ).status_code
    except httpx.TransportError as error:
        raise unreachable(thing, error, kind="proxy-down", next_step=step) from None
    if status >= httpx.codes.INTERNAL_SERVER_ERROR:
        raise Failed(thing, f"answered {status} for its own health page", step, kind="proxy-down")
    _reach_the_hub(hub, thing)
    routes = hubs.list_routes(hub)
    missing = _without_route(hub, routes)
    # A server that started or stopped between the two lists is not astray: only one that stays so is.
    if missing:
        missing &= _without_route(hub, hubs.list_routes(hub))
    if missing:
        shown = ", ".join(sorted(missing)[:_SHOWN])
        raise Failed(
            f"proxy at {hub.public_url}",
            f"{len(missing)} ready servers have no route ({shown})",
            "POST /hub/api/proxy makes the Hub add the missing routes; then see why the proxy lost them",
            kind="routes-lost",
        )
    return Seen(f"answers on {hub.public_url}, {len(routes)} routes, every ready server has its own")


def look_with_synthetic_user(hub: HubSettings, health: HealthSettings) -> Seen:
    """What a user does in the morning: start a server, run a cell that writes to the home and reads it back.

    The user and the server are removed afterwards whatever happened, and before if an earlier run was cut off.
    """
    user = health.synthetic_user
    try:
        _remove(hub, user)
        hubs.ensure_user(hub, user)
        server = hubs.start_server(hub, user, deadline=health.spawn_deadline)
        _write_to_home(hubs.server_url(hub, server), hub)
    finally:
        left_behind = _try_to_remove(hub, user)
    if left_behind:
        return Seen(f"{user} worked, but was left behind: {left_behind}", "degraded", "stop and remove it on the Hub")
    return Seen(f"{user} started a server, wrote to its home, read it back, and was removed")


def look_at_a_start(hub: HubSettings, health: HealthSettings) -> Seen:
    """The synthetic user's session on a Hub that has just started, once it and its proxy answer."""
    give_up = time.monotonic() + START_DEADLINE.total_seconds()
    while True:
        try:
            look_at_proxy(hub)
            return look_with_synthetic_user(hub, health)
        except Unreachable:
            if time.monotonic() > give_up:
                raise
            time.sleep(1)


def _reach_the_hub(hub: HubSettings, thing: str) -> None:
    """Its own page, through the proxy.

    Raises:
        Failed: the proxy has no way to it, or it does not answer.
    """
    try:
        status = httpx.get(
            f"{hub.public_url}/hub/health", timeout=hub.timeout.total_seconds(), verify=trust()
        ).status_code
    except httpx.TransportError as error:
        cause = f"answers, but the Hub behind it does not in time ({type(error).__name__})"
        raise Failed(thing, cause, "look at the Hub", kind="hub-overloaded") from None
    if status == httpx.codes.NOT_FOUND:
        cause = "has no route to the Hub (404 for the Hub's own page)"
        step = "restart the Hub, which adds its own route at its start"
        raise Failed(thing, cause, step, kind="routes-lost")
    if status != httpx.codes.OK:
        cause = f"answered {status} for the Hub's own page"
        step = "check that the Hub runs, then that the proxy has a route to it"
        raise Failed(thing, cause, step, kind="hub-down")


def _status(hub: HubSettings, path: str) -> int:
    return httpx.get(hub.public_url + path, timeout=hub.timeout.total_seconds(), verify=trust()).status_code


def _connected_for(database: DatabaseSettings) -> timedelta | None:
    """How long a Hub is connected to its database; None when none is, or nobody can tell."""
    try:
        since = databases.hub_since(database)
    except RiskhubError:  # the database's own probe says why
        return None
    return utc_now() - since if since else None


def _without_answer(error: RiskhubError, connected: timedelta | None) -> Seen:
    told = f"{error.thing}: {error.cause}"
    if connected is None:
        return Seen(told, "failed", error.next_step, error.kind)
    seconds = f"connected to its database for {connected.total_seconds():.0f} s"
    if error.kind == "hub-down" and connected < STARTING:
        step = "wait two minutes and look again; then read its log"
        return Seen(f"{told}, but is {seconds}: it starts", "degraded", step, "hub-starting")
    step = "look at its processor and its log: it runs, and is too busy to answer or stuck; restart it if it stays so"
    return Seen(f"{told}, and is {seconds}", "failed", step, "hub-overloaded")


def _write_to_home(server_url: str, hub: HubSettings) -> None:
    mark = secrets.token_hex(8)
    printed = run_cell(server_url, hub.api_token, _CELL.format(mark=mark), deadline=CELL_DEADLINE).strip()
    if printed != mark:
        raise Failed(
            "home of the synthetic user",
            f"gave back {printed[:80]!r} instead of what was written",
            "check the homes' mount on the node that ran it",
        )


def _remove(hub: HubSettings, user: str) -> None:
    hubs.end_server(hub, user, deadline=STOP_DEADLINE)
    hubs.delete_user(hub, user)


def _try_to_remove(hub: HubSettings, user: str) -> str:
    """What kept the user from being removed; empty when it is gone. It must not hide why the session failed."""
    try:
        _remove(hub, user)
    except RiskhubError as error:
        return str(error)
    return ""


def _without_route(hub: HubSettings, routes: set[str]) -> set[str]:
    return {server.label for server in hubs.list_servers(hub) if server.ready} - routes
