"""The users' libraries on the path, as in their servers, and a real Risk API for them."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from devstack.process import free_ports, start, stop, wait_ready
from devstack.risk_api.part import risk_api
from environments.loader import PROJECT

sys.path.insert(0, str(PROJECT / "notebooks" / "libs"))

TOKEN = "token-of-a-data-scientist"


@pytest.fixture(scope="session")
def risk_api_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Risk API that takes `TOKEN`."""
    state = tmp_path_factory.mktemp("risk-api")
    (port,) = free_ports(1)
    part = risk_api(state, port, {TOKEN: "data-scientist"})
    process = start(part, state)
    try:
        wait_ready(part, process, state)
        yield f"http://127.0.0.1:{port}"
    finally:
        stop(part, process)


@pytest.fixture
def token() -> str:
    return TOKEN
