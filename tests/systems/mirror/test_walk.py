"""A walk tells every entry once, in order, however slow the file system is and however many walk."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from systems.mirror import walk as walking
from systems.mirror.entry import Skip, order
from systems.mirror.walk import walk


def paths_of(root: Path, skipped: list[Skip] | None = None) -> list[bytes]:
    descriptor = os.open(root, os.O_RDONLY)
    try:
        found = walk(descriptor, skipped if skipped is not None else [])
        return [path for batch in found for path, _ in batch.rows]
    finally:
        os.close(descriptor)


def expected(root: Path) -> list[bytes]:
    return sorted((os.fsencode(path.relative_to(root)) for path in root.rglob("*")), key=order)


@pytest.fixture
def forest(tmp_path: Path) -> Path:
    """Folders in folders, names whose order differs with and without the slash."""
    chance = random.Random(5)  # noqa: S311 - reproducible
    folders = [tmp_path / "forest"]
    for number in range(150):
        folders.append(chance.choice(folders) / f"{number}{chance.choice(['', ' ', '-', '.', '0'])}")
        folders[-1].mkdir(parents=True, exist_ok=True)
        for name in range(chance.randrange(8)):
            (folders[-1] / f"{name}{chance.choice(['', '!', '.csv'])}").touch()
    return tmp_path / "forest"


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """An lstat takes a millisecond; the threads that made one."""
    lstat, walkers = os.stat, set()

    def later(*args: Any, **kwargs: Any) -> os.stat_result:
        walkers.add(threading.get_ident())
        time.sleep(0.001)
        return lstat(*args, **kwargs)

    monkeypatch.setattr(walking.os, "stat", later)
    return walkers


def test_every_entry_is_told_once_and_in_order(forest: Path) -> None:
    assert paths_of(forest) == [b"", *expected(forest)]


def test_a_slow_file_system_is_walked_by_many_and_told_in_the_same_order(forest: Path, slow: set[int]) -> None:
    assert paths_of(forest) == [b"", *expected(forest)]
    assert len(slow) > 4


def test_a_fast_file_system_is_walked_by_one(forest: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    began: list[object] = []
    monkeypatch.setattr(walking, "_WORTH", 1.0)  # seconds: nothing is slow
    monkeypatch.setattr(walking.threading.Thread, "start", began.append)
    paths_of(forest)
    assert began == []


def test_the_names_of_one_large_folder_are_looked_at_by_many(
    tmp_path: Path, slow: set[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walking, "_PIECE", 20)
    for number in range(400):
        (tmp_path / f"{number:03d}").touch()
    assert paths_of(tmp_path) == [b"", *expected(tmp_path)]
    assert len(slow) > 4


@pytest.fixture
def many_homes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is looked at in many pieces, folders and files in each."""
    monkeypatch.setattr(walking, "_PIECE", 20)
    for number in range(200):
        home = tmp_path / f"{number:03d}"
        if number % 3:
            home.touch()
        else:
            (home / "work").mkdir(parents=True)
            (home / "work" / "notes.csv").touch()
    return tmp_path


@pytest.mark.timeout(20)
def test_one_walker_goes_into_the_folders_of_a_piece_before_the_next_piece(
    many_homes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walking, "_WORTH", 1.0)  # seconds: nothing is slow
    assert paths_of(many_homes) == [b"", *expected(many_homes)]


@pytest.mark.timeout(20)
def test_helpers_that_are_far_enough_ahead_leave_what_is_wanted_to_the_reader(
    many_homes: Path, slow: set[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walking, "_AHEAD", 20)
    assert paths_of(many_homes) == [b"", *expected(many_homes)]


def test_a_walk_that_nobody_reads_stops_ahead_of_its_limit(
    forest: Path, slow: set[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walking, "_AHEAD", 20)
    descriptor = os.open(forest, os.O_RDONLY)
    found = walk(descriptor, [])
    read = sum(len(next(found).rows) for _ in range(3))
    before = wait_for_rest(lambda: len(slow))
    total = read + sum(len(batch.rows) for batch in found)
    os.close(descriptor)
    assert before <= 64
    assert total == len(expected(forest)) + 1


def wait_for_rest(value: Callable[[], int]) -> int:
    """The value once it did not change for a tenth of a second."""
    last, since = value(), time.monotonic()
    while time.monotonic() - since < 0.1:
        if value() != last:
            last, since = value(), time.monotonic()
    return last


def test_a_walk_that_is_given_up_leaves_no_thread_behind(forest: Path, slow: set[int]) -> None:
    threads = threading.active_count()
    descriptor = os.open(forest, os.O_RDONLY)
    found = walk(descriptor, [])
    for _ in range(20):
        next(found)
    found.close()  # type: ignore[attr-defined]
    os.close(descriptor)
    assert threading.active_count() == threads


def test_an_error_in_a_helper_is_raised_where_the_tree_is_wanted(
    forest: Path, slow: set[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    fill, main = walking._fill, threading.get_ident()

    def broken(*args: Any) -> None:
        if threading.get_ident() != main:
            raise MemoryError
        fill(*args)

    monkeypatch.setattr(walking, "_fill", broken)
    with pytest.raises(MemoryError):
        paths_of(forest)


def test_a_link_to_a_folder_is_told_and_not_walked(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "loop").symlink_to("..")
    assert paths_of(tmp_path) == [b"", b"in", b"in/loop"]
