"""Log files: however they are cut up between runs, rotated or filled, each whole line is handed on once."""

from __future__ import annotations

import json
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.logs import Reading
from systems.logs import read_files
from systems.logs.files import CHUNK, LONGEST_LINE
from tests.systems.logs.taken import Taken

LINES = st.lists(st.binary(max_size=40).map(lambda line: line.replace(b"\n", b"")), max_size=20)


class Watch:
    """Runs one after the other, each from the cursor of the one before, which went through JSON."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.taken = Taken()
        self.cursor: dict[str, Any] = {}

    def run(self, **more: Any) -> Reading:
        reading = read_files(self.folder, self.cursor, self.taken, **more)
        self.cursor = json.loads(json.dumps(reading.cursor))
        return reading


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "hub.log"


@pytest.fixture
def watch(tmp_path: Path) -> Watch:
    return Watch(tmp_path)


def grown(path: Path, more: bytes) -> None:
    with path.open("ab") as file:
        file.write(more)


def test_only_what_is_new_is_read(log: Path, watch: Watch) -> None:
    log.write_bytes(b"one\ntwo\n")
    assert (watch.run().lines, watch.run().lines) == (2, 0)
    grown(log, b"three\n")
    assert watch.run().lines == 1
    assert watch.taken.lines == [b"one", b"two", b"three"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=LINES, cuts=st.lists(st.integers(0, 900), max_size=6))
def test_cut_at_any_bytes_the_runs_together_read_each_line_once(
    lines: list[bytes], cuts: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    whole = b"".join(line + b"\n" for line in lines)
    watch, written = Watch(folder), 0
    for cut in [*sorted(cuts), len(whole)]:
        grown(folder / "hub.log", whole[written:cut])
        written = max(written, min(cut, len(whole)))
        watch.run()
    assert watch.taken.lines == lines


def test_a_line_that_is_half_written_waits_for_its_other_half(log: Path, watch: Watch) -> None:
    log.write_bytes(b"one\nhalf a ")
    watch.run()
    assert watch.taken.lines == [b"one"]
    grown(log, b"line\n")
    watch.run()
    assert watch.taken.lines == [b"one", b"half a line"]


def test_a_rotated_file_is_read_to_its_end_and_the_new_one_from_its_beginning(log: Path, watch: Watch) -> None:
    log.write_bytes(b"one\n")
    watch.run()
    grown(log, b"two\nthree, whose end never came")
    log.rename(log.with_name("hub.log.1"))
    log.write_bytes(b"four\n")
    assert watch.run().lost == []
    assert watch.taken.lines == [b"one", b"two", b"three, whose end never came", b"four"]


def test_a_file_that_was_rotated_away_is_told_as_lost(log: Path, watch: Watch) -> None:
    log.write_bytes(b"one\n")
    watch.run()
    keep = log.with_name("kept")
    log.rename(keep)
    log.write_bytes(b"two\n")
    assert watch.run().lost == ["hub.log was rotated away"]
    assert watch.taken.lines == [b"one", b"two"]


@pytest.mark.parametrize("new", [b"", b"new\n", b"new, and longer than before\n"])
def test_a_file_that_was_cut_is_read_from_its_beginning(new: bytes, log: Path, watch: Watch) -> None:
    log.write_bytes(b"one\ntwo\n")
    watch.run()
    os.truncate(log, 0)
    grown(log, new)
    assert watch.run().lost == ["hub.log was cut"]
    assert watch.taken.lines == [b"one", b"two", *new.splitlines()]
    assert watch.run().lost == []


def test_binary_junk_and_a_line_without_end_do_no_harm(log: Path, watch: Watch) -> None:
    long = b"a" * (3 * CHUNK)
    log.write_bytes(bytes(range(256)).replace(b"\n", b"") + b"\n\n" + long + b"\nlast\n")
    assert watch.run().lines == 4
    assert watch.taken.lines[2] == long[:LONGEST_LINE]
    assert watch.taken.lines[3] == b"last"


def test_memory_does_not_grow_with_a_line(log: Path, tmp_path: Path) -> None:
    with log.open("wb") as file:
        for _ in range(64):
            file.write(b"a" * CHUNK)
    tracemalloc.start()
    read_files(tmp_path, {}, lambda *_: False)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 * CHUNK


def test_what_one_run_does_not_get_through_is_told_and_goes_on_in_the_next(log: Path, watch: Watch) -> None:
    line = b"a" * 99 + b"\n"
    log.write_bytes(line * 25_000)
    reading = watch.run(at_most=CHUNK)
    assert reading.behind == [f"hub.log: {25_000 * 100 - reading.cursor['hub.log']['offset']} bytes"]
    assert watch.run(at_most=CHUNK).behind
    assert watch.run(at_most=CHUNK).behind == []
    assert len(watch.taken.lines) == 25_000


def test_a_line_that_is_longer_than_a_run_does_not_hold_the_watch_for_ever(log: Path, watch: Watch) -> None:
    log.write_bytes(b"a" * (3 * CHUNK) + b"\nlast\n")
    for _ in range(5):
        watch.run(at_most=CHUNK)
    assert watch.taken.lines[-1] == b"last"


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _link(path: Path) -> None:
    path.symlink_to("/etc/hostname")


def _folder(path: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize("make", [_pipe, _link, _folder])
def test_what_is_no_file_is_left_alone_and_told(make: Callable[[Path], None], log: Path, watch: Watch) -> None:
    make(log)
    (log.parent / "proxy.log").write_bytes(b"one\n")
    reading = watch.run()
    assert [each.split(" ")[0] for each in reading.unread] == ["hub.log"]
    assert watch.taken.lines == [b"one"]


def test_a_file_that_cannot_be_read_now_keeps_its_cursor(log: Path, watch: Watch) -> None:
    log.write_bytes(b"one\n")
    watch.run()
    aside = log.with_name("aside")
    log.rename(aside)
    log.mkdir()
    assert watch.run().unread
    log.rmdir()
    aside.rename(log)
    grown(log, b"two\n")
    watch.run()
    assert watch.taken.lines == [b"one", b"two"]


def test_who_may_have_written_a_line_is_told_by_its_file(tmp_path: Path, watch: Watch) -> None:
    for name in ("hub", "proxy", "database", "sso", "hub.log.1"):
        (tmp_path / f"{name}.log").write_bytes(b"line\n")
    watch.run()
    assert {(each.name, each.programs) for each in watch.taken.origins} == {
        ("hub.log", ("hub", "server")),
        ("proxy.log", ("proxy",)),
        ("database.log", ("database",)),
    }
