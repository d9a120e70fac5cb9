"""What people are told, in a real Hub's database: kept as it was given, and never the reason that culling ends."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta

import pytest

from cli.sessions import cull_directly
from devstack.light import LightHub, Seed, light_hub
from domain.clock import utc_now
from domain.errors import Damaged, Refused
from domain.notices import Announcement
from environments.culling import CullPolicy
from systems.hub import find_warnings, keep_announcements, read_announcements, read_warnings
from systems.hub.notices import ANNOUNCEMENTS, WARNINGS

HOUR = timedelta(hours=1)
ODD = ("b e a", "carl@example.org", "a/b", "../groups/x", "<b>小林</b>")
POLICY = CullPolicy(idle=HOUR, warn=HOUR / 2, max_share=1)


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LightHub]:
    """Odd names whose servers are to be warned, and one that has been idle for long."""
    seeds = [*(Seed(user, HOUR * 0.75) for user in ODD), Seed("long", 3 * HOUR)]
    with light_hub(tmp_path_factory.mktemp("hub"), seeds) as running:
        yield running


@pytest.fixture(autouse=True)
def nobody_is_told(hub: LightHub) -> None:
    for group in (WARNINGS, ANNOUNCEMENTS):
        hub.admin.delete(f"/groups/{group}")


def write(hub: LightHub, group: str, properties: dict[str, object]) -> None:
    hub.admin.post(f"/groups/{group}", json={}).raise_for_status()
    hub.admin.put(f"/groups/{group}/properties", json=properties).raise_for_status()


def announcement(text: str = "a new node") -> Announcement:
    return Announcement(id="1", group=None, text=text, begins=utc_now(), ends=utc_now() + HOUR)


def test_whatever_people_are_called_their_warnings_are_kept_and_are_no_others(hub: LightHub) -> None:
    record = cull_directly(hub.settings, POLICY, execute=True)
    assert (record.state, {each.verb for each in record.outcomes}) == ("complete", {"warn"})
    told = read_warnings(hub.settings)
    assert {each.user for each in told} == {*ODD, "long"}
    assert {each.verb for each in cull_directly(hub.settings, POLICY, execute=True).outcomes} == set()
    assert read_warnings(hub.settings) == told


def test_a_dry_run_warns_nobody(hub: LightHub) -> None:
    assert {each.verb for each in cull_directly(hub.settings, POLICY).actions} == {"warn"}
    assert read_warnings(hub.settings) == ()


def test_a_token_that_may_warn_nobody_is_told_with_the_scope_it_lacks(hub: LightHub) -> None:
    told, (finding,) = find_warnings(hub.with_token(hub.reader_token))
    assert told is None
    assert f"lacks the scope admin:groups!group={WARNINGS}" in finding.seen and "add the scope" in finding.next_step
    assert hub.reader_token not in finding.seen


@pytest.fixture
def groups_cannot_change(hub: LightHub) -> Iterator[None]:
    """The Hub's database refuses every change of a group, as one without room for it."""
    acts = ("insert", "update")
    with closing(sqlite3.connect(hub.database)) as database:
        for act in acts:
            database.execute(f"create trigger no_{act} before {act} on groups begin select raise(abort, 'full'); end")
        database.commit()
        yield
        for act in acts:
            database.execute(f"drop trigger no_{act}")
        database.commit()


@pytest.mark.usefixtures("groups_cannot_change")
def test_a_warning_that_the_hub_does_not_take_is_a_failed_outcome_and_stops_nobody(hub: LightHub) -> None:
    record = cull_directly(hub.settings, POLICY, execute=True)
    assert record.state == "failed" and hub.runs("long")
    assert {(each.verb, each.detail.partition(": ")[0]) for each in record.outcomes} == {("warn", "not warned")}


def test_where_what_is_kept_is_damaged_the_run_is_partial_and_stops_so_much_later(hub: LightHub) -> None:
    write(hub, WARNINGS, {"warnings": "many"})
    with pytest.raises(Damaged, match="delete the group"):
        read_warnings(hub.settings)
    policy = POLICY.model_copy(update={"warn": 2 * HOUR + HOUR / 2})
    assert cull_directly(hub.settings, policy, execute=True).outcomes == ()
    record = cull_directly(hub.settings, POLICY, execute=True)
    assert [(each.target, each.verb, each.state) for each in record.outcomes] == [("long/", "stop", "done")]
    assert (record.state, record.findings[0].probe) == ("partial", "stop-warnings")


def test_announcements_are_kept_as_they_were_given_whoever_starts_the_hub_anew(hub: LightHub) -> None:
    told = [announcement("<script>"), announcement("小林")]
    keep_announcements(hub.settings, told)
    hub.kill()
    hub.up()
    assert list(read_announcements(hub.settings)) == told
    keep_announcements(hub.settings, [])
    assert read_announcements(hub.settings) == ()


def test_who_may_not_announce_is_refused_with_the_scope(hub: LightHub) -> None:
    with pytest.raises(Refused, match=f"admin:groups!group={ANNOUNCEMENTS}"):
        read_announcements(hub.with_token(hub.reader_token))
