"""Servers of a real Hub: listed whole, read as they are, stopped only when they are still due."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest

from domain.clock import utc_now
from domain.errors import Failed, Refused
from domain.plan import Outcome
from domain.sessions import Server, Stop
from systems.hub import (
    end_server,
    list_servers,
    read_server,
    server_url,
    start_server,
    stop_servers,
)

SHORT = timedelta(seconds=2)


def server_of(hub, user: str, name: str = "") -> Server:
    server = read_server(hub.settings, user, name)
    assert server is not None
    return server


def stop_one(hub, server: Server, *, idle_since: datetime | None) -> Outcome:
    (outcome,) = stop_servers(hub.settings, [Stop(server, idle_since)])
    return outcome


def test_every_server_is_listed_where_the_hub_cuts_its_pages_at_two_hundred(hub):
    users = [f"many-{n:03}" for n in range(230)]
    hub.admin.post("/users", json={"usernames": users}).raise_for_status()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(hub.start, users))

    listed = [server.user for server in list_servers(hub.settings) if server.user.startswith("many-")]

    assert listed == users
    stops = [Stop(server, utc_now()) for server in list_servers(hub.settings) if server.user.startswith("many-")]
    outcomes = stop_servers(hub.settings, stops)
    assert [outcome.target for outcome in outcomes] == [f"{user}/" for user in users]
    assert {outcome.state for outcome in outcomes} == {"done"}
    assert not [server for server in list_servers(hub.settings) if server.user.startswith("many-")]


def test_users_without_servers_do_not_appear(hub):
    hub.add_user("quiet")
    assert "quiet" not in {server.user for server in list_servers(hub.settings)}
    assert read_server(hub.settings, "quiet") is None
    assert read_server(hub.settings, "nobody-of-that-name") is None


def test_named_servers_are_servers_of_their_own(hub):
    hub.add_user("nora", "", "gpu")
    assert {server.label for server in list_servers(hub.settings) if server.user == "nora"} == {"nora/", "nora/gpu"}
    assert stop_one(hub, server_of(hub, "nora", "gpu"), idle_since=utc_now()).state == "done"
    assert hub.runs("nora") and not hub.runs("nora", "gpu")


def test_times_and_groups_are_told(hub):
    hub.add_user("ana", "")
    hub.admin.post("/groups/data-scientists").raise_for_status()
    hub.admin.post("/groups/data-scientists/users", json={"users": ["ana"]}).raise_for_status()
    server = server_of(hub, "ana")
    assert server.groups == ("data-scientists",)
    assert server.ready and server.pending is None
    assert server.started is not None and abs(utc_now() - server.started) < timedelta(minutes=1)


@pytest.mark.parametrize("user", ["b e a", "carl@example.org", "dörte", "x+y", "per%cent", "q?a#b", "a.b"])
def test_a_user_is_reached_whatever_the_name(hub, user):
    hub.add_user(user, "")
    assert stop_one(hub, server_of(hub, user), idle_since=utc_now()).state == "done"
    assert not hub.runs(user)


@pytest.mark.parametrize("user", ["", ".", ".."])
def test_a_name_that_a_url_resolves_away_is_refused(hub, user):
    with pytest.raises(Refused, match="cannot be part of a URL"):
        read_server(hub.settings, user)


def test_a_name_with_slashes_stays_one_name(hub):
    assert read_server(hub.settings, "../groups/x") is None


def test_a_server_url_is_encoded_as_the_hub_does_it(hub):
    hub.add_user("eva m@example.org", "")
    url = server_url(hub.settings, server_of(hub, "eva m@example.org"))
    model = hub.admin.get("/users/eva%20m%40example.org").json()["servers"][""]
    assert url == hub.settings.public_url + model["url"].rstrip("/")


def test_a_server_that_woke_up_between_plan_and_stop_is_left_alone(hub):
    hub.add_user("waker", "")
    planned = server_of(hub, "waker")
    now = utc_now()
    hub.become_active("waker", now)

    outcome = stop_one(hub, planned, idle_since=now - timedelta(seconds=1))

    assert outcome.state == "skipped"
    assert "woke up" in outcome.detail
    assert hub.runs("waker")


def test_a_server_too_old_is_stopped_though_it_is_active(hub):
    hub.add_user("elder", "")
    hub.become_active("elder", utc_now())
    assert stop_one(hub, server_of(hub, "elder"), idle_since=None).state == "done"


def test_a_server_started_anew_since_the_plan_is_left_alone(hub):
    hub.add_user("anew", "")
    planned = server_of(hub, "anew")
    end_server(hub.settings, "anew")
    hub.start("anew")
    outcome = stop_one(hub, planned, idle_since=None)
    assert (outcome.state, outcome.detail) == ("skipped", "started again since it was listed")


def test_a_server_that_is_gone_already_counts_as_stopped(hub):
    hub.add_user("gone", "")
    planned = server_of(hub, "gone")
    end_server(hub.settings, "gone")
    outcome = stop_one(hub, planned, idle_since=utc_now())
    assert (outcome.state, outcome.detail) == ("done", "it had stopped already")


def test_a_pending_server_is_left_alone(hub):
    hub.add_user("start-hangs-1")
    assert hub.start("start-hangs-1") == 202
    pending = server_of(hub, "start-hangs-1")
    assert (pending.ready, pending.pending) == (False, "spawn")
    outcome = stop_one(hub, pending, idle_since=None)
    assert (outcome.state, outcome.detail) == ("skipped", "pending spawn")


def test_a_stop_that_hangs_fails_at_its_deadline_and_holds_up_nobody_else(hub):
    hub.add_user("stop-hangs-1", "")
    hub.add_user("after", "")
    stops = [Stop(server_of(hub, user), utc_now()) for user in ("stop-hangs-1", "after")]
    hanging, other = stop_servers(hub.settings, stops, deadline=SHORT)
    assert hanging.state == "failed" and "still running" in hanging.detail
    assert other.state == "done"


def test_one_failing_stop_does_not_end_the_others(hub):
    hub.add_user("fine", "")
    unknown = Server("..", "", ready=True, pending=None, started=None, last_activity=None)
    outcomes = stop_servers(hub.settings, [Stop(unknown, None), Stop(server_of(hub, "fine"), None)])
    assert [outcome.state for outcome in outcomes] == ["failed", "done"]


def test_a_start_that_does_not_get_ready_fails_at_its_deadline(hub):
    hub.add_user("start-hangs-2")
    admin = hub.with_token(hub.admin.headers["Authorization"].removeprefix("token "))
    with pytest.raises(Failed, match="not ready within 2 s"):
        start_server(admin, "start-hangs-2", deadline=SHORT)
    end_server(admin, "start-hangs-2")
    assert not hub.runs("start-hangs-2")
