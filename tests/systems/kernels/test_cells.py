"""Cells on a real user's server, through the proxy."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import httpx
import pytest
from pydantic import SecretStr

from devstack.stack import Stack
from domain.errors import Failed, Refused, RiskhubError
from environments import load_environment
from environments.settings import HubSettings
from systems import hub as hubs
from systems.kernels.cells import run_cell

DEADLINE = timedelta(seconds=40)


@pytest.fixture(scope="module")
def hub(stack: Stack) -> HubSettings:
    stack.revive()
    return load_environment("local").hub


@pytest.fixture(scope="module")
def server_url(hub: HubSettings) -> Iterator[str]:
    user = load_environment("local").health.synthetic_user
    hubs.ensure_user(hub, user)
    try:
        yield hubs.server_url(hub, hubs.start_server(hub, user, deadline=timedelta(seconds=60)))
    finally:
        hubs.end_server(hub, user)
        hubs.delete_user(hub, user)


def test_what_a_cell_prints_comes_back(hub, server_url):
    code = "import sys\nprint('Grüße', 6 * 7)\nprint('second', file=sys.stderr)"
    printed = run_cell(server_url, hub.api_token, code, deadline=DEADLINE)
    assert "Grüße 42\n" in printed and "second\n" in printed


def test_a_cell_that_raises_fails_with_the_exceptions_name_and_value(hub, server_url):
    with pytest.raises(Failed, match="ZeroDivisionError: division by zero"):
        run_cell(server_url, hub.api_token, "1 / 0", deadline=DEADLINE)


def test_a_cell_that_does_not_end_fails_at_the_deadline(hub, server_url):
    with pytest.raises(Failed, match="did not end in time"):
        run_cell(server_url, hub.api_token, "while True: pass", deadline=timedelta(seconds=4))


def test_no_kernel_is_left_behind(hub, server_url):
    run_cell(server_url, hub.api_token, "pass", deadline=DEADLINE)
    with pytest.raises(Failed):
        run_cell(server_url, hub.api_token, "raise RuntimeError", deadline=DEADLINE)
    token = {"Authorization": f"token {hub.api_token.get_secret_value()}"}
    assert httpx.get(f"{server_url}/api/kernels", headers=token).json() == []


def test_a_token_that_does_not_open_the_server_is_refused_without_being_shown(server_url):
    wrong = SecretStr("e" * 32)
    with pytest.raises(Refused, match="does not open this server") as caught:
        run_cell(server_url, wrong, "pass", deadline=DEADLINE)
    assert wrong.get_secret_value() not in repr(caught.value)


def test_a_server_that_does_not_run_is_told(hub):
    with pytest.raises(RiskhubError, match="answered") as caught:
        run_cell(f"{hub.public_url}/user/nobody", hub.api_token, "pass", deadline=DEADLINE)
    assert caught.value.next_step
