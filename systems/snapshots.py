"""Snapshots of the users' file system: AWS Backup jobs and recovery points of EFS, through boto3.

A snapshot is the copy that survives our own mistakes: AWS keeps it, in a vault of its own. Restoring single
homes from the mirror is quicker; this is for the day when the mirror is damaged too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, NoCredentialsError, PartialCredentialsError
from botocore.exceptions import ConnectionError as AwsConnectionError
from pydantic import SecretStr

from domain.clock import to_utc
from domain.errors import Failed, Refused, Unreachable
from domain.recovery import Snapshot
from environments.settings import AwsSettings, HomesSettings

if TYPE_CHECKING:
    from mypy_boto3_backup import BackupClient
    from mypy_boto3_backup.type_defs import DescribeBackupJobOutputTypeDef
    from mypy_boto3_efs import EFSClient

FIRST_PAUSE = timedelta(seconds=0.2)
LONGEST_PAUSE = timedelta(seconds=5)

_CONFIG = Config(connect_timeout=5, read_timeout=20, retries={"mode": "standard", "total_max_attempts": 3})
_ENDED_BADLY = ("ABORTED", "FAILED", "EXPIRED", "PARTIAL")
_NOT_NOW = (
    "LimitExceededException",
    "RequestLimitExceeded",
    "ServiceUnavailableException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
)


def start_snapshot(aws: AwsSettings, homes: HomesSettings, *, token: str) -> str:
    """Start a backup job of the file system into the vault; the job's id.

    The same `token` gives the same job, however often it is asked, so a retry never starts a second one.

    Raises:
        Refused: the file system or the vault is unknown, or AWS refuses the request.
        Unreachable: AWS did not answer, or asks to come back later.
    """
    file_system_arn = _file_system_arn(aws, homes)
    with _aws_errors(aws, f"backup of {homes.file_system_id} into vault {aws.backup_vault!r}"):
        job = _backup(aws).start_backup_job(
            BackupVaultName=aws.backup_vault,
            ResourceArn=file_system_arn,
            IamRoleArn=aws.backup_role_arn,
            IdempotencyToken=token,
        )
    return job["BackupJobId"]


def wait_for_snapshot(
    aws: AwsSettings,
    job_id: str,
    *,
    deadline: timedelta,
    on_progress: Callable[[float], None] | None = None,
) -> Snapshot:
    """Wait until backup job `job_id` has made its snapshot; may be called again for the same job.

    Args:
        on_progress: told the percentage done (0 to 100) at every look.

    Raises:
        Failed: the job ended without a snapshot, or goes on beyond `deadline`.
        Refused: there is no such job.
        Unreachable: AWS did not answer, or asks to come back later; the job goes on.
    """
    thing = f"backup job {job_id}"
    client = _backup(aws)
    give_up = time.monotonic() + deadline.total_seconds()
    pause = FIRST_PAUSE.total_seconds()
    while True:
        with _aws_errors(aws, thing):
            job = client.describe_backup_job(BackupJobId=job_id)
        state = job["State"]
        if on_progress:
            on_progress(_percent(job))
        if state == "COMPLETED":
            return Snapshot(
                recovery_point_arn=job["RecoveryPointArn"],
                created_at=to_utc(job["CreationDate"]),
                size_bytes=job["BackupSizeInBytes"],
                vault=job["BackupVaultName"],
            )
        if state in _ENDED_BADLY:
            raise Failed(
                thing,
                f"ended {state}: {job.get('StatusMessage') or 'AWS gives no reason'}",
                "correct the cause and start the backup again; no snapshot was made",
            )
        left = give_up - time.monotonic()
        if left <= 0:
            raise Failed(
                thing,
                f"is {state} at {_percent(job):.0f} % after {deadline.total_seconds():.0f} s; AWS goes on with it",
                f"look again with: aws backup describe-backup-job --backup-job-id {job_id} {_aws_options(aws)}",
            )
        time.sleep(min(pause, left))
        pause = min(pause * 1.5, LONGEST_PAUSE.total_seconds())


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
    with _aws_errors(aws, f"backup vault {aws.backup_vault!r}"):
        pages = _backup(aws).get_paginator("list_recovery_points_by_backup_vault")
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
    with _aws_errors(aws, f"EFS file system {homes.file_system_id}"):
        file_systems = _efs(aws).describe_file_systems(FileSystemId=homes.file_system_id)["FileSystems"]
    return file_systems[0]["FileSystemArn"]


def _percent(job: DescribeBackupJobOutputTypeDef) -> float:
    return float((job.get("PercentDone") or "0").rstrip("%"))


def _aws_options(aws: AwsSettings) -> str:
    return f"--region {aws.region}" + (f" --endpoint-url {aws.endpoint_url}" if aws.endpoint_url else "")


def _backup(aws: AwsSettings) -> BackupClient:
    return boto3.session.Session().client("backup", **_client_options(aws))


def _efs(aws: AwsSettings) -> EFSClient:
    return boto3.session.Session().client("efs", **_client_options(aws))


def _client_options(aws: AwsSettings) -> dict[str, Any]:
    return {
        "region_name": aws.region,
        "endpoint_url": aws.endpoint_url,
        "aws_access_key_id": _plain(aws.access_key_id),
        "aws_secret_access_key": _plain(aws.secret_access_key),
        "config": _CONFIG,
    }


def _plain(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()


@contextmanager
def _aws_errors(aws: AwsSettings, thing: str) -> Iterator[None]:
    """AWS's errors as ours, about `thing`."""
    where = aws.endpoint_url or f"AWS in {aws.region}"
    try:
        yield
    except (AwsConnectionError, HTTPClientError) as error:
        raise Unreachable(
            thing, f"{where} does not answer ({type(error).__name__})", "check the network and try again"
        ) from error
    except (NoCredentialsError, PartialCredentialsError) as error:
        raise Refused(thing, f"no credentials for {where}", "log in to AWS or set the AWS_* variables") from error
    except ClientError as error:
        code = error.response["Error"]["Code"]
        said = f"{where} says {code}: {error.response['Error'].get('Message') or 'no message'}".rstrip(".")
        if code in _NOT_NOW or error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500:
            raise Unreachable(thing, said, "try again in a minute") from error
        raise Refused(thing, said, "check the names in the environment file and the role's permissions") from error
    except BotoCoreError as error:
        raise Refused(thing, f"the request to {where} could not be made: {error}", "check the [aws] section") from error
