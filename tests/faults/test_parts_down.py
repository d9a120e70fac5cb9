"""A part of the platform is down: whoever calls is told which, what it means and what to do."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import psutil
import pytest

from devstack.day.damage import Look, differences, look_at
from devstack.process import marked
from devstack.stack import Stack
from environments import Environment
from systems.homes import MIRROR_PREFIX
from systems.signing import payload_of
from tests.faults.conftest import keys_below
from tests.faults.oncall import OnCall, at_once

Down = Callable[..., AbstractContextManager[None]]


@pytest.fixture
def down(stack: Stack) -> Down:
    """`with down("hub"):` the part is stopped, and comes back after it."""

    @contextmanager
    def stopped(*names: str) -> Iterator[None]:
        for name in names:
            stack.stop_part(name)
        try:
            yield
        finally:
            for name in reversed(names):
                stack.restart_part(name)

    return stopped


def test_with_the_hub_down_the_check_names_it_and_a_cull_stops_nobody(
    down: Down, on_call: OnCall, env: Environment
) -> None:
    with down("hub"):
        check, cull, listing = at_once(
            lambda: on_call.riskhub("health", "check", "--json"),
            lambda: on_call.riskhub("sessions", "cull", "--execute", "--environment", "local", "--json"),
            lambda: on_call.riskhub("sessions", "list", "--environment", "local"),
        )
    assert check.code == cull.code == listing.code == 1
    assert check.findings["hub-api"].startswith(f"failed: Hub at {env.hub.api_url}")
    assert check.findings["object-store"].startswith("ok")
    assert cull.record["outcomes"] == []
    assert f"Hub at {env.hub.api_url}" in cull.err
    assert f"Hub at {env.hub.api_url}" in listing.err


def test_with_the_proxy_down_the_check_names_the_proxy_and_its_next_step(
    down: Down, on_call: OnCall, env: Environment
) -> None:
    with down("proxy"):
        check = on_call.riskhub("health", "check", "--json")
    assert check.code == 1
    assert check.findings["proxy-routes"].startswith(f"failed: proxy at {env.hub.public_url}")
    assert "start the proxy" in check.findings["proxy-routes"]


def test_with_s3_down_a_backup_makes_no_point_and_keeps_its_evidence_here(
    down: Down, on_call: OnCall, env: Environment, whole: dict[str, Look], aws_variables: dict[str, str]
) -> None:
    mirror = f"s3://{env.objects.bucket}/{MIRROR_PREFIX}"
    homes = str(env.homes.user_data)
    before = keys_below(env.objects, "")
    with down("object-store"):
        backup, check, restore = at_once(
            lambda: on_call.riskhub("backup", "run", "--execute", "--json"),
            lambda: on_call.riskhub("health", "check"),
            lambda: on_call.riskhub("mirror", "restore", mirror, homes, "--execute", "--json", **aws_variables),
        )
    assert backup.code == 3  # the snapshot does not need the bucket
    missed = {target for target, told in backup.outcomes.items() if told.startswith("failed")}
    assert missed == {"homes", "Hub database", "configuration"}
    assert all(f"{env.objects.endpoint_url}" in backup.outcomes[target] for target in missed)
    assert backup.record["summary"].startswith("no recovery point: ")
    assert "evidence is not in the bucket" in backup.findings["evidence"]
    kept = Path(backup.record["links"]["evidence"])
    assert json.loads(payload_of(kept.read_bytes(), thing=kept.name))["summary"] == backup.record["summary"]

    assert check.code == 1
    assert "object-store" in check.err
    assert "Next: check that the object store answers" in check.out

    assert restore.code == 1
    assert f"{env.objects.endpoint_url}" in restore.err
    assert differences(whole["nora"], look_at(env.homes.user_data / "nora")) == []

    assert {key for key in keys_below(env.objects, "") - before if not key.startswith("health/")} == set()


def test_without_prefect_everything_on_call_needs_still_works_and_says_so(
    down: Down, on_call: OnCall, env: Environment, whole: dict[str, Look]
) -> None:
    home = env.homes.user_data / "nora"
    (home / "notes.txt").unlink()
    with down("prefect-worker", "prefect-server"):
        restore, cull, check = at_once(
            lambda: on_call.riskhub("restore", "home", "--user", "nora", "--confirm", "local", "--execute", "--json"),
            lambda: on_call.riskhub("sessions", "cull", "--environment", "local", "--json"),
            lambda: on_call.riskhub("health", "check", "--json"),
        )
    assert (restore.code, cull.code) == (0, 0)
    bad = {each["probe"] for each in check.record["findings"] if each["state"] in ("failed", "degraded")}
    assert bad - {"recovery"} == {"scheduler"}, "and recovery, which nobody may have drilled yet"
    for answer in (restore, cull, check):
        assert f"Prefect at {env.prefect.api_url} does not answer: running without it" in answer.err
    assert differences(whole["nora"], look_at(home)) == []


def test_a_taken_port_ends_the_start_by_name_and_leaves_nothing_running(on_call: OnCall, tmp_path: Path) -> None:
    state = tmp_path / "stack"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        answer = on_call.riskhub("stack", "up", "--port", f"hub-public={port}", RISKHUB_STATE=str(state))
    assert answer.code == 1
    assert f"port {port} for hub-public: it is taken" in answer.err
    assert "choose another" in answer.err
    assert marked(state) == []
    assert not psutil.pid_exists(json.loads((state / "status.json").read_text())["pid"])


@pytest.mark.parametrize("port", ["hub-public=http", "hub-public", "front-door=8000", "hub-public=70000"])
def test_a_port_that_is_none_is_a_usage_error(port: str, on_call: OnCall, tmp_path: Path) -> None:
    answer = on_call.riskhub("stack", "up", "--port", port, RISKHUB_STATE=str(tmp_path / "stack"))
    assert answer.code == 2
    assert "Invalid value for '--port'" in answer.err
    assert not (tmp_path / "stack").exists()
