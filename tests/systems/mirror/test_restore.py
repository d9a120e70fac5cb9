"""Restores into trees that were damaged by accident or on purpose."""

from __future__ import annotations

import os
import random
import resource
import shutil
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from domain.errors import Failed, Refused
from systems.mirror import MirrorLocation, apply_restore, history, last_point, plan_restore, push
from systems.mirror.restore import RestoreResult
from tests.systems.mirror.trees import elsewhere, s3, swap_stored_bytes, tree


def restore(location: MirrorLocation, destination: Path, **which: object) -> RestoreResult:
    return apply_restore(plan_restore(location, destination, **which))  # type: ignore[arg-type]


def test_damage_that_keeps_size_and_time_is_found_and_good_files_are_not_touched(
    location: MirrorLocation, homes: Path
) -> None:
    push(homes, location)
    before = tree(homes)
    damaged, good = homes / "ana" / "notes.ipynb", homes / "bea" / "notes.ipynb"
    times, untouched = damaged.stat(), good.stat()
    damaged.write_text("ana: 1 + 2")
    os.utime(damaged, ns=(times.st_atime_ns, times.st_mtime_ns))

    result = restore(location, homes)

    assert (result.state, result.files) == ("complete", 1)
    assert tree(homes) == before
    assert (good.stat().st_ino, good.stat().st_ctime_ns) == (untouched.st_ino, untouched.st_ctime_ns)


def test_what_a_restore_replaces_is_kept_outside_the_tree(location: MirrorLocation, homes: Path) -> None:
    push(homes, location)
    (homes / "ana" / "notes.ipynb").write_text("work of today")

    result = restore(location, homes)

    assert result.kept is not None
    assert not result.kept.is_relative_to(homes)
    assert (result.kept / "user-data" / "ana" / "notes.ipynb").read_text() == "work of today"


def test_a_dry_run_changes_nothing(location: MirrorLocation, homes: Path) -> None:
    push(homes, location)
    (homes / "ana" / "notes.ipynb").unlink()
    before = tree(homes.parent)

    plan = plan_restore(location, homes)

    assert [(action.verb, action.target) for action in plan.actions] == [
        ("fix-metadata", "ana"),
        ("create", "ana/notes.ipynb"),
    ]
    assert tree(homes.parent) == before


def test_a_deleted_home_comes_back_and_its_neighbour_is_not_touched(location: MirrorLocation, homes: Path) -> None:
    push(homes, location)
    before = tree(homes)
    for path in sorted((homes / "ana").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    (homes / "ana").rmdir()

    assert restore(location, homes, path="ana").state == "complete"

    assert tree(homes / "ana") == {
        path.removeprefix(b"/ana"): entry for path, entry in before.items() if path.startswith(b"/ana")
    }
    assert tree(homes / "bea") == {
        path.removeprefix(b"/bea"): entry for path, entry in before.items() if path.startswith(b"/bea")
    }


def test_the_tree_of_an_earlier_time_comes_back(location: MirrorLocation, homes: Path) -> None:
    push(homes, location)
    before = tree(homes)
    moment = datetime.now(UTC)
    (homes / "ana" / "notes.ipynb").write_text("later")
    (homes / "ana" / "work" / "var.csv").unlink()
    push(homes, location)

    restore(location, homes, at=moment)

    assert tree(homes) == before


def test_a_time_written_to_the_second_means_all_of_that_second(location: MirrorLocation, homes: Path) -> None:
    point = push(homes, location).point
    moment = history(location)[0].created_at.replace(microsecond=0)
    assert plan_restore(location, homes, at=moment).point.id == point


def test_a_time_before_the_first_point_is_refused(location: MirrorLocation, homes: Path) -> None:
    push(homes, location)
    with pytest.raises(Refused, match="first point"):
        plan_restore(location, homes, at=datetime.now(UTC) - timedelta(hours=1))


def test_the_last_point_until_a_time_is_told_or_that_there_is_none(location: MirrorLocation, homes: Path) -> None:
    assert last_point(location, datetime.now(UTC)) is None
    first = push(homes, location).point
    between = datetime.now(UTC)
    time.sleep(0.01)
    second = push(homes, location).point
    found = [last_point(location, at) for at in (between, datetime.now(UTC), between - timedelta(hours=1))]
    assert [each and each.id for each in found] == [first, second, None]


def test_files_that_the_point_does_not_know_are_left_alone_and_listed(location: MirrorLocation, homes: Path) -> None:
    push(homes, location)
    (homes / "ana" / "new").mkdir()
    (homes / "ana" / "new" / "today.py").write_text("print()")

    plan = plan_restore(location, homes)
    apply_restore(plan)

    assert [action.target for action in plan.left_alone] == ["ana/new"]
    assert (homes / "ana" / "new" / "today.py").read_text() == "print()"


def test_a_link_planted_where_a_file_was_is_replaced_and_not_written_through(
    location: MirrorLocation, homes: Path, tmp_path: Path
) -> None:
    push(homes, location)
    before = tree(homes)
    outside = tmp_path / "outside"
    outside.write_text("do not touch")
    (homes / "ana" / "notes.ipynb").unlink()
    (homes / "ana" / "notes.ipynb").symlink_to(outside)

    assert restore(location, homes).state == "complete"

    assert tree(homes) == before
    assert outside.read_text() == "do not touch"


@pytest.mark.parametrize("path", [None, "ana", "ana/work/var.csv"])
def test_a_link_planted_where_a_folder_was_leads_nowhere(
    location: MirrorLocation, homes: Path, tmp_path: Path, path: str | None
) -> None:
    push(homes, location)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "var.csv").write_text("do not touch")
    before = tree(outside)
    (homes / "ana" / "work" / "var.csv").unlink()
    (homes / "ana" / "work").rmdir()
    (homes / "ana" / "work").symlink_to(outside)

    assert restore(location, homes, path=path).state == "complete"

    assert tree(outside) == before
    assert not (homes / "ana" / "work").is_symlink()
    assert (homes / "ana" / "work" / "var.csv").read_text().startswith("date,var")


