"""The troubleshooting chapters on the running stack: one person's trouble, a part's, and nothing at all."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta

import httpx
import pytest
from prefect import Flow

from devstack.day.people import Person
from devstack.faults.around import sso_down
from devstack.process import http_ok
from devstack.stack import Stack
from domain.errors import Failed
from domain.record import Record
from environments import Environment
from flows.chapter import record_of
from flows.diagnose import diagnose_authentication, diagnose_network, diagnose_resources, diagnose_storage
from systems.homes import home_name
from systems.hub import end_server

pytestmark = pytest.mark.usefixtures("prefect_of_the_stack")

WHO = "fred.o'neil@example.org"
CHAPTERS = {
    diagnose_authentication: {"certificates", "database", "hub-api", "sso", "synthetic-user", "user-account"},
    diagnose_resources: {
        "database",
        "hub-api",
        "homes",
        "synthetic-user",
        "user-server",
        "user-home",
        "user-configuration",
    },
    diagnose_storage: {"homes", "object-store", "backup-mirror", "backup-snapshot", "user-home"},
    diagnose_network: {"certificates", "hub-api", "proxy-routes", "sso", "risk-api", "object-store", "user-server"},
}


@pytest.fixture(scope="module")
def fred(stack: Stack, nobody_at_work: None) -> Iterator[Person]:
    """Somebody at work, whose name is no path."""
    person = Person.log_in(WHO, stack.public_url)
    person.start_server()
    yield person
    person.stop_server()


def asked(chapter: Flow[..., Record], user: str | None = WHO) -> Record:
    record = record_of(chapter("local", user, return_state=True))
    assert record is not None
    return record


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.name)
def test_where_all_is_well_nothing_is_blamed(chapter: Flow[..., Record], env: Environment, fred: Person) -> None:
    record = asked(chapter)
    assert {finding.probe for finding in record.findings} == CHAPTERS[chapter]
    overdue = {"backup-overdue"}  # nobody may have taken one here yet
    assert {cause.kind for cause in record.causes} <= overdue
    if not record.causes:
        assert record.state == "complete" and record.summary.startswith(f"for {WHO}: nothing that was looked at")


def test_without_a_person_the_platform_alone_is_looked_at(env: Environment) -> None:
    record = asked(diagnose_network, None)
    assert "user-server" not in {finding.probe for finding in record.findings}
    assert record.state == "complete" and record.summary.startswith("nothing that was looked at explains it")


def test_a_persons_own_trouble_is_the_answer(env: Environment) -> None:
    obstacle = env.homes.user_data / home_name("carl") / ".local"
    obstacle.parent.mkdir(exist_ok=True)
    obstacle.write_text("in the way")
    try:
        record = asked(diagnose_resources, "carl")
    finally:
        obstacle.unlink()
    assert record.state == "failed"
    assert [cause.kind for cause in record.causes] == ["user-home"]
    assert record.summary.startswith("for carl: user-home: carl/.local is no folder. Next: look at ")


def test_a_line_in_a_persons_configuration_that_ends_their_server_is_the_answer(env: Environment) -> None:
    emil = Person.log_in("emil", env.hub.public_url)
    file = env.homes.user_data / home_name("emil") / ".jupyter" / "jupyter_server_config.py"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("raise SystemExit('of my laptop')\n")
    try:
        with pytest.raises((httpx.HTTPStatusError, Failed)):  # 500, or never ready, by how soon the Hub sees its end
            emil.start_server(deadline=timedelta(seconds=15))
        record = asked(diagnose_resources, "emil")
    finally:
        file.unlink()
    assert [cause.kind for cause in record.causes] == ["user-configuration"]
    end_server(env.hub, "emil")
    emil.start_server()  # it was that alone
    emil.stop_server()


def test_a_part_that_is_down_is_the_answer_and_not_what_follows(env: Environment, stack: Stack) -> None:
    with sso_down(stack, env):
        record = asked(diagnose_authentication, None)
    assert [(cause.kind, cause.explains) for cause in record.causes] == [("sso-down", ("synthetic-user",))]
    assert record.summary.startswith("sso-down: SSO at ")


def test_a_person_without_a_route_has_the_proxys_trouble(env: Environment, stack: Stack, fred: Person) -> None:
    stack.stop_part("proxy")
    try:
        record = asked(diagnose_network)
    finally:
        stack.restart_part("proxy")
        give_up = time.monotonic() + 60
        while not http_ok(f"{stack.public_url}/hub/health")():  # the Hub adds its routes at its next look
            assert time.monotonic() < give_up
            time.sleep(0.2)
    assert [cause.kind for cause in record.causes] == ["proxy-down"]
    assert "user-server" in record.causes[0].explains
