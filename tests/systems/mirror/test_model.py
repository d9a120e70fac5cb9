"""Whatever users and operators do in whatever order, every point restores to the tree as it was then."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from systems.mirror import MirrorLocation, apply_restore, history, plan_restore, push, verify
from tests.systems.mirror.trees import tree

NAMES = st.sampled_from(
    [b"a", b"b", b"a b", b"a-", b"\xff\xfe", b"%41", b"caf\xc3\xa9", b"cafe\xcc\x81", b"x.versions"]
)
PLACES = st.lists(NAMES, min_size=1, max_size=3).map(b"/".join)
CONTENTS = st.sampled_from([b"", b"1", b"2", b"three", b"x" * 5000])
MODES = st.sampled_from([0o644, 0o600, 0o755, 0o4755])


class Mirrored(RuleBasedStateMachine):
    """A tree, its mirror, and a copy of the tree at each point."""

    def __init__(self, location: MirrorLocation) -> None:
        super().__init__()
        self.location = location
        self.work = Path(tempfile.mkdtemp(prefix="mirror-model-"))
        self.root = self.work / "user-data"
        self.root.mkdir()
        self.points: dict[str, dict[bytes, tuple[object, ...]]] = {}

    def teardown(self) -> None:
        shutil.rmtree(self.work)

    def at(self, place: bytes) -> bytes:
        return os.fsencode(self.root) + b"/" + place

    def tried(self, act: Callable[..., Any], *args: Any) -> None:
        """What the file system refuses (a file where a folder is, ...) changes nothing."""
        with contextlib.suppress(OSError):
            act(*args)

    @rule(place=PLACES, content=CONTENTS)
    def write(self, place: bytes, content: bytes) -> None:
        def act() -> None:
            os.makedirs(os.path.dirname(self.at(place)), exist_ok=True)  # noqa: PTH103, PTH120
            with open(self.at(place), "wb") as file:  # noqa: PTH123
                file.write(content)

        self.tried(act)

    @rule(place=PLACES)
    def make_folder(self, place: bytes) -> None:
        self.tried(os.makedirs, self.at(place))

    @rule(place=PLACES, to=PLACES)
    def link(self, place: bytes, to: bytes) -> None:
        self.tried(os.symlink, to, self.at(place))

    @rule(one=PLACES, other=PLACES)
    def rename(self, one: bytes, other: bytes) -> None:
        self.tried(os.rename, self.at(one), self.at(other))

    @rule(place=PLACES)
    def delete(self, place: bytes) -> None:
        path = self.at(place)
        if os.path.isdir(path) and not os.path.islink(path):  # noqa: PTH112, PTH114
            shutil.rmtree(path)
        else:
            self.tried(os.unlink, path)

    @rule(place=PLACES, mode=MODES)
    def change_mode(self, place: bytes, mode: int) -> None:
        if not os.path.islink(self.at(place)):  # noqa: PTH114
            self.tried(os.chmod, self.at(place), mode | 0o700 * os.path.isdir(self.at(place)))  # noqa: PTH112

    @rule(place=PLACES, content=CONTENTS)
    def edit_and_keep_the_time(self, place: bytes, content: bytes) -> None:
        path = self.at(place)
        if os.path.isfile(path) and not os.path.islink(path):  # noqa: PTH113, PTH114
            status = os.stat(path)  # noqa: PTH116
            with open(path, "wb") as file:  # noqa: PTH123
                file.write(content)
            os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))

    @precondition(lambda self: any(os.scandir(self.root)))
    @rule()
    def push(self) -> None:
        result = push(self.root, self.location, max_delete_share=1)
        assert result.state == "complete"
        self.points[result.point] = tree(self.root)

    @precondition(lambda self: self.points)
    @rule(data=st.data())
    def restore_elsewhere(self, data: st.DataObject) -> None:
        point = data.draw(st.sampled_from(sorted(self.points)))
        there = self.work / "restored"
        assert apply_restore(plan_restore(self.location, there, point=point)).state == "complete"
        assert tree(there) == self.points[point]
        shutil.rmtree(there)

    @precondition(lambda self: self.points)
    @rule(data=st.data())
    def restore_in_place(self, data: st.DataObject) -> None:
        """Everything of the point is there again; what it does not know stays."""
        point = data.draw(st.sampled_from(sorted(self.points)))
        plan = plan_restore(self.location, self.root, point=point)
        assert apply_restore(plan).state == "complete"
        now = tree(self.root)
        assert {path: now.get(path) for path in self.points[point]} == self.points[point]
        for kept in self.work.glob(".riskhub-restore-*"):
            shutil.rmtree(kept)

    @precondition(lambda self: self.points)
    @rule()
    def verify(self) -> None:
        result = verify(self.location)
        assert (result.state, result.point) == ("complete", max(self.points))
        assert [point.id for point in history(self.location)] == sorted(self.points)


@pytest.mark.timeout(300)
def test_every_point_restores_to_the_tree_as_it_was(location: MirrorLocation) -> None:
    numbers = iter(range(10**6))

    def machine() -> Mirrored:
        return Mirrored(MirrorLocation(location.store, f"{location.prefix}/{next(numbers)}"))

    chosen = settings(
        max_examples=25,
        stateful_step_count=30,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(machine, settings=chosen)  # type: ignore[no-untyped-call]