def test_a_link_planted_between_plan_and_act_is_not_followed(
    location: MirrorLocation, homes: Path, tmp_path: Path
) -> None:
    push(homes, location)
    outside = tmp_path / "outside"
    outside.mkdir()
    (homes / "ana" / "work" / "var.csv").unlink()
    plan = plan_restore(location, homes)
    (homes / "ana" / "work").rmdir()
    (homes / "ana" / "work").symlink_to(outside)

    result = apply_restore(plan)

    assert "ana/work/var.csv" in {miss.path for miss in result.skipped}
    assert list(outside.iterdir()) == []


def test_work_that_appeared_after_the_plan_is_not_displaced(location: MirrorLocation, homes: Path) -> None:
    push(homes, location)
    (homes / "ana" / "notes.ipynb").unlink()
    plan = plan_restore(location, homes)
    (homes / "ana" / "notes.ipynb").write_text("typed again meanwhile")

    result = apply_restore(plan)

    assert result.state == "partial"
    assert (homes / "ana" / "notes.ipynb").read_text() == "typed again meanwhile"


def test_modes_and_times_are_set_right_without_fetching_content(location: MirrorLocation, homes: Path) -> None:
    push(homes, location)
    before = tree(homes)
    (homes / "ana" / "notes.ipynb").chmod(0o600)
    (homes / "bea").chmod(0o700)

    result = restore(location, homes)

    assert (result.files, result.fixed) == (0, 2)
    assert tree(homes) == before


def test_a_copy_lost_in_the_bucket_is_a_miss_and_what_is_on_disk_stays(location: MirrorLocation, homes: Path) -> None:
    push(homes, location)
    client, key = s3(location.store), f"{location.prefix}/ana/notes.ipynb"
    version = client.head_object(Bucket=location.store.bucket, Key=key)["VersionId"]
    client.delete_object(Bucket=location.store.bucket, Key=key, VersionId=version)
    (homes / "ana" / "notes.ipynb").write_text("edited")
    (homes / "bea" / "notes.ipynb").unlink()

    result = restore(location, homes)

    assert result.state == "partial"
    assert [miss.path for miss in result.skipped] == ["ana/notes.ipynb"]
    assert (homes / "ana" / "notes.ipynb").read_text() == "edited"
    assert (homes / "bea" / "notes.ipynb").exists()


