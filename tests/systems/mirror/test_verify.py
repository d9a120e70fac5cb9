"""What verify finds in the bucket and on disk, and what history lists."""

from __future__ import annotations

from pathlib import Path

import pytest

from domain.errors import Damaged
from systems.mirror import MirrorLocation, history, push, verify
from tests.systems.mirror.trees import s3, swap_stored_bytes


def test_a_mirror_that_nobody_touched_is_whole(location: MirrorLocation, homes: Path) -> None:
    push(homes, location)
    result = verify(location, homes)
    assert (result.state, result.files, result.skipped) == ("complete", 4, ())


def test_a_version_that_is_gone_is_found(location: MirrorLocation, homes: Path) -> None:
    push(homes, location)
    client, key = s3(location.store), f"{location.prefix}/ana/notes.ipynb"
    version = client.head_object(Bucket=location.store.bucket, Key=key)["VersionId"]
    client.delete_object(Bucket=location.store.bucket, Key=key, VersionId=version)

    result = verify(location)

    assert result.state == "partial"
    assert ("ana/notes.ipynb", "its version is gone") in {(m.path, m.reason[:19]) for m in result.skipped}


def test_stored_bytes_that_are_not_those_pushed_are_found(location: MirrorLocation, homes: Path) -> None:
    push(homes, location)
    swap_stored_bytes(location, b"ana/notes.ipynb", b"ana: 9 + 9")

    result = verify(location)

    assert (result.state, result.files) == ("partial", 3)
    assert [(miss.path, "not those" in miss.reason) for miss in result.skipped] == [("ana/notes.ipynb", True)]


def test_a_plain_copy_overwritten_or_deleted_by_somebody_else_is_found(location: MirrorLocation, homes: Path) -> None:
    push(homes, location)
    client, bucket = s3(location.store), location.store.bucket
    client.put_object(Bucket=bucket, Key=f"{location.prefix}/ana/notes.ipynb", Body=b"ana: 1 + 2")
    client.delete_object(Bucket=bucket, Key=f"{location.prefix}/bea/notes.ipynb")

    found = {miss.path: miss.reason for miss in verify(location).skipped}

    assert found.keys() == {"ana/notes.ipynb", "bea/notes.ipynb"}
    assert "overwritten" in found["ana/notes.ipynb"]
    assert "deleted" in found["bea/notes.ipynb"]


def test_a_disk_that_differs_is_told(location: MirrorLocation, homes: Path) -> None:
    push(homes, location)
    (homes / "ana" / "notes.ipynb").write_text("ana: 1 + 2")
    (homes / "new").touch()

    found = {miss.path: miss.reason for miss in verify(location, homes).skipped}

    assert found["ana/notes.ipynb"] == "on disk: its content differs"
    assert found["new"] == "on disk: not in the point"


def test_a_manifest_that_is_not_whole_is_damaged(location: MirrorLocation, homes: Path) -> None:
    push(homes, location)
    key = f"{location.manifests}points/0000000001.json"
    body = s3(location.store).get_object(Bucket=location.store.bucket, Key=key)["Body"].read()
    s3(location.store).put_object(Bucket=location.store.bucket, Key=key, Body=body[: len(body) // 2])
    with pytest.raises(Damaged, match="manifest"):
        verify(location)


def test_history_lists_every_point_in_order(location: MirrorLocation, homes: Path) -> None:
    assert history(location) == ()
    pushed = [push(homes, location).point for _ in range(3)]
    points = history(location)
    assert [point.id for point in points] == pushed
    assert {point.files for point in points} == {4}
