"""Sizes of homes from manifests: exact, of two points, and without a walk."""

from __future__ import annotations

import os
import shutil
from datetime import timedelta
from pathlib import Path

from domain.clock import utc_now
from systems.mirror import MirrorLocation, home_sizes, push
from tests.systems.mirror.trees import age

LONG_AGO = timedelta(days=7)


def on_disk(home: Path) -> int:
    return sum((Path(folder) / name).lstat().st_size for folder, _, names in os.walk(home) for name in names)


def test_without_a_point_there_are_no_sizes(location: MirrorLocation) -> None:
    assert home_sizes(location, utc_now()) is None


def test_the_first_point_is_then_and_now(location: MirrorLocation, homes: Path) -> None:
    push(homes, location)
    found = home_sizes(location, utc_now() - LONG_AGO)
    assert found is not None and found.then_at == found.now_at
    assert found.then == found.now == {"ana": on_disk(homes / "ana"), "bea": on_disk(homes / "bea")}


def test_growth_shrinking_new_and_deleted_homes_are_those_of_the_pushes(location: MirrorLocation, homes: Path) -> None:
    shutil.copytree(homes / "ana", homes / "carl")
    first = push(homes, location)
    before = {name: on_disk(homes / name) for name in ("ana", "bea", "carl")}
    (homes / "ana" / "large.bin").write_bytes(os.urandom(3_000_000))
    (homes / "bea" / "notes.ipynb").unlink()
    shutil.rmtree(homes / "carl")
    (homes / "dina").mkdir()
    age(homes)
    second = push(homes, location)
    found = home_sizes(location, utc_now() - LONG_AGO)
    assert found is not None and first.point != second.point
    assert found.then == before
    assert found.now == {"ana": before["ana"] + 3_000_000, "bea": on_disk(homes / "bea"), "dina": 0}


def test_then_is_the_last_point_before_the_time(location: MirrorLocation, homes: Path) -> None:
    push(homes, location)
    (homes / "ana" / "first.bin").write_bytes(b"1" * 1000)
    push(homes, location)
    since = utc_now() + timedelta(seconds=1)
    (homes / "ana" / "second.bin").write_bytes(b"2" * 500)
    push(homes, location)
    found = home_sizes(location, since - timedelta(seconds=1))
    assert found is not None
    assert found.now["ana"] - found.then["ana"] in (0, 500)  # a time means all of its second


def test_odd_names_and_files_beside_the_homes(location: MirrorLocation, homes: Path) -> None:
    odd = [b"x" * 255, b"caf\xe9", "小林".encode(), b"new\nline", b"per%41cent"]
    for name in odd:
        os.mkdir(os.path.join(os.fsencode(homes), name))  # noqa: PTH102, PTH118 - bytes
        Path(os.fsdecode(os.path.join(os.fsencode(homes), name, b"f"))).write_bytes(b"12345")  # noqa: PTH118
    (homes / "README").write_text("nobody's")
    (homes / "ana" / "link").symlink_to("/nowhere")
    push(homes, location)
    found = home_sizes(location, utc_now())
    assert found is not None
    assert "README" not in found.now
    assert {"x" * 255, "caf%E9", "小林", "new%0Aline", "per%2541cent"} <= found.now.keys()
    assert found.now["caf%E9"] == 5
    assert found.now["ana"] == on_disk(homes / "ana")
