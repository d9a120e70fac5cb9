"""What takes an hour through the API, asked of the jobs themselves: a start window that runs out."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from devstack.aws.jobs import BackupRequest, Jobs
from devstack.aws.recovery_points import RecoveryPoints


def test_a_backup_that_cannot_start_within_its_window_expires(tmp_path: Path, plane: Any) -> None:
    homes = tmp_path / "homes"
    homes.mkdir()
    with (homes / "large.parquet").open("wb") as file:
        os.truncate(file.fileno(), 3 << 30)
    request = BackupRequest(
        vault="riskhub",
        vault_arn="arn:aws:backup:us-east-1:123456789012:backup-vault:riskhub",
        resource_arn=plane.file_system_arn,
        resource_name="riskhub-homes",
        role_arn=plane.role,
    )
    jobs = Jobs({request.file_system_id: homes}, RecoveryPoints(tmp_path / "recovery-points"))
    first = jobs.start_backup(request)
    plane.wait_until(lambda: first.progress.done)
    second = jobs.start_backup(replace(request, start_window=timedelta(0)))
    plane.wait_until(lambda: second.finished_at)
    assert second.state == "EXPIRED"
    assert "running job for the same resource" in second.message
    jobs.stop_backup(first)
    plane.wait_until(lambda: first.finished_at)
    assert first.state == "ABORTED"
