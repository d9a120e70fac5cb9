"""Limits as Prefect enforces them, not as the file declares them."""

from __future__ import annotations

from devstack.day.runs import Deployments
from devstack.stack import Stack
from environments import Environment


def test_a_second_backup_is_cancelled_while_one_runs(stack: Stack, env: Environment) -> None:
    deployments = Deployments(env.prefect.api_url, env.prefect.ui_url)
    begun = [deployments.start("daily-backup/nightly", {"execute": True}) for _ in range(2)]
    ended = [deployments.wait(run_id) for run_id in begun]
    assert sorted(run.state for run in ended) == ["Cancelled", "Completed"]
