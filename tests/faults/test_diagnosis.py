"""Every fault injected into the real part, each told by its root cause and by that alone."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from devstack.faults import FAULTS, Fault
from devstack.faults.fault import diagnosed
from devstack.stack import Stack
from environments import Environment
from tests.faults.oncall import OnCall, at_once

pytestmark = pytest.mark.timeout(300)  # some parts take a minute to come back

RUNS = 10


@pytest.fixture(autouse=True)
def well_before_and_after(env: Environment) -> Iterator[None]:
    wait_until_well(env)
    yield
    wait_until_well(env)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name.replace(" ", "-"))
def test_a_fault_is_told_by_its_root_cause_and_as_one(fault: Fault, stack: Stack, env: Environment) -> None:
    with fault.inject(stack, env) as looked_at:
        causes = diagnosed(looked_at, fault.more)
    assert [cause.kind for cause in causes] == [fault.kind], causes
    (cause,) = causes
    assert cause.seen and cause.next_step and cause.page


def test_two_faults_at_once_are_two_causes(stack: Stack, env: Environment) -> None:
    names = ("database stopped", "Risk API stopped")
    one, other = (next(fault for fault in FAULTS if fault.name == name) for name in names)
    with one.inject(stack, env), other.inject(stack, env):
        causes = diagnosed(env)
    assert {cause.kind for cause in causes} == {one.kind, other.kind}, causes


def test_a_healthy_stack_gives_no_false_alarm_ten_times_in_a_row(env: Environment) -> None:
    assert [diagnosed(env) for _ in range(RUNS)] == [()] * RUNS


def test_on_call_is_told_the_cause_first_with_its_page_and_what_follows(
    stack: Stack, env: Environment, on_call: OnCall
) -> None:
    fault = next(fault for fault in FAULTS if fault.kind == "database-locked")
    with fault.inject(stack, env):
        answer, machine = at_once(
            lambda: on_call.riskhub("health", "pulse"), lambda: on_call.riskhub("health", "pulse", "--json")
        )
    assert answer.code == machine.code == 1
    told = answer.out.splitlines()
    first = next(number for number, line in enumerate(told) if line.startswith("failed: database-locked: "))
    assert told[first + 1].startswith("  Next: end the session that holds it")
    assert told[first + 2] == "  Page: docs/on-call/hub.md#database-locked; it explains hub-api, proxy-routes"
    assert first < next(number for number, line in enumerate(told) if line.startswith("STATE"))
    (cause,) = machine.record["causes"]
    assert (cause["kind"], cause["explains"]) == ("database-locked", ["hub-api", "proxy-routes"])


def wait_until_well(env: Environment) -> None:
    """A part that was away has not done everything yet when it answers again."""
    give_up = time.monotonic() + 90
    while causes := diagnosed(env):
        assert time.monotonic() < give_up, causes
        time.sleep(0.2)
