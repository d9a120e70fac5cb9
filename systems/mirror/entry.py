"""One path as the file system tells of it, and as the manifest pins it.

Tuples, since there may be millions. Paths are bytes relative to the mirrored folder; the folder itself is b"".
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from typing import NamedTuple

from systems.mirror.names import escape


class Entry(NamedTuple):
    """What one lstat said. `mode` is the whole `st_mode`, kind included; times are nanoseconds since 1970."""

    path: bytes
    mode: int
    uid: int
    gid: int
    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    links: int

    @property
    def is_folder(self) -> bool:
        return stat.S_ISDIR(self.mode)

    @property
    def is_link(self) -> bool:
        return stat.S_ISLNK(self.mode)

    @property
    def posix(self) -> tuple[int, int, int, int]:
        """What a restore brings back beside the content."""
        return self.mode, self.uid, self.gid, self.mtime_ns


class Pinned(NamedTuple):
    """An entry and where its content is.

    `sha256` is hex, of the bytes of a file or the target of a link, and empty for a folder. `version` is the
    object's VersionId; a folder's marker is there for other tools only, so it pins none.
    """

    entry: Entry
    sha256: str
    version: str


@dataclass(frozen=True)
class Miss:
    """A path that was not done, and why. `path` is escaped for people and JSON (see `names.escape`)."""

    path: str
    reason: str


@dataclass(frozen=True)
class Skip:
    """An entry the scan passed over. `unreadable`: what is there is not known, so nothing below may be deleted."""

    path: bytes
    reason: str
    unreadable: bool

    def covers(self, path: bytes) -> bool:
        return path == self.path or not self.path or path.startswith(self.path + b"/")

    @property
    def miss(self) -> Miss:
        return Miss(escape(self.path) or ".", self.reason)


def entry_of(path: bytes, status: os.stat_result) -> Entry:
    """The entry at `path` from its lstat. A folder's size and link count mean nothing elsewhere: kept as 0."""
    folder = stat.S_ISDIR(status.st_mode)
    return Entry(
        path,
        status.st_mode,
        status.st_uid,
        status.st_gid,
        0 if folder else status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
        status.st_ino,
        0 if folder else status.st_nlink,
    )


def order(path: bytes) -> bytes:
    """The sort key of scans and manifests: a folder, then all that is in it, then its next sibling."""
    return path.replace(b"/", b"\0")
