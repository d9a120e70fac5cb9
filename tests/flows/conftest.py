"""Flows on the embedded stack, their runs in its own Prefect server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from environments import Environment


@pytest.fixture
def prefect_of_the_stack(env: Environment) -> Iterator[None]:
    with temporary_settings({PREFECT_API_URL: env.prefect.api_url}):
        yield
