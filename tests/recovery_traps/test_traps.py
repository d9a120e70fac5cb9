"""Traps that backups and restores of users' files fall into, each as a test; who was caught by it is in the comment."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path

from environments.settings import ObjectStoreSettings
from tests.recovery_traps.tools import BUCKET, NotConcerned, Tool
from tests.systems.mirror.trees import s3, settle, tree


def contents(root: Path) -> dict[bytes, object]:
    return {path: entry[-1] for path, entry in tree(root).items()}


def now(tool: Tool) -> datetime:
    """A time after all that was pushed, by a whole second: stores keep no fractions."""
    time.sleep(1.1)
    moment = datetime.now(UTC).replace(microsecond=0)
    time.sleep(1.1)
    return moment


def keep_times(path: Path, text: str) -> None:
    status = path.stat()
    path.write_text(text)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_00_ordinary_files_come_back(tool: Tool, homes: Path, tmp_path: Path) -> None:
    """Not a trap: whoever cannot do this is not set up right here."""
    tool.push(homes)
    tool.restore(tmp_path / "restored")
    assert contents(tmp_path / "restored") == contents(homes)


def test_01_a_restore_repairs_damage_that_kept_size_and_time(tool: Tool, homes: Path) -> None:
    before = contents(homes)
    tool.push(homes)
    keep_times(homes / "ana" / "notes.ipynb", "ana: 9 + 9")
    tool.restore(homes)
    assert contents(homes) == before


def test_02_an_edit_that_kept_size_and_time_is_backed_up(tool: Tool, homes: Path, tmp_path: Path) -> None:
    tool.push(homes)
    settle()
    keep_times(homes / "ana" / "notes.ipynb", "ana: 9 + 9")
    tool.push(homes)
    tool.restore(tmp_path / "restored")
    assert contents(tmp_path / "restored") == contents(homes)


def test_03_an_empty_source_does_not_empty_the_backup(tool: Tool, homes: Path, tmp_path: Path) -> None:
    before = contents(homes)
    tool.push(homes)
    shutil.move(homes, tmp_path / "elsewhere")
    homes.mkdir()
    tool.push(homes)
    tool.restore(tmp_path / "restored")
    assert contents(tmp_path / "restored") == before


def test_04_modes_owners_and_times_come_back(tool: Tool, homes: Path, tmp_path: Path) -> None:
    (homes / "ana" / "notes.ipynb").chmod(0o640)
    if os.geteuid() == 0:
        os.chown(homes / "ana" / "notes.ipynb", 1234, 5678)
    status = (homes / "ana" / "notes.ipynb").stat()
    tool.push(homes)
    tool.restore(tmp_path / "restored")
    back = (tmp_path / "restored" / "ana" / "notes.ipynb").stat()
    assert (back.st_mode, back.st_uid, back.st_gid, back.st_mtime_ns) == (
        status.st_mode,
        status.st_uid,
        status.st_gid,
        status.st_mtime_ns,
    )


def test_05_a_changed_mode_alone_is_backed_up(tool: Tool, homes: Path, tmp_path: Path) -> None:
    tool.push(homes)
    (homes / "ana" / "notes.ipynb").chmod(0o600)
    tool.push(homes)
    tool.restore(tmp_path / "restored")
    assert (tmp_path / "restored" / "ana" / "notes.ipynb").stat().st_mode == 0o100600


def test_06_links_stay_links_and_a_loop_is_not_walked(tool: Tool, homes: Path, tmp_path: Path) -> None:
    (homes / "ana" / "loop").symlink_to(".")
    (homes / "ana" / "dangling").symlink_to("/nowhere")
    tool.push(homes)
    tool.restore(tmp_path / "restored")
    assert contents(tmp_path / "restored") == contents(homes)


def test_06_a_restore_does_not_write_through_a_link(tool: Tool, homes: Path, tmp_path: Path) -> None:
    tool.push(homes)
    outside = tmp_path / "outside"
    outside.mkdir()
    shutil.rmtree(homes / "ana" / "work")
    (homes / "ana" / "work").symlink_to(outside)
    tool.restore(homes)
    assert list(outside.iterdir()) == []


def test_07_what_cannot_be_kept_is_named_and_the_rest_is_kept(tool: Tool, homes: Path, tmp_path: Path) -> None:
    os.mkfifo(homes / "ana" / "pipe")
    done = tool.push(homes)
    assert "pipe" in done.stdout + done.stderr
    assert done.returncode != 0
    tool.restore(tmp_path / "restored")
    assert (tmp_path / "restored" / "bea" / "notes.ipynb").exists()


def test_08_empty_folders_come_back(tool: Tool, homes: Path, tmp_path: Path) -> None:
    (homes / "ana" / "empty").mkdir()
    tool.push(homes)
    tool.restore(tmp_path / "restored")
    assert (tmp_path / "restored" / "ana" / "empty").is_dir()


def test_08_hard_links_come_back_as_one_file(tool: Tool, homes: Path, tmp_path: Path) -> None:
    (homes / "ana" / "twin").hardlink_to(homes / "ana" / "notes.ipynb")
    tool.push(homes)
    tool.restore(tmp_path / "restored")
    assert (tmp_path / "restored" / "ana" / "twin").samefile(tmp_path / "restored" / "ana" / "notes.ipynb")


WRITER = """
import os, sys
file = os.open(sys.argv[1], os.O_WRONLY)
print("writing", flush=True)
number = 0
while True:
    number += 1
    for at in range(0, 20_000_000, 1_000_000):
        os.pwrite(file, b"%08d" % number, at)
