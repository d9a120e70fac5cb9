"""Probes of the Hub: its API and database, the proxy and its routes, and a synthetic user's whole session."""

from __future__ import annotations

import secrets
import time
from datetime import timedelta

import httpx

from domain.errors import Failed, RiskhubError, Unreachable
from environments.settings import HealthSettings, HubSettings
from systems import hub as hubs
from systems.kernels.cells import run_cell
from systems.probes.look import Seen

CELL_DEADLINE = timedelta(seconds=45)
STOP_DEADLINE = timedelta(seconds=45)
START_DEADLINE = timedelta(seconds=60)
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


def look_at_hub(hub: HubSettings) -> Seen:
    """An authenticated call, which the Hub answers from its database only."""
    version = hubs.read_version(hub)
    servers = hubs.list_servers(hub)
    ready = sum(server.ready for server in servers)
    return Seen(f"JupyterHub {version}, {ready} servers ready, {len(servers) - ready} pending")


def look_at_proxy(hub: HubSettings) -> Seen:
    """The Hub answers on the public address, and each ready server has its route."""
    try:
        status = httpx.get(f"{hub.public_url}/hub/health", timeout=hub.timeout.total_seconds()).status_code
    except httpx.TransportError as error:
        raise Unreachable(
            f"proxy at {hub.public_url}",
            f"cannot be reached ({error})",
            "start the proxy; the Hub then adds its routes",
        ) from None
    if status != httpx.codes.OK:
        raise Failed(
            f"proxy at {hub.public_url}",
            f"answered {status} for the Hub's own page",
            "check that the Hub runs, then that the proxy has a route to it",
        )
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
