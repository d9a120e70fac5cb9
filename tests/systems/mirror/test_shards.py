"""A push in parts makes the point that one process would, and loses nothing when a part dies."""

from __future__ import annotations

import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from domain.errors import Failed, Refused
from systems.mirror import (
    Batch,
    MirrorLocation,
    PushPolicy,
    PushResult,
    Shard,
    apply_restore,
    history,
    join_shards,
    plan_batch,
    plan_restore,
    push,
    push_shard,
    verify,
)
from systems.mirror.bucket import Bucket
from systems.mirror.entry import Row
from systems.mirror.points import Overtaken, load_point, look_at_shelf, rows_of
from tests.systems.mirror.trees import age, settle, tree


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """Nine homes, some large, with a file and an odd name beside them."""
    root = tmp_path / "user-data"
    for home in range(9):
        (root / f"user-{home}" / "work").mkdir(parents=True)
        for number in range(2 + home * 2):
            (root / f"user-{home}" / "work" / f"{number}.csv").write_text(f"{home},{number}")
    (root / "README").write_text("about the homes")
    (root / "user-3 b").mkdir()
    age(root)
    return root


def rows(location: MirrorLocation) -> list[Row]:
    bucket = Bucket(location)
    return list(rows_of(bucket, load_point(bucket, look_at_shelf(bucket).last).pages))


def in_parts(many: Path, location: MirrorLocation, count: int) -> tuple[Batch, PushResult]:
    batch = plan_batch(many, location, count)
    with ThreadPoolExecutor() as pool:
        jobs = [
            pool.submit(push_shard, many, location, batch, number, PushPolicy()) for number in range(len(batch.shards))
        ]
        for job in jobs:
            job.result()
    return batch, join_shards(many, location, batch)


@pytest.mark.parametrize("count", [1, 4, 50])
def test_four_parts_make_the_point_that_one_push_makes(
    location: MirrorLocation, many: Path, tmp_path: Path, count: int
) -> None:
    batch, result = in_parts(many, location, count)
    whole = MirrorLocation(location.store, f"{location.prefix}-whole")
    alone = push(many, whole)

    assert 1 <= len(batch.shards) <= count
    assert (result.state, result.files, result.bytes, result.uploaded) == (
        alone.state,
        alone.files,
        alone.bytes,
        alone.uploaded,
    )
    assert [row[:3] for row in rows(location)] == [row[:3] for row in rows(whole)]
    apply_restore(plan_restore(location, tmp_path / "restored"))
    assert tree(tmp_path / "restored") == tree(many)
    assert verify(location, many).state == "complete"


def test_a_later_batch_sends_what_changed_and_keeps_the_pages_of_the_rest(location: MirrorLocation, many: Path) -> None:
    in_parts(many, location, 4)
    settle()
    in_parts(many, location, 4)
    before = {page.key for page in load_point(Bucket(location), 2).pages}
    (many / "user-8" / "work" / "0.csv").write_text("edited")
    (many / "user-0" / "work" / "0.csv").unlink()

    batch, result = in_parts(many, location, 4)

    assert len(batch.shards) == 4
    assert (result.uploaded, result.deleted) == (1, 1)
    after = {page.key for page in load_point(Bucket(location), 3).pages}
    assert len(before & after) >= 2
    assert verify(location, many).state == "complete"


def test_a_part_that_died_is_pushed_again_and_nothing_is_lost(
    location: MirrorLocation, many: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    push(many, location)
    (many / "user-5" / "work" / "new.csv").write_text("sent by the part that dies")
    (many / "user-1" / "work" / "new.csv").write_text("new")
    batch = Batch(2, four_shards(many, location))
    for number in range(len(batch.shards)):
        with monkeypatch.context() as patched:
            if batch.shards[number].holds(b"user-5"):
                patched.setattr(sys.modules["systems.mirror.push"], "store_part", dies)
                with pytest.raises(SystemExit):
                    push_shard(many, location, batch, number, PushPolicy())
                (many / "user-5" / "work" / "new.csv").rename(many / "user-5" / "work" / "renamed.csv")
                continue
        push_shard(many, location, batch, number, PushPolicy())
    with pytest.raises(Failed, match="was not pushed"):
        join_shards(many, location, batch)
    assert len(history(location)) == 1

    (again,) = [number for number, shard in enumerate(batch.shards) if shard.holds(b"user-5")]
    push_shard(many, location, batch, again, PushPolicy())
    join_shards(many, location, batch)

    apply_restore(plan_restore(location, tmp_path / "restored"))
    assert tree(tmp_path / "restored") == tree(many)
    push(many, location)  # heals what the part that died left in the bucket
    assert verify(location, many).state == "complete"
    shown = {each.key for each in Bucket(location).list_current(f"{location.prefix}/user-5/work/new")}
    assert shown == set()


def dies(*_: object) -> None:
    raise SystemExit


def four_shards(many: Path, location: MirrorLocation) -> tuple[Shard, ...]:
    """Four shards, also where the last point has one page."""
    return plan_batch(many, MirrorLocation(location.store, f"{location.prefix}-planned"), 4).shards


def test_a_shard_whose_homes_are_gone_is_refused_before_anything_is_sent(location: MirrorLocation, many: Path) -> None:
    in_parts(many, location, 4)
    batch = plan_batch(many, location, 4)
    (last,) = [number for number, shard in enumerate(batch.shards) if shard.end is None]
    for home in many.iterdir():
        if batch.shards[last].holds(home.name.encode()):
            shutil.rmtree(home)
    with pytest.raises(Refused, match="empty"):
        push_shard(many, location, batch, last, PushPolicy())


def test_a_batch_that_another_push_overtook_is_refused(location: MirrorLocation, many: Path) -> None:
    batch = plan_batch(many, location, 2)
    push_shard(many, location, batch, 0, PushPolicy())
    push(many, location)
    with pytest.raises(Overtaken):
        push_shard(many, location, batch, 1, PushPolicy())
    with pytest.raises(Overtaken):
        join_shards(many, location, batch)


def test_no_shards_at_all_are_refused(location: MirrorLocation, many: Path) -> None:
    with pytest.raises(Refused, match="at least one"):
        plan_batch(many, location, 0)
