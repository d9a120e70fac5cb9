"""A backup that is killed: no point for good that is none, the one before still restores, the next is whole."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
from datetime import timedelta
from pathlib import Path

import psutil
import pytest

from devstack.day.damage import Look, differences, look_at
from devstack.day.runs import Deployments
from environments import Environment
from systems.homes import MIRROR_PREFIX
from systems.mirror import MirrorLocation, history
from systems.objects import get_object
from tests.faults.conftest import keys_below, until
from tests.faults.oncall import OnCall

chance = random.Random(3)  # noqa: S311 - the moments of the kills, the same in every run
DEADLINE = timedelta(minutes=2)


def recovery_points(env: Environment) -> set[str]:
    return {key for key in keys_below(env.objects, "recovery-points/") if key.endswith("/manifest.json")}


def announced(env: Environment) -> set[str]:
    """Pushes of the homes that began and did not end."""
    folder = MirrorLocation(env.objects, MIRROR_PREFIX).manifests
    return keys_below(env.objects, f"{folder}unfinished/")


def work_on(home: Path) -> None:
    """So much that the next backup of it takes seconds."""
    home.mkdir(exist_ok=True)
    for number in range(4000):
        (home / f"{number}.bin").write_bytes(chance.randbytes(2 * 1024))


def begin_and_kill(on_call: OnCall, env: Environment, seconds: float) -> None:
    """A backup, killed so long after its first write of a home."""
    known = announced(env)
    backup = on_call.start("backup", "run", "--execute", "--json")
    try:
        until(lambda: bool(announced(env) - known))
        with contextlib.suppress(subprocess.TimeoutExpired):
            backup.wait(seconds)
        assert backup.poll() is None, "it ended before it could be killed"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(backup.pid, signal.SIGKILL)
        on_call.said += backup.communicate()


@pytest.mark.timeout(300)
def test_a_killed_backup_leaves_no_point_and_the_next_one_is_whole(
    on_call: OnCall,
    env: Environment,
    whole: dict[str, Look],
    aws_variables: dict[str, str],
    tmp_path: Path,
) -> None:
    mirror = f"s3://{env.objects.bucket}/{MIRROR_PREFIX}"
    points, last = recovery_points(env), history(MirrorLocation(env.objects, MIRROR_PREFIX))[-1]
    work_on(env.homes.user_data / "emil")

    begin_and_kill(on_call, env, chance.uniform(0, 0.5))
    kill_a_run_of_the_worker(env)

    assert recovery_points(env) == points
    assert history(MirrorLocation(env.objects, MIRROR_PREFIX))[-1] == last
    restored = on_call.riskhub(
        "mirror", "restore", mirror, str(tmp_path / "nora"), "--path", "nora", "--execute", "--json", **aws_variables
    )
    assert (restored.code, restored.record["point"]) == (0, last.id)
    assert differences(whole["nora"], look_at(tmp_path / "nora" / "nora")) == []

    deployments = Deployments(env.prefect.api_url, env.prefect.ui_url)
    run = deployments.wait(deployments.start("daily-backup/nightly", {"execute": True}), DEADLINE)
    assert run.succeeded, run
    (new,) = recovery_points(env) - points
    members = {each["kind"]: each["reference"] for each in json.loads(get_object(env.objects, new))["members"]}
    assert set(members) == {"snapshot", "homes", "database", "configuration"}
    assert members["homes"] == history(MirrorLocation(env.objects, MIRROR_PREFIX))[-1].id
    checked = on_call.riskhub("mirror", "verify", mirror, str(env.homes.user_data), "--json", **aws_variables)
    assert (checked.code, checked.record["point"]) == (0, members["homes"])


def kill_a_run_of_the_worker(env: Environment) -> None:
    """A backup that the worker runs, its process killed as it writes; Prefect shows it as crashed."""
    known = announced(env)
    deployments = Deployments(env.prefect.api_url, env.prefect.ui_url)
    run_id = deployments.start("daily-backup/nightly", {"execute": True})
    until(lambda: bool(announced(env) - known))
    (process,) = processes_of(run_id)
    process.kill()
    assert deployments.wait(run_id, DEADLINE).state == "Crashed"


def processes_of(run_id: str) -> list[psutil.Process]:
    """The processes that carry the id of this flow run."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            if process.environ().get("PREFECT__FLOW_RUN_ID") == run_id:
                found.append(process)
    return found
