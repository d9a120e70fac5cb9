"""The command as its users have it: a process of its own, with an environment of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from devstack import scheduler
from devstack.process import free_ports, start, stop, wait_ready
from environments.loader import PROJECT

SECRET = "kept-to-ourselves"
DEAD = "http://127.0.0.1:9"

Riskhub = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def variables(tmp_path: Path) -> dict[str, str]:
    """Everything `local` asks for, with no part of it alive; no other variable of the caller."""
    addresses = ("JUPYTERHUB_PUBLIC_URL", "RISK_API_URL", "AWS_CONTROL_ENDPOINT_URL", "PREFECT_UI_URL")
    secrets = ("AWS_CONTROL_ACCESS_KEY_ID", "AWS_CONTROL_SECRET_ACCESS_KEY", "RISK_API_TOKEN", "JUPYTERHUB_API_TOKEN")
    (tmp_path / "temporary").mkdir()
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "TMPDIR": str(tmp_path / "temporary"),
        "XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache"),
        "PYTHONPATH": str(PROJECT),
        "RISKHUB_STATE": str(tmp_path),
        **dict.fromkeys((*addresses, "JUPYTERHUB_API_URL", "S3_ENDPOINT_URL"), DEAD),
        **dict.fromkeys((*secrets, "S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY"), SECRET),
        "PREFECT_API_URL": f"{DEAD}/api",
        "HUB_DATABASE_URL": f"postgresql://hub:{SECRET}@127.0.0.1:9/hub",
        "POSTGRES_TOOLS": "/nowhere",
        "EFS_MOUNT_POINT": "/nowhere",
        "EFS_FILE_SYSTEM_ID": "fs-1",
        "S3_BACKUP_BUCKET": "riskhub-backup",
        "AWS_BACKUP_ROLE_ARN": "arn:aws:iam::123456789012:role/riskhub-backup",
    }


@pytest.fixture
def riskhub(variables: dict[str, str]) -> Riskhub:
    """`riskhub(*arguments, program=...)`, run to its end."""

    def run(*arguments: str, program: tuple[str, ...] = ("-m", "cli.main")) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            (sys.executable, *program, *arguments),
            env=variables,
            cwd=PROJECT,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def live_prefect(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The API address of a Prefect server that answers."""
    with serving(tmp_path_factory.mktemp("prefect")) as (url, _stop):
        yield url


@pytest.fixture
def mortal_prefect(tmp_path: Path) -> Iterator[tuple[str, Callable[[], None]]]:
    """The API address of a Prefect server, and the way to kill it."""
    (tmp_path / "server").mkdir()
    with serving(tmp_path / "server") as served:
        yield served


@contextmanager
def serving(state: Path) -> Iterator[tuple[str, Callable[[], None]]]:
    (port,) = free_ports(1)
    told = scheduler.prefect_variables(state, port)
    part = scheduler.server(told, port)
    process = start(part, state)
    try:
        wait_ready(part, process, state)
        yield told["PREFECT_API_URL"], process.kill
    finally:
        stop(part, process)
