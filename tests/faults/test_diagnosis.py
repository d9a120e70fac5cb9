"""Every fault injected into the real part, each told by its root cause and by that alone."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from devstack.faults import FAULTS, Fault
from devstack.faults.fault import diagnosed
from devstack.stack import Stack
from environments import Environment

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


def wait_until_well(env: Environment) -> None:
    """A part that was away has not done everything yet when it answers again."""
    give_up = time.monotonic() + 90
    while causes := diagnosed(env):
        assert time.monotonic() < give_up, causes
        time.sleep(0.2)
