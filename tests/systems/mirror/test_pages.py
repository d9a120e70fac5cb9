"""Points share pages; a page where nothing changed is not read, and one where something changed is found out."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest

from domain.errors import Damaged
from systems.mirror import MirrorLocation, apply_restore, manifest, page_writer, plan_restore, push, verify
from systems.mirror.bucket import Bucket
from systems.mirror.entry import Row
from systems.mirror.manifest import Point, read_page
from systems.mirror.points import load_point, rows_of
from tests.systems.mirror.trees import age, s3, settle, tree


@pytest.fixture
def many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Ten homes of ten files, in pages of sixteen rows."""
    for module in (manifest, page_writer):
        monkeypatch.setattr(module, "PAGE_ROWS", 16, raising=False)
    root = tmp_path / "user-data"
    for home in range(10):
        (root / f"user-{home}").mkdir(parents=True)
        for number in range(10):
            (root / f"user-{home}" / f"{number}.csv").write_text(f"{home},{number}")
    age(root)
    settle()
    return root


def point(location: MirrorLocation, sequence: int) -> Point:
    return load_point(Bucket(location), sequence)


def rows(location: MirrorLocation, sequence: int) -> list[Row]:
    return list(rows_of(Bucket(location), point(location, sequence).pages))


def test_nothing_changed_costs_a_header_and_reads_no_page(
    location: MirrorLocation, many: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    push(many, location)
    settle()
    asked: list[str] = []
    get = Bucket.get
    monkeypatch.setattr(Bucket, "get", lambda bucket, key: (asked.append(key), get(bucket, key))[1])

    push(many, location)

    assert [key for key in asked if "/pages/" in key] == []
    first, second = point(location, 1), point(location, 2)
    assert [page.key for page in first.pages] == [page.key for page in second.pages]
    assert all(page.seen_ns > before.seen_ns for page, before in zip(second.pages, first.pages, strict=True))


def test_one_edit_writes_a_page_or_two_and_all_rows_stay_in_order(location: MirrorLocation, many: Path) -> None:
    push(many, location)
    settle()
    (many / "user-5" / "3.csv").write_text("edited")

    push(many, location)

    before, after = point(location, 1).pages, point(location, 2).pages
    assert 1 <= len({page.key for page in after} - {page.key for page in before}) <= 2
    assert [row.path for row in rows(location, 1)] == [row.path for row in rows(location, 2)]


@pytest.mark.parametrize("change", ["new first", "new last", "all of a page gone", "ten times as many", "home gone"])
def test_pages_follow_whatever_happens_to_the_tree(
    location: MirrorLocation, many: Path, tmp_path: Path, change: str
) -> None:
    push(many, location)
    if change == "new first":
        (many / " first").write_text("x")
    elif change == "new last":
        (many / "zzz").write_text("x")
    elif change == "all of a page gone":
        for path in [path for path in many.rglob("*.csv") if path.parent.name in ("user-3", "user-4")]:
            path.unlink()
    elif change == "ten times as many":
        for number in range(100):
            (many / "user-5" / f"new-{number}.csv").write_text("x")
    else:
        for path in (many / "user-0").iterdir():
            path.unlink()
        (many / "user-0").rmdir()

    push(many, location)

    apply_restore(plan_restore(location, tmp_path / "restored"))
    assert tree(tmp_path / "restored") == tree(many)
    pages = point(location, 2).pages
    assert sum(page.entries for page in pages) == len(tree(many))
    assert all(page.entries < 32 for page in pages)
    assert verify(location, many).state == "complete"


def test_small_pages_are_joined_when_their_neighbour_is_written(location: MirrorLocation, many: Path) -> None:
    push(many, location)
    for home in range(10):
        for path in list((many / f"user-{home}").iterdir())[1:]:
            path.unlink()
        push(many, location, max_delete_share=1)
    assert len(point(location, 11).pages) <= 4


def test_a_file_changed_in_the_grain_of_the_clock_is_looked_at_again(location: MirrorLocation, many: Path) -> None:
    path = many / "user-5" / "3.csv"
    path.write_text("first!")
    push(many, location)
    status = path.stat()
    path.write_text("second")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    row = next(row for row in rows(location, 1) if row.path == b"user-5/3.csv")
    assert row.entry.ctime_ns >= point(location, 1).pages[0].seen_ns - 10**9, "the push came too late"
    assert push(many, location).uploaded == 1


def test_one_home_is_restored_from_the_pages_that_hold_it(
    location: MirrorLocation, many: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    push(many, location)
    asked: list[str] = []
    get = Bucket.get
    monkeypatch.setattr(Bucket, "get", lambda bucket, key: (asked.append(key), get(bucket, key))[1])

    apply_restore(plan_restore(location, tmp_path / "restored", path="user-5"))

    assert tree(tmp_path / "restored" / "user-5") == tree(many / "user-5")
    assert 0 < sum("/pages/" in key for key in asked) < len(point(location, 1).pages)


def test_a_page_with_other_bytes_is_damaged(location: MirrorLocation, many: Path, tmp_path: Path) -> None:
    push(many, location)
    page = point(location, 1).pages[1]
    s3(location.store).put_object(
        Bucket=location.store.bucket, Key=location.manifests + page.key, Body=b"PAR1 not a page"
    )
    with pytest.raises(Damaged, match="other bytes"):
        plan_restore(location, tmp_path / "restored")


def test_a_page_past_half_its_lock_is_written_again(
    location: MirrorLocation, many: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    push(many, location)
    settle()
    (page, *_) = point(location, 1).pages
    locked = MirrorLocation(location.store.model_copy(update={"locked_for": timedelta(seconds=60)}), location.prefix)
    assert Bucket(locked).lock_holds(page.written_ns)
    assert not Bucket(locked).lock_holds(page.written_ns - 40 * 10**9)
    monkeypatch.setattr(Bucket, "lock_holds", lambda _bucket, written_ns: written_ns != page.written_ns)

    push(many, location)

    first, second = point(location, 1), point(location, 2)
    assert page.key not in {each.key for each in second.pages}
    assert rows(location, 1) == rows(location, 2)
    assert len({each.key for each in second.pages} - {each.key for each in first.pages}) == 1


def test_rows_come_back_as_they_were_written(location: MirrorLocation, many: Path) -> None:
    push(many, location)
    page = point(location, 1).pages[0]
    body = Bucket(location).get(location.manifests + page.key)
    assert manifest.looks_digest(list(read_page(body, page))) == page.looks
