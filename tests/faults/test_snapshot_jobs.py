"""AWS Backup's jobs that end badly: a backup FAILED, ABORTED, EXPIRED, a copy refused, a restore PARTIAL."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from devstack.day.damage import Look, differences, look_at
from devstack.stack import Stack
from domain.errors import Refused
from domain.recovery import Snapshot
from environments import Environment
from environments.settings import AwsSettings
from systems.aws import client_options
from systems.snapshots import latest_snapshot, start_snapshot, wait_for_snapshot
from tasks.snapshot_restore import restore_aside, swap_in_home
from tests.faults.conftest import keys_below, until
from tests.faults.oncall import Answer, OnCall

MINUTE = timedelta(minutes=1)


@pytest.fixture
def aws_process(stack: Stack, env: Environment) -> int:
    """The process id of the emulated AWS."""
    return stack.running["aws-control-plane"][1].pid


@pytest.fixture
def large(env: Environment) -> Iterator[Path]:
    """A file on the file system, beside the homes, that takes no room there and a snapshot seconds to copy."""
    path = env.homes.mount_point / "data" / "large.parquet"
    with path.open("wb") as file:
        os.truncate(file.fileno(), 3 << 30)
    yield path
    path.unlink()


@pytest.fixture
def home(env: Environment) -> Iterator[Path]:
    """The home of pia, who never logs in; what restores leave beside the homes goes with it."""
    path = env.homes.user_data / "pia"
    (path / "limits").mkdir(parents=True)
    (path / "notes.txt").write_text("first\n")
    (path / "limits" / "desk.csv").write_text("desk,limit\n")
    (path / "latest").symlink_to("notes.txt")
    (path / "limits").chmod(0o750)
    os.utime(path / "notes.txt", ns=(1, 1_700_000_000_123_456_789))
    yield path
    shutil.rmtree(path, ignore_errors=True)
    for left in beside(env):
        shutil.rmtree(env.homes.mount_point / left)


def beside(env: Environment) -> list[str]:
    """What restores left beside the homes."""
    names = (path.name for path in env.homes.mount_point.iterdir())
    return sorted(name for name in names if name.startswith(("aws-backup-restore_", ".riskhub-restore-")))


def taken(env: Environment) -> Snapshot:
    job = start_snapshot(env.aws, env.homes, environment="test", point=os.urandom(8).hex())
    return wait_for_snapshot(env.aws, job, deadline=MINUTE)


def backup_api(aws: AwsSettings) -> Any:
    return boto3.session.Session().client("backup", **client_options(aws))


def latest_snapshot_in(aws: AwsSettings) -> str:
    points = backup_api(aws).list_recovery_points_by_backup_vault(BackupVaultName=aws.backup_vault)["RecoveryPoints"]
    return str(points[0]["RecoveryPointArn"])


def job_in(env: Environment, state: str) -> str | None:
    """The newest backup job, if it is in this state and under way."""
    jobs = backup_api(env.aws).list_backup_jobs(ByState=state)["BackupJobs"]
    return jobs[0]["BackupJobId"] if jobs and (state != "RUNNING" or jobs[0]["BytesTransferred"]) else None


def jobs_in(env: Environment, state: str) -> set[str]:
    return {job["BackupJobId"] for job in backup_api(env.aws).list_backup_jobs(ByState=state)["BackupJobs"]}


@contextmanager
def largest_file(process: int, size: int) -> Iterator[None]:
    """The process can write no file larger than this."""
    limits = resource.prlimit(process, resource.RLIMIT_FSIZE)
    resource.prlimit(process, resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.prlimit(process, resource.RLIMIT_FSIZE, limits)


def backed_up(on_call: OnCall, meanwhile: Callable[[], None]) -> Answer:
    """A backup, and what happens while it runs."""
    with ThreadPoolExecutor(1) as pool:
        happening = pool.submit(meanwhile)
        answer = on_call.riskhub("backup", "run", "--execute", "--json")
        happening.result()
    return answer


def assert_no_point(answer: Answer, env: Environment, words: str) -> None:
    target = f"file system {env.homes.file_system_id}"
    assert answer.code == 3, answer
    assert answer.outcomes[target].startswith("failed: backup job "), answer.outcomes
    assert words in answer.outcomes[target]
    assert "Next: correct the cause and start the backup again; no snapshot was made" in answer.outcomes[target]
    assert answer.record["summary"] == f"no recovery point: {target} could not be backed up"


def test_a_snapshot_that_fails_makes_no_point_and_is_told_in_awss_words(
    on_call: OnCall, env: Environment, whole: dict[str, Look], aws_process: int, large: Path
) -> None:
    before, points = latest_snapshot(env.aws, env.homes), keys_below(env.objects, "recovery-points/")
    with largest_file(aws_process, 100 << 20):
        answer = on_call.riskhub("backup", "run", "--execute", "--json")
    assert_no_point(answer, env, "ended FAILED: Backup job failed: File too large")
    assert latest_snapshot(env.aws, env.homes) == before
    assert not [key for key in keys_below(env.objects, "recovery-points/") - points if key.endswith("/manifest.json")]


def test_a_snapshot_that_somebody_stops_makes_no_point_and_is_told(
    on_call: OnCall, env: Environment, whole: dict[str, Look], large: Path
) -> None:
    before = latest_snapshot(env.aws, env.homes)

    def stop() -> None:
        until(lambda: bool(job_in(env, "RUNNING")))
        backup_api(env.aws).stop_backup_job(BackupJobId=job_in(env, "RUNNING"))

    assert_no_point(backed_up(on_call, stop), env, "ended ABORTED: Backup job was stopped by user")
    assert latest_snapshot(env.aws, env.homes) == before


def test_a_snapshot_that_could_not_start_in_its_window_makes_no_point_and_is_told(
    on_call: OnCall, env: Environment, whole: dict[str, Look], aws_process: int, large: Path
) -> None:
    before = jobs_in(env, "COMPLETED")
    # one after the other, they last until the command has started, however slow it is
    names = [f"in-the-way-{number}" for number in range(8)]
    in_the_way = {start_snapshot(env.aws, env.homes, environment="test", point=name) for name in names}

    def a_day_passes() -> None:
        until(lambda: bool(jobs_in(env, "PENDING") - in_the_way))
        os.kill(aws_process, signal.SIGUSR1)

    answer = backed_up(on_call, a_day_passes)
    for job in in_the_way:
        with contextlib.suppress(ClientError):  # most have ended meanwhile
            backup_api(env.aws).stop_backup_job(BackupJobId=job)
    assert_no_point(answer, env, "ended EXPIRED: There was a running job for the same resource")
    assert jobs_in(env, "COMPLETED") - before <= in_the_way


def test_a_snapshot_that_cannot_be_copied_counts_and_the_run_is_partial(
    on_call: OnCall, env: Environment, whole: dict[str, Look], other_state: Callable[..., Path]
) -> None:
    state = other_state(AWS_BACKUP_COPY_REGION="eu-north-1")  # where nobody made a vault
    answer = on_call.riskhub("backup", "run", "--execute", "--json", RISKHUB_STATE=str(state))
    target = f"file system {env.homes.file_system_id}"
    assert answer.code == 3
    assert answer.record["summary"] == f"a recovery point was taken, but see {target}"
    newest = latest_snapshot(env.aws, env.homes)
    assert newest is not None
    told = (
        f"failed: {newest.recovery_point_arn} was taken, but is in one region only: backup vault 'riskhub' in eu-north"
    )
    assert answer.outcomes[target].startswith(told)
    assert answer.record["links"]["recovery point"].endswith("/manifest.json")


def test_a_snapshot_says_whose_it_is_and_lies_in_a_second_region_too(
    on_call: OnCall, env: Environment, whole: dict[str, Look]
) -> None:
    answer = on_call.riskhub("backup", "run", "--execute", "--json")
    assert answer.code == 0, answer
    newest = latest_snapshot(env.aws, env.homes)
    assert newest is not None and env.aws.backup_copy_region
    there = env.aws.model_copy(update={"region": env.aws.backup_copy_region})
    copy = latest_snapshot_in(there)
    assert f"copied to {copy}" in answer.outcomes[f"file system {env.homes.file_system_id}"]
    point = answer.record["links"]["recovery point"].split("/")[-2]
    tags = {"riskhub:environment": "local", "riskhub:recovery-point": point, "riskhub:made-by": "riskhub"}
    for aws, arn in ((env.aws, newest.recovery_point_arn), (there, copy)):
        assert backup_api(aws).list_tags(ResourceArn=arn)["Tags"] == tags


def restored(on_call: OnCall, *arguments: str) -> Answer:
    return on_call.riskhub("restore", "snapshot-home", "--user", "pia", "--confirm", "local", "--json", *arguments)


def test_a_home_comes_back_from_the_snapshot_whole_and_what_was_there_is_kept(
    on_call: OnCall, env: Environment, home: Path
) -> None:
    before, user_data = look_at(home), env.homes.user_data.stat().st_mtime_ns
    snapshot = taken(env)
    (home / "notes.txt").write_text("damaged\n")
    shutil.rmtree(home / "limits")
    (home / "newer.txt").write_text("of today\n")
    damaged = look_at(home)

    planned = restored(on_call)
    assert (planned.code, planned.record["state"]) == (0, "planned")
    assert [each["verb"] for each in planned.record["actions"]] == ["restore aside", "replace"]
    assert (look_at(home), beside(env)) == (damaged, [])

    answer = restored(on_call, "--execute", "--snapshot", snapshot.recovery_point_arn)
    assert answer.code == 0, answer
    assert differences(before, look_at(home)) == []
    assert answer.record["measures"]["entries"] == len(before)
    (kept,) = beside(env)
    assert answer.record["links"]["what was replaced"] == str(env.homes.mount_point / kept / "replaced")
    assert differences(damaged, look_at(env.homes.mount_point / kept / "replaced" / "user-data" / "pia")) == []
    assert env.homes.user_data.stat().st_mtime_ns == user_data


def test_a_home_that_is_gone_comes_back_and_nothing_stays_beside_it(
    on_call: OnCall, env: Environment, home: Path
) -> None:
    before = look_at(home)
    taken(env)
    shutil.rmtree(home)
    answer = restored(on_call, "--execute")
    assert answer.code == 0, answer
    assert differences(before, look_at(home)) == []
    assert beside(env) == []


def test_a_restore_that_aws_leaves_partial_changes_nothing_and_says_what_lies_where(
    on_call: OnCall, env: Environment, home: Path, aws_process: int
) -> None:
    with (home / "large.parquet").open("wb") as file:
        os.truncate(file.fileno(), 30 << 20)
    taken(env)
    before = look_at(home)
    with largest_file(aws_process, 20 << 20):
        answer = restored(on_call, "--execute")
    assert (answer.code, answer.record["state"]) == (1, "failed")
    (left,) = beside(env)
    assert "ended PARTIAL: 1 items could not be restored: user-data/pia/large.parquet (File too large)" in answer.err
    assert f"The home is untouched; new since the job began: {env.homes.mount_point / left}" in answer.err
    assert "choose another snapshot" in answer.err
    assert look_at(home) == before
    assert not (env.homes.mount_point / left / "user-data" / "pia" / "large.parquet").exists()


def test_a_restore_that_aws_fails_changes_nothing_and_says_why(
    on_call: OnCall, env: Environment, whole: dict[str, Look], home: Path
) -> None:
    before = look_at(home)
    snapshots = backup_api(env.aws).list_recovery_points_by_backup_vault(BackupVaultName="riskhub")["RecoveryPoints"]
    oldest = min(snapshots, key=lambda each: each["CreationDate"])["RecoveryPointArn"]
    answer = restored(on_call, "--execute", "--snapshot", oldest)
    assert (answer.code, answer.record["state"]) == (1, "failed")
    assert "ended FAILED: Restore job failed: not found: user-data/pia. The home is untouched" in answer.err
    assert look_at(home) == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--user", "pia", "--snapshot", "arn:none"), "has no such whole snapshot"),
        (("--user", ""), "an empty name is nobody's"),
    ],
)
def test_what_cannot_be_restored_is_refused_before_anything_starts(
    arguments: tuple[str, ...], words: str, on_call: OnCall, env: Environment, home: Path
) -> None:
    taken(env)
    answer = on_call.riskhub("restore", "snapshot-home", *arguments, "--confirm", "local", "--execute", "--json")
    assert (answer.code, answer.record["state"]) == (1, "refused")
    assert words in answer.err
    assert beside(env) == []


def test_a_home_in_use_is_not_swapped(on_call: OnCall, env: Environment, dina: object) -> None:
    taken(env)
    answer = on_call.riskhub("restore", "snapshot-home", "--user", "dina", "--confirm", "local", "--execute", "--json")
    assert (answer.code, answer.record["state"]) == (1, "refused")
    assert "its server dina/ runs" in answer.err
    assert beside(env) == []


def test_a_server_that_started_while_aws_restored_stops_the_swap_and_what_was_restored_is_named(
    env: Environment, dina: object
) -> None:
    home = env.homes.user_data / "dina"
    folder, _ = restore_aside.fn(env, taken(env), home)
    inode = home.stat().st_ino
    try:
        with pytest.raises(Refused, match=rf"what was restored lies in {folder}/user-data/dina") as refused:
            swap_in_home.fn(env, "dina", home, folder)
        assert f"remove {folder}; stop the server" in refused.value.next_step
        assert home.stat().st_ino == inode
    finally:
        shutil.rmtree(folder)
