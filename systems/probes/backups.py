"""Probes of the backups: how old the newest snapshot and state of the mirror are, and whether vaults are locked."""

from __future__ import annotations

from datetime import datetime, timedelta

from domain.clock import utc_now
from environments.settings import AwsSettings, HomesSettings, ObjectStoreSettings
from systems.mirror.location import MirrorLocation
from systems.mirror.points import last_point
from systems.probes.look import Seen
from systems.snapshots import VaultLock, latest_snapshot, vault_locks


def look_at_snapshots(aws: AwsSettings, homes: HomesSettings, *, max_age: timedelta) -> Seen:
    """The newest snapshot of the file system is not older than `max_age`, and the vaults are locked."""
    snapshot = latest_snapshot(aws, homes)
    where = f"snapshot of {homes.file_system_id} in vault {aws.backup_vault}"
    aged = _aged(where, snapshot.created_at if snapshot else None, max_age)
    if aged.state != "ok":
        return aged
    locks = vault_locks(aws)
    told = f"{aged.what}; {', '.join(_words(lock) for lock in locks)}"
    open_in = [lock.region for lock in locks if not lock.locked]
    if not open_in:
        return Seen(told)
    command = f"aws backup put-backup-vault-lock-configuration --backup-vault-name {aws.backup_vault}"
    return Seen(
        told, "degraded", f"lock it in {' and '.join(open_in)}: {command} --min-retention-days DAYS", "vault-unlocked"
    )


def look_at_mirror(store: ObjectStoreSettings, *, max_age: timedelta) -> Seen:
    """The newest point of the homes' mirror is not older than `max_age`."""
    location = MirrorLocation(store, "user-data")
    point = last_point(location)
    return _aged(f"point of the mirror {location.url}", point.created_at if point else None, max_age)


def _words(lock: VaultLock) -> str:
    if not lock.locked:
        return f"the vault in {lock.region} is not locked: who got our rights can delete the snapshots"
    fixed = f" for good from {lock.fixed_at:%Y-%m-%d} on" if lock.fixed_at else ""
    kept = f", at least {lock.min_retention_days} d are kept" if lock.min_retention_days else ""
    return f"the vault in {lock.region} is locked{fixed}{kept}"


def _aged(what: str, created_at: datetime | None, max_age: timedelta) -> Seen:
    """Overdue is degraded, not failed: users work on, but what they do since then is not safe."""
    limit = f"the limit is {max_age.total_seconds() / 3600:.0f} h"
    if created_at is None:
        return Seen(f"there is no {what} at all", "degraded", "run the daily backup now")
    age = utc_now() - created_at
    seen = f"newest {what} is from {created_at:%Y-%m-%d %H:%M} UTC, {age.total_seconds() / 3600:.1f} h old"
    if age > max_age:
        return Seen(f"{seen}; {limit}", "degraded", "run the daily backup now, then see why its schedule missed")
    return Seen(seen)
