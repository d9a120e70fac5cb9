"""The scripts that wait for what is not there yet, and end, or go on, as soon as it is."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from devstack.process import free_ports
from tests.k8s.rendering import K8S

FOR_DATABASE = K8S / "base" / "wait_for_database.py"
FOR_HUB = K8S / "base" / "wait_for_hub.py"
FOR_SCHEMA = K8S / "operations" / "wait_for_schema.py"


@contextmanager
def running(script: Path, *arguments: str, **variables: str) -> Iterator[subprocess.Popen[str]]:
    environment = {"PATH": os.environ["PATH"], **variables}
    with subprocess.Popen(
        (sys.executable, str(script), *arguments),
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def test_the_hub_waits_until_its_database_takes_connections() -> None:
    (port,) = free_ports(1)
    url = f"postgresql://hub:a%2Fb@127.0.0.1:{port}/hub"
    with running(FOR_DATABASE, HUB_DATABASE_URL=url) as process:
        assert first_line(process).startswith("database 127.0.0.1: ")
        with socket.create_server(("127.0.0.1", port)):
            assert process.wait(timeout=20) == 0


def test_what_the_hub_waits_for_is_told_without_its_password() -> None:
    url = "postgresql://hub:secret@127.0.0.1:9/hub"
    with running(FOR_DATABASE, HUB_DATABASE_URL=url) as process:
        assert "secret" not in first_line(process)


def test_a_users_server_begins_when_the_hub_takes_connections_in_the_same_process() -> None:
    (port,) = free_ports(1)
    server = (sys.executable, "-c", "import os, sys; print(os.getpid(), sys.argv[1:])", "--debug", "{not a template}")
    with running(FOR_HUB, *server, JUPYTERHUB_API_URL=f"http://127.0.0.1:{port}/hub/api") as process:
        assert first_line(process) == "hub 127.0.0.1: [Errno 111] Connection refused\n"
        with socket.create_server(("127.0.0.1", port)):
            told = process.communicate(timeout=20)[0].splitlines()[-1]
    assert told == f"{process.pid} ['--debug', '{{not a template}}']"
    assert process.returncode == 0


def test_prefects_api_waits_until_its_database_has_the_schema(tmp_path: Path) -> None:
    variables = {
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{tmp_path / 'prefect.db'}",
        "PREFECT_HOME": str(tmp_path),
    }
    with running(FOR_SCHEMA, **variables) as process:
        assert first_line(process) == "Prefect's database: Database is not on all head revisions\n"
        prefect = Path(sys.executable).with_name("prefect")
        subprocess.run(
            (str(prefect), "server", "database", "upgrade", "--yes"),
            env={"PATH": os.environ["PATH"], **variables},
            capture_output=True,
            timeout=120,
            check=True,
        )
        assert process.wait(timeout=60) == 0
