"""The emulated AWS Backup really copies: out into a recovery point, back beside what is there."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError


def test_a_restore_gives_back_what_the_backup_took_byte_for_byte(lived_in: Any) -> None:
    before = lived_in.contents(lived_in.homes)
    arn = lived_in.recovery_point()
    shutil.rmtree(lived_in.homes / "user-data")
    job = lived_in.restore(arn)
    assert job["Status"] == "COMPLETED"
    del before["user-data/ana/pipe"]
    restored = lived_in.contents(lived_in.restored_folder())
    assert restored == before
    assert restored["user-data/ana/same.ipynb"][0] == restored["user-data/ana/var.ipynb"][0]


def test_a_restore_never_touches_what_is_there(lived_in: Any) -> None:
    arn = lived_in.recovery_point()
    notebook = lived_in.homes / "user-data" / "ana" / "var.ipynb"
    notebook.write_bytes(b"newer work")
    before = lived_in.contents(lived_in.homes)
    lived_in.restore(arn)
    assert lived_in.contents(lived_in.homes) == before


def test_the_restore_folder_is_named_as_aws_names_it_by_its_time(lived_in: Any) -> None:
    arn = lived_in.recovery_point()
    earlier = datetime.now(UTC)
    lived_in.restore(arn)
    stamp = lived_in.restored_folder().name.removeprefix("aws-backup-restore_")
    assert datetime.strptime(stamp, "%Y-%m-%dT%H-%M-%S-%fZ").replace(tzinfo=UTC) >= earlier


def test_a_backup_leaves_out_what_earlier_restores_put_there(lived_in: Any) -> None:
    first = lived_in.recovery_point()
    lived_in.restore(first)
    second = lived_in.recovery_point()
    copy = lived_in.copies / second.rpartition(":")[2]
    assert [path.name for path in copy.iterdir()] == ["user-data"]


def test_a_partial_restore_brings_only_the_items_asked_for_under_their_folders(lived_in: Any) -> None:
    before = lived_in.contents(lived_in.homes)
    lived_in.restore(lived_in.recovery_point(), ["/user-data/ana/private.key", "user-data/bea"])
    restored = lived_in.contents(lived_in.restored_folder())
    assert set(restored) == {
        "user-data",
        "user-data/ana",
        "user-data/ana/private.key",
        "user-data/bea",
        "user-data/bea/größe.csv",
    }
    assert restored == {name: before[name] for name in restored}


def test_an_item_that_is_not_in_the_recovery_point_fails_the_restore_by_name(lived_in: Any) -> None:
    job = lived_in.restore(lived_in.recovery_point(), ["user-data/ana/gone.ipynb"])
    assert job["Status"] == "FAILED"
    assert "user-data/ana/gone.ipynb" in job["StatusMessage"]


def test_a_partial_restore_does_not_walk_through_a_planted_link(lived_in: Any) -> None:
    job = lived_in.restore(lived_in.recovery_point(), ["user-data/ana/outside/hostname"])
    assert job["Status"] == "FAILED"
    assert not (lived_in.restored_folder() / "user-data" / "ana" / "outside").is_symlink()


@pytest.mark.parametrize(
    "items",
    [["../../etc/passwd"], ["user-data/../../x"], ["/"], [""], ["user-data//ana"], ["."], ["a\0b"], [], [1], "ana", 7],
)
def test_items_that_could_leave_the_tree_or_are_no_paths_are_refused(lived_in: Any, items: Any) -> None:
    arn = lived_in.recovery_point()
    metadata = {**lived_in.restore_metadata(), "ItemsToRestore": json.dumps(items)}
    with pytest.raises(ClientError, match=r"InvalidParameterValueException.*ItemsToRestore"):
        lived_in.backup.start_restore_job(RecoveryPointArn=arn, Metadata=metadata, IamRoleArn=lived_in.role)
    assert not list(lived_in.homes.glob("aws-backup-restore_*"))


def test_a_file_system_whose_folder_is_gone_fails_the_backup_with_the_reason(plane: Any) -> None:
    plane.homes.rmdir()
    job = plane.ended_backup(plane.start_backup())
    assert job["State"] == "FAILED"
    assert "No such file or directory" in job["StatusMessage"]


def test_a_backup_that_cannot_write_fails_and_leaves_no_recovery_point(plane: Any) -> None:
    (plane.homes / "big").write_bytes(b"x" * 30_000_000)
    before = sorted(plane.copies.iterdir())
    limits = resource.prlimit(plane.server.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(plane.server.pid, resource.RLIMIT_FSIZE, (20_000_000, limits[1]))
    try:
        job = plane.ended_backup(plane.start_backup())
    finally:
        resource.prlimit(plane.server.pid, resource.RLIMIT_FSIZE, limits)
    assert job["State"] == "FAILED"
    assert "File too large" in job["StatusMessage"]
    assert sorted(plane.copies.iterdir()) == before


def test_a_restore_goes_on_past_what_it_cannot_write_and_ends_partial(plane: Any) -> None:
    (plane.homes / "big").write_bytes(b"x" * 30_000_000)
    (plane.homes / "small").write_bytes(b"x")
    arn = plane.recovery_point()
    limits = resource.prlimit(plane.server.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(plane.server.pid, resource.RLIMIT_FSIZE, (20_000_000, limits[1]))
    try:
        job = plane.restore(arn)
    finally:
        resource.prlimit(plane.server.pid, resource.RLIMIT_FSIZE, limits)
    assert job["Status"] == "PARTIAL"
    assert job["StatusMessage"] == "1 items could not be restored: big (File too large)"
    assert [path.name for path in plane.restored_folder().iterdir()] == ["small"]


def test_a_running_backup_tells_its_progress_and_can_be_stopped(plane: Any) -> None:
    _zeros(plane.homes / "large.parquet")
    client = plane.backup
    before = sorted(plane.copies.iterdir())
    job_id = plane.start_backup()

    def under_way() -> Any:
        job = client.describe_backup_job(BackupJobId=job_id)
        return job if job["BytesTransferred"] else None

    seen = plane.wait_until(under_way)
    assert seen["State"] == "RUNNING"
    assert 0 <= float(seen["PercentDone"]) < 100
    client.stop_backup_job(BackupJobId=job_id)
    assert plane.ended_backup(job_id)["State"] == "ABORTED"
    plane.wait_until(lambda: sorted(plane.copies.iterdir()) == before)


def test_a_backup_that_has_ended_cannot_be_stopped(lived_in: Any) -> None:
    job_id = lived_in.start_backup()
    lived_in.ended_backup(job_id)
    with pytest.raises(ClientError, match=r"InvalidRequestException"):
        lived_in.backup.stop_backup_job(BackupJobId=job_id)


def test_a_second_backup_of_the_same_file_system_waits_for_the_first(plane: Any) -> None:
    _zeros(plane.homes / "large.parquet")
    client = plane.backup
    first = plane.start_backup()
    plane.wait_until(lambda: client.describe_backup_job(BackupJobId=first)["State"] == "RUNNING")
    second = plane.start_backup()
    plane.wait_until(lambda: client.describe_backup_job(BackupJobId=second)["State"] == "PENDING")
    assert client.describe_backup_job(BackupJobId=first)["State"] == "RUNNING"
    for job_id in (second, first):
        client.stop_backup_job(BackupJobId=job_id)
    assert {plane.ended_backup(job_id)["State"] for job_id in (first, second)} == {"ABORTED"}


def test_a_backup_that_waits_expires_once_its_window_has_passed(plane: Any) -> None:
    _zeros(plane.homes / "large.parquet")
    client = plane.backup
    first = plane.start_backup()
    plane.wait_until(lambda: client.describe_backup_job(BackupJobId=first)["BytesTransferred"])
    second = plane.start_backup()
    plane.wait_until(lambda: client.describe_backup_job(BackupJobId=second)["State"] == "PENDING")
    os.kill(plane.server.pid, signal.SIGUSR1)  # a day passes
    assert plane.ended_backup(second)["State"] == "EXPIRED"
    assert client.describe_backup_job(BackupJobId=first)["State"] == "RUNNING"
    client.stop_backup_job(BackupJobId=first)


def test_recovery_points_survive_a_restart_and_can_be_restored_after_it(own_plane: Any) -> None:
    (own_plane.homes / "kept").write_text("kept")
    own_plane.start()
    arn = own_plane.ended_backup(own_plane.start_backup(RecoveryPointTags={"run": "nightly"}))["RecoveryPointArn"]
    before = own_plane.backup.describe_recovery_point(BackupVaultName="riskhub", RecoveryPointArn=arn)
    own_plane.kill()
    own_plane.start()
    after = own_plane.backup.describe_recovery_point(BackupVaultName="riskhub", RecoveryPointArn=arn)
    assert _said(after) == _said(before)
    assert own_plane.backup.list_tags(ResourceArn=arn)["Tags"] == {"run": "nightly"}
    own_plane.restore(arn)
    assert (own_plane.restored_folder() / "kept").read_text() == "kept"


def test_a_backup_cut_off_by_a_dying_server_leaves_no_recovery_point(own_plane: Any) -> None:
    _zeros(own_plane.homes / "large.parquet")
    own_plane.start()
    client = own_plane.backup
    job_id = own_plane.start_backup()
    own_plane.wait_until(lambda: client.describe_backup_job(BackupJobId=job_id)["BytesTransferred"])
    own_plane.kill()
    assert list(own_plane.copies.iterdir()), "it was killed before it had copied anything"
    own_plane.start()
    assert not list(own_plane.copies.iterdir())
    assert own_plane.backup.list_backup_jobs()["BackupJobs"] == []
    points = own_plane.backup.list_recovery_points_by_backup_vault(BackupVaultName="riskhub")
    assert points["RecoveryPoints"] == []


def _zeros(path: Path) -> None:
    """A file that takes no room here and seconds to copy."""
    with path.open("wb") as file:
        os.truncate(file.fileno(), 3 << 30)


def _said(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}
