"""Probe by a synthetic user's whole session: what a person does in the morning, and what their notebooks need."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
from pydantic import TypeAdapter, ValidationError

from domain.errors import Failed, RiskhubError, Unreachable
from domain.health import Kind
from environments.settings import HealthSettings, HubSettings
from systems import hub as hubs
from systems.kernels.cells import run_cell
from systems.network import unreachable
from systems.probes.hub import look_at_proxy
from systems.probes.look import Seen

CELL_DEADLINE = timedelta(seconds=45)
STOP_DEADLINE = timedelta(seconds=45)
START_DEADLINE = timedelta(seconds=60)
LOGIN_DEADLINE = timedelta(seconds=30)

_CELL = Path(__file__).with_name("session_cell.py")
_SAID: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])
# What the cell tries, in the order of the cell: how it is called, its kind of trouble, and what to do about it.
_PARTS: dict[str, tuple[str, Kind, str]] = {
    "home": ("its home", "session-failed", "check the homes' mount on the node that ran it"),
    "shared": ("the shared folders", "session-failed", "check what is mounted below /shared, and the rights there"),
    "risk_api": (
        "the Risk API as a notebook reads it",
        "session-risk-api",
        "if it answers elsewhere: the path from users' servers to it (users-to-risk-api), and the token in Secret hub",
    ),
}


def session_deadline(health: HealthSettings) -> timedelta:
    """How long the whole session may take."""
    one = health.spawn_deadline + CELL_DEADLINE + STOP_DEADLINE
    return LOGIN_DEADLINE + 2 * STOP_DEADLINE + len(health.sessions) * one


def look_with_synthetic_user(hub: HubSettings, health: HealthSettings, shared: Sequence[str]) -> Seen:
    """Log in as people do, start a server of each profile, open it, and run a cell that needs all that notebooks need.

    The user and the server are removed afterwards whatever happened, and before if an earlier run was cut off.
    """
    return _session(hub, health, shared, health.sessions)


def look_at_a_start(hub: HubSettings, health: HealthSettings, shared: Sequence[str]) -> Seen:
    """The synthetic user's session, with one profile, on a Hub that has just started, once it and its proxy answer."""
    give_up = time.monotonic() + START_DEADLINE.total_seconds()
    while True:
        try:
            look_at_proxy(hub)
            return _session(hub, health, shared, health.sessions[:1])
        except Unreachable:
            if time.monotonic() > give_up:
                raise
            time.sleep(1)


def _session(hub: HubSettings, health: HealthSettings, shared: Sequence[str], profiles: Sequence[str | None]) -> Seen:
    user = health.synthetic_user
    try:
        _remove(hub, user)
        with _logged_in(hub, health) as browser:
            for profile in profiles:
                _work(hub, health, browser, shared, profile)
    finally:
        left_behind = _try_to_remove(hub, user)
    if left_behind:
        return Seen(f"{user} worked, but was left behind: {left_behind}", "degraded", "stop and remove it on the Hub")
    way = "by SSO" if health.login else "by a token, not by SSO"
    servers = f"a server of each of {', '.join(filter(None, profiles))}" if profiles != (None,) else "a server"
    return Seen(f"{user} came in {way}, started {servers}, used its home, /shared and the Risk API, and was removed")


def _logged_in(hub: HubSettings, health: HealthSettings) -> AbstractContextManager[httpx.Client | None]:
    """The user's browser; nothing where this environment has no login for it: then the user is only made."""
    if health.login is None:
        hubs.ensure_user(hub, health.synthetic_user)
        return nullcontext()
    return closing(hubs.log_in(hub.public_url, health.synthetic_user, health.password))


def _work(
    hub: HubSettings,
    health: HealthSettings,
    browser: httpx.Client | None,
    shared: Sequence[str],
    profile: str | None,
) -> None:
    """One server from its start to its end."""
    user = health.synthetic_user
    server = hubs.start_server(hub, user, profile=profile, deadline=health.spawn_deadline)
    url = hubs.server_url(hub, server)
    if browser:
        _open(browser, url)
    _use(hub, url, shared, f" on a server of profile {profile}" if profile else "")
    hubs.end_server(hub, user, deadline=STOP_DEADLINE)


def _open(browser: httpx.Client, url: str) -> None:
    """JupyterLab's page, as the user: the server asks the Hub who that is.

    Raises:
        Failed: it was not shown.
        Unreachable: the server, or the Hub on the way, did not answer.
    """
    thing, step = f"JupyterLab at {url}", "look at the server's own log and at the Hub's: they disagree who this is"
    try:
        page = browser.get(f"{url}/lab")
    except (httpx.TransportError, httpx.TooManyRedirects) as error:
        raise unreachable(thing, error, kind="session-failed", next_step=step) from None
    if page.status_code != httpx.codes.OK or page.url.path != httpx.URL(f"{url}/lab").path:
        raise Failed(thing, f"answered {page.status_code} at {page.url.path}", step, kind="login-failed")


def _use(hub: HubSettings, url: str, shared: Sequence[str], where: str) -> None:
    """Run the cell.

    Raises:
        Failed: a part of it failed; the first is told with its kind, and the others after it.
    """
    mark = secrets.token_hex(8)
    code = f"{_CELL.read_text()}\ntell({mark!r}, {list(shared)!r})"
    printed = run_cell(url, hub.api_token, code, deadline=CELL_DEADLINE)
    try:
        said = _SAID.validate_json(printed)
    except ValidationError:
        raise Failed(f"cell on {url}", "it printed something else than its answer", "run it there by hand") from None
    wrong = {part: why for part in _PARTS if (why := _trouble(said.get(part), mark if part == "home" else None))}
    if wrong:
        told = "; ".join(f"{_PARTS[part][0]}{where}: {why}" for part, why in wrong.items())
        _, kind, step = _PARTS[next(iter(wrong))]
        raise Failed("notebook of the synthetic user", told, step, kind=kind)


def _trouble(said: object, expected: str | None) -> str:
    """Why a part of the cell is not well; empty when it is."""
    if isinstance(said, dict):
        return str(said.get("failed"))
    if expected is None:
        return "" if isinstance(said, int) and said > 0 else "there is nothing"
    return "" if said == expected else f"gave back {str(said)[:80]!r} instead of what was written"


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
