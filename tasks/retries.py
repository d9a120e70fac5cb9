"""What is worth another try: silence, and nothing else. What is refused once is refused again."""

from __future__ import annotations

from typing import Any, TypedDict

from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import Task

from domain.errors import Unreachable


class Retries(TypedDict):
    """Prefect's task options for trying again."""

    retries: int
    retry_delay_seconds: list[float]
    retry_condition_fn: Any


def no_answer(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    """Did the other side not answer?"""
    return isinstance(state.result(raise_on_failure=False), Unreachable)


def while_unreachable(*delays: float) -> Retries:
    """Try again after each of `delays` (seconds) as long as the other side does not answer."""
    return {"retries": len(delays), "retry_delay_seconds": list(delays), "retry_condition_fn": no_answer}
