"""One embedded stack for the whole session, for every test that asks for it."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from devstack.day.runs import Deployments
from devstack.faults.fault import with_empty_bucket
from devstack.process import sweep
from devstack.stack import Stack
from domain.errors import RiskhubError
from domain.sessions import Server
from environments import Environment, load_environment
from environments.loader import PROJECT
from environments.settings import HubSettings
from systems.hub import end_server, list_servers

# its own folder for each of two test runs side by side (RISKHUB_TEST_STATE), and for each worker of one
STATE = Path(os.environ.get("RISKHUB_TEST_STATE") or PROJECT / ".riskhub-tests")
STATE = STATE / os.environ.get("PYTEST_XDIST_WORKER", "alone")

# A flow that runs in a test process without a Prefect of the test's own must fail, not start one for itself.
os.environ["PREFECT_API_URL"] = "http://127.0.0.1:9/api"
os.environ["PREFECT_SERVER_EPHEMERAL_ENABLED"] = "false"

# Where a shell starts the tests in its background SIGINT is ignored, and so it would be by all that the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """A running stack; `load_environment("local")` is it. Whoever breaks a part brings it back."""
    sweep(STATE)  # what an interrupted run left
    shutil.rmtree(STATE, ignore_errors=True)
    os.environ["RISKHUB_STATE"] = str(STATE)
    made = Stack(STATE)
    made.up(lambda _name, _seconds: None)
    prefect = load_environment("local").prefect
    Deployments(prefect.api_url, prefect.ui_url).pause_schedules()  # no test may depend on the time of day
    yield made
    made.down()
    del os.environ["RISKHUB_STATE"]


@pytest.fixture(scope="module")
def nobody_at_work(stack: Stack) -> None:
    """Whatever the module before left running is stopped."""
    stack.revive()
    hub = load_environment("local").hub
    for server in servers_once_it_answers(hub):
        end_server(hub, server.user, server.name)


def servers_once_it_answers(hub: HubSettings) -> list[Server]:
    """A proxy that was brought back answers before the Hub has given it its own route again."""
    give_up = time.monotonic() + 60
    while True:
        try:
            return list(list_servers(hub))
        except RiskhubError:
            if time.monotonic() > give_up:
                raise
            time.sleep(0.2)


@pytest.fixture
def env(stack: Stack, nobody_at_work: None) -> Environment:
    """The local environment, with every part of the stack alive at the start of the test."""
    stack.revive()
    return load_environment("local")


@pytest.fixture
def apart(env: Environment) -> Environment:
    """The local environment with a bucket of its own: nothing is in it, and Object Lock is on."""
    return with_empty_bucket(env)


@pytest.hookimpl(trylast=True)
def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """A red test is told when it is seen, under xdist too: a run that is cut short has no summary."""
    if report.failed and "PYTEST_XDIST_WORKER" not in os.environ:
        print(f"\nred after {report.duration:.0f} s: {report.nodeid} ({report.when})", file=sys.__stderr__, flush=True)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """What the exit code says beyond red and green.

    Interrupted, when a worker died: tests were not run, so no run of the red ones alone can make it good.
    Red, when a tier could not run and RISKHUB_REQUIRE_ALL is set; without it the last lines say what was skipped.
    """
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    stats = reporter.stats if reporter is not None else {}
    if any(each.when == "???" for each in stats.get("failed", ())):
        session.exitstatus = pytest.ExitCode.INTERRUPTED
    elif os.environ.get("RISKHUB_REQUIRE_ALL") and stats.get("skipped") and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
