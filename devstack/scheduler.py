"""Prefect: a server on SQLite, and the worker of its process work pool."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from deployments.registration import PREFECT, WORK_POOL
from devstack.process import Part, http_ok
from environments.loader import PROJECT
from systems.prefect_template import keep_template, use_template


def prefect_variables(state: Path, port: int) -> dict[str, str]:
    """What every Prefect process of the stack is told."""
    return {
        "PREFECT_HOME": str(state / "prefect"),
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_CLI_COLORS": "false",
        "PREFECT_LOGGING_COLORS": "false",
        "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
        # a day of minutes: runs are asked for, a schedule of real hours would only fire into it
        "PREFECT_SERVER_SERVICES_SCHEDULER_ENABLED": "false",
    }


def server(variables: Mapping[str, str], port: int) -> Part:
    """The Prefect server with its UI; a fresh one starts from the template."""
    database = _database(variables)
    if not database.exists():
        database.parent.mkdir(parents=True, exist_ok=True)
        use_template(database)
    return Part(
        name="prefect-server",
        command=(PREFECT, "server", "start", "--host", "127.0.0.1", "--port", str(port)),
        environment=variables,
        ready=http_ok(f"http://127.0.0.1:{port}/api/health"),
        folder=PROJECT,
        deadline=timedelta(seconds=120),
    )


def keep_for_the_next_start(variables: Mapping[str, str]) -> None:
    """The server answers: what it migrated saves the next fresh one its longest step."""
    keep_template(_database(variables))


def worker(state: Path, variables: Mapping[str, str], health_port: int) -> Part:
    """The worker that runs the deployments' flow runs as processes of this machine."""
    return Part(
        name="prefect-worker",
        command=(PREFECT, "worker", "start", "--pool", WORK_POOL, "--type", "process", "--with-healthcheck"),
        environment={
            **variables,
            "RISKHUB_STATE": str(state),
            "PREFECT_WORKER_WEBSERVER_HOST": "127.0.0.1",
            "PREFECT_WORKER_WEBSERVER_PORT": str(health_port),
            "PREFECT_WORKER_QUERY_SECONDS": "2",
        },
        ready=http_ok(f"http://127.0.0.1:{health_port}/health"),
        folder=PROJECT,
        deadline=timedelta(seconds=90),
    )


def _database(variables: Mapping[str, str]) -> Path:
    return Path(variables["PREFECT_HOME"]) / "prefect.db"
