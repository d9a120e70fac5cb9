"""What callers see of the emulated AWS Backup and EFS: answers in the model's shapes, errors in AWS's words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

FILE_SYSTEM = "fs-0123456789abcdef0"


def _code(error: pytest.ExceptionInfo[ClientError]) -> str:
    return str(error.value.response["Error"]["Code"])


def test_the_platforms_file_system_is_there_by_its_own_id_encrypted_and_named(plane: Any) -> None:
    (found,) = plane.efs.describe_file_systems(FileSystemId=FILE_SYSTEM)["FileSystems"]
    assert found["FileSystemArn"] == plane.file_system_arn
    assert found["Encrypted"] is True
    assert found["Name"] == "riskhub-homes"


def test_the_vault_is_there_and_counts_its_recovery_points(plane: Any) -> None:
    before = plane.backup.describe_backup_vault(BackupVaultName="riskhub")["NumberOfRecoveryPoints"]
    plane.recovery_point()
    (listed,) = plane.backup.list_backup_vaults()["BackupVaultList"]
    assert listed["BackupVaultName"] == "riskhub"
    assert listed["NumberOfRecoveryPoints"] == before + 1


def test_a_vault_with_recovery_points_is_not_deleted(plane: Any) -> None:
    plane.recovery_point()
    with pytest.raises(ClientError) as error:
        plane.backup.delete_backup_vault(BackupVaultName="riskhub")
    assert _code(error) == "InvalidRequestException"


def test_a_started_job_names_the_recovery_point_that_it_makes(plane: Any) -> None:
    started = plane.backup.start_backup_job(
        BackupVaultName="riskhub", ResourceArn=plane.file_system_arn, IamRoleArn=plane.role
    )
    assert plane.ended_backup(started["BackupJobId"])["RecoveryPointArn"] == started["RecoveryPointArn"]


def test_a_token_starts_one_job_however_often_it_comes(plane: Any) -> None:
    first = plane.start_backup(IdempotencyToken="nightly-1")
    assert plane.start_backup(IdempotencyToken="nightly-1") == first
    assert plane.start_backup(IdempotencyToken="nightly-2") != first


def test_a_token_that_comes_again_for_something_else_is_refused(plane: Any) -> None:
    plane.start_backup(IdempotencyToken="nightly-3")
    with pytest.raises(ClientError) as error:
        plane.start_backup(IdempotencyToken="nightly-3", RecoveryPointTags={"other": "tags"})
    assert _code(error) == "InvalidParameterValueException"


def test_a_token_starts_one_restore_however_often_it_comes(plane: Any) -> None:
    asked = {
        "RecoveryPointArn": plane.recovery_point(),
        "Metadata": plane.restore_metadata(),
        "IamRoleArn": plane.role,
        "IdempotencyToken": "restore-1",
    }
    assert (
        plane.backup.start_restore_job(**asked)["RestoreJobId"]
        == (plane.backup.start_restore_job(**asked)["RestoreJobId"])
    )


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"BackupVaultName": "nobodys"}, "ResourceNotFoundException"),
        (
            {"ResourceArn": "arn:aws:elasticfilesystem:us-east-1:123456789012:file-system/fs-00000000"},
            "ResourceNotFoundException",
        ),
        (
            {"ResourceArn": f"arn:aws:elasticfilesystem:us-east-1:999999999999:file-system/{FILE_SYSTEM}"},
            "ResourceNotFoundException",
        ),
        ({"ResourceArn": "homes"}, "InvalidParameterValueException"),
        ({"IamRoleArn": "backup"}, "InvalidParameterValueException"),
        ({"IamRoleArn": ""}, "MissingParameterValueException"),
        ({"StartWindowMinutes": 5}, "InvalidParameterValueException"),
    ],
)
def test_a_backup_that_aws_would_not_start_is_refused_in_its_words(
    plane: Any, change: dict[str, Any], code: str
) -> None:
    with pytest.raises(ClientError) as error:
        plane.start_backup(**change)
    assert _code(error) == code


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"file-system-id": "fs-00000000"}, "ResourceNotFoundException"),
        ({"file-system-id": ""}, "InvalidParameterValueException"),
        ({"newFileSystem": "perhaps"}, "InvalidParameterValueException"),
        ({"newFileSystem": "true"}, "InvalidRequestException"),
        ({"PerformanceMode": "fast"}, "InvalidParameterValueException"),
    ],
)
def test_a_restore_that_aws_would_not_start_is_refused_in_its_words(
    plane: Any, change: dict[str, str], code: str
) -> None:
    metadata = {**plane.restore_metadata(), **change}
    with pytest.raises(ClientError) as error:
        plane.backup.start_restore_job(
            RecoveryPointArn=plane.recovery_point(), Metadata=metadata, IamRoleArn=plane.role
        )
    assert _code(error) == code


@pytest.mark.parametrize(
    ("operation", "asked"),
    [
        ("describe_backup_job", {"BackupJobId": "none"}),
        ("stop_backup_job", {"BackupJobId": "none"}),
        ("describe_restore_job", {"RestoreJobId": "none"}),
        ("describe_recovery_point", {"BackupVaultName": "riskhub", "RecoveryPointArn": "arn:none"}),
        ("get_recovery_point_restore_metadata", {"BackupVaultName": "riskhub", "RecoveryPointArn": "arn:none"}),
        ("list_recovery_points_by_backup_vault", {"BackupVaultName": "nobodys"}),
        ("get_backup_selection", {"BackupPlanId": "none", "SelectionId": "none"}),
    ],
)
def test_what_does_not_exist_is_not_found(plane: Any, operation: str, asked: dict[str, str]) -> None:
    with pytest.raises(ClientError) as error:
        getattr(plane.backup, operation)(**asked)
    assert _code(error) == "ResourceNotFoundException"


def test_a_recovery_point_is_told_alike_by_vault_by_resource_and_by_itself(plane: Any) -> None:
    (plane.homes / "one").write_text("12345")
    arn = plane.recovery_point()
    client = plane.backup
    by_vault = client.list_recovery_points_by_backup_vault(
        BackupVaultName="riskhub", ByResourceArn=plane.file_system_arn
    )["RecoveryPoints"][0]
    by_resource = client.list_recovery_points_by_resource(ResourceArn=plane.file_system_arn)["RecoveryPoints"][0]
    itself = client.describe_recovery_point(BackupVaultName="riskhub", RecoveryPointArn=arn)
    assert {by_vault["RecoveryPointArn"], by_resource["RecoveryPointArn"], itself["RecoveryPointArn"]} == {arn}
    assert (by_vault["BackupSizeInBytes"], by_resource["BackupSizeBytes"], itself["BackupSizeInBytes"]) == (5, 5, 5)


def test_a_recovery_points_restore_metadata_starts_its_restore(plane: Any) -> None:
    arn = plane.recovery_point()
    told = plane.backup.get_recovery_point_restore_metadata(BackupVaultName="riskhub", RecoveryPointArn=arn)
    assert told["RestoreMetadata"]["file-system-id"] == FILE_SYSTEM
    plane.backup.start_restore_job(
        RecoveryPointArn=arn, Metadata=told["RestoreMetadata"], IamRoleArn=plane.role, ResourceType="EFS"
    )


def test_a_deleted_recovery_point_is_gone_from_the_vault_and_from_the_disk(plane: Any) -> None:
    arn = plane.recovery_point()
    plane.backup.delete_backup_vault_lock_configuration(BackupVaultName="riskhub")
    try:
        plane.backup.delete_recovery_point(BackupVaultName="riskhub", RecoveryPointArn=arn)
    finally:
        plane.backup.put_backup_vault_lock_configuration(BackupVaultName="riskhub", MinRetentionDays=1)
    points = plane.backup.list_recovery_points_by_backup_vault(BackupVaultName="riskhub")["RecoveryPoints"]
    assert arn not in [point["RecoveryPointArn"] for point in points]
    assert not list(plane.copies.glob(f"{arn.rpartition(':')[2]}*"))


def test_nothing_is_deleted_from_a_locked_vault(plane: Any) -> None:
    arn = plane.recovery_point()
    vault = plane.backup.describe_backup_vault(BackupVaultName="riskhub")
    assert (vault["Locked"], vault["MinRetentionDays"], "LockDate" in vault) == (True, 1, False)
    with pytest.raises(ClientError) as error:
        plane.backup.delete_recovery_point(BackupVaultName="riskhub", RecoveryPointArn=arn)
    assert _code(error) == "InvalidRequestException"
    assert plane.backup.describe_recovery_point(BackupVaultName="riskhub", RecoveryPointArn=arn)["Status"]


def test_jobs_are_listed_newest_first_by_pages_and_by_filters(plane: Any) -> None:
    client = plane.backup
    jobs = [plane.start_backup() for _ in range(3)]
    for job_id in jobs:
        plane.ended_backup(job_id)
    pages = client.get_paginator("list_backup_jobs").paginate(
        ByState="COMPLETED", ByResourceArn=plane.file_system_arn, PaginationConfig={"PageSize": 2}
    )
    listed = [job["BackupJobId"] for page in pages for job in page["BackupJobs"]]
    assert listed[:3] == jobs[::-1]
    assert client.list_backup_jobs(ByState="FAILED", ByBackupVaultName="nobodys")["BackupJobs"] == []
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    assert client.list_backup_jobs(ByCreatedAfter=tomorrow)["BackupJobs"] == []


def test_restore_jobs_are_listed_by_their_status(plane: Any) -> None:
    done = plane.restore(plane.recovery_point())
    listed = plane.backup.list_restore_jobs(ByStatus="COMPLETED")["RestoreJobs"]
    assert listed[0]["RestoreJobId"] == done["RestoreJobId"]
    assert plane.backup.list_restore_jobs(ByStatus="ABORTED")["RestoreJobs"] == []


def test_a_page_token_that_was_made_up_is_refused(plane: Any) -> None:
    with pytest.raises(ClientError) as error:
        plane.backup.list_backup_jobs(NextToken="made-up")
    assert _code(error) == "InvalidParameterValueException"


def _plan(plane: Any, name: str) -> str:
    rule = {"RuleName": "nightly", "TargetBackupVaultName": "riskhub"}
    return str(plane.backup.create_backup_plan(BackupPlan={"BackupPlanName": name, "Rules": [rule]})["BackupPlanId"])


def test_a_selection_is_kept_told_and_deleted_with_its_plan_untouched(plane: Any) -> None:
    client, plan = plane.backup, _plan(plane, "selections")
    wanted = {"SelectionName": "homes", "IamRoleArn": plane.role, "Resources": [plane.file_system_arn]}
    made = client.create_backup_selection(BackupPlanId=plan, BackupSelection=wanted)["SelectionId"]
    assert client.get_backup_selection(BackupPlanId=plan, SelectionId=made)["BackupSelection"] == wanted
    (listed,) = client.list_backup_selections(BackupPlanId=plan)["BackupSelectionsList"]
    assert listed["SelectionName"] == "homes"
    client.delete_backup_selection(BackupPlanId=plan, SelectionId=made)
    assert client.list_backup_selections(BackupPlanId=plan)["BackupSelectionsList"] == []
    assert client.get_backup_plan(BackupPlanId=plan)["BackupPlanId"] == plan


def test_a_selection_whose_name_is_taken_is_refused(plane: Any) -> None:
    plan = _plan(plane, "taken")
    wanted = {"SelectionName": "homes", "IamRoleArn": plane.role}
    plane.backup.create_backup_selection(BackupPlanId=plan, BackupSelection=wanted)
    with pytest.raises(ClientError) as error:
        plane.backup.create_backup_selection(BackupPlanId=plan, BackupSelection=wanted)
    assert _code(error) == "AlreadyExistsException"


def test_a_plan_takes_a_hundred_selections_and_no_more(plane: Any) -> None:
    client, plan = plane.backup, _plan(plane, "full")
    for number in range(100):
        wanted = {"SelectionName": f"homes-{number}", "IamRoleArn": plane.role}
        client.create_backup_selection(BackupPlanId=plan, BackupSelection=wanted)
    with pytest.raises(ClientError) as error:
        client.create_backup_selection(
            BackupPlanId=plan, BackupSelection={"SelectionName": "one-more", "IamRoleArn": plane.role}
        )
    assert _code(error) == "LimitExceededException"


def test_a_backup_policy_is_told_back_as_it_was_set(plane: Any) -> None:
    client = plane.efs
    client.put_backup_policy(FileSystemId=FILE_SYSTEM, BackupPolicy={"Status": "DISABLED"})
    assert client.describe_backup_policy(FileSystemId=FILE_SYSTEM)["BackupPolicy"] == {"Status": "DISABLED"}
    client.put_backup_policy(FileSystemId=FILE_SYSTEM, BackupPolicy={"Status": "ENABLED"})
    assert client.describe_backup_policy(FileSystemId=FILE_SYSTEM)["BackupPolicy"] == {"Status": "ENABLED"}


def test_a_backup_policy_of_an_unknown_file_system_is_refused(plane: Any) -> None:
    with pytest.raises(ClientError) as error:
        plane.efs.put_backup_policy(FileSystemId="fs-00000000", BackupPolicy={"Status": "ENABLED"})
    assert _code(error) == "FileSystemNotFound"
