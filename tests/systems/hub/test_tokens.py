"""Tokens of somebody who leaves: each is revoked, and the Hub itself says that it takes none of them any more."""

from __future__ import annotations

import httpx
import pytest

from devstack.light import LightHub
from domain.errors import Refused
from environments.settings import HubSettings
from systems.hub import list_tokens, revoke_tokens


@pytest.fixture
def admin(hub: LightHub) -> HubSettings:
    """An administrator's view: the light Hub's operations token may not do this."""
    return hub.with_token(hub.admin.headers["Authorization"].split()[1])


def token_of(hub: LightHub, user: str, **more: object) -> str:
    made = hub.admin.post(f"/users/{user}/tokens", json={"note": "laptop", **more}).raise_for_status()
    return str(made.json()["token"])


def status(hub: LightHub, token: str) -> int:
    return httpx.get(f"{hub.settings.api_url}/user", headers={"Authorization": f"token {token}"}).status_code


def test_every_token_of_a_leaver_is_refused_afterwards_and_nobody_elses(hub: LightHub, admin: HubSettings) -> None:
    hub.add_user("otto", "", "gpu")
    hub.add_user("nora")
    theirs = [token_of(hub, "otto"), token_of(hub, "otto", expires_in=3600)]
    noras = token_of(hub, "nora")
    assert [status(hub, each) for each in theirs] == [200, 200]
    listed = {each.id for each in list_tokens(admin, "otto")}
    assert len(listed) >= 4, "their servers have tokens too"

    revoked = {each.id for each in revoke_tokens(admin, "otto")}

    assert listed < revoked, "and the one that proves it"
    assert [status(hub, each) for each in theirs] == [403, 403]
    assert list_tokens(admin, "otto") == ()
    assert status(hub, noras) == 200


def test_who_has_no_token_is_proved_too(hub: LightHub, admin: HubSettings) -> None:
    hub.add_user("dina")
    assert len(revoke_tokens(admin, "dina")) == 1
    assert list_tokens(admin, "dina") == ()


def test_a_user_whom_the_hub_does_not_know_has_none(admin: HubSettings) -> None:
    assert list_tokens(admin, "nobody") == ()


def test_a_token_without_the_scope_is_refused_and_revokes_nothing(hub: LightHub, admin: HubSettings) -> None:
    hub.add_user("emil")
    value = token_of(hub, "emil")
    with pytest.raises(Refused):
        revoke_tokens(hub.settings, "emil")
    assert status(hub, value) == 200
