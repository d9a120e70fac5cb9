"""The vaults that snapshots and their copies lie in: can anybody delete what is in them?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from domain.clock import to_utc
from environments.settings import AwsSettings
from systems.aws import aws_errors
from systems.snapshots.jobs import backup_client


@dataclass(frozen=True)
class VaultLock:
    """AWS Backup Vault Lock of one vault.

    Attributes:
        min_retention_days: what is in it can be deleted after so long at the earliest.
        fixed_at: since then, or from then on, nobody can take the lock off (UTC); None: who has the right to may.
    """

    region: str
    locked: bool
    min_retention_days: int | None
    fixed_at: datetime | None


def vault_locks(aws: AwsSettings) -> list[VaultLock]:
    """Of the vault, and of the one that copies go to, if there is one.

    Raises:
        Refused: a vault is unknown, or AWS refuses the request.
        Unreachable: AWS did not answer, or asks to come back later.
    """
    return [_lock(aws, region) for region in (aws.region, aws.backup_copy_region) if region]


def _lock(aws: AwsSettings, region: str) -> VaultLock:
    there = aws.model_copy(update={"region": region})
    with aws_errors(there, f"backup vault {aws.backup_vault!r} in {region}"):
        vault = backup_client(there).describe_backup_vault(BackupVaultName=aws.backup_vault)
    fixed_at = vault.get("LockDate")
    return VaultLock(
        region=region,
        locked=vault.get("Locked", False),
        min_retention_days=vault.get("MinRetentionDays"),
        fixed_at=to_utc(fixed_at) if fixed_at else None,
    )
