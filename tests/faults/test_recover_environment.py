"""Everything but bucket and keys is lost: one command brings it back, or says at which step it stopped and why."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from devstack.day.damage import Look, differences, look_at
from devstack.day.people import Person
from devstack.stack import Stack
from domain.recovery import RecoveryPoint
from environments import Environment, load_environment
from systems.database import ask
from systems.database_swap import called, database_name
from systems.hub import read_version
from systems.mirrored import shared_of
from tests.faults.conftest import point_of_now, until
from tests.faults.oncall import Answer, OnCall

pytestmark = pytest.mark.timeout(300)

RECOVER = ("recover", "environment", "--execute", "--json")


@pytest.fixture(scope="module")
def good(stack: Stack, on_call: OnCall, dina: Person) -> RecoveryPoint:
    """A point of a Hub that knows dina, who has a notebook; nobody's server runs."""
    dina.write_notebook("portfolio.ipynb")
    dina.stop_server()
    (load_environment("local").homes.mount_point / "data" / "limits.csv").write_text("desk,limit\n")
    assert on_call.riskhub("backup", "shared", "--execute", "--json").code == 0
    return point_of_now(on_call)


def lose_everything(env: Environment) -> None:
    """The database, every home and what users share; the bucket stays."""
    ask(called(env.database, "template1"), f"drop database {database_name(env.database)} with (force)")
    for home in env.homes.user_data.iterdir():
        shutil.rmtree(home)
    for shared in shared_of(env):
        shutil.rmtree(shared.folder)


def shared(env: Environment) -> dict[str, Look]:
    return {each.name: look_at(each.folder) for each in shared_of(env)}


def steps(answer: Answer) -> list[tuple[str, str]]:
    return [(f"{each['verb']} {each['target']}", each["state"]) for each in answer.record["outcomes"]]


def test_a_dry_run_shows_the_order_and_changes_nothing(env: Environment, on_call: OnCall, good: RecoveryPoint) -> None:
    before = look_at(env.homes.user_data)
    answer = on_call.riskhub("recover", "environment", "--json")
    assert (answer.code, answer.record["state"]) == (0, "planned"), answer
    assert [f"{each['verb']} {each['target']}" for each in answer.record["actions"]] == [
        "restore database", "restore homes", "restore shared folders"
    ]  # fmt: skip
    assert differences(before, look_at(env.homes.user_data)) == []


@pytest.mark.parametrize("typed", ["", "prod"])
def test_without_the_environment_typed_it_is_refused(typed: str, on_call: OnCall, good: RecoveryPoint) -> None:
    answer = on_call.riskhub(*RECOVER, "--confirm", typed)
    assert (answer.code, answer.record["state"]) == (1, "refused"), answer
    assert "confirm it as local" in answer.record["summary"]


def test_with_another_crypt_key_it_is_refused_before_anything_is_changed(
    env: Environment, on_call: OnCall, good: RecoveryPoint, other_state: Callable[..., Path]
) -> None:
    other = other_state(JUPYTERHUB_CRYPT_KEY="cd" * 32)
    answer = on_call.riskhub(*RECOVER, "--confirm", "local", RISKHUB_STATE=str(other))
    assert (answer.code, answer.record["state"]) == (1, "refused"), answer
    assert "does not decrypt it" in answer.record["summary"]


@pytest.mark.usefixtures("good", "hub_stopped")
def test_what_stopped_half_way_says_where_and_goes_on_from_there(env: Environment, on_call: OnCall) -> None:
    before, before_shared = look_at(env.homes.user_data), shared(env)
    lose_everything(env)
    away = env.homes.user_data.rename(env.homes.user_data.with_name("away"))
    env.homes.user_data.symlink_to(away)
    stopped = on_call.riskhub(*RECOVER, "--confirm", "local")
    env.homes.user_data.unlink()
    away.rename(env.homes.user_data)
    assert (stopped.code, steps(stopped)) == (1, [("restore database", "done"), ("restore homes", "failed")]), stopped
    assert "it is a symbolic link" in stopped.record["summary"]
    assert "run again with --start-at homes" in stopped.record["summary"]
    assert stopped.record["measures"]["rto_seconds"] is None

    answer = on_call.riskhub(*RECOVER, "--confirm", "local", "--start-at", "homes")
    assert (answer.code, steps(answer)) == (0, [("restore homes", "done"), ("restore shared folders", "done")]), answer
    assert differences(before, look_at(env.homes.user_data)) == []
    assert shared(env) == before_shared


def test_everything_is_back_and_dina_works_on(
    stack: Stack, env: Environment, on_call: OnCall, dina: Person, good: RecoveryPoint
) -> None:
    before, before_shared = look_at(env.homes.user_data), shared(env)
    stack.stop_part("hub")
    lose_everything(env)
    answer = on_call.riskhub(*RECOVER, "--confirm", "local")
    stack.restart_part("hub")
    until(lambda: bool(read_version(env.hub)))
    assert (answer.code, answer.record["state"]) == (0, "complete"), answer
    assert steps(answer) == [
        ("restore database", "done"), ("restore homes", "done"), ("restore shared folders", "done")
    ]  # fmt: skip
    assert 0 < answer.record["measures"]["rto_seconds"] < 60
    assert differences(before, look_at(env.homes.user_data)) == []
    assert shared(env) == before_shared
    back = Person.log_in("dina", env.hub.public_url)
    back.start_server(profile="data-scientist")
    assert back.run_cell("import os; print(os.path.exists('portfolio.ipynb'))").strip() == "True"
    back.stop_server()


def test_while_somebody_works_no_home_is_touched(on_call: OnCall, dina: Person, good: RecoveryPoint) -> None:
    dina.start_server(profile="data-scientist")
    notebook = load_environment("local").homes.user_data / "dina" / "portfolio.ipynb"
    notebook.unlink()
    answer = on_call.riskhub("restore", "homes", "--confirm", "local", "--execute", "--json")
    assert (answer.code, answer.record["state"]) == (1, "refused"), answer
    assert "1 servers run (dina/" in answer.record["summary"]
    assert not notebook.exists()
    dina.stop_server()
    assert on_call.riskhub("restore", "homes", "--confirm", "local", "--execute", "--json").code == 0
    assert notebook.exists()
