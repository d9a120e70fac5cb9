"""Schedules as Prefect keeps them, not as the file declares them."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

from devstack.day.runs import Deployments
from domain.clock import utc_now
from environments import Environment

MIRROR = "mirror-homes/every-15-minutes"


def test_a_schedule_that_is_resumed_makes_its_runs_every_quarter_of_an_hour(env: Environment) -> None:
    deployments = Deployments(env.prefect.api_url, env.prefect.ui_url)
    deployments.resume_schedule(MIRROR)
    try:
        due = [deployments.next_due(MIRROR, utc_now())]
        for _ in range(2):
            due.append(deployments.next_due(MIRROR, due[-1].at))
    finally:
        deployments.pause_schedules()
    assert due[0].at - utc_now() <= timedelta(minutes=15)
    assert [later.at - earlier.at for earlier, later in pairwise(due)] == [timedelta(minutes=15)] * 2
    assert {each.at.minute for each in due} <= {10, 25, 40, 55}
