"""What really runs: whose pods are this Hub's, and what one process of a user is."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psutil
import pytest
from pydantic import SecretStr

from environments.settings import HubSettings
from systems.running import end_running, pod_as_running, read_running

HUB = HubSettings(
    api_url="http://127.0.0.1:1/hub/api", public_url="https://hub.example.org", api_token=SecretStr("t" * 32)
)
OURS = {"JUPYTERHUB_USER": "b e a", "JUPYTERHUB_PUBLIC_HUB_URL": "https://hub.example.org/hub/"}
PARENT = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(600)'])"
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"


def pod(**variables: str) -> Any:
    named = {"name": "jupyter-bea", "namespace": "jupyterhub", "uid": "u1", "creationTimestamp": "2026-03-02T05:00:00Z"}
    notes = {"hub.jupyter.org/username": "Béa O'Neil@example.org", "hub.jupyter.org/servername": "gpu"}
    env = [{"name": "RISK_API_TOKEN", "valueFrom": {}}, *({"name": k, "value": v} for k, v in variables.items())]
    return {"metadata": {**named, "annotations": notes}, "spec": {"containers": [{"name": "notebook", "env": env}]}}


def test_a_pod_is_this_hubs_by_the_hubs_own_address_in_its_variables():
    running = pod_as_running(HUB, pod(**OURS))
    assert (running.label, running.ours, running.uid) == ("Béa O'Neil@example.org/gpu", True, "u1")
    assert running.started == datetime(2026, 3, 2, 5, tzinfo=UTC)
    assert running.end == "kubectl -n jupyterhub delete pod jupyter-bea"


@pytest.mark.parametrize(
    "variables",
    [{}, {**OURS, "JUPYTERHUB_PUBLIC_HUB_URL": "https://drill.example.org/hub/"}, {"JUPYTERHUB_PUBLIC_HUB_URL": "x"}],
)
def test_a_pod_of_another_hub_is_not_this_ones(variables):
    assert not pod_as_running(HUB, pod(**variables)).ours


@pytest.fixture
def server() -> Iterator[subprocess.Popen[bytes]]:
    """A process as a spawner starts it, with a child that has its variables too, as a kernel has."""
    process = subprocess.Popen((sys.executable, "-c", PARENT), env={**os.environ, **OURS}, start_new_session=True)
    give_up = time.monotonic() + 30
    while not psutil.Process(process.pid).children():
        assert time.monotonic() < give_up
        time.sleep(0.05)
    yield process
    process.kill()
    process.wait()


def test_a_process_and_its_children_are_one_and_end_together(server):
    (running,) = read_running(HUB) or ()
    assert (running.label, running.id, running.where) == ("b e a/", str(server.pid), f"its process {server.pid}")
    family = [psutil.Process(server.pid), *psutil.Process(server.pid).children()]
    end_running(running)
    assert not [each for each in family if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]
    assert read_running(HUB) == ()
    end_running(running)


def test_a_process_that_does_not_heed_its_end_is_killed():
    process = subprocess.Popen((sys.executable, "-c", DEAF), env={**os.environ, **OURS}, stdout=subprocess.PIPE)
    assert process.stdout and process.stdout.readline() == b"up\n"
    (running,) = read_running(HUB) or ()
    end_running(running, grace=timedelta(seconds=0.2))
    assert process.wait(timeout=10) == -9


def test_of_a_hub_elsewhere_nobody_sees_what_runs():
    assert read_running(HUB.model_copy(update={"api_url": "https://hub.example.org/hub/api"})) is None
