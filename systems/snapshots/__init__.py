"""Snapshots of the users' file system: AWS Backup jobs and recovery points of EFS, through boto3.

A snapshot is the copy that survives our own mistakes: AWS keeps it, in a vault of its own, and a copy of it in
another region. Restoring single homes from the mirror is quicker; this is for the day when the mirror is damaged too.
"""

from systems.snapshots.backups import (
    find_snapshot,
    latest_snapshot,
    list_snapshots,
    start_snapshot,
    wait_for_snapshot,
)
from systems.snapshots.copies import start_copy, wait_for_copy
from systems.snapshots.jobs import Look
from systems.snapshots.restores import HomeRestore, start_home_restore, wait_for_home_restore
from systems.snapshots.swap import Swapped, swap_in_home
from systems.snapshots.vaults import VaultLock, vault_locks

__all__ = [
    "HomeRestore",
    "Look",
    "Swapped",
    "VaultLock",
    "find_snapshot",
    "latest_snapshot",
    "list_snapshots",
    "start_copy",
    "start_home_restore",
    "start_snapshot",
    "swap_in_home",
    "vault_locks",
    "wait_for_copy",
    "wait_for_home_restore",
    "wait_for_snapshot",
]
