"""Users of the Hub: who they are, and the synthetic one, made before its check and removed after it."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, ConfigDict

from domain.clock import UtcDatetime
from domain.errors import Refused
from domain.people import HubUser
from environments.settings import HubSettings
from systems.hub.api import HubApi, user_path
from systems.hub.servers import servers_of


class _UserModel(BaseModel):
    model_config = ConfigDict(frozen=True)  # the Hub's own shape: keys we do not read are its business
    name: str
    admin: bool = False
    groups: tuple[str, ...] = ()
    last_activity: UtcDatetime | None = None


def read_user(hub: HubSettings, user: str) -> HubUser | None:
    """One user; None where the Hub knows nobody of that name."""
    with HubApi(hub) as api:
        found = api.get(user_path(user))
        return None if found is None else _user(api, found)


def list_users(hub: HubSettings) -> list[HubUser]:
    """Everybody the Hub knows, in its order.

    Raises:
        Unreachable, Refused: see `HubApi`.
    """
    with HubApi(hub) as api:
        return [_user(api, found) for found in api.pages("/users")]


def list_user_names(hub: HubSettings) -> list[str]:
    """Everybody the Hub knows, in its order.

    Raises:
        Unreachable, Refused: see `HubApi`.
    """
    with HubApi(hub) as api:
        return [str(user["name"]) for user in api.pages("/users")]


def ensure_user(hub: HubSettings, user: str) -> None:
    """Create the user unless the Hub knows them already."""
    with HubApi(hub) as api:
        api.change("POST", user_path(user), accept=(HTTPStatus.CREATED, HTTPStatus.CONFLICT))


def delete_user(hub: HubSettings, user: str) -> None:
    """Remove the user from the Hub, with tokens and servers; a user who is gone already is fine.

    Their home on EFS stays; with KubeSpawner's `delete_pvc` a claim of their own goes too.

    Raises:
        Refused: the token may not remove this user.
    """
    with HubApi(hub) as api:
        api.change("DELETE", user_path(user), accept=(HTTPStatus.NO_CONTENT, HTTPStatus.NOT_FOUND))
        # To a token whose scope is limited to others the Hub says 404 about a user who is there.
        if api.get(user_path(user)) is not None:
            raise Refused(
                f"user {user}",
                "the Hub still lists them: the token may not remove this user",
                "check the scope admin:users of the service's role",
                kind="token-scope",
            )


def _user(api: HubApi, found: Any) -> HubUser:
    servers = tuple(servers_of(api, found))
    model = _UserModel.model_validate(found)
    return HubUser(model.name, model.groups, model.last_activity, servers, model.admin)
