"""Vault Lock, as AWS tells it and as the health check judges it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from devstack.aws import COPY_REGION
from domain.errors import Refused
from systems.probes.backups import look_at_snapshots
from systems.snapshots import VaultLock, vault_locks
from tests.systems.snapshots.conftest import Aws

DAY = timedelta(days=1)


@pytest.fixture
def open_there(aws: Aws) -> Iterator[Aws]:
    """The vault for copies is not locked."""
    there = aws.api(COPY_REGION)
    there.delete_backup_vault_lock_configuration(BackupVaultName="riskhub")
    yield aws
    there.put_backup_vault_lock_configuration(BackupVaultName="riskhub", MinRetentionDays=1)


def test_the_lock_of_each_vault_is_told(open_there: Aws) -> None:
    assert vault_locks(open_there.settings) == [
        VaultLock("us-east-1", True, 1, None),
        VaultLock(COPY_REGION, False, None, None),
    ]
    assert len(vault_locks(open_there.changed(backup_copy_region=None))) == 1


def test_a_lock_that_nobody_can_take_off_says_from_when_on(own_aws: Aws) -> None:
    own_aws.api().put_backup_vault_lock_configuration(
        BackupVaultName="riskhub", MinRetentionDays=35, ChangeableForDays=3
    )
    (lock, _) = vault_locks(own_aws.settings)
    assert lock.min_retention_days == 35
    assert lock.fixed_at is not None
    assert timedelta(days=2.9) < lock.fixed_at - datetime.now(UTC) < timedelta(days=3.1)
    own_aws.taken()
    seen = look_at_snapshots(own_aws.settings, own_aws.homes, max_age=DAY)
    assert f"is locked for good from {lock.fixed_at:%Y-%m-%d} on, at least 35 d are kept" in seen.what


def test_an_unknown_vault_for_copies_is_refused_by_its_region(aws: Aws) -> None:
    with pytest.raises(Refused, match="backup vault 'riskhub' in eu-north-1"):
        vault_locks(aws.changed(backup_copy_region="eu-north-1"))


def test_locked_vaults_with_a_new_snapshot_are_ok(aws: Aws) -> None:
    aws.taken()
    seen = look_at_snapshots(aws.settings, aws.homes, max_age=DAY)
    assert (seen.state, seen.next_step) == ("ok", "")
    assert "the vault in us-east-1 is locked, at least 1 d are kept" in seen.what


def test_a_vault_that_is_not_locked_is_degraded_and_says_which(open_there: Aws) -> None:
    open_there.taken()
    seen = look_at_snapshots(open_there.settings, open_there.homes, max_age=DAY)
    assert seen.state == "degraded"
    assert f"the vault in {COPY_REGION} is not locked" in seen.what
    assert seen.next_step.startswith(f"lock it in {COPY_REGION}: aws backup put-backup-vault-lock-configuration")


def test_an_old_snapshot_comes_before_an_open_vault(open_there: Aws) -> None:
    open_there.taken()
    seen = look_at_snapshots(open_there.settings, open_there.homes, max_age=timedelta(0))
    assert seen.state == "degraded"
    assert "run the daily backup" in seen.next_step
