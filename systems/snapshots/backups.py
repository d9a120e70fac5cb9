"""Backup jobs of the file system, and the snapshots in the vault."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import boto3

from domain.clock import to_utc
from domain.errors import Failed, Refused
from domain.recovery import Snapshot
from environments.settings import AwsSettings, HomesSettings
from systems.aws import aws_errors, client_options, command_options
from systems.snapshots.jobs import Listener, backup_client, wait_for_job

if TYPE_CHECKING:
    from mypy_boto3_efs import EFSClient


def start_snapshot(aws: AwsSettings, homes: HomesSettings, *, environment: str, point: str) -> str:
    """Start a backup job of the file system into the vault, for recovery point `point` of `environment`; the job's id.

    The same point gives the same job, however often it is asked, so a retry never starts a second one. The snapshot is
    tagged with both, so that who finds it in AWS knows what it is of and who made it.

    Raises:
        Refused: the file system or the vault is unknown, or AWS refuses the request.
        Unreachable: AWS did not answer, or asks to come back later.
    """
    file_system_arn = _file_system_arn(aws, homes)
    with aws_errors(aws, f"backup of {homes.file_system_id} into vault {aws.backup_vault!r}"):
        job = backup_client(aws).start_backup_job(
            BackupVaultName=aws.backup_vault,
            ResourceArn=file_system_arn,
            IamRoleArn=aws.backup_role_arn,
            IdempotencyToken=f"{environment}-{point}",
            RecoveryPointTags={
                "riskhub:environment": environment,
                "riskhub:recovery-point": point,
                "riskhub:made-by": "riskhub",
            },
        )
    return job["BackupJobId"]


def wait_for_snapshot(
    aws: AwsSettings,
    job_id: str,
    *,
    deadline: timedelta,
    on_progress: Listener | None = None,
) -> Snapshot:
    """Wait until backup job `job_id` has made its snapshot; may be called again for the same job.

    Raises:
        Failed: the job ended without a snapshot, or goes on beyond `deadline`.
        Refused: there is no such job.
        Unreachable: AWS did not answer, or asks to come back later; the job goes on.
    """
    client = backup_client(aws)
    job, look = wait_for_job(
        aws,
        "backup",
        job_id,
        lambda: client.describe_backup_job(BackupJobId=job_id),
        deadline=deadline,
        on_progress=on_progress,
    )
    if look.state != "COMPLETED":
        raise Failed(look.thing, look.end, "correct the cause and start the backup again; no snapshot was made")
    return Snapshot(
        recovery_point_arn=job["RecoveryPointArn"],
        created_at=to_utc(job["CreationDate"]),
        size_bytes=job["BackupSizeInBytes"],
        vault=job["BackupVaultName"],
    )


def find_snapshot(aws: AwsSettings, homes: HomesSettings, arn: str | None) -> Snapshot:
    """The whole snapshot called `arn`; the newest one without it.

    Raises:
        Refused: the vault has none, or none by this ARN; or as `list_snapshots`.
        Unreachable: AWS did not answer, or asks to come back later.
    """
    there = list_snapshots(aws, homes)
    found = next((snapshot for snapshot in there if arn in (None, snapshot.recovery_point_arn)), None)
    if found is not None:
        return found
    what = f"snapshot {arn}" if arn else f"snapshots of {homes.file_system_id}"
    newest = (
        f"its newest is {there[0].recovery_point_arn} of {there[0].created_at:%Y-%m-%d %H:%M} UTC"
        if there
        else "it has none at all"
    )
    raise Refused(
        what,
        f"vault {aws.backup_vault!r} in {aws.region} has no such whole snapshot of {homes.file_system_id}; {newest}",
        f"choose from: aws backup list-recovery-points-by-backup-vault --backup-vault-name {aws.backup_vault} "
        f"{command_options(aws)}",
    )


def latest_snapshot(aws: AwsSettings, homes: HomesSettings) -> Snapshot | None:
    """The newest whole snapshot of the file system, None when there is none.

    Raises:
        Refused: the file system or the vault is unknown, or AWS refuses the request.
        Unreachable: AWS did not answer, or asks to come back later.
    """
    return next(iter(list_snapshots(aws, homes)), None)


def list_snapshots(aws: AwsSettings, homes: HomesSettings) -> list[Snapshot]:
    """Every whole snapshot of the file system in the vault, newest first.

    Raises:
        Refused: the file system or the vault is unknown, or AWS refuses the request.
        Unreachable: AWS did not answer, or asks to come back later.
    """
    file_system_arn = _file_system_arn(aws, homes)
    with aws_errors(aws, f"backup vault {aws.backup_vault!r}"):
        pages = backup_client(aws).get_paginator("list_recovery_points_by_backup_vault")
        points = [
            point
            for page in pages.paginate(BackupVaultName=aws.backup_vault, ByResourceArn=file_system_arn)
            for point in page["RecoveryPoints"]
        ]
    snapshots = [
        Snapshot(
            recovery_point_arn=point["RecoveryPointArn"],
            created_at=to_utc(point["CreationDate"]),
            size_bytes=point["BackupSizeInBytes"],
            vault=aws.backup_vault,
        )
        for point in points
        if point["Status"] == "COMPLETED"
    ]
    return sorted(snapshots, key=lambda snapshot: snapshot.created_at, reverse=True)


def _file_system_arn(aws: AwsSettings, homes: HomesSettings) -> str:
    # Asked of EFS rather than put together: an unknown file system must not look like one without backups.
    with aws_errors(aws, f"EFS file system {homes.file_system_id}"):
        file_systems = _efs(aws).describe_file_systems(FileSystemId=homes.file_system_id)["FileSystems"]
    return file_systems[0]["FileSystemArn"]


def _efs(aws: AwsSettings) -> EFSClient:
    return boto3.session.Session().client("efs", **client_options(aws))
