"""What goes up comes down: names, kinds, modes, owners, times and bytes."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from systems.mirror import MirrorLocation, apply_restore, plan_restore, push, verify
from tests.systems.mirror.trees import age, s3, tree

ODD_NAMES = [
    b"new\nline",
    b"not\xff\xfeutf-8",
    b"trailing space ",
    b" leading",
    b"%2F%2F",
    b"100%",
    b"%0A",
    b"back\\slash",
    b"...",
    b"caf\xc3\xa9",
    b"cafe\xcc\x81",
    b"bell\x07",
    b"~$#?&+=:;'\"<>|*`^{}[]",
    b"\xef\xbf\xbe",
    b"n" * 255,
    b"\xff" * 200,
    b"a.versions",
]


def restore(location: MirrorLocation, destination: Path, **which: object) -> None:
    result = apply_restore(plan_restore(location, destination, **which))  # type: ignore[arg-type]
    assert result.state == "complete", result.skipped


def test_a_restored_tree_is_the_tree_that_was_pushed(location: MirrorLocation, tmp_path: Path) -> None:
    source = tmp_path / "source"
    home = source / "ana"
    (home / "empty").mkdir(parents=True)
    (home / "closed").mkdir()
    (home / "closed" / "inside").write_text("in a folder without write permission")
    (home / "script.sh").write_text("#!/bin/sh\n")
    (home / "script.sh").chmod(0o4755)
    (home / "secret").write_text("x")
    (home / "secret").chmod(0o600)
    (home / "zero").touch()
    (home / "twin").hardlink_to(home / "secret")
    (home / "link").symlink_to("script.sh")
    (home / "dangling").symlink_to("/nowhere/at all")
    (home / "loop").symlink_to(".")
    if os.geteuid() == 0:
        os.chown(home / "zero", 1234, 5678)
        os.chown(home / "link", 1234, 5678, follow_symlinks=False)
    age(source)
    (home / "closed").chmod(0o555)

    pushed = push(source, location)
    restore(location, tmp_path / "restored")

    assert pushed.state == "complete"
    assert tree(tmp_path / "restored") == tree(source)
    assert (tmp_path / "restored" / "ana" / "twin").samefile(tmp_path / "restored" / "ana" / "secret")
    again = plan_restore(location, tmp_path / "restored", path="ana/twin")
    assert len(again.actions) == 0


def test_a_sparse_file_comes_back_sparse(location: MirrorLocation, homes: Path, tmp_path: Path) -> None:
    with (homes / "ana" / "model.bin").open("wb") as file:
        file.write(b"begin")
        file.truncate(30_000_000)
        file.seek(0, os.SEEK_END)
        file.write(b"end")
        file.truncate(40_000_000)
    push(homes, location)
    restore(location, tmp_path / "restored")
    assert tree(tmp_path / "restored") == tree(homes)
    assert (tmp_path / "restored" / "ana" / "model.bin").stat().st_blocks * 512 < 10_000_000


def test_every_name_a_file_system_allows_comes_back(location: MirrorLocation, tmp_path: Path) -> None:
    source = os.fsencode(tmp_path / "source")
    for name in ODD_NAMES:
        os.makedirs(os.path.join(source, b"folder " + name[:200]))  # noqa: PTH103, PTH118
        for path in (name, os.path.join(b"folder " + name[:200], name)):  # noqa: PTH118
            with open(os.path.join(source, path), "wb") as file:  # noqa: PTH118, PTH123
                file.write(b"content of " + name)
    deep = os.path.join(source, *[b"d" * 200] * 6)  # noqa: PTH118
    os.makedirs(deep)  # noqa: PTH103
    with open(os.path.join(deep, b"deep"), "wb") as file:  # noqa: PTH118, PTH123
        file.write(b"a key of 1200 characters")
    age(tmp_path / "source")

    push(tmp_path / "source", location)
    restore(location, tmp_path / "restored")

    assert tree(tmp_path / "restored") == tree(tmp_path / "source")
    assert verify(location, tmp_path / "source").state == "complete"


def test_a_file_in_many_parts_comes_back(location: MirrorLocation, homes: Path, tmp_path: Path) -> None:
    (homes / "ana" / "big.parquet").write_bytes(os.urandom(1024 * 1024) * 20 + b"end")

    push(homes, location)
    restore(location, tmp_path / "restored")

    assert tree(tmp_path / "restored") == tree(homes)


def test_the_bucket_is_readable_without_us(location: MirrorLocation, homes: Path) -> None:
    (homes / "ana" / "notes.ipynb").chmod(0o640)
    status = (homes / "ana" / "notes.ipynb").stat()

    push(homes, location)

    found = s3(location.store).get_object(Bucket=location.store.bucket, Key=f"{location.prefix}/ana/notes.ipynb")
    assert found["Body"].read() == b"ana: 1 + 1"
    assert found["Metadata"] == {
        "file-permissions": "0100640",
        "file-owner": str(status.st_uid),
        "file-group": str(status.st_gid),
        "file-mtime": f"{status.st_mtime_ns}ns",
    }


def test_what_no_bucket_can_hold_is_listed_and_the_rest_is_kept(location: MirrorLocation, homes: Path) -> None:
    os.mkfifo(homes / "ana" / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        here = Path.cwd()
        os.chdir(homes)  # a socket's path may have 107 bytes
        listener.bind("bea/sock")
        os.chdir(here)

    result = push(homes, location)

    assert result.state == "partial"
    assert {miss.path for miss in result.skipped} == {"ana/pipe", "bea/sock"}
    assert result.files == 4


def test_a_folder_and_a_file_may_change_places(location: MirrorLocation, homes: Path, tmp_path: Path) -> None:
    first = push(homes, location).point
    before = tree(homes)
    (homes / "ana" / "notes.ipynb").unlink()
    (homes / "ana" / "notes.ipynb").mkdir()
    (homes / "ana" / "notes.ipynb" / "inner").write_text("now a folder")
    (homes / "bea" / "work" / "var.csv").unlink()
    (homes / "bea" / "work").rmdir()
    (homes / "bea" / "work").write_text("now a file")
    after = tree(homes)
    push(homes, location)

    restore(location, tmp_path / "now")
    restore(location, tmp_path / "then", point=first)

    assert tree(tmp_path / "now") == after
    assert tree(tmp_path / "then") == before
    restore(location, homes, point=first)
    assert tree(homes) == before


@pytest.mark.parametrize("path", ["ana", "ana/work", "ana/work/var.csv"])
def test_one_path_alone_is_restored(location: MirrorLocation, homes: Path, tmp_path: Path, path: str) -> None:
    push(homes, location)

    restore(location, tmp_path / "restored", path=path)

    assert not (tmp_path / "restored" / "bea").exists()
    assert tree(tmp_path / "restored" / path) == tree(homes / path)
