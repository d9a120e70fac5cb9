"""The template database: quicker starts, never a damaged one."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from systems.prefect_template import keep_template, template_path, use_template


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def migrated(tmp_path: Path) -> Path:
    path = tmp_path / "prefect.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE flow_run (id)")
        connection.commit()
    return path


def tables(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return [name for (name,) in connection.execute("SELECT name FROM sqlite_master")]


def test_the_first_start_has_no_template(tmp_path: Path) -> None:
    assert not use_template(tmp_path / "new.db")
    assert not (tmp_path / "new.db").exists()


def test_a_kept_template_is_used_by_the_next_start(migrated: Path, tmp_path: Path) -> None:
    keep_template(migrated)
    assert use_template(tmp_path / "new.db")
    assert tables(tmp_path / "new.db") == ["flow_run"]


def test_the_template_belongs_to_one_version_of_prefect() -> None:
    assert template_path().name == "prefect-3.8.8.sqlite"


@pytest.mark.parametrize("content", [b"", b"not a database at all" * 500])
def test_a_damaged_template_is_not_used(content: bytes, migrated: Path, tmp_path: Path) -> None:
    keep_template(migrated)
    template_path().write_bytes(content)
    assert not use_template(tmp_path / "new.db")
    assert not (tmp_path / "new.db").exists()
    keep_template(migrated)
    assert use_template(tmp_path / "new.db")


def test_many_at_once_keep_and_use_a_whole_one(migrated: Path, tmp_path: Path) -> None:
    keep_template(migrated)

    def keep_and_use(number: int) -> list[str]:
        keep_template(migrated)
        assert use_template(tmp_path / f"{number}.db")
        return tables(tmp_path / f"{number}.db")

    with ThreadPoolExecutor(8) as pool:
        assert all(found == ["flow_run"] for found in pool.map(keep_and_use, range(32)))
    assert list(template_path().parent.iterdir()) == [template_path()]


def test_a_cache_that_cannot_be_written_is_said_and_no_reason_to_stop(
    migrated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    keep_template(migrated)
    assert "could not be kept" in capsys.readouterr().err
