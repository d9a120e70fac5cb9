"""A home out of a snapshot: restored aside by AWS, then moved into its place."""

from __future__ import annotations

import os
import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from devstack.day.damage import Look as Tree
from devstack.day.damage import look_at
from domain.errors import Failed
from domain.recovery import Snapshot
from environments.settings import HomesSettings
from systems.snapshots import Look, restores, start_home_restore, swap_in_home, wait_for_home_restore
from tests.systems.snapshots.conftest import MINUTE, Aws


@pytest.fixture
def home(aws: Aws) -> Path:
    """One of two homes."""
    for name in ("ana", "bea"):
        folder = aws.homes.user_data / name
        (folder / "limits").mkdir(parents=True)
        (folder / "limits" / "desk.csv").write_text(f"{name}\n")
        (folder / "latest").symlink_to("limits/desk.csv")
    return aws.homes.user_data / "ana"


def restored(aws: Aws, snapshot: Snapshot, home: Path) -> Path:
    restore = start_home_restore(aws.settings, aws.homes, snapshot, home.name)
    return wait_for_home_restore(aws.settings, aws.homes, restore, deadline=MINUTE)


def around(homes: HomesSettings) -> list[str]:
    return sorted(path.name for path in homes.mount_point.iterdir())


def test_aws_restores_the_one_home_aside_and_touches_none(aws: Aws, home: Path) -> None:
    snapshot, before = aws.taken(), look_at(home)
    (home / "latest").unlink()
    now, seen = look_at(home), list[Look]()
    restore = start_home_restore(aws.settings, aws.homes, snapshot, "ana")
    folder = wait_for_home_restore(aws.settings, aws.homes, restore, deadline=MINUTE, on_progress=seen.append)
    assert seen[-1].percent == 100
    assert [path.name for path in (folder / "user-data").iterdir()] == ["ana"]
    assert (look_at(folder / "user-data" / "ana"), look_at(home)) == (before, now)


def test_the_home_is_moved_into_its_place_and_what_was_there_is_kept(aws: Aws, home: Path) -> None:
    snapshot, before, others = aws.taken(), look_at(home), look_at(home.parent / "bea")
    (home / "newer").write_text("of today")
    damaged = look_at(home)
    swapped = swap_in_home(aws.homes, restored(aws, snapshot, home), "ana")
    assert swapped.kept is not None
    assert swapped.entries == len(before)
    assert (look_at(home), look_at(swapped.kept / "user-data" / "ana")) == (before, damaged)
    assert look_at(home.parent / "bea") == others
    assert around(aws.homes) == [swapped.kept.parent.name, "user-data"]


def test_a_link_in_the_place_of_the_home_is_replaced_itself_and_not_followed(aws: Aws, home: Path) -> None:
    snapshot, before = aws.taken(), look_at(home)
    shutil.rmtree(home)
    home.symlink_to("bea")
    others = look_at(home.parent / "bea")
    swap_in_home(aws.homes, restored(aws, snapshot, home), "ana")
    assert not home.is_symlink()
    assert (look_at(home), look_at(home.parent / "bea")) == (before, others)


def test_a_restore_folder_that_holds_something_else_stays(aws: Aws, home: Path) -> None:
    folder = restored(aws, aws.taken(), home)
    (folder / "other").write_text("not ours")
    swap_in_home(aws.homes, folder, "ana")
    assert [path.name for path in folder.iterdir()] == ["other"]


def test_a_home_that_was_a_link_in_the_snapshot_is_not_swapped_in(aws: Aws, home: Path) -> None:
    shutil.rmtree(home)
    home.symlink_to("/etc")
    snapshot = aws.taken()
    home.unlink()
    home.mkdir()
    before: Tree = look_at(home)
    with pytest.raises(Failed, match=r"in the snapshot it is no folder.*the home is untouched"):
        swap_in_home(aws.homes, restored(aws, snapshot, home), "ana")
    assert look_at(home) == before


def test_a_home_that_the_snapshot_does_not_have_fails_by_its_name_and_what_is_left_is_told(
    aws: Aws, home: Path
) -> None:
    snapshot = aws.taken()
    with pytest.raises(Failed, match=r"ended FAILED: .*not found: user-data/zoe. The home is untouched") as error:
        restored(aws, snapshot, home.parent / "zoe")
    (left,) = aws.homes.mount_point.glob("aws-backup-restore_*")
    assert f"new since the job began: {left}" in str(error.value)


def test_two_restores_of_a_home_at_once_are_not_told_apart_and_nothing_is_swapped(aws: Aws, home: Path) -> None:
    snapshot = aws.taken()
    first = start_home_restore(aws.settings, aws.homes, snapshot, "ana")
    restored(aws, snapshot, home)
    with pytest.raises(Failed, match=r"two restores of this home ran at once.*The home is untouched"):
        wait_for_home_restore(aws.settings, aws.homes, first, deadline=MINUTE)


def test_a_restore_that_is_not_to_be_seen_here_says_where_to_run_it(
    aws: Aws, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restores, "_SEEN_WITHIN", timedelta(0))
    restore = start_home_restore(aws.settings, aws.homes, aws.taken(), "ana")
    elsewhere = aws.homes.model_copy(update={"mount_point": tmp_path})
    with pytest.raises(Failed, match=rf"no new folder .* below {tmp_path} .*where the root of the file system is"):
        wait_for_home_restore(aws.settings, elsewhere, restore, deadline=MINUTE)


def test_a_home_on_another_file_system_is_not_touched(aws: Aws, home: Path) -> None:
    folder = restored(aws, aws.taken(), home)
    before = look_at(home)
    memory = Path("/dev/shm")  # noqa: S108 - the one other file system there is
    if memory.stat().st_dev == folder.stat().st_dev:
        pytest.skip("one file system is all there is")
    elsewhere = memory / f"riskhub-{os.getpid()}"
    shutil.copytree(folder, elsewhere)
    try:
        with pytest.raises(Failed, match=r"lies on another file system.*the home is untouched"):
            swap_in_home(aws.homes, elsewhere, "ana")
    finally:
        shutil.rmtree(elsewhere)
    assert look_at(home) == before
