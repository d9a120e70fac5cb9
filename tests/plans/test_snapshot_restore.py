from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from domain.recovery import Snapshot
from plans.snapshot_restore import plan_snapshot_restore

NOW = datetime(2026, 3, 1, 7, 30, tzinfo=UTC)
SNAPSHOT = Snapshot("arn:snapshot", NOW - timedelta(hours=6), 10, "riskhub")
HOME = Path("/mnt/efs/user-data/ana")


def test_it_is_restored_aside_first_and_the_age_of_the_snapshot_is_told() -> None:
    first, _ = plan_snapshot_restore(SNAPSHOT, HOME, exists=True, now=NOW).actions
    assert first.verb == "restore aside"
    assert "of 2026-03-01 01:30 UTC, 6.0 h old" in first.reason


def test_what_is_there_is_said_to_be_replaced_with_all_that_is_newer() -> None:
    _, second = plan_snapshot_restore(SNAPSHOT, HOME, exists=True, now=NOW).actions
    assert second.verb == "replace"
    assert "all that is newer, is kept" in second.reason


def test_a_home_that_is_gone_is_created() -> None:
    _, second = plan_snapshot_restore(SNAPSHOT, HOME, exists=False, now=NOW).actions
    assert second.verb == "create"
