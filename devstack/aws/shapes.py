"""Our jobs and recovery points in the words of AWS Backup's API."""

from __future__ import annotations

from typing import Any

from devstack.aws.jobs import BackupJob, CopyJob, RestoreJob
from devstack.aws.recovery_points import RecoveryPoint

Members = dict[str, Any]


def backup_job(job: BackupJob, account_id: str) -> Members:
    request = job.request
    return _present(
        AccountId=account_id,
        BackupJobId=job.id,
        BackupVaultName=request.vault,
        BackupVaultArn=request.vault_arn,
        RecoveryPointArn=job.arn,
        ResourceArn=request.resource_arn,
        ResourceName=request.resource_name,
        ResourceType="EFS",
        IamRoleArn=request.role_arn,
        IsEncrypted=True,
        IsParent=False,
        CreationDate=job.created_at,
        InitiationDate=job.started_at,
        CompletionDate=job.finished_at,
        StartBy=job.created_at + request.start_window,
        State=job.state,
        StatusMessage=job.message or None,
        PercentDone="100.0" if job.state == "COMPLETED" else f"{job.progress.percent:.1f}",
        BytesTransferred=job.progress.done,
        BackupSizeInBytes=job.progress.done if job.state == "COMPLETED" else None,
    )


def copy_job(job: CopyJob, account_id: str) -> Members:
    """AWS tells no percentage of a copy."""
    request = job.request
    return _present(
        AccountId=account_id,
        CopyJobId=job.id,
        SourceBackupVaultArn=request.point.vault_arn,
        SourceRecoveryPointArn=request.point.arn,
        DestinationBackupVaultArn=request.vault_arn,
        DestinationRecoveryPointArn=job.arn,
        ResourceArn=request.point.resource_arn,
        ResourceName=request.point.resource_name,
        ResourceType="EFS",
        CreationDate=job.created_at,
        CompletionDate=job.finished_at,
        State=job.state,
        StatusMessage=job.message or None,
        BackupSizeInBytes=request.point.size_bytes,
        IamRoleArn=request.role_arn,
        IsParent=False,
    )


def restore_job(job: RestoreJob, account_id: str) -> Members:
    request = job.request
    return _present(
        AccountId=account_id,
        RestoreJobId=job.id,
        RecoveryPointArn=request.point.arn,
        RecoveryPointCreationDate=request.point.created_at,
        SourceResourceArn=request.point.resource_arn,
        BackupVaultArn=request.point.vault_arn,
        CreationDate=job.created_at,
        CompletionDate=job.finished_at,
        Status=job.state,
        StatusMessage=job.message or None,
        PercentDone="100.00%" if job.state == "COMPLETED" else f"{job.progress.percent:.2f}%",
        BackupSizeInBytes=request.point.size_bytes,
        IamRoleArn=request.role_arn,
        ResourceType="EFS",
        CreatedResourceArn=request.file_system_arn if job.state == "COMPLETED" else None,
        IsParent=False,
    )


def recovery_point(point: RecoveryPoint) -> Members:
    """As DescribeRecoveryPoint and ListRecoveryPointsByBackupVault have it."""
    return _present(
        RecoveryPointArn=point.arn,
        BackupVaultName=point.vault,
        BackupVaultArn=point.vault_arn,
        ResourceArn=point.resource_arn,
        ResourceName=point.resource_name,
        ResourceType="EFS",
        IamRoleArn=point.role_arn,
        Status="COMPLETED",
        CreationDate=point.created_at,
        InitiationDate=point.created_at,
        CompletionDate=point.completed_at,
        BackupSizeInBytes=point.size_bytes,
        Lifecycle=point.lifecycle or None,
        IsEncrypted=True,
        IsParent=False,
    )


def recovery_point_of_resource(point: RecoveryPoint) -> Members:
    """As ListRecoveryPointsByResource has it: fewer members, and another name for the size."""
    return {
        "RecoveryPointArn": point.arn,
        "BackupVaultName": point.vault,
        "CreationDate": point.created_at,
        "Status": "COMPLETED",
        "BackupSizeBytes": point.size_bytes,
        "ResourceName": point.resource_name,
        "IsParent": False,
    }


def restore_metadata(point: RecoveryPoint) -> dict[str, str]:
    """What StartRestoreJob wants back as its metadata, for EFS."""
    return {
        "file-system-id": point.resource_arn.rpartition("/")[2],
        "newFileSystem": "false",
        "Encrypted": "true",
        "PerformanceMode": "generalPurpose",
    }


def _present(**members: Any) -> Members:
    return {name: value for name, value in members.items() if value is not None}