def test_stored_bytes_that_are_not_those_pushed_never_reach_the_disk(location: MirrorLocation, homes: Path) -> None:
    push(homes, location)
    swap_stored_bytes(location, b"ana/notes.ipynb", b"ana: 9 + 9")
    (homes / "ana" / "notes.ipynb").unlink()
    (homes / "bea" / "notes.ipynb").unlink()

    result = restore(location, homes)

    assert [miss.path for miss in result.skipped] == ["ana/notes.ipynb"]
    assert not (homes / "ana" / "notes.ipynb").exists()
    assert (homes / "bea" / "notes.ipynb").exists()


def test_a_disk_that_will_not_take_it_leaves_the_destination_untouched(location: MirrorLocation, homes: Path) -> None:
    (homes / "ana" / "big.bin").write_bytes(b"x" * 300_000)
    push(homes, location)
    (homes / "ana" / "big.bin").unlink()
    (homes / "ana" / "notes.ipynb").unlink()
    before = tree(homes.parent)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    plan = plan_restore(location, homes)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(Failed, match="destination is untouched"):
            apply_restore(plan)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    after = tree(homes.parent)
    after[b""] = before[b""]  # the staging folder came and went in it
    assert after == before


@pytest.mark.parametrize("path", ["../bea", "/etc", "ana/../bea", "ana//work", "."])
def test_a_path_that_leaves_the_tree_is_refused(location: MirrorLocation, homes: Path, path: str) -> None:
    push(homes, location)
    with pytest.raises(Refused, match="not inside"):
        plan_restore(location, homes, path=path)


def test_a_destination_inside_the_source_is_refused(location: MirrorLocation, homes: Path) -> None:
    push(homes, location)
    with pytest.raises(Refused, match="inside the source"):
        plan_restore(location, homes / "ana" / "restored")


def test_a_destination_that_is_a_link_is_refused(location: MirrorLocation, homes: Path, tmp_path: Path) -> None:
    push(homes, location)
    (tmp_path / "door").symlink_to(tmp_path)
    with pytest.raises(Refused, match="symbolic link"):
        plan_restore(location, tmp_path / "door")


@pytest.mark.parametrize("destination", ["/", "/etc/hostname"])
def test_a_destination_that_cannot_be_one_is_refused(location: MirrorLocation, homes: Path, destination: str) -> None:
    push(homes, location)
    with pytest.raises(Refused, match="no folder to restore to"):
        plan_restore(location, Path(destination))


@pytest.mark.parametrize("point", ["nonsense", "0000000009", "0000000001-20200101T000000Z"])
def test_a_point_that_is_not_there_is_refused(location: MirrorLocation, homes: Path, point: str) -> None:
    push(homes, location)
    with pytest.raises(Refused, match="no point"):
        plan_restore(location, homes, point=point)


def test_a_second_restore_has_nothing_to_do(location: MirrorLocation, homes: Path, tmp_path: Path) -> None:
    push(homes, location)
    restore(location, tmp_path / "restored")
    assert len(plan_restore(location, tmp_path / "restored").actions) == 0
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".riskhub")]


@pytest.mark.parametrize("seed", range(4))
def test_a_restore_killed_at_any_moment_leaves_no_half_home_and_the_next_one_converges(
    location: MirrorLocation, homes: Path, seed: int
) -> None:
    for number in range(60):
        (homes / "ana" / "work" / f"{number}.csv").write_text(f"{number}")
    push(homes, location)
    before = tree(homes)
    shutil.rmtree(homes / "ana")
    (homes / "bea" / "notes.ipynb").write_text("damaged")
    process = elsewhere("apply_restore(plan_restore(location, Path(sys.argv[3])))", location, homes)
    wanted = random.Random(seed).randrange(1, 70)  # noqa: S311 - reproducible, not secret
    give_up = time.monotonic() + 20
    while sum(1 for _ in homes.parent.rglob("*.csv")) < wanted and process.poll() is None:
        assert time.monotonic() < give_up
    process.kill()
    process.communicate()

    assert not (homes / "ana").exists() or len(list((homes / "ana" / "work").iterdir())) == 61
    restore(location, homes)
    assert tree(homes) == before
