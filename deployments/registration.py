"""The work pool and the deployments of prefect.yaml, registered with a Prefect server by its own command.

Registered twice they are the same; a run that goes on keeps what it began with.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from domain.errors import Failed
from environments.loader import PROJECT
from environments.settings import PrefectSettings

WORK_POOL: str = PrefectSettings.model_fields["work_pool"].default
PREFECT = str(Path(sys.executable).parent / "prefect")
JOB_TEMPLATE = Path(__file__).parent / "kubernetes-job-template.json"


def kubernetes_template(image: str) -> dict[str, Any]:
    """Runs are Jobs of the cluster, from the runbook's `image`."""
    template: dict[str, Any] = json.loads(JOB_TEMPLATE.read_text())
    template["variables"]["properties"]["image"]["default"] = image
    return template


def process_template() -> dict[str, Any]:
    """Runs are processes of the worker's machine, at home in this checkout."""
    types = {"command": "string", "env": "object", "labels": "object", "name": "string"}
    return {
        "job_configuration": {name: f"{{{{ {name} }}}}" for name in types} | {"working_dir": str(PROJECT)},
        "variables": {"type": "object", "properties": {name: {"type": kind} for name, kind in types.items()}},
    }


def create_pool(
    variables: Mapping[str, str], kind: Literal["kubernetes", "process"], template: Mapping[str, Any]
) -> None:
    """Make the work pool of the deployments; one that is there gets the template.

    Args:
        variables: PREFECT_API_URL, and PREFECT_HOME of this caller.

    Raises:
        Failed: Prefect does not take it.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "template.json"
        path.write_text(json.dumps(template))
        arguments = ("--type", kind, "--base-job-template", str(path), "--overwrite")
        _prefect(variables, "work-pool", "create", WORK_POOL, *arguments)


def deploy_all(variables: Mapping[str, str]) -> None:
    """Register every deployment of prefect.yaml for the environment RISKHUB_ENVIRONMENT.

    Raises:
        Failed: Prefect does not take one.
    """
    _prefect(variables, "--no-prompt", "deploy", "--all")


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
