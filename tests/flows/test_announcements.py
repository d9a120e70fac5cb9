"""Maintenance announced on the running stack: told to whom it is for, as text, and not for longer than it lasts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from devstack.day.people import Person
from domain.clock import utc_now
from domain.record import Record
from environments import Environment
from flows.announcements import announce_maintenance, withdraw_announcement
from flows.chapter import record_of
from systems.hub import keep_announcements, only_announcement, read_announcements, read_clock
from systems.hub.api import HubApi
from systems.hub.notices import ANNOUNCEMENTS

pytestmark = pytest.mark.usefixtures("prefect_of_the_stack")

HOSTILE = "<b onclick='x'>a new</b> node"


@pytest.fixture(autouse=True)
def nobody_is_told(env: Environment) -> Iterator[None]:
    yield
    keep_announcements(env.hub, [])


@pytest.fixture
def ana(env: Environment) -> Person:
    """Of the business users."""
    return Person.log_in("ana", env.hub.public_url)


@pytest.fixture
def emil(env: Environment) -> Person:
    """Of the data scientists."""
    return Person.log_in("emil", env.hub.public_url)


def announce(
    text: str = HOSTILE, *, execute: bool = True, lasts: timedelta = timedelta(hours=1), **more: Any
) -> Record:
    now = utc_now()
    record = record_of(
        announce_maintenance(text, now, now + lasts, "local", execute=execute, return_state=True, **more)
    )
    assert record is not None
    return record


def told_to(person: Person) -> list[str]:
    answer = person.client.get(f"{person.public_url}/hub/riskhub/notices")
    return [each["text"].partition(": ")[2] for each in answer.json()]


def login_page(env: Environment) -> str:
    return httpx.get(f"{env.hub.public_url}/hub/login", timeout=30).text


def test_a_dry_run_tells_nobody(env: Environment, ana: Person) -> None:
    record = announce(execute=False)
    assert (record.state, [each.verb for each in record.actions]) == ("planned", ["announce"])
    assert (told_to(ana), read_announcements(env.hub)) == ([], ())


def test_everybody_is_told_who_is_not_logged_in_too_and_nothing_in_the_text_is_html(
    env: Environment, ana: Person
) -> None:
    assert announce().state == "complete"
    assert told_to(ana) == [HOSTILE]
    for page in (login_page(env), ana.client.get(f"{env.hub.public_url}/hub/home").text):
        assert "&lt;b onclick=&#39;x&#39;&gt;a new&lt;/b&gt; node" in page and "<b onclick" not in page


def test_a_group_is_told_and_nobody_else(env: Environment, ana: Person, emil: Person) -> None:
    announce("a new driver", group="data-scientists")
    assert (told_to(ana), told_to(emil)) == ([], ["a new driver"])
    assert "a new driver" not in login_page(env)


def test_what_has_ended_is_told_no_more_by_itself(env: Environment, ana: Person) -> None:
    announce(lasts=timedelta(seconds=6))
    (announcement,) = read_announcements(env.hub)
    assert told_to(ana) == [HOSTILE]
    until(lambda: read_clock(env.hub) >= announcement.ends)
    assert told_to(ana) == []


def test_it_is_withdrawn_by_its_id(env: Environment, ana: Person) -> None:
    announce()
    announce("another")
    (first, _) = read_announcements(env.hub)
    record = record_of(withdraw_announcement(first.id, "local", execute=True, return_state=True))
    assert record is not None and record.state == "complete"
    assert told_to(ana) == ["another"]


def test_two_at_once_are_refused_since_one_would_lose_what_the_other_told(env: Environment) -> None:
    with only_announcement(env.hub, env.database):
        record = announce()
    assert record.state == "refused" and "another announcement of it runs now" in record.summary


@pytest.mark.parametrize("properties", [{"announcements": 7}, {"announcements": [{"id": "1"}]}])
def test_what_is_damaged_keeps_nobody_out_of_the_hub_and_is_said(env: Environment, properties: dict[str, Any]) -> None:
    keep_announcements(env.hub, [])
    with HubApi(env.hub) as api:
        api.change("PUT", f"/groups/{ANNOUNCEMENTS}/properties", body=properties, accept=(200,))
    assert "Sign in with Corporate SSO" in login_page(env)
    record = announce()
    assert record.state == "failed" and "delete the group" in record.summary


def until(holds: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < give_up
        time.sleep(0.2)
