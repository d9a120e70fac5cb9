"""Copies of recovery points in another region, through the API."""

from __future__ import annotations

import shutil
from typing import Any

import pytest
from botocore.exceptions import ClientError

_VAULT = {"BackupVaultName": "riskhub"}


def test_a_copy_is_the_recovery_point_again_in_another_region_and_only_there(lived_in: Any) -> None:
    arn = lived_in.ended_backup(lived_in.start_backup(RecoveryPointTags={"run": "nightly"}))["RecoveryPointArn"]
    job = lived_in.ended_copy(lived_in.start_copy(arn))
    assert job["State"] == "COMPLETED"
    copy = job["DestinationRecoveryPointArn"]
    assert copy.startswith("arn:aws:backup:us-west-2:")
    ours, theirs = (lived_in.copies / each.rpartition(":")[2] for each in (arn, copy))
    assert lived_in.contents(theirs) == lived_in.contents(ours)
    listed = [
        [point["RecoveryPointArn"] for point in client.list_recovery_points_by_backup_vault(**_VAULT)["RecoveryPoints"]]
        for client in (lived_in.backup, lived_in.backup_there)
    ]
    assert (arn in listed[0], copy in listed[0], arn in listed[1], copy in listed[1]) == (True, False, False, True)
    assert lived_in.backup_there.list_tags(ResourceArn=copy)["Tags"] == {"run": "nightly"}
    assert lived_in.backup_there.describe_backup_vault(**_VAULT)["NumberOfRecoveryPoints"] == len(listed[1])


def test_a_token_starts_one_copy_and_is_refused_for_another(plane: Any) -> None:
    arn, other = plane.recovery_point(), plane.recovery_point()
    first = plane.start_copy(arn, IdempotencyToken="copy-1")
    assert plane.start_copy(arn, IdempotencyToken="copy-1") == first
    with pytest.raises(ClientError, match="InvalidParameterValueException"):
        plane.start_copy(other, IdempotencyToken="copy-1")


def test_a_copy_of_what_is_damaged_fails_with_the_reason_and_leaves_nothing(plane: Any) -> None:
    arn = plane.recovery_point()
    shutil.rmtree(plane.copies / arn.rpartition(":")[2])
    before = sorted(plane.copies.iterdir())
    job = plane.ended_copy(plane.start_copy(arn))
    assert job["State"] == "FAILED"
    assert "No such file or directory" in job["StatusMessage"]
    assert sorted(plane.copies.iterdir()) == before


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"RecoveryPointArn": "arn:none"}, "ResourceNotFoundException"),
        ({"SourceBackupVaultName": "nobodys"}, "ResourceNotFoundException"),
        (
            {"DestinationBackupVaultArn": "arn:aws:backup:eu-north-1:123456789012:backup-vault:riskhub"},
            "ResourceNotFoundException",
        ),
        (
            {"DestinationBackupVaultArn": "arn:aws:backup:us-east-1:123456789012:backup-vault:riskhub"},
            "InvalidRequestException",
        ),
        ({"DestinationBackupVaultArn": "riskhub"}, "InvalidParameterValueException"),
        ({"IamRoleArn": "backup"}, "InvalidParameterValueException"),
    ],
)
def test_a_copy_that_aws_would_not_start_is_refused_in_its_words(plane: Any, change: dict[str, Any], code: str) -> None:
    with pytest.raises(ClientError, match=code):
        plane.start_copy(plane.recovery_point(), **change)


def test_an_unknown_copy_job_is_not_found(plane: Any) -> None:
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        plane.backup.describe_copy_job(CopyJobId="none")


def test_copies_and_their_tags_survive_a_restart(own_plane: Any) -> None:
    (own_plane.homes / "kept").write_text("kept")
    own_plane.start()
    arn = own_plane.ended_backup(own_plane.start_backup(RecoveryPointTags={"run": "nightly"}))["RecoveryPointArn"]
    copy = own_plane.ended_copy(own_plane.start_copy(arn))["DestinationRecoveryPointArn"]
    own_plane.kill()
    own_plane.start()
    point = own_plane.backup_there.describe_recovery_point(**_VAULT, RecoveryPointArn=copy)
    assert point["Status"] == "COMPLETED"
    assert own_plane.backup_there.list_tags(ResourceArn=copy)["Tags"] == {"run": "nightly"}
