"""Snapshots of the users' file system, as AWS Backup keeps them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Snapshot:
    """One whole snapshot of the file system. `created_at` is when its backup job was created, in UTC."""

    recovery_point_arn: str
    created_at: datetime
    size_bytes: int
    vault: str
