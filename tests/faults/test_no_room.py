"""A disk that is full: a small file system of its own, in a mount namespace, which needs no root."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from devstack.day.damage import Look
from environments import Environment
from systems.homes import MIRROR_PREFIX
from tests.faults.conftest import emptied, keys_below
from tests.faults.oncall import OnCall

# $1 becomes a file system of $2 bytes with what is in $3; what is in it afterwards is copied to $4.
_SCRIPT = """
mount -t tmpfs -o size="$2" none "$1" && cp -a "$3/." "$1" || exit 99
folder=$1 after=$4
shift 4
"$@"
code=$?
cp -a "$folder/." "$after"
exit $code
"""
_ALONE = ("unshare", "--mount", "--map-root-user")


class Disk:
    """A disk of `size` bytes at `folder` for one command. `before` is put on it; `after` shows what was left."""

    def __init__(self, at: Path, size: int) -> None:
        self.folder, self.before, self.after = (emptied(at / name) for name in ("disk", "before", "after"))
        self.within = (*_ALONE, "sh", "-c", _SCRIPT, "sh")
        self.within += (str(self.folder), str(size), str(self.before), str(self.after))

    def left(self) -> dict[str, str]:
        """The files on it by path, with their text."""
        files = (path for path in self.after.rglob("*") if path.is_file())
        return {str(path.relative_to(self.after)): path.read_text(errors="replace") for path in files}


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    made = Disk(tmp_path, 2**20)
    tried = subprocess.run((*made.within, "true"), capture_output=True, text=True, timeout=10, check=False)
    if tried.returncode != 0:
        pytest.skip(f"no small file system can be mounted here ({tried.stderr.strip()})")
    return made


def test_a_restore_onto_a_full_disk_leaves_the_destination_as_it_was(
    disk: Disk, on_call: OnCall, env: Environment, whole: dict[str, Look], aws_variables: dict[str, str]
) -> None:
    assert sum(1 for path in whole["nora"] if path.endswith(".bin")) * 16 * 1024 > 2**20
    (disk.before / "homes" / "nora").mkdir(parents=True)
    (disk.before / "homes" / "nora" / "notes.txt").write_text("newer\n")
    answer = on_call.riskhub(
        "mirror",
        "restore",
        f"s3://{env.objects.bucket}/{MIRROR_PREFIX}",
        str(disk.folder / "homes"),
        "--execute",
        "--json",
        within=disk.within,
        **aws_variables,
    )
    assert answer.code == 1
    assert f"restore to {disk.folder / 'homes'}" in answer.err
    assert "No space left on device" in answer.err
    assert "the destination is untouched" in answer.err
    assert disk.left() == {"homes/nora/notes.txt": "newer\n"}
    assert sorted(path.name for path in disk.after.iterdir()) == ["homes"]


def test_a_home_restored_on_call_onto_a_full_disk_is_as_it_was(
    disk: Disk, on_call: OnCall, whole: dict[str, Look], other_state: Callable[..., Path]
) -> None:
    (disk.before / "user-data" / "nora").mkdir(parents=True)
    (disk.before / "user-data" / "nora" / "notes.txt").write_text("newer\n")
    state = other_state(EFS_MOUNT_POINT=str(disk.folder))
    answer = on_call.riskhub(
        *("restore", "home", "--user", "nora", "--confirm", "local", "--execute", "--json"),
        within=disk.within,
        RISKHUB_STATE=str(state),
    )
    assert answer.code == 1
    assert "No space left on device" in answer.err
    assert "make room there" in answer.err
    assert disk.left() == {"user-data/nora/notes.txt": "newer\n"}


def test_a_backup_without_room_for_the_dump_makes_no_point_and_says_what_was_full(
    disk: Disk, on_call: OnCall, env: Environment, whole: dict[str, Look]
) -> None:
    before = keys_below(env.objects, "recovery-points/")
    (disk.before / "ballast").write_bytes(b"x" * (2**20 - 16 * 1024))
    answer = on_call.riskhub("backup", "run", "--execute", "--json", within=disk.within, TMPDIR=str(disk.folder))
    assert answer.code == 3
    assert answer.outcomes["Hub database"].startswith("failed")
    assert "No space left on device" in answer.outcomes["Hub database"]
    assert answer.record["summary"] == "no recovery point: Hub database could not be backed up"
    new = keys_below(env.objects, "recovery-points/") - before
    assert not any(key.endswith("/manifest.json") or key.endswith(".dump") for key in new)
    assert list(disk.left()) == ["ballast"]
