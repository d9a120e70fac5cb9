"""The Hub's calls as tasks: asked again when it does not answer, and never more stops at once than it bears."""

from __future__ import annotations

from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import Task

from domain.errors import Unreachable
from systems import hub as hubs
from systems.hub import Stop

__all__ = ["Stop", "list_servers", "stop_servers"]


def _hub_did_not_answer(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    """A token that is refused once is refused again: only silence is worth another try."""
    return isinstance(state.result(raise_on_failure=False), Unreachable)


list_servers = task(
    name="list-servers",
    retries=3,
    retry_delay_seconds=[1, 2, 4],
    retry_condition_fn=_hub_did_not_answer,
    timeout_seconds=300,
    cache_policy=NO_CACHE,
)(hubs.list_servers)


# Not retried as a whole: each stop has its own outcome.
stop_servers = task(name="stop-servers", timeout_seconds=3600, cache_policy=NO_CACHE)(hubs.stop_servers)
