"""A Hub that is down, locked out of its database, or does not take the token: each told as what it is."""

from __future__ import annotations

import sqlite3
from datetime import timedelta

import pytest

from domain.errors import Refused, Unreachable
from domain.sessions import Server, Stop
from systems.hub import list_routes, list_servers, read_version, stop_servers

WRONG = "0123456789abcdef0123456789abcdef"


def test_a_wrong_token_is_told_without_showing_it(hub):
    with pytest.raises(Refused, match="token was rejected") as caught:
        list_servers(hub.with_token(WRONG))
    assert WRONG not in f"{caught.value!r} {caught.value} {caught.value.__cause__!r} {caught.value.__context__!r}"
    assert "JUPYTERHUB_API_TOKEN" in caught.value.next_step


def test_a_token_that_lacks_a_scope_is_told_with_the_scope(hub):
    with pytest.raises(Refused, match=r"lacks a scope.*read:hub"):
        read_version(hub.with_token(hub.lister_token))


def test_a_token_that_does_not_see_servers_does_not_pass_for_a_quiet_hub(hub):
    hub.add_user("unseen", "")
    with pytest.raises(Refused, match="read:servers") as caught:
        list_servers(hub.with_token(hub.lister_token))
    assert "scope" in caught.value.next_step


def test_a_locked_database_is_named_as_a_possible_cause(hub):
    lock = sqlite3.connect(hub.database, isolation_level=None)
    lock.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.raises(Refused, match="database is locked"):
            read_version(hub.settings.model_copy(update={"timeout": hub.settings.timeout * 4}))
    finally:
        lock.execute("ROLLBACK")
        lock.close()


def test_an_address_that_is_no_hub_api_is_told(hub):
    with pytest.raises(Refused, match="as no JupyterHub API does"):
        list_servers(hub.settings.model_copy(update={"api_url": hub.settings.public_url}))


def test_the_version_is_the_hubs_own(hub):
    assert read_version(hub.settings).startswith("6.")


def test_routes_are_those_of_running_servers(hub):
    hub.add_user("routed one", "", "gpu")
    assert {"routed one/", "routed one/gpu"} <= list_routes(hub.settings)


def test_a_hub_that_is_down_is_worth_a_retry_and_stops_nothing(hub):
    server = Server("ana", "", ready=True, pending=None, started=None, last_activity=None)
    hub.down()
    try:
        with pytest.raises(Unreachable, match="cannot be reached") as caught:
            list_servers(hub.settings)
        assert hub.settings.api_url in caught.value.thing
        behind_the_proxy = hub.settings.model_copy(update={"api_url": hub.settings.public_url + "/hub/api"})
        with pytest.raises(Unreachable, match="answered 503"):
            list_servers(behind_the_proxy)
        outcome = stop_servers(hub.settings, [Stop(server, None)], resume_within=timedelta(seconds=1))[0]
        assert outcome.state == "failed" and "cannot be reached" in outcome.detail
    finally:
        hub.up()
