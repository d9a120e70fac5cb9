"""A disk that is really full: a small tmpfs, mounted in a namespace of the test's own, so that no root is needed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from systems.mirror import MirrorLocation

_BEGIN = """
import json, os, sys
from pathlib import Path

from domain.errors import Failed
from systems.mirror import apply_restore, history, parse_location, plan_restore, push, spool, verify
from systems.mirror.bucket import Bucket
from tests.systems.mirror.trees import age, plain_keys, tree

location = parse_location(sys.argv[1], sys.argv[2])
homes, disk = Path(sys.argv[3]), Path(sys.argv[4])
told, ballast = {}, disk / "ballast"


def fill(room):
    space = os.statvfs(disk)
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, space.f_bavail * space.f_frsize - room)


def make_room():
    ballast.unlink()


def failure(act):
    try:
        act()
    except Failed as error:
        return str(error)
    return "it did not fail"
"""


def on_a_small_disk(location: MirrorLocation, homes: Path, disk: Path, program: str) -> dict[str, Any]:
    """What `program` left in `told`; `disk` is a file system of its own, and the one for temporary files."""
    store = location.store
    assert store.access_key_id and store.secret_access_key and store.endpoint_url
    disk.mkdir()
    mounted = 'mount -t tmpfs -o size=64m tmpfs "$0" && exec "$@"'
    python = [sys.executable, "-c", _BEGIN + program + "\nprint(json.dumps(told))"]
    done = subprocess.run(
        ["unshare", "-Urm", "sh", "-c", mounted, disk, *python, location.url, store.endpoint_url, homes, disk],
        env={
            **os.environ,
            "AWS_ACCESS_KEY_ID": store.access_key_id.get_secret_value(),
            "AWS_SECRET_ACCESS_KEY": store.secret_access_key.get_secret_value(),
            "PYTHONPATH": str(Path.cwd()),
            "TMPDIR": str(disk),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@pytest.mark.parametrize("path", [None, "ana"])
def test_a_restore_onto_a_full_disk_leaves_it_as_it_was_and_the_next_one_completes(
    location: MirrorLocation, homes: Path, tmp_path: Path, path: str | None
) -> None:
    (homes / "ana" / "large.bin").write_bytes(os.urandom(3_000_000))
    told = on_a_small_disk(
        location,
        homes,
        tmp_path / "disk",
        f"""
path = {path!r}
push(homes, location)
there = disk / "user-data"
apply_restore(plan_restore(location, there, path="bea"))
(there / "bea" / "notes.ipynb").write_text("work of today")
before = tree(there)
fill(room=2_000_000)

told["why"] = failure(lambda: apply_restore(plan_restore(location, there, path=path)))

told["untouched"] = tree(there) == before
told["left behind"] = [each.name for each in disk.iterdir() if each not in (there, ballast)]
make_room()
told["then"] = apply_restore(plan_restore(location, there, path=path)).state
told["differs"] = [action.target for action in plan_restore(location, there, path=path).actions]
""",
    )
    assert "ana/large.bin could not be staged beside it (No space left on device)" in told["why"]
    assert "Next: make room there" in told["why"]
    assert (told["untouched"], told["left behind"]) == (True, [])
    assert (told["then"], told["differs"]) == ("complete", [])


def test_a_push_that_cannot_note_what_it_found_changes_nothing_and_the_next_one_completes(
    location: MirrorLocation, homes: Path, tmp_path: Path
) -> None:
    for number in range(500):
        (homes / "ana" / f"{number}.csv").write_text("1")
    told = on_a_small_disk(
        location,
        homes,
        tmp_path / "disk",
        """
spool._IN_MEMORY = 50
fill(room=16_000)

told["why"] = failure(lambda: push(homes, location))

told["points"] = len(history(location))
told["keys"] = sorted(each.key for each in Bucket(location).list_current(location.prefix.split("/")[0]))
make_room()
told["then"] = push(homes, location).state
told["whole"] = verify(location, homes).state
""",
    )
    assert told["why"].startswith(f"temporary folder {tmp_path / 'disk'}: ")
    assert "(No space left on device). Next: make room there, or set TMPDIR" in told["why"]
    assert (told["points"], told["keys"]) == (0, [])
    assert (told["then"], told["whole"]) == ("complete", "complete")


def test_a_plan_and_a_verification_that_cannot_note_what_they_found_say_so(
    location: MirrorLocation, homes: Path, tmp_path: Path
) -> None:
    for number in range(500):
        (homes / "ana" / f"{number}.csv").write_text("1")
    told = on_a_small_disk(
        location,
        homes,
        tmp_path / "disk",
        """
push(homes, location)
spool._IN_MEMORY = 50
listed = Bucket.list_versions
Bucket.list_versions = lambda bucket, prefix: (
    (each._replace(key=f"{each.key}/{copy}"), shows) for copy in range(100) for each, shows in listed(bucket, prefix)
)
fill(room=16_000)

told["plan"] = failure(lambda: plan_restore(location, homes.parent / "restored"))
told["verify"] = failure(lambda: verify(location))
""",
    )
    assert "No space left on device" in told["plan"]
    assert "database or disk is full" in told["verify"]
    assert all(why.startswith("temporary folder") for why in told.values())
    assert not (homes.parent / "restored").exists()
