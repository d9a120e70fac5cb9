"""Prefect: a server on SQLite, a process work pool, its worker, and the deployments of prefect.yaml."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from devstack.process import Part, http_ok
from domain.errors import Failed
from environments.loader import PROJECT
from systems.prefect_template import keep_template, use_template

WORK_POOL = "riskhub"
PREFECT = str(Path(sys.executable).parent / "prefect")


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


def create_work_pool(variables: Mapping[str, str]) -> None:
    """The process work pool, its jobs at home in the checkout."""
    types = {"command": "string", "env": "object", "labels": "object", "name": "string"}
    template = {
        "job_configuration": {name: f"{{{{ {name} }}}}" for name in types} | {"working_dir": str(PROJECT)},
        "variables": {"type": "object", "properties": {name: {"type": kind} for name, kind in types.items()}},
    }
    path = Path(variables["PREFECT_HOME"]) / "process-pool.json"
    path.write_text(json.dumps(template))
    _prefect(
        variables,
        "work-pool",
        "create",
        WORK_POOL,
        "--type",
        "process",
        "--base-job-template",
        str(path),
        "--overwrite",
    )


def deploy_all(variables: Mapping[str, str]) -> None:
    """Register every deployment of prefect.yaml."""
    _prefect(variables, "--no-prompt", "deploy", "--all")


def _database(variables: Mapping[str, str]) -> Path:
    return Path(variables["PREFECT_HOME"]) / "prefect.db"


def _prefect(variables: Mapping[str, str], *arguments: str) -> None:
    done = subprocess.run(
        (PREFECT, *arguments),
        env={**os.environ, **variables},
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if done.returncode != 0:
        log = Path(variables["PREFECT_HOME"]) / "last-failure.log"
        log.write_text(done.stdout + done.stderr)
        words = done.stderr.strip()[-300:]
        raise Failed(f"prefect {' '.join(arguments[:3])}", f"ended with code {done.returncode}: {words}", f"read {log}")
