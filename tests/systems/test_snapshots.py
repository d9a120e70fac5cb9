"""Snapshots through the real client, against the emulated AWS as a real process."""

from __future__ import annotations

import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from devstack import process
from devstack.aws.part import aws_control_plane
from domain.errors import Failed, Refused, Unreachable
from environments.settings import AwsSettings, HomesSettings
from systems.snapshots import latest_snapshot, list_snapshots, start_snapshot, wait_for_snapshot

MINUTE = timedelta(minutes=1)
SECRET = "wJalr-embedded-secret"


@dataclass
class Aws:
    """The emulated AWS: its settings, and its process to kill."""

    settings: AwsSettings
    homes: HomesSettings
    server: subprocess.Popen[bytes]

    def changed(self, **settings: object) -> AwsSettings:
        return self.settings.model_copy(update=settings)


@contextmanager
def running(folder: Path) -> Iterator[Aws]:
    homes, state = folder / "homes", folder / "state"
    homes.mkdir()
    state.mkdir()
    (port,) = process.free_ports(1)
    part = aws_control_plane(state, port, "fs-0123456789abcdef0", homes)
    server = process.start(part, state)
    try:
        process.wait_ready(part, server, state)
        settings = AwsSettings.model_validate(
            {
                "region": "us-east-1",
                "endpoint_url": f"http://127.0.0.1:{port}",
                "access_key_id": "embedded",
                "secret_access_key": SECRET,
                "backup_vault": "riskhub",
                "backup_role_arn": "arn:aws:iam::123456789012:role/riskhub-backup",
            }
        )
        yield Aws(settings, HomesSettings(mount_point=homes, file_system_id="fs-0123456789abcdef0"), server)
    finally:
        server.kill()
        server.wait()
        shutil.rmtree(state / "aws")  # gigabytes, else kept among pytest's last temporary folders


@pytest.fixture(scope="module")
def one_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    with running(tmp_path_factory.mktemp("aws")) as aws:
        yield aws


@pytest.fixture
def aws(one_aws: Aws) -> Aws:
    """The module's server over empty homes; it may hold snapshots of other tests."""
    shutil.rmtree(one_aws.homes.mount_point, ignore_errors=True)
    one_aws.homes.mount_point.mkdir()
    return one_aws


@pytest.fixture
def own_aws(tmp_path: Path) -> Iterator[Aws]:
    """A new server without snapshots, which a test may kill."""
    with running(tmp_path) as aws:
        yield aws


@pytest.fixture
def token() -> str:
    return str(uuid.uuid4())


def test_a_snapshot_is_started_waited_for_and_then_the_latest(aws: Aws, token: str) -> None:
    (aws.homes.mount_point / "notes").write_bytes(b"12345")
    before = datetime.now(UTC)
    seen: list[float] = []
    job_id = start_snapshot(aws.settings, aws.homes, token=token)
    snapshot = wait_for_snapshot(aws.settings, job_id, deadline=MINUTE, on_progress=seen.append)
    assert seen[-1] == 100
    assert snapshot.size_bytes == 5
    assert snapshot.vault == "riskhub"
    assert before - timedelta(seconds=1) <= snapshot.created_at <= datetime.now(UTC)
    assert latest_snapshot(aws.settings, aws.homes) == snapshot


def test_snapshots_are_listed_newest_first_and_none_is_none(own_aws: Aws) -> None:
    assert latest_snapshot(own_aws.settings, own_aws.homes) is None
    jobs = [start_snapshot(own_aws.settings, own_aws.homes, token=token) for token in ("first", "second")]
    made = [wait_for_snapshot(own_aws.settings, job_id, deadline=MINUTE) for job_id in jobs]
    assert list_snapshots(own_aws.settings, own_aws.homes) == made[::-1]


def test_the_same_token_starts_no_second_backup(aws: Aws, token: str) -> None:
    first = start_snapshot(aws.settings, aws.homes, token=token)
    assert start_snapshot(aws.settings, aws.homes, token=token) == first


def test_a_job_that_fails_tells_why_in_awss_words(aws: Aws, token: str) -> None:
    shutil.rmtree(aws.homes.mount_point)
    job_id = start_snapshot(aws.settings, aws.homes, token=token)
    with pytest.raises(Failed, match=r"FAILED: Backup job failed: No such file or directory.*no snapshot was made"):
        wait_for_snapshot(aws.settings, job_id, deadline=MINUTE)


def test_a_job_that_outlasts_the_deadline_is_said_to_go_on_and_does(aws: Aws, token: str) -> None:
    with (aws.homes.mount_point / "large.parquet").open("wb") as file:
        os.truncate(file.fileno(), 1 << 30)
    job_id = start_snapshot(aws.settings, aws.homes, token=token)
    with pytest.raises(Failed, match=rf"goes on with it.*describe-backup-job --backup-job-id {job_id}"):
        wait_for_snapshot(aws.settings, job_id, deadline=timedelta(0))
    assert wait_for_snapshot(aws.settings, job_id, deadline=MINUTE).size_bytes == 1 << 30


def test_an_unknown_vault_is_refused_by_its_name(aws: Aws, token: str) -> None:
    elsewhere = aws.changed(backup_vault="nobodys")
    with pytest.raises(Refused, match=r"nobodys.*ResourceNotFoundException"):
        start_snapshot(elsewhere, aws.homes, token=token)
    with pytest.raises(Refused, match=r"nobodys.*ResourceNotFoundException"):
        latest_snapshot(elsewhere, aws.homes)


def test_an_unknown_file_system_is_refused_and_not_taken_for_one_without_snapshots(aws: Aws) -> None:
    unknown = aws.homes.model_copy(update={"file_system_id": "fs-00000000"})
    with pytest.raises(Refused, match=r"fs-00000000.*FileSystemNotFound"):
        latest_snapshot(aws.settings, unknown)


def test_an_unknown_job_is_refused(aws: Aws) -> None:
    with pytest.raises(Refused, match=r"backup job none.*ResourceNotFoundException"):
        wait_for_snapshot(aws.settings, "none", deadline=MINUTE)


def test_aws_that_is_down_is_unreachable_and_the_message_keeps_the_key(own_aws: Aws) -> None:
    own_aws.server.kill()
    own_aws.server.wait()
    with pytest.raises(Unreachable, match="does not answer") as error:
        latest_snapshot(own_aws.settings, own_aws.homes)
    assert SECRET not in f"{error.value!r} {error.value}"


def test_aws_that_dies_under_a_waiting_caller_is_unreachable(own_aws: Aws, token: str) -> None:
    with (own_aws.homes.mount_point / "large.parquet").open("wb") as file:
        os.truncate(file.fileno(), 3 << 30)
    job_id = start_snapshot(own_aws.settings, own_aws.homes, token=token)
    with pytest.raises(Unreachable):
        wait_for_snapshot(own_aws.settings, job_id, deadline=MINUTE, on_progress=lambda percent: own_aws.server.kill())
