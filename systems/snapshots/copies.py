"""Copies of snapshots in another region: what is left when a whole region is not."""

from __future__ import annotations

from datetime import timedelta

from domain.errors import Failed
from domain.recovery import Snapshot
from environments.settings import AwsSettings
from systems.aws import aws_errors
from systems.snapshots.jobs import Listener, backup_client, wait_for_job


def start_copy(aws: AwsSettings, snapshot: Snapshot, region: str, *, token: str) -> str:
    """Start copying a snapshot into the vault of the same name in `region`; the copy job's id.

    The same `token` gives the same job, however often it is asked.

    Raises:
        Refused: there is no such vault in `region`, or AWS refuses the request.
        Unreachable: AWS did not answer, or asks to come back later.
    """
    there = aws.model_copy(update={"region": region})
    with aws_errors(there, f"backup vault {aws.backup_vault!r} in {region}"):
        vault = backup_client(there).describe_backup_vault(BackupVaultName=aws.backup_vault)
    with aws_errors(aws, f"copy of {snapshot.recovery_point_arn} to {region}"):
        job = backup_client(aws).start_copy_job(
            RecoveryPointArn=snapshot.recovery_point_arn,
            SourceBackupVaultName=snapshot.vault,
            DestinationBackupVaultArn=vault["BackupVaultArn"],
            IamRoleArn=aws.backup_role_arn,
            IdempotencyToken=token,
        )
    return job["CopyJobId"]


def wait_for_copy(aws: AwsSettings, job_id: str, *, deadline: timedelta, on_progress: Listener | None = None) -> str:
    """Wait until copy job `job_id` has made its copy; the ARN of the copy. May be called again for the same job.

    Raises:
        Failed: the job ended without a copy, or goes on beyond `deadline`.
        Refused: there is no such job.
        Unreachable: AWS did not answer, or asks to come back later; the job goes on.
    """
    client = backup_client(aws)
    job, look = wait_for_job(
        aws,
        "copy",
        job_id,
        lambda: client.describe_copy_job(CopyJobId=job_id)["CopyJob"],
        deadline=deadline,
        on_progress=on_progress,
    )
    if look.state != "COMPLETED":
        raise Failed(
            look.thing,
            look.end,
            "correct the cause and start the backup again; the snapshot itself is whole, its copy was not made",
        )
    return job["DestinationRecoveryPointArn"]
