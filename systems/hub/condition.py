"""The Hub's own condition: its version, whether it reads its database, and the proxy's routes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from domain.errors import Refused
from domain.sessions import Server
from environments.settings import HubSettings
from systems.hub.api import HubApi, segment


class _RouteData(BaseModel):
    model_config = ConfigDict(frozen=True)
    user: str | None = None
    server_name: str = ""


class _Route(BaseModel):
    model_config = ConfigDict(frozen=True)
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
        said = api.get("/user")
        if not isinstance(said, dict):  # a proxy that has lost the Hub's route answers 404 too
            next_step = "check JUPYTERHUB_API_URL: it ends in /hub/api; then the proxy: riskhub health pulse"
            raise Refused(api.thing, "does not tell what the token may do", next_step)
        if not any(str(each).partition("!")[0] == scope for each in said.get("scopes") or ()):
            raise Refused(
                api.thing,
                f"the token lacks the scope {scope}",
                "add the scope to the service's role in the Hub's configuration",
            )


def list_routes(hub: HubSettings) -> set[str]:
    """The servers the proxy has a route for, as `Server.label`s.

    Raises:
        Unreachable: the Hub cannot ask its proxy (it answers 500), or does not answer itself.
    """
    with HubApi(hub) as api:
        return {label for _, route in api.pages("/proxy") if (label := _label(api, route))}


def server_url(hub: HubSettings, server: Server) -> str:
    """The server's public address, encoded, without a slash at the end."""
    parts = [hub.public_url, "user", segment(server.user), *([segment(server.name)] if server.name else [])]
    return "/".join(parts)


def _label(api: HubApi, route: Any) -> str | None:
    try:
        data = _Route.model_validate(route).data
    except ValidationError:
        raise Refused(api.thing, "describes a route as no known Hub does", "check the Hub's version (6.x)") from None
    return None if data.user is None else f"{data.user}/{data.server_name}"
