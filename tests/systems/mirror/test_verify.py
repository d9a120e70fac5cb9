"""What verify finds in the bucket and on disk, and what history lists."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from domain.clock import utc_now
from domain.errors import Damaged, Refused
from environments.settings import ObjectStoreSettings
from systems.mirror import MirrorLocation, history, push, retention, rotation, verify
from systems.mirror.bucket import Bucket, Current
from tests.systems.mirror.trees import make_bucket, s3, swap_stored_bytes


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


def on_day(monkeypatch: pytest.MonkeyPatch, day: int) -> None:
    monkeypatch.setattr(rotation, "utc_now", lambda: utc_now() + timedelta(days=day))


class Store:
    """The store's clock, moved with ours: a marker is as old as the day on which it was written."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.day = 0
        self.written: dict[str, int] = {}
        put, shown = Bucket.put_marker, Bucket.list_current

        def put_marker(bucket: Bucket, key: str, attributes: dict[str, str] | None = None) -> None:
            self.written[key] = self.day
            put(bucket, key, attributes)

        def list_current(bucket: Bucket, prefix: str, after: str = "") -> Iterator[Current]:
            for each in shown(bucket, prefix, after):
                yield each._replace(modified=each.modified + timedelta(days=self.written.get(each.key, 0)))

        monkeypatch.setattr(Bucket, "put_marker", put_marker)
        monkeypatch.setattr(Bucket, "list_current", list_current)
        self.monkeypatch = monkeypatch

    def next_day(self, days: int = 1) -> None:
        self.day += days
        on_day(self.monkeypatch, self.day)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Keys of the objects that were read back."""
    asked: list[str] = []
    stream = Bucket.stream

    def told(bucket: Bucket, key: str, version: str) -> Iterator[memoryview]:
        asked.append(key)
        return stream(bucket, key, version)

    monkeypatch.setattr(Bucket, "stream", told)
    return asked


def more_files(homes: Path) -> None:
    for number in range(60):
        (homes / "ana" / f"{number}.csv").write_text(f"{number}")


def test_in_a_round_of_days_every_object_is_read_back_once(
    location: MirrorLocation, homes: Path, monkeypatch: pytest.MonkeyPatch, reads: list[str]
) -> None:
    more_files(homes)
    push(homes, location)
    store = Store(monkeypatch)
    each_day = []
    for _ in range(4):
        store.next_day()
        result = verify(location, within_days=5)
        assert result.state == "complete"
        each_day.append(result.read)
    assert sorted(reads) == sorted(set(reads))
    assert len(reads) == sum(each_day) == 64
    assert max(each_day) < 30


def test_nights_that_were_missed_are_made_up_for(
    location: MirrorLocation, homes: Path, monkeypatch: pytest.MonkeyPatch, reads: list[str]
) -> None:
    more_files(homes)
    push(homes, location)
    store = Store(monkeypatch)
    store.next_day()
    verify(location, within_days=5)
    store.next_day(5)
    verify(location, within_days=5)
    assert len(set(reads)) == 64


def test_a_version_that_is_gone_is_found_even_where_nothing_is_due(
    location: MirrorLocation, homes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    push(homes, location)
    client, key = s3(location.store), f"{location.prefix}/ana/notes.ipynb"
    version = client.head_object(Bucket=location.store.bucket, Key=key)["VersionId"]
    client.delete_object(Bucket=location.store.bucket, Key=key, VersionId=version)
    monkeypatch.setattr(rotation.Rotation, "is_due", lambda self, path: False)
    assert [miss.path for miss in verify(location, within_days=30).skipped] == ["ana/notes.ipynb"]


def test_verify_says_since_when_everything_can_be_restored(location: MirrorLocation, homes: Path) -> None:
    push(homes, location)
    first = history(location)[0]
    assert verify(location).restorable_from == first.created_at
    (homes / "ana" / "notes.ipynb").write_text("second")
    push(homes, location)
    client, key = s3(location.store), f"{location.prefix}/ana/notes.ipynb"
    versions = client.list_object_versions(Bucket=location.store.bucket, Prefix=key)["Versions"]
    (old,) = [version["VersionId"] for version in versions if not version["IsLatest"]]
    client.delete_object(Bucket=location.store.bucket, Key=key, VersionId=old)

    result = verify(location)

    assert result.state == "complete"
    assert result.restorable_from == history(location)[1].created_at


def test_the_lifecycle_of_the_bucket_bounds_what_is_promised(store: ObjectStoreSettings, homes: Path) -> None:
    expiring = store.model_copy(update={"bucket": "expiring"})
    make_bucket(expiring)
    location = MirrorLocation(expiring, "user-data")
    push(homes, location)
    points = history(location)
    assert retention(location, points).days is None
    s3(expiring).put_bucket_lifecycle_configuration(
        Bucket="expiring",
        LifecycleConfiguration={
            "Rules": [
                {
                    "ID": "old",
                    "Status": "Enabled",
                    "Filter": {"Prefix": ""},
                    "NoncurrentVersionExpiration": {"NoncurrentDays": 30},
                }
            ]
        },
    )
    long_ago = points[0].model_copy(update={"created_at": utc_now() - timedelta(days=31)})
    kept = retention(location, [long_ago, *points])
    assert (kept.days, kept.restorable_from) == (30, points[0].created_at)
    assert "30 days" in kept.words
    assert retention(location, [long_ago]).restorable_from == long_ago.created_at


def test_a_round_of_no_days_is_refused(location: MirrorLocation, homes: Path) -> None:
    push(homes, location)
    with pytest.raises(Refused, match="no such round"):
        verify(location, within_days=0)
