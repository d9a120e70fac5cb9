"""Every version that the bucket lists, on disk: a set of ten million of them would not fit into memory.

In a database and not in a sorted file, since no order can be relied on: AWS lists by the bytes of keys, SeaweedFS
folder by folder, and a point's rows come in neither order.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from systems.mirror.bucket import Bucket
from systems.mirror.spool import no_room


class Listing:
    """What is below the mirror's prefix now. For one thread; its file has no name and goes with this.

    Raises:
        Refused, Unreachable: the bucket cannot be listed.
        Failed: the folder for temporary files does not take it.
    """

    def __init__(self, bucket: Bucket) -> None:
        self._versions = sqlite3.connect("")
        self._versions.execute(
            "CREATE TABLE version (key TEXT, version TEXT, shows INTEGER, PRIMARY KEY (key, version)) WITHOUT ROWID"
        )
        try:
            self._versions.executemany("INSERT OR REPLACE INTO version VALUES (?, ?, ?)", _listed(bucket))
        except sqlite3.OperationalError as error:
            raise no_room(error) from None

    def has(self, key: str, version: str) -> bool:
        """Is this version there?"""
        return self._one("SELECT 1 FROM version WHERE key = ? AND version = ?", key, version)

    def shows(self, key: str, version: str) -> bool:
        """Is it the one that a plain listing shows?"""
        return self._one("SELECT 1 FROM version WHERE key = ? AND version = ? AND shows", key, version)

    def shows_any(self, key: str) -> bool:
        """Does a plain listing show the key?"""
        return self._one("SELECT 1 FROM version WHERE key = ? AND shows", key)

    def _one(self, question: str, *given: str) -> bool:
        return self._versions.execute(question, given).fetchone() is not None


def _listed(bucket: Bucket) -> Iterator[tuple[str, str, bool]]:
    return ((each.key, each.version, shows) for each, shows in bucket.list_versions(f"{bucket.location.prefix}/"))
