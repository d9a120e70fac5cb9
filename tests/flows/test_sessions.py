"""Culling on the running stack: the idle one stops, the one at work does not, and a dry run touches nobody."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from pydantic import SecretStr

from cli.sessions import list_sessions
from devstack.day.people import Person
from devstack.stack import Stack
from domain.clock import utc_now
from domain.errors import RiskhubError
from domain.notices import StopWarning
from domain.record import Record
from domain.sessions import Stop
from environments import load_environment
from environments.culling import CullPolicy
from environments.settings import Environment
from flows.chapter import record_of
from flows.sessions import cull_idle_servers
from systems.hub import list_routes, list_servers, read_clock, read_warnings, stop_servers, warn

pytestmark = pytest.mark.usefixtures("prefect_of_the_stack")

IDLE = timedelta(seconds=8)
CLOCK = timedelta(seconds=1)  # the Hub tells its time, which a cull goes by, in whole seconds
POLICY = CullPolicy(idle=IDLE, max_share=1)
WARN = timedelta(seconds=3)
WARNING = POLICY.model_copy(update={"warn": WARN})


@pytest.fixture(scope="module")
def people(stack: Stack, nobody_at_work: None) -> Iterator[tuple[Person, Person]]:
    """Ana rests, bea works."""
    ana, bea = (Person.log_in(name, stack.public_url) for name in ("ana", "bea"))
    yield ana, bea
    hub = load_environment("local").hub
    stop_servers(hub, [Stop(server, None) for server in list_servers(hub)])


@pytest.fixture
def ana(people: tuple[Person, Person]) -> Person:
    """Ana, whose server runs."""
    return at_work(people[0])


@pytest.fixture
def bea(people: tuple[Person, Person]) -> Person:
    return at_work(people[1])


def at_work(person: Person) -> Person:
    """With a server that the Hub has seen used: one that took long to start would count as idle since then."""
    if not person.is_running():
        person.start_server()
        be_seen(person, time.monotonic() + 60)
    return person


def be_seen(person: Person, give_up: float) -> None:
    """At work, until the Hub has looked at the routes once more."""
    began, seen = utc_now(), None
    while seen is None or seen <= began:
        assert time.monotonic() < give_up, f"the Hub saw {person.name} last at {seen}"
        time.sleep(0.5)
        person.write_text("notes.txt", "at work")
        seen = {server.user: server.last_activity for server in list_servers(load_environment("local").hub)}[
            person.name
        ]


def cull(policy: CullPolicy, *, execute: bool) -> Record:
    record = record_of(cull_idle_servers("local", policy, execute, return_state=True))
    assert record is not None
    return record


def let_rest(env: Environment, person: Person, beside: Person | None = None) -> None:
    """Until the Hub counts `person` as idle, and sees who is `beside` at work."""
    give_up = time.monotonic() + 60
    while True:
        if beside:
            beside.write_text("notes.txt", "at work")
        quiet = {server.user: utc_now() - (server.last_activity or server.started) for server in list_servers(env.hub)}
        if quiet[person.name] > IDLE + CLOCK and (beside is None or quiet[beside.name] < IDLE / 2):
            return
        assert time.monotonic() < give_up, f"idle for, as the Hub has it: {quiet}"
        time.sleep(0.5)


def test_a_dry_run_plans_and_stops_nobody(env, ana):
    let_rest(env, ana)
    record = cull(POLICY, execute=False)
    assert record.state == "planned"
    assert "ana/" in {action.target for action in record.actions}
    assert record.plan_digest and not record.outcomes
    assert ana.is_running()


def test_the_idle_server_stops_and_the_one_at_work_does_not(env, ana, bea):
    let_rest(env, ana, beside=bea)
    record = cull(POLICY, execute=True)
    assert record.state == "complete", record
    assert [(outcome.target, outcome.state) for outcome in record.outcomes] == [("ana/", "done")]
    assert "bea/" in {action.target for action in record.left_alone}
    assert not ana.is_running() and bea.is_running()


def test_a_proxy_that_was_restarted_makes_no_idle_server_look_used(env, stack, ana, bea):
    let_rest(env, ana, beside=bea)
    before = {server.user: server.last_activity for server in list_servers(env.hub)}
    stack.stop_part("proxy")
    stack.restart_part("proxy")
    give_up = time.monotonic() + 60
    routes: set[str] = set()
    while not {"ana/", "bea/"} <= routes:
        assert time.monotonic() < give_up, "the Hub does not add its routes again"
        time.sleep(0.5)
        with contextlib.suppress(RiskhubError):  # its own route is among them
            routes = list_routes(env.hub)
    be_seen(bea, give_up)
    after = {server.user: server.last_activity for server in list_servers(env.hub)}
    assert after["ana"] == before["ana"]
    assert "ana/" in {action.target for action in cull(POLICY, execute=False).actions}


def test_a_stop_is_held_against_what_runs_and_says_why(env, ana):
    let_rest(env, ana)
    record = cull(POLICY, execute=True)
    details = {outcome.target: outcome.detail for outcome in record.outcomes}
    assert details["ana/"].startswith("stopped: idle for ")
    assert [(finding.probe, finding.state) for finding in record.findings] == [("stopped-servers", "ok")]
    assert "this machine's processes" in record.findings[0].seen


def test_a_cull_elsewhere_keeps_this_one_out_by_the_hubs_database(env, ana):
    import psycopg2  # noqa: PLC0415

    elsewhere = psycopg2.connect(env.database.url.get_secret_value())
    try:
        elsewhere.cursor().execute("select pg_advisory_lock(hashtext('riskhub cull'))")
        record = cull(POLICY, execute=True)
        assert record.state == "refused" and "another cull of it runs now" in record.summary
        assert cull(POLICY, execute=False).state == "planned"
    finally:
        elsewhere.close()
    assert ana.is_running()


def test_a_plan_over_the_share_is_refused_and_stops_nobody(ana):
    record = cull(CullPolicy(idle=timedelta(0), max_share=0.01, at_least=0), execute=True)
    assert record.state == "refused" and "allowed in one run" in record.summary
    assert ana.is_running()


def test_a_hub_that_is_down_ends_in_one_clear_message(env, stack):
    stack.stop_part("hub")
    try:
        record = cull(POLICY, execute=True)
    finally:
        stack.restart_part("hub")
    assert record.state == "failed"
    assert "Hub at" in record.summary and "Next:" in record.summary


def test_a_rejected_token_is_refused_and_never_shown(env, stack, caplog):
    values = stack.state / "values.env"
    kept, wrong = values.read_text(), SecretStr("d" * 32)
    right = env.hub.api_token.get_secret_value()
    values.write_text(kept.replace(f"JUPYTERHUB_API_TOKEN={right}", f"JUPYTERHUB_API_TOKEN={wrong.get_secret_value()}"))
    try:
        assert load_environment("local").hub.api_token == wrong
        record = cull(POLICY, execute=True)
    finally:
        values.write_text(kept)
    assert record.state == "refused" and "token was rejected" in record.summary
    assert wrong.get_secret_value() not in record.model_dump_json() + caplog.text


def told_to(person: Person) -> list[str]:
    """What the Hub tells the person, as their JupyterLab asks for it."""
    return [each["text"] for each in person.client.get(f"{person.public_url}/hub/riskhub/notices").json()]


def warn_ana(env: Environment, ana: Person, beside: Person | None = None) -> StopWarning:
    """By a cull that finds her idle, whoever was warned before, and who is `beside` at work."""
    let_rest(env, ana, beside)
    warn(env.hub, read_warnings(env.hub), (), ())
    record = cull(WARNING, execute=True)
    assert ("ana/", "warn", "done") in {(each.target, each.verb, each.state) for each in record.outcomes}, record
    (warning,) = [each for each in read_warnings(env.hub) if each.user == "ana"]
    return warning


def cull_when_the_time_has_come(env: Environment, warning: StopWarning) -> Record:
    give_up = time.monotonic() + 30
    while read_clock(env.hub) < warning.stop_at:
        assert time.monotonic() < give_up
        time.sleep(0.2)
    return cull(WARNING, execute=True)


def test_a_server_stops_only_after_its_user_was_warned_and_the_record_tells_since_when(env, ana, bea):
    warning = warn_ana(env, ana, beside=bea)
    assert ana.is_running() and warning.stop_at - warning.warned_at >= WARN
    assert told_to(ana) == [warning.text] and told_to(bea) == []
    stops = {
        each.target: each.detail for each in cull_when_the_time_has_come(env, warning).outcomes if each.verb == "stop"
    }
    assert stops["ana/"].endswith(f"; warned at {warning.warned_at:%Y-%m-%d %H:%M} UTC")
    assert not ana.is_running() and told_to(ana) == []


def test_who_works_again_loses_the_warning_at_once_and_keeps_the_server(env, ana):
    warning = warn_ana(env, ana)
    be_seen(ana, time.monotonic() + 60)
    assert told_to(ana) == []
    stopped = {each.target for each in cull_when_the_time_has_come(env, warning).outcomes if each.verb == "stop"}
    assert "ana/" not in stopped and ana.is_running()
    assert warning not in read_warnings(env.hub)


def test_a_list_of_the_sessions_tells_since_when_a_user_is_warned(env, ana, capsys, monkeypatch):
    warning = warn_ana(env, ana)
    monkeypatch.setattr("cli.sessions.load_environment", lambda _: env.model_copy(update={"culling": WARNING}))
    list_sessions.main(["--environment", "local", "--json"], standalone_mode=False)
    servers = {each["user"]: each["policy"] for each in json.loads(capsys.readouterr().out)["servers"]}
    assert datetime.fromisoformat(servers["ana"]["warned_at"]) == warning.warned_at
    assert datetime.fromisoformat(servers["ana"]["stop_at"]) == warning.stop_at
