"""The Hub's database brought back from a point, on the stack's own Postgres and Hub."""

from __future__ import annotations

import psycopg2
import pytest

from devstack.day.people import Person
from devstack.stack import Stack
from domain.recovery import RecoveryPoint
from environments import Environment
from systems.database import ask
from systems.database_swap import called, database_name
from tests.faults.conftest import point_of_now
from tests.faults.oncall import Answer, OnCall

RESTORE = ("restore", "database", "--execute", "--json")


@pytest.fixture(scope="module")
def good(stack: Stack, on_call: OnCall, dina: Person) -> RecoveryPoint:
    """A point of a Hub that knows dina."""
    return point_of_now(on_call)


def refused(answer: Answer, why: str) -> None:
    assert (answer.code, answer.record["state"]) == (1, "refused"), answer
    assert why in answer.record["summary"]


def test_a_dry_run_names_what_is_filled_compared_and_swapped(on_call: OnCall, good: RecoveryPoint) -> None:
    answer = on_call.riskhub("restore", "database", "--point", good.id, "--json")
    assert (answer.code, answer.record["state"]) == (0, "planned")
    assert [each["verb"] for each in answer.record["actions"]] == ["fill", "compare", "swap"]
    assert "what is there stays as postgres_before_" in answer.record["actions"][-1]["reason"]


@pytest.mark.parametrize("typed", ["", "prod"])
def test_without_the_environment_typed_it_is_refused(typed: str, on_call: OnCall, good: RecoveryPoint) -> None:
    refused(on_call.riskhub(*RESTORE, "--confirm", typed), "confirm it as local")


def test_while_the_hub_runs_it_is_refused(on_call: OnCall, good: RecoveryPoint) -> None:
    refused(on_call.riskhub(*RESTORE, "--confirm", "local"), "would write what it has in memory over what is restored")


def test_a_lost_user_is_back_and_what_was_there_is_kept(
    stack: Stack, env: Environment, on_call: OnCall, good: RecoveryPoint, hub_stopped: None
) -> None:
    ask(env.database, "delete from users where name = 'dina'")
    answer = on_call.riskhub(*RESTORE, "--confirm", "local", "--point", good.id)
    assert (answer.code, answer.record["state"]) == (0, "complete"), answer
    assert ask(env.database, "select name from users where name = 'dina'") == "dina"
    kept = answer.record["summary"].partition("kept as ")[2].partition(";")[0]
    before = called(env.database, kept)
    assert ask(before, "select count(*) from users where name = 'dina'") == "0"
    ask(env.database, f'drop database "{kept}"')


def test_a_database_that_is_gone_comes_back(
    stack: Stack, env: Environment, on_call: OnCall, good: RecoveryPoint, hub_stopped: None
) -> None:
    name = database_name(env.database)
    ask(called(env.database, "template1"), f"drop database {name} with (force)")
    answer = on_call.riskhub(*RESTORE, "--confirm", "local", "--point", good.id)
    assert (answer.code, answer.record["state"]) == (0, "complete"), answer
    assert ask(env.database, "select name from users where name = 'dina'") == "dina"


def test_somebody_who_is_connected_is_not_cut_off(
    stack: Stack, env: Environment, on_call: OnCall, good: RecoveryPoint, hub_stopped: None
) -> None:
    session = psycopg2.connect(env.database.url.get_secret_value())
    refused(on_call.riskhub(*RESTORE, "--confirm", "local"), "1 sessions are open in it")
    session.cursor().execute("select 1")
    session.close()
