"""Copies of snapshots in a second region."""

from __future__ import annotations

import shutil
from datetime import timedelta

import pytest

from devstack.aws import COPY_REGION
from domain.errors import Failed, Refused
from systems.snapshots import Look, start_copy, wait_for_copy
from tests.systems.snapshots.conftest import MINUTE, Aws


def test_a_snapshot_is_copied_into_the_vault_of_the_same_name_in_another_region(aws: Aws, token: str) -> None:
    (aws.homes.mount_point / "notes").write_bytes(b"12345")
    seen: list[Look] = []
    job_id = start_copy(aws.settings, aws.taken(), COPY_REGION, token=token)
    arn = wait_for_copy(aws.settings, job_id, deadline=MINUTE, on_progress=seen.append)
    assert (seen[-1].state, seen[-1].percent) == ("COMPLETED", 100)
    there = aws.api(COPY_REGION).describe_recovery_point(BackupVaultName="riskhub", RecoveryPointArn=arn)
    assert there["BackupSizeInBytes"] == 5
    assert (aws.copies / arn.rpartition(":")[2] / "notes").read_bytes() == b"12345"


def test_the_same_token_starts_no_second_copy(aws: Aws, token: str) -> None:
    snapshot = aws.taken()
    first = start_copy(aws.settings, snapshot, COPY_REGION, token=token)
    assert start_copy(aws.settings, snapshot, COPY_REGION, token=token) == first


def test_a_region_without_the_vault_is_refused_by_its_name(aws: Aws, token: str) -> None:
    with pytest.raises(Refused, match=r"backup vault 'riskhub' in eu-north-1.*ResourceNotFoundException"):
        start_copy(aws.settings, aws.taken(), "eu-north-1", token=token)


def test_a_copy_that_fails_tells_why_and_that_the_snapshot_is_whole(aws: Aws, token: str) -> None:
    snapshot = aws.taken()
    shutil.rmtree(aws.copies / snapshot.recovery_point_arn.rpartition(":")[2])
    job_id = start_copy(aws.settings, snapshot, COPY_REGION, token=token)
    with pytest.raises(Failed, match=r"ended FAILED: Copy job failed: No such file.*the snapshot itself is whole"):
        wait_for_copy(aws.settings, job_id, deadline=MINUTE)


def test_a_copy_that_outlasts_the_deadline_is_said_to_go_on(aws: Aws, token: str) -> None:
    with (aws.homes.mount_point / "large.parquet").open("wb") as file:
        file.truncate(1 << 30)
    job_id = start_copy(aws.settings, aws.taken(), COPY_REGION, token=token)
    with pytest.raises(Failed, match=rf"goes on with it.*describe-copy-job --copy-job-id {job_id}"):
        wait_for_copy(aws.settings, job_id, deadline=timedelta(0))
    wait_for_copy(aws.settings, job_id, deadline=MINUTE)
