"""Tokens of users, as a drill needs one to be its owner for a few minutes."""

from __future__ import annotations

from datetime import timedelta

from pydantic import SecretStr

from domain.errors import Refused
from environments.settings import HubSettings
from systems.hub.api import HubApi, user_path


def as_user(hub: HubSettings, user: str, *, lifetime: timedelta, note: str) -> HubSettings:
    """The Hub as `user` sees it: asked with a new token of theirs, which ends after `lifetime`.

    Raises:
        Refused: our own token may not make one, or the Hub takes the new one for somebody else's.
        Unreachable: see `HubApi`.
    """
    body = {"note": note, "expires_in": int(lifetime.total_seconds())}
    with HubApi(hub) as api:
        token = api.make(f"{user_path(user)}/tokens", body)["token"]
    theirs = hub.model_copy(update={"api_token": SecretStr(token)})
    with HubApi(theirs) as api:
        found = api.get("/user")["name"]
    if found != user:
        raise Refused(f"token of {user}", f"the Hub takes it for {found}'s", "look at the users' names in the Hub")
    return theirs


def has_auth_state(hub: HubSettings, user: str) -> bool:
    """Does the Hub itself decrypt the user's auth_state? It needs the scope admin:auth_state."""
    with HubApi(hub) as api:
        found = api.get(user_path(user))
    return bool(found and found.get("auth_state"))