"""


def test_09_a_file_that_changes_while_it_is_read_is_not_stored_torn(tool: Tool, homes: Path, tmp_path: Path) -> None:
    model = homes / "ana" / "model.bin"
    model.write_bytes(b"00000000" + bytes(19_999_992))
    tool.push(homes)
    writer = subprocess.Popen(["python3", "-c", WRITER, str(model)], stdout=subprocess.PIPE)
    try:
        assert writer.stdout and writer.stdout.readline() == b"writing\n"
        tool.push(homes)
    finally:
        writer.kill()
        writer.communicate()
    tool.restore(tmp_path / "restored")
    stored = (tmp_path / "restored" / "ana" / "model.bin").read_bytes()
    marks = [stored[at : at + 8] for at in range(0, 20_000_000, 1_000_000)]
    assert marks == [b"00000000", *[bytes(8)] * 19] or len(set(marks)) == 1


def test_10_an_object_overwritten_by_somebody_is_not_restored_as_if_it_were_ours(
    tool: Tool, homes: Path, tmp_path: Path, store: ObjectStoreSettings
) -> None:
    if not tool.plain:
        raise NotConcerned
    before = contents(homes)
    tool.push(homes)
    s3(store).put_object(Bucket=BUCKET, Key=f"{tool.prefix}/ana/notes.ipynb", Body=b"ana: 6 + 6")
    tool.restore(tmp_path / "restored")
    assert contents(tmp_path / "restored") == before


def test_11_12_a_restore_to_a_time_has_what_was_deleted_since(tool: Tool, homes: Path, tmp_path: Path) -> None:
    before = contents(homes)
    tool.push(homes)
    moment = now(tool)
    (homes / "ana" / "notes.ipynb").unlink()
    (homes / "bea" / "new.csv").write_text("new")
    tool.push(homes)
    tool.restore(tmp_path / "restored", moment)
    assert contents(tmp_path / "restored") == before


def test_12_a_restore_to_a_time_has_not_what_was_deleted_before(tool: Tool, homes: Path, tmp_path: Path) -> None:
    tool.push(homes)
    (homes / "ana" / "notes.ipynb").unlink()
    tool.push(homes)
    moment, then = now(tool), contents(homes)
    (homes / "ana" / "notes.ipynb").write_text("back again")
    tool.push(homes)
    tool.restore(tmp_path / "restored", moment)
    assert contents(tmp_path / "restored") == then


def test_13_it_says_since_when_everything_can_be_restored(tool: Tool, homes: Path) -> None:
    if tool.name != "riskhub mirror":
        raise AssertionError("it reads no lifecycle")
    tool.push(homes)
    listed = subprocess.run(
        [tool.program, "mirror", "history", f"s3://{BUCKET}/{tool.prefix}", "--json"],
        env=tool.variables,
        capture_output=True,
        check=True,
    )
    assert json.loads(listed.stdout)["restorable_from"]


def test_15_every_name_comes_back(tool: Tool, homes: Path, tmp_path: Path) -> None:
    for name in (b"new\nline", b"not\xffutf-8", b" blank ", b"%2F", b"caf\xc3\xa9", b"cafe\xcc\x81", b"back\\slash"):
        with open(os.fsencode(homes / "ana") + b"/" + name, "wb") as file:  # noqa: PTH123
            file.write(name)
    tool.push(homes)
    tool.restore(tmp_path / "restored")
    assert contents(tmp_path / "restored") == contents(homes)


def test_16_a_restore_that_is_killed_leaves_no_half_home(tool: Tool, homes: Path) -> None:
    for number in range(400):
        (homes / "ana" / f"{number}.csv").write_text(f"{number}" * 500)
    tool.push(homes)
    whole = contents(homes / "ana")
    shutil.rmtree(homes / "ana")
    restore = subprocess.Popen(
        tool.restore_command(homes),
        env=tool.variables,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    give_up = time.monotonic() + 20
    while restore.poll() is None and time.monotonic() < give_up:
        if sum(1 for _ in homes.parent.rglob("*.csv")) > 20:  # wherever it puts them first
            break
    with contextlib.suppress(ProcessLookupError):
        os.killpg(restore.pid, signal.SIGKILL)
    restore.wait()
    assert not (homes / "ana").exists() or contents(homes / "ana") == whole


def test_17_damage_that_was_backed_up_can_be_undone(tool: Tool, homes: Path, tmp_path: Path) -> None:
    before = contents(homes)
    tool.push(homes)
    moment = now(tool)
    for path in homes.rglob("*.ipynb"):
        path.write_text("encrypted; pay here")
    tool.push(homes)
    tool.restore(tmp_path / "restored", moment)
    assert contents(tmp_path / "restored") == before


def test_18_a_flipped_byte_in_the_store_is_found(tool: Tool, homes: Path, store: ObjectStoreSettings) -> None:
    """Without a restore, by its own check of all it keeps."""
    if tool.name not in ("riskhub mirror", "restic"):
        raise AssertionError("it has no check of what it stored")
    tool.push(homes)
    if tool.name == "restic":
        (pack,) = s3(store).list_objects_v2(Bucket=BUCKET, Prefix=f"{tool.prefix}/data/")["Contents"][:1]
        key = pack["Key"]
        check = ["restic", f"--repo=s3:{tool.endpoint}/{BUCKET}/{tool.prefix}", "check", "--read-data"]
    else:
        key = f"{tool.prefix}/ana/notes.ipynb"
        check = [tool.program, "mirror", "verify", f"s3://{BUCKET}/{tool.prefix}"]
    body = bytearray(s3(store).get_object(Bucket=BUCKET, Key=key)["Body"].read())
    body[len(body) // 2] ^= 1
    s3(store).put_object(Bucket=BUCKET, Key=key, Body=bytes(body))
    assert subprocess.run(check, env=tool.variables, capture_output=True, check=False).returncode != 0


def test_20_a_sparse_file_comes_back_sparse(tool: Tool, homes: Path, tmp_path: Path) -> None:
    with (homes / "ana" / "sparse.bin").open("wb") as file:
        file.write(b"begin")
        file.truncate(30_000_000)
    tool.push(homes)
    tool.restore(tmp_path / "restored")
    assert contents(tmp_path / "restored") == contents(homes)
    assert (tmp_path / "restored" / "ana" / "sparse.bin").stat().st_blocks * 512 < 15_000_000


def test_20_checkpoints_of_notebooks_are_kept(tool: Tool, homes: Path, tmp_path: Path) -> None:
    (homes / "ana" / ".ipynb_checkpoints").mkdir()
    (homes / "ana" / ".ipynb_checkpoints" / "notes-checkpoint.ipynb").write_text("an hour ago")
    tool.push(homes)
    tool.restore(tmp_path / "restored")
    assert contents(tmp_path / "restored") == contents(homes)
