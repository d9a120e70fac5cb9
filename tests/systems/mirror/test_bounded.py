"""A tree four times as large takes no more memory to plan a restore of: what is found is noted on disk."""

from __future__ import annotations

import hashlib
import os
import time
import tracemalloc
from pathlib import Path

import pytest

from domain.clock import utc_now
from systems.mirror import MirrorLocation, Point, RestorePlan, page_writer, plan_restore, restore_plan, spool
from systems.mirror import walk as walking
from systems.mirror.bucket import Bucket
from systems.mirror.entry import Row, is_folder, order
from systems.mirror.page_writer import PageWriter
from systems.mirror.points import win_point
from systems.mirror.walk import walk


@pytest.fixture(autouse=True)
def small_stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_writer, "PAGE_ROWS", 256)
    monkeypatch.setattr(spool, "_IN_MEMORY", 256)
    monkeypatch.setattr(restore_plan, "AT_ONCE", 2)
    monkeypatch.setattr(walking, "_AHEAD", 256)


def recorded(location: MirrorLocation, root: Path, files: int) -> MirrorLocation:
    """A mirror whose point is a tree of so many empty files, as if it had been pushed."""
    for folder in range(files // 100):
        (root / f"{folder:04d}").mkdir(parents=True)
        for number in range(100):
            (root / f"{folder:04d}" / f"{number}.csv").touch()
    there = MirrorLocation(location.store, f"{location.prefix}/{files}")
    pages, descriptor = PageWriter(Bucket(there), "0000000001-made", time.time_ns()), os.open(root, os.O_RDONLY)
    for batch in walk(descriptor, []):
        for path, look in batch.rows:
            pages.add(Row(path, look, b"" if is_folder(look) else hashlib.sha256().digest(), "1"))
    os.close(descriptor)
    written = pages.close()
    counts = {"entries": sum(page.entries for page in written), "files": files, "bytes": 0, "skipped": 0}
    point = Point(sequence=1, created_at=utc_now(), source=str(root), source_id=None, pages=written, **counts)
    win_point(Bucket(there), point)
    return there


def planned(location: MirrorLocation, destination: Path) -> tuple[RestorePlan, int]:
    """The plan, and the most bytes that were held to make it."""
    tracemalloc.start()
    try:
        plan = plan_restore(location, destination)
        return plan, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("intact", [True, False])
def test_a_plan_of_a_larger_tree_takes_no_more_memory(location: MirrorLocation, tmp_path: Path, intact: bool) -> None:
    most = []
    for files in (2_000, 2_000, 8_000):  # the first time imports are counted
        root = tmp_path / f"{files}-{len(most)}"
        there = recorded(MirrorLocation(location.store, f"{location.prefix}/{len(most)}"), root, files)
        plan, bytes_held = planned(there, root if intact else tmp_path / "nothing")
        entries = files + files // 100 + 1
        assert (plan.kept, len(plan.actions)) == ((entries, 0) if intact else (0, entries))
        most.append(bytes_held)
    assert most[2] < 1.3 * most[1]


def test_a_plan_noted_on_disk_is_read_in_tree_order_as_often_as_wanted(
    location: MirrorLocation, tmp_path: Path
) -> None:
    there = recorded(location, tmp_path / "tree", 1_000)
    plan = plan_restore(there, tmp_path / "nothing")
    paths = [action.on.path for action in plan.actions]
    assert len(paths) == len(plan.actions) == 1_011
    assert paths == sorted(paths, key=order)
    assert all(one == other for one, other in zip(plan.actions, plan.actions, strict=True))
