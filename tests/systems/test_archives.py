"""Archives of homes on a real bucket with Object Lock: what they outlive, and what is no archive."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from devstack.day.damage import Look, look_at
from devstack.faults.fault import changed, s3_of, with_empty_bucket
from domain.errors import Failed, Refused
from environments import Environment
from systems.archives import FOLDER, archive_home, home_is_there, last_archive, move_away, point_on_disk
from systems.mirror import apply_restore, plan_restore, push
from systems.mirrored import homes_of
from systems.objects import delete_version, list_objects, list_versions


@pytest.fixture
def place(env: Environment, tmp_path: Path) -> Environment:
    """Homes and a bucket of the test's own; nothing is locked there but what is held."""
    apart = changed(with_empty_bucket(env), "homes", mount_point=tmp_path / "efs", shared=())
    otto, nora = (apart.homes.user_data / name for name in ("otto", "nora"))
    (otto / "models" / "empty").mkdir(parents=True)
    (otto / "models" / "var.ipynb").write_text('{"cells": []}')
    os.link(otto / "models" / "var.ipynb", otto / "second name")
    (otto / "latest").symlink_to("models/var.ipynb")
    (otto / "models" / "var.ipynb").chmod(0o640)
    (otto / os.fsdecode(b"caf\xe9 \\ %41")).write_bytes(b"\0\xff" * 1000)
    os.utime(otto / "models", ns=(0, 1_234_567_890_123_456_789))
    nora.mkdir()
    for number in range(20):  # a push refuses to lose most of what there was
        (nora / f"{number}.csv").write_text("a,b\n")
    return changed(apart, "objects", locked_for=None)


@pytest.fixture
def otto(place: Environment) -> Look:
    return look_at(place.homes.user_data / "otto")


def pushed(place: Environment) -> str:
    homes = homes_of(place)
    return push(homes.folder, homes.location).point


def restored(place: Environment, point: str) -> Look:
    homes = homes_of(place)
    result = apply_restore(plan_restore(homes.location, homes.folder, point=point, path="otto"))
    assert result.state == "complete", result.skipped
    return look_at(homes.folder / "otto")


def test_an_archive_outlives_all_that_can_be_deleted_in_the_bucket(place: Environment, otto: Look) -> None:
    archive, _ = archive_home(place, "otto", "otto", pushed(place))
    move_away(place.homes, "otto")
    pushed(place)  # their plain copies are gone from now on

    left = []
    for key, version in list(list_versions(place.objects, "")):
        try:
            delete_version(place.objects, key, version)
        except Refused:
            left.append(key)

    assert {key for key in left if "nora" in key} == set()
    assert last_archive(place, "otto") == archive
    assert restored(place, archive.point) == otto


def test_moved_away_it_is_whole_beside_the_homes(place: Environment, otto: Look) -> None:
    archive_home(place, "otto", "otto", pushed(place))
    moved = move_away(place.homes, "otto")
    assert moved.is_relative_to(place.homes.mount_point) and look_at(moved) == otto
    assert not home_is_there(place.homes, "otto") and home_is_there(place.homes, "nora")
    point = pushed(place)
    with pytest.raises(Refused, match="has no otto"):
        plan_restore(homes_of(place).location, place.homes.user_data, point=point, path="otto")


def test_what_was_lost_in_the_bucket_is_no_archive(place: Environment) -> None:
    point = pushed(place)
    ((key, version),) = list_versions(place.objects, "user-data/otto/second name")
    delete_version(place.objects, key, version)
    with pytest.raises(Failed, match="second name: its version is gone"):
        archive_home(place, "otto", "otto", point)
    assert last_archive(place, "otto") is None


def test_what_came_after_the_point_is_no_archive(place: Environment) -> None:
    point = pushed(place)
    (place.homes.user_data / "otto" / "models" / "new.csv").write_text("new")
    with pytest.raises(Failed, match="otto/models: another modification time and 1 more"):
        archive_home(place, "otto", "otto", point)


def test_a_pipe_holds_nothing_and_goes_with_the_home(place: Environment) -> None:
    os.mkfifo(place.homes.user_data / "otto" / "pipe")
    archive_home(place, "otto", "otto", pushed(place))
    assert (move_away(place.homes, "otto") / "pipe").is_fifo()


def test_a_run_that_was_cut_off_before_the_move_takes_the_archive_that_is_there(place: Environment) -> None:
    archive, key = archive_home(place, "otto", "otto", pushed(place))
    pushed(place)
    assert point_on_disk(place, "otto") == archive.point
    assert archive_home(place, "otto", "otto", archive.point) == (archive, key)
    assert [each.key for each in list_objects(place.objects, f"{FOLDER}/otto/")] == [key]
    (place.homes.user_data / "otto" / "new.csv").write_text("new")
    assert point_on_disk(place, "otto") is None


def test_a_link_in_place_of_a_home_is_refused(place: Environment, tmp_path: Path) -> None:
    (place.homes.user_data / "dina").symlink_to(tmp_path)
    with pytest.raises(Refused, match="it is no folder"):
        home_is_there(place.homes, "dina")


def test_a_bucket_without_object_lock_holds_nothing(place: Environment) -> None:
    s3, name = s3_of(place), f"{place.objects.bucket}-unlocked"
    s3.create_bucket(Bucket=name)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    unlocked = changed(place, "objects", bucket=name)
    with pytest.raises(Refused, match="Object Lock"):
        archive_home(unlocked, "otto", "otto", pushed(unlocked))
    assert last_archive(unlocked, "otto") is None
