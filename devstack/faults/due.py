"""Faults of what happens by schedule: backups, drills, reports, and the scheduler itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from devstack.faults.fault import changed, halted, stopped, with_empty_bucket
from devstack.stack import Stack
from domain.clock import utc_now
from domain.record import Record
from domain.recovery import point_id
from environments import Environment
from systems.evidence import publish_key, signing_key, store_evidence
from systems.mirror import push
from systems.mirrored import homes_of, shared_of
from systems.recovery_points import seal_recovery_point


@contextmanager
def never_backed_up(_: Stack, env: Environment) -> Iterator[Environment]:
    yield with_empty_bucket(env)


@contextmanager
def drill_overdue(_: Stack, env: Environment) -> Iterator[Environment]:
    """There are backups, and the last drill passed forty days ago."""
    env = with_empty_bucket(env)
    with TemporaryDirectory() as folder:
        for mirrored in (homes_of(env), *shared_of(env)):
            push(Path(folder), mirrored.location)
    seal_recovery_point(env.objects, point_id(utc_now()), [])
    _leave(env, "recovery-drill", timedelta(days=40), {"rto_seconds": 5.8})
    yield env


@contextmanager
def report_overdue(_: Stack, env: Environment) -> Iterator[Environment]:
    """The last report is of five days ago."""
    env = with_empty_bucket(env)
    _leave(env, "run-report", timedelta(days=5), {})
    yield changed(env, "health", report_max_age=timedelta(hours=78))


@contextmanager
def aws_down(stack: Stack, env: Environment) -> Iterator[Environment]:
    with stopped(stack, "aws-control-plane"):
        yield env


@contextmanager
def prefect_down(stack: Stack, env: Environment) -> Iterator[Environment]:
    with stopped(stack, "prefect-server"):
        yield env


@contextmanager
def run_late(stack: Stack, env: Environment) -> Iterator[Environment]:
    """The worker does nothing, and a run was due five minutes ago."""
    with halted(stack, "prefect-worker"), httpx.Client(base_url=env.prefect.api_url, timeout=30) as prefect:
        found = prefect.get("/deployments/name/daily-health-check/morning").raise_for_status().json()
        due = {"type": "SCHEDULED", "state_details": {"scheduled_time": (utc_now() - timedelta(minutes=5)).isoformat()}}
        made = prefect.post(f"/deployments/{found['id']}/create_flow_run", json={"state": due}).raise_for_status()
        try:
            yield env
        finally:
            prefect.delete(f"/flow_runs/{made.json()['id']}").raise_for_status()


def _leave(env: Environment, flow: str, ago: timedelta, measures: dict[str, float | int | str | None]) -> None:
    """Signed evidence of a run that was complete so long ago."""
    ended, key = utc_now() - ago, signing_key(env.aws)
    publish_key(env.objects, key)
    made = Record(
        flow=flow,
        environment=env.name,
        state="complete",
        summary="done",
        started_at=ended,
        finished_at=ended,
        measures=measures,
    )
    store_evidence(env.objects, made, key)
