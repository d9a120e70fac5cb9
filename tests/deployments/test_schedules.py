"""Prefect's own scheduler makes runs of every schedule: beside a library that it does not fit it makes none."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from deployments.registration import create_pool, deploy_all, process_template
from devstack.day.runs import Deployments
from devstack.process import free_ports, start, stop, wait_ready
from devstack.scheduler import prefect_variables, server
from domain.clock import utc_now
from tests.deployments.test_prefect_yaml import DEPLOYMENTS, flow_of

SCHEDULED = [each for each in DEPLOYMENTS if each.get("schedules")]


@pytest.fixture
def prefect(tmp_path: Path) -> Iterator[Deployments]:
    """The deployments of prefect.yaml on a server of their own, its scheduler on and no worker beside it."""
    (port,) = free_ports(1)
    variables = {**prefect_variables(tmp_path, port), "PREFECT_SERVER_SERVICES_SCHEDULER_ENABLED": "true"}
    part = server(variables, port)
    process = start(part, tmp_path)
    try:
        wait_ready(part, process, tmp_path)
        create_pool(variables, "process", process_template())
        deploy_all({**variables, "RISKHUB_ENVIRONMENT": "local"})
        yield Deployments(variables["PREFECT_API_URL"], f"http://127.0.0.1:{port}")
    finally:
        stop(part, process)


def test_every_schedule_makes_runs(prefect: Deployments) -> None:
    began = utc_now()
    for each in SCHEDULED:
        due = prefect.next_due(f"{flow_of(each).name}/{each['name']}", began, timedelta(seconds=90))
        assert due.at > began
