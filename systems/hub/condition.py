"""The Hub's own condition: its version, whether it reads its database, and the proxy's routes."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Any

import httpx
from pydantic import BaseModel, ConfigDict, ValidationError

from domain.errors import Refused
from domain.reconciliation import Route
from domain.sessions import Server
from environments.settings import HubSettings
from systems.hub.api import HubApi, segment
from systems.network import trust


class _RouteData(BaseModel):
    model_config = ConfigDict(frozen=True)
    user: str | None = None
    server_name: str = ""


class _Route(BaseModel):
    model_config = ConfigDict(frozen=True)
    routespec: str
    target: str
    data: _RouteData


def read_version(hub: HubSettings) -> str:
    """The Hub's version, through an authenticated call: the token is looked up in the Hub's database.

    `/hub/health` never touches the database, and answers 200 while nobody can log in.
    """
    with HubApi(hub) as api:
        info = api.get("/info")
        if not isinstance(info, dict) or "version" not in info:
            raise Refused(
                api.thing,
                "does not tell its version",
                "check JUPYTERHUB_API_URL: it ends in /hub/api",
                kind="hub-address",
            )
        return str(info["version"])


def read_clock(hub: HubSettings) -> datetime:
    """The Hub's own time, by the second. What it tells of activity is to be held against this and no other clock."""
    with HubApi(hub) as api:
        return api.clock()


def require_scope(hub: HubSettings, scope: str) -> None:
    """Whether the token may do at all what follows.

    Raises:
        Refused: it lacks the scope, for everybody and for whatever part of them.
    """
    with HubApi(hub) as api:
        if not any(each.partition("!")[0] == scope for each in scopes_of(api)):
            raise Refused(
                api.thing,
                f"the token lacks the scope {scope}",
                "add the scope to the service's role in the Hub's configuration",
            )


def require_whole_sight(hub: HubSettings) -> None:
    """Whether the token sees every user and every server, which `require_scope` does not ask.

    Raises:
        Refused: it sees some of them, or none.
    """
    with HubApi(hub) as api:
        scopes = scopes_of(api)
        if missing := [scope for scope in ("list:users", "read:servers") if scope not in scopes]:
            raise Refused(
                api.thing,
                f"the token lacks the scope {missing[0]} for everybody: who is missing in its list may be there",
                "add the scope, without a filter, to the service's role in the Hub's configuration",
                kind="token-scope",
            )


def list_routes(hub: HubSettings) -> set[str]:
    """The servers the proxy has a route for, as `Server.label`s; raises as `read_routes`."""
    return {route.label for route in read_routes(hub)}


def read_routes(hub: HubSettings) -> list[Route]:
    """The proxy's routes to users' servers. Those that no Hub made are not told: the Hub does not see them.

    Raises:
        Unreachable: the Hub cannot ask its proxy (it answers 500), or does not answer itself.
    """
    with HubApi(hub) as api:
        return [route for _, model in api.pages("/proxy") if (route := _route(api, model))]


def sync_routes(hub: HubSettings) -> None:
    """Let the Hub hold the proxy's routes against its servers, as it does every `last_activity_interval` anyway.

    It adds what is missing and removes what leads nowhere, at one moment of its own: no server that starts or stops
    meanwhile is cut off.

    Raises:
        Unreachable: the Hub cannot ask its proxy, or does not answer itself.
    """
    with HubApi(hub) as api:
        api.change("POST", "/proxy", accept=(HTTPStatus.OK,))


def answers(hub: HubSettings, server: Server) -> bool:
    """Does the server itself say its version, at its public address? No login is needed for that."""
    try:
        url = f"{server_url(hub, server)}/api"
        said = httpx.get(url, timeout=hub.timeout.total_seconds(), verify=trust())
    except httpx.TransportError:
        return False
    return said.status_code == HTTPStatus.OK


def server_url(hub: HubSettings, server: Server) -> str:
    """The server's public address, encoded, without a slash at the end."""
    parts = [hub.public_url, "user", segment(server.user), *([segment(server.name)] if server.name else [])]
    return "/".join(parts)


def _route(api: HubApi, model: Any) -> Route | None:
    try:
        route = _Route.model_validate(model)
    except ValidationError:
        raise Refused(api.thing, "describes a route as no known Hub does", "check the Hub's version (6.x)") from None
    user = route.data.user
    return None if user is None else Route(route.routespec, route.target, user, route.data.server_name)


def scopes_of(api: HubApi) -> frozenset[str]:
    """What the token may do, as the Hub expands it."""
    said = api.get("/user")
    if not isinstance(said, dict):  # a proxy that has lost the Hub's route answers 404 too
        next_step = "check JUPYTERHUB_API_URL: it ends in /hub/api; then the proxy: riskhub health pulse"
        raise Refused(api.thing, "does not tell what the token may do", next_step)
    return frozenset(str(each) for each in said.get("scopes") or ())
