"""A migrated, empty database for a Prefect server's first start, kept in the user's cache.

Migrating a fresh one takes most of a start, some 15 seconds. A template belongs to one version of Prefect.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path


def template_path() -> Path:
    """Where the template of this version of Prefect is kept."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "riskhub" / f"prefect-{version('prefect')}.sqlite"


def use_template(database: Path) -> bool:
    """Copy the template to `database`; False when there is none that is whole."""
    with contextlib.suppress(OSError):
        shutil.copyfile(template_path(), database)
    whole = _is_whole(database)
    if not whole:
        database.unlink(missing_ok=True)
    return whole


def keep_template(database: Path) -> None:
    """Keep `database` as the template unless there is one, whole or not at all; two commands at once both may.

    A cache that cannot be written costs the next start some seconds and is no reason to stop this one.
    """
    path = template_path()
    if _is_whole(path):
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            copy = Path(folder) / "copy.sqlite"
            with (
                contextlib.closing(sqlite3.connect(database)) as source,
                contextlib.closing(sqlite3.connect(copy)) as target,
            ):
                source.backup(target)
            copy.replace(path)
    except (OSError, sqlite3.DatabaseError) as error:
        print(f"{path} could not be kept ({type(error).__name__}): the next start is slow again", file=sys.stderr)


def _is_whole(database: Path) -> bool:
    try:
        with contextlib.closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
            sound = connection.execute("PRAGMA quick_check").fetchone() == ("ok",)
            return sound and connection.execute("SELECT 1 FROM sqlite_master").fetchone() is not None
    except sqlite3.DatabaseError:
        return False
