"""A restore that was started in Prefect acts when somebody approved it there, and not otherwise."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import pytest

from devstack.day.people import Person
from devstack.day.runs import Deployments, Run
from domain.clock import utc_now
from domain.record import Record
from environments import Environment
from systems.database import ask
from systems.evidence import last_record
from tests.faults.conftest import point_of_now, until
from tests.faults.oncall import OnCall

pytestmark = pytest.mark.timeout(300)

NAME = "restore-hub-database/on-call"


@pytest.fixture(scope="module", autouse=True)
def point(on_call: OnCall, dina: Person) -> None:
    point_of_now(on_call)


@pytest.fixture
def prefect(env: Environment) -> Deployments:
    return Deployments(env.prefect.api_url, env.prefect.ui_url)


def start(env: Environment, prefect: Deployments) -> str:
    """A run that waits for its approval; its id."""
    run = prefect.start(NAME, {"execute": True})
    until(lambda: asked(env, run)["state"]["type"] == "PAUSED", seconds=120)
    return run


def asked(env: Environment, run: str) -> Any:
    return httpx.get(f"{env.prefect.api_url}/flow_runs/{run}", timeout=30).json()


def approve(env: Environment, run: str, typed: str) -> None:
    body = {"run_input": {"confirm": typed, "approved_by": "gita"}}
    url = f"{env.prefect.api_url}/flow_runs/{run}/resume"
    until(lambda: httpx.post(url, json=body, timeout=30).is_success)  # SQLite that is locked for the moment: 503


def ended(prefect: Deployments, run: str) -> Run:
    return prefect.wait(run, timedelta(minutes=3))


def test_what_nobody_approves_is_refused_and_changes_nothing(env: Environment, prefect: Deployments) -> None:
    began = utc_now()
    run = ended(prefect, start(env, prefect))
    assert run.state == "Failed" and run.message.endswith(" and never resumed."), "Prefect's own words"
    # Prefect ends the run by its own clock; the run's process sees that a moment later and leaves the record

    def refused() -> Record | None:
        record = last_record(env.objects, "restore-hub-database", ("refused",))
        return record if record and record.started_at > began else None

    until(lambda: refused() is not None, seconds=60)
    record = refused()
    assert record is not None and "nobody approved it within 20 s" in record.summary
    assert ask(env.database, "select name from users where name = 'dina'") == "dina"


def test_an_approval_for_something_else_is_a_refusal(env: Environment, prefect: Deployments) -> None:
    run = start(env, prefect)
    approve(env, run, "prod")
    refused = ended(prefect, run)
    assert (refused.state, "it was confirmed for 'prod'" in refused.message) == ("Refused", True), refused


@pytest.mark.usefixtures("hub_stopped")
def test_once_approved_it_restores_and_tells_who_approved(env: Environment, prefect: Deployments) -> None:
    ask(env.database, "delete from users where name = 'dina'")
    run = start(env, prefect)
    assert ask(env.database, "select count(*) from users where name = 'dina'") == "0", "it waits"
    approve(env, run, "local")
    done = ended(prefect, run)
    assert done.succeeded, done
    assert ask(env.database, "select name from users where name = 'dina'") == "dina"
    record = last_record(env.objects, "restore-hub-database", ("complete",))
    assert record is not None
    assert record.measures["approved_by"] == "gita"
