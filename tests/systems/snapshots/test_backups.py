"""Snapshots through the real client, against the emulated AWS as a real process."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime, timedelta

import pytest

from domain.errors import Failed, Refused, Unreachable
from systems.snapshots import Look, find_snapshot, latest_snapshot, list_snapshots, start_snapshot, wait_for_snapshot
from tests.systems.snapshots.conftest import MINUTE, SECRET, Aws


def test_a_snapshot_is_started_waited_for_and_then_the_latest(aws: Aws, token: str) -> None:
    (aws.homes.mount_point / "notes").write_bytes(b"12345")
    before = datetime.now(UTC)
    seen: list[Look] = []
    job_id = start_snapshot(aws.settings, aws.homes, environment="local", point=token)
    snapshot = wait_for_snapshot(aws.settings, job_id, deadline=MINUTE, on_progress=seen.append)
    assert seen[-1].percent == 100
    assert snapshot.size_bytes == 5
    assert snapshot.vault == "riskhub"
    assert before - timedelta(seconds=1) <= snapshot.created_at <= datetime.now(UTC)
    assert latest_snapshot(aws.settings, aws.homes) == snapshot


def test_a_snapshot_is_tagged_with_whose_it_is_and_who_made_it(aws: Aws, token: str) -> None:
    job_id = start_snapshot(aws.settings, aws.homes, environment="local", point=token)
    snapshot = wait_for_snapshot(aws.settings, job_id, deadline=MINUTE)
    assert aws.api().list_tags(ResourceArn=snapshot.recovery_point_arn)["Tags"] == {
        "riskhub:environment": "local",
        "riskhub:recovery-point": token,
        "riskhub:made-by": "riskhub",
    }


def test_a_snapshot_is_found_by_its_arn_and_the_newest_without_one(own_aws: Aws) -> None:
    with pytest.raises(Refused, match=r"it has none at all.*list-recovery-points-by-backup-vault"):
        find_snapshot(own_aws.settings, own_aws.homes, None)
    older, newer = own_aws.taken(), own_aws.taken()
    assert find_snapshot(own_aws.settings, own_aws.homes, None) == newer
    assert find_snapshot(own_aws.settings, own_aws.homes, older.recovery_point_arn) == older
    with pytest.raises(Refused, match=rf"snapshot arn:none: .*its newest is {newer.recovery_point_arn} of 20"):
        find_snapshot(own_aws.settings, own_aws.homes, "arn:none")


def test_snapshots_are_listed_newest_first_and_none_is_none(own_aws: Aws) -> None:
    assert latest_snapshot(own_aws.settings, own_aws.homes) is None
    jobs = [
        start_snapshot(own_aws.settings, own_aws.homes, environment="local", point=each) for each in ("first", "second")
    ]
    made = [wait_for_snapshot(own_aws.settings, job_id, deadline=MINUTE) for job_id in jobs]
    assert list_snapshots(own_aws.settings, own_aws.homes) == made[::-1]


def test_the_same_token_starts_no_second_backup(aws: Aws, token: str) -> None:
    first = start_snapshot(aws.settings, aws.homes, environment="local", point=token)
    assert start_snapshot(aws.settings, aws.homes, environment="local", point=token) == first


def test_a_job_that_fails_tells_why_in_awss_words(aws: Aws, token: str) -> None:
    shutil.rmtree(aws.homes.mount_point)
    job_id = start_snapshot(aws.settings, aws.homes, environment="local", point=token)
    with pytest.raises(Failed, match=r"FAILED: Backup job failed: No such file or directory.*no snapshot was made"):
        wait_for_snapshot(aws.settings, job_id, deadline=MINUTE)


def test_a_job_that_outlasts_the_deadline_is_said_to_go_on_and_does(aws: Aws, token: str) -> None:
    with (aws.homes.mount_point / "large.parquet").open("wb") as file:
        os.truncate(file.fileno(), 1 << 30)
    job_id = start_snapshot(aws.settings, aws.homes, environment="local", point=token)
    with pytest.raises(Failed, match=rf"goes on with it.*describe-backup-job --backup-job-id {job_id}"):
        wait_for_snapshot(aws.settings, job_id, deadline=timedelta(0))
    assert wait_for_snapshot(aws.settings, job_id, deadline=MINUTE).size_bytes == 1 << 30


def test_an_unknown_vault_is_refused_by_its_name(aws: Aws, token: str) -> None:
    elsewhere = aws.changed(backup_vault="nobodys")
    with pytest.raises(Refused, match=r"nobodys.*ResourceNotFoundException"):
        start_snapshot(elsewhere, aws.homes, environment="local", point=token)
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
    job_id = start_snapshot(own_aws.settings, own_aws.homes, environment="local", point=token)
    with pytest.raises(Unreachable):
        wait_for_snapshot(own_aws.settings, job_id, deadline=MINUTE, on_progress=lambda look: own_aws.server.kill())
