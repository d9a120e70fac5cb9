"""Users' servers: list them, read one, start one, end one. Many at once are stopped in `systems.hub.stops`."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from domain.clock import UtcDatetime
from domain.errors import Failed, Refused, Unreachable
from domain.sessions import Server
from environments.settings import HubSettings
from systems.hub.api import HubApi, segment, user_path

STOP_DEADLINE = timedelta(seconds=60)
_POLL_SECONDS = 0.2


class _ServerModel(BaseModel):
    model_config = ConfigDict(frozen=True)  # the Hub's own shape: keys we do not read are its business
    name: str
    ready: bool
    pending: str | None
    started: UtcDatetime | None
    last_activity: UtcDatetime | None
    user_options: dict[str, Any] | None = None


class _UserModel(BaseModel):
    model_config = ConfigDict(frozen=True)
    name: str
    groups: tuple[str, ...] = ()
    servers: dict[str, _ServerModel]


def list_servers(hub: HubSettings) -> list[Server]:
    """Every server that runs or is about to start or stop, in the Hub's order.

    Raises:
        Unreachable, Refused: see `HubApi`.
    """
    with HubApi(hub) as api:
        # state=active is decided in the database; state=ready is filtered after the page was cut.
        return [server for user in api.pages("/users", state="active") for server in servers_of(api, user)]


def read_server(hub: HubSettings, user: str, name: str = "") -> Server | None:
    """One server as it is now; None when it does not run or the user is gone."""
    with HubApi(hub) as api:
        return read(api, user, name)


def start_server(
    hub: HubSettings, user: str, name: str = "", *, profile: str | None = None, deadline: timedelta
) -> Server:
    """Start a server, of this profile where the Hub has some, and wait until it is ready.

    Raises:
        Failed: the spawn failed, or is not ready within `deadline` (it may still be starting).
    """
    give_up = time.monotonic() + deadline.total_seconds()
    thing = f"server {user}/{name}"
    with HubApi(hub) as api:
        try:
            options = {"profile": profile} if profile else None
            api.change("POST", server_path(user, name), body=options, accept=(201, 202))
        except Unreachable as error:
            if error.kind != "hub-error":
                raise
            # the Hub answers 500 when the spawner raised
            raise Unreachable(thing, error.cause, "read the Hub's log for this user", kind="spawn-failed") from None
        while True:
            server = read(api, user, name)
            if server is None:
                raise Failed(thing, "the spawn failed", "read the Hub's log for this user", kind="spawn-failed")
            if server.ready:
                return server
            if time.monotonic() > give_up:
                seconds = deadline.total_seconds()
                raise Failed(
                    thing,
                    f"not ready within {seconds:.0f} s",
                    "read the Hub's log; it may still be starting",
                    kind="spawn-timeout",
                )
            time.sleep(_POLL_SECONDS)


def end_server(hub: HubSettings, user: str, name: str = "", *, deadline: timedelta = STOP_DEADLINE) -> None:
    """Stop a server whatever it does, even while it starts; one that does not run is fine.

    Raises:
        Failed: it still runs at `deadline`.
    """
    with HubApi(hub) as api:
        if read(api, user, name) is not None:
            _end(api, user, name, deadline)


def _end(api: HubApi, user: str, name: str, deadline: timedelta) -> None:
    give_up = time.monotonic() + deadline.total_seconds()
    api.change("DELETE", server_path(user, name), accept=(202, 204, 404))
    # 202 is a stop under way, and 204 is the Hub's word alone: look until it lists the server no more.
    while read(api, user, name) is not None:
        if time.monotonic() > give_up:
            seconds = deadline.total_seconds()
            raise Failed(f"server {user}/{name}", f"still running {seconds:.0f} s after its stop", "read the Hub's log")
        time.sleep(_POLL_SECONDS)


def read(api: HubApi, user: str, name: str) -> Server | None:
    """See `read_server`."""
    model = api.get(user_path(user))
    if model is None:
        return None
    return next((server for server in servers_of(api, model) if server.name == name), None)


def server_path(user: str, name: str) -> str:
    """The API path of a server."""
    return f"{user_path(user)}/servers/{segment(name)}" if name else f"{user_path(user)}/server"


def servers_of(api: HubApi, model: Any) -> list[Server]:
    """A user's servers, from the Hub's model of the user."""
    if isinstance(model, dict) and "servers" not in model:
        raise Refused(
            api.thing,
            "the token does not see users' servers",
            "add the scope read:servers to the service's role in the Hub's configuration",
            kind="token-scope",
        )
    try:
        user = _UserModel.model_validate(model)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise Refused(
            api.thing,
            f"describes a user as no known Hub does ({first['loc']}: {first['msg']})",
            "check that the Hub's version is supported (6.x)",
        ) from None
    return [
        Server(
            user=user.name,
            name=server.name,
            ready=server.ready,
            pending=server.pending,
            started=server.started,
            last_activity=server.last_activity,
            groups=user.groups,
            profile=_profile(server.user_options),
        )
        for server in user.servers.values()
    ]


def _profile(options: dict[str, Any] | None) -> str | None:
    profile = (options or {}).get("profile")
    return profile if isinstance(profile, str) else None
