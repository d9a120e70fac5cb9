"""Probes of the Hub: its API and database, the proxy and its routes."""

from __future__ import annotations

import time
from datetime import timedelta

import httpx

from domain.clock import utc_now
from domain.errors import Failed, RiskhubError
from environments.settings import DatabaseSettings, HubSettings
from systems import database as databases
from systems import hub as hubs
from systems.network import trust, unreachable
from systems.probes.look import Seen

STARTING = timedelta(minutes=2)
SLOW_SECONDS = 3.0
_SHOWN = 5


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


def _without_route(hub: HubSettings, routes: set[str]) -> set[str]:
    return {server.label for server in hubs.list_servers(hub) if server.ready} - routes
