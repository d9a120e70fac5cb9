"""Flows on the embedded stack, their runs in its own Prefect server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from prefect.events.worker import EventsWorker
from prefect.settings import PREFECT_API_URL, temporary_settings

from environments import Environment


@pytest.fixture
def prefect_of_the_stack(env: Environment) -> Iterator[None]:
    with temporary_settings({PREFECT_API_URL: env.prefect.api_url}):
        yield
        deliver_events()


def deliver_events() -> None:
    """While their server lives: at exit Prefect offers each one that is left to a dead one for ten seconds."""
    assert not EventsWorker.drain_all(timeout=30).not_done
