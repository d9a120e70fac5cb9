"""What the Hub, its servers and its routes disagree on, made so behind the Hub's back, is mended; the rest stays."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta

import httpx
import psutil
import pytest

from devstack.day.people import Person
from devstack.faults.fault import restarted_with, stopped
from devstack.stack import Stack
from domain.errors import RiskhubError
from domain.record import Record
from environments import Environment, load_environment
from environments.reconciling import ReconcilePolicy
from flows.chapter import record_of
from flows.sessions import reconcile_sessions
from systems.database import ask
from systems.hub import end_server, list_routes, list_servers
from systems.running import read_running
from tests.faults.oncall import OnCall

pytestmark = pytest.mark.usefixtures("prefect_of_the_stack")

FRED = "fred.o'neil@example.org"
FORGET_FRED = """\
update spawners set server_id = null, state = null where user_id = (select id from users where name like 'fred.o%')
"""
POLICY = ReconcilePolicy(grace=timedelta(seconds=1))


@pytest.fixture(scope="module")
def people(stack: Stack, nobody_at_work: None) -> Iterator[dict[str, Person]]:
    """Ana and fred, on a Hub that does not look after its routes by itself for an hour."""
    hub = load_environment("local").hub
    with restarted_with(stack, "hub", HUB_ACTIVITY_SECONDS="3600"):
        until_it_answers(hub)
        yield {name: Person.log_in(name, stack.public_url) for name in ("ana", FRED)}
        for server in list_servers(hub):
            end_server(hub, server.user, server.name)
    until_it_answers(hub)


@pytest.fixture
def ana(people: dict[str, Person]) -> Person:
    return at_work(people["ana"])


@pytest.fixture
def fred(people: dict[str, Person]) -> Person:
    """With a kernel, which is a process of its own."""
    person = at_work(people[FRED])
    person.client.post(f"{person.server_url}/api/kernels", json={"name": "python3"}).raise_for_status()
    return person


def at_work(person: Person) -> Person:
    if not person.is_running():
        person.start_server()
    return person


def until_it_answers(hub) -> None:
    give_up = time.monotonic() + 90
    while True:
        try:
            list_servers(hub)
        except RiskhubError:
            assert time.monotonic() < give_up
            time.sleep(0.2)
        else:
            return


def reconcile(*, execute: bool, policy: ReconcilePolicy = POLICY) -> Record:
    record = record_of(reconcile_sessions("local", policy, execute, return_state=True))
    assert record is not None
    return record


def told(record: Record) -> list[tuple[str, str, str]]:
    return [(outcome.verb, outcome.target, outcome.state) for outcome in record.outcomes]


def processes_of(env: Environment, user: str) -> list[psutil.Process]:
    return [psutil.Process(int(each.id)) for each in read_running(env.hub) or () if each.user == user]


def put_route(stack: Stack, path: str, user: str) -> None:
    """By the proxy's own API."""
    api = f"http://127.0.0.1:{stack.choices.ports['proxy-api']}/api/routes{path}"
    token = {"Authorization": f"token {stack.choices.secrets['proxy_token']}"}
    route = {"target": "http://127.0.0.1:9", "user": user, "server_name": "", "jupyterhub": True}
    httpx.post(api, headers=token, json=route).raise_for_status()


def forget_fred(stack: Stack, env: Environment) -> None:
    """The Hub's database comes back from before his server was started."""
    with stopped(stack, "hub"):
        ask(env.database, FORGET_FRED)
    until_it_answers(env.hub)


def test_where_all_agree_nothing_is_astray(env, ana, fred):
    record = reconcile(execute=True)
    assert (record.state, record.summary) == ("complete", "nothing is astray")
    (finding,) = record.findings
    assert (finding.state, finding.seen) == ("ok", "2 servers of the Hub, 2 routes, 2 running")
    assert ana.is_running() and fred.is_running()


def test_a_route_to_nothing_is_planned_by_a_dry_run_and_removed_by_an_execution(env, stack, ana):
    put_route(stack, "/user/nora%20n%C3%A9e", "nora née")
    on_call = OnCall(stack.state, {})
    answer = on_call.riskhub("sessions", "reconcile", "--grace", "1", "--json")
    assert answer.code == 0, answer
    assert [(each["verb"], each["target"]) for each in answer.record["actions"]] == [("remove route", "nora née/")]
    assert "nora née/" in list_routes(env.hub), "a dry run changes nothing"
    record = reconcile(execute=True)
    assert (record.state, told(record)) == ("complete", [("remove route", "nora née/", "done")])
    assert "nora née/" not in list_routes(env.hub) and "ana/" in list_routes(env.hub)


def test_a_server_killed_behind_the_hubs_back_is_cleared(env, fred):
    for _ in range(5):  # every 30 s the Hub looks by itself, and then there is nothing left to mend
        at_work(fred)
        (process,) = processes_of(env, FRED)
        for each in (*process.children(recursive=True), process):  # a kernel lives a little longer, and counts as his
            each.kill()
        psutil.wait_procs([process], timeout=10)
        record = reconcile(execute=True)
        if record.outcomes and record.outcomes[0].detail.startswith("cleared"):
            break
    assert (record.state, told(record)) == ("complete", [("clear", f"{FRED}/", "done")]), record
    assert not fred.is_running()


def test_a_plan_over_the_share_is_refused_and_ends_nobody_then_what_the_hub_forgot_is_ended(env, stack, ana, fred):
    (process,) = processes_of(env, FRED)
    family = [process, *process.children(recursive=True)]
    assert len(family) > 1
    forget_fred(stack, env)
    record = reconcile(execute=True, policy=POLICY.model_copy(update={"max_share": 0.01, "at_least": 0}))
    assert record.state == "refused" and "more than the 0 allowed" in record.summary
    assert process.is_running()
    record = reconcile(execute=True)
    assert (record.state, told(record)) == ("complete", [("end", f"{FRED}/", "done")]), record.outcomes
    assert not [each for each in family if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]
    assert ana.is_running() and not fred.is_running()
    at_work(fred)
