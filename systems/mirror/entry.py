"""One path as the file system tells of it, and as the manifest pins it.

Scans and manifests hold millions, so between them an entry travels as a row: its path, and its lstat packed
into 48 bytes (a look). Paths are bytes relative to the mirrored folder; the folder itself is b"".
"""

from __future__ import annotations

import os
import stat
import struct
from dataclasses import dataclass
from typing import NamedTuple

from systems.mirror.names import escape

LOOK = struct.Struct("<4I3qQ")  # mode, uid, gid, links; size, mtime_ns, ctime_ns; inode
_CTIME = struct.Struct("<32x q 8x")


class Entry(NamedTuple):
    """What one lstat said. `mode` is the whole `st_mode`, kind included; times are nanoseconds since 1970.

    Of a folder only owner, mode and mtime mean anything elsewhere: the rest is 0.
    """

    path: bytes
    mode: int
    uid: int
    gid: int
    links: int
    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int

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

    @property
    def look(self) -> bytes:
        return LOOK.pack(*self[1:])


class Row(NamedTuple):
    """An entry as manifests and scans hold it: pinned, or with neither digest nor version when only seen.

    `sha256` is the digest of a file's bytes or a link's target, and empty for a folder. `version` is the
    object's VersionId; a folder's marker is there for other tools only, so it pins none.
    """

    path: bytes
    look: bytes
    sha256: bytes
    version: str

    @property
    def entry(self) -> Entry:
        return Entry(self.path, *LOOK.unpack(self.look))


class Pinned(NamedTuple):
    """A row unpacked, for those who look at each entry for long. `sha256` is hex here."""

    entry: Entry
    sha256: str
    version: str

    @property
    def row(self) -> Row:
        return Row(self.entry.path, self.entry.look, bytes.fromhex(self.sha256), self.version)


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

    @property
    def miss(self) -> Miss:
        return Miss(escape(self.path) or ".", self.reason)


def pinned(row: Row) -> Pinned:
    """The row, unpacked."""
    return Pinned(row.entry, row.sha256.hex(), row.version)


def entry_of(path: bytes, status: os.stat_result) -> Entry:
    """The entry at `path` from its lstat."""
    return Entry(path, *LOOK.unpack(look_of(status)))


def look_of(status: os.stat_result) -> bytes:
    """An lstat as a look."""
    mode = status.st_mode
    if stat.S_ISDIR(mode):
        return LOOK.pack(mode, status.st_uid, status.st_gid, 0, 0, status.st_mtime_ns, 0, 0)
    return LOOK.pack(
        mode,
        status.st_uid,
        status.st_gid,
        status.st_nlink,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
        status.st_ino,
    )


def doubted(row: Row) -> Row:
    """The row of something that could not be looked at again: the next push will, whatever its times say."""
    entry = row.entry
    return row if entry.is_folder else row._replace(look=entry._replace(ctime_ns=0, inode=0).look)


def is_folder(look: bytes) -> bool:
    """Does the look show a folder? Its first four bytes are the mode, little-endian; 0o4 in the top four bits."""
    return look[1] >> 4 == stat.S_IFDIR >> 12


def ctime_of(look: bytes) -> int:
    """ns since 1970; 0 for a folder."""
    found: int = _CTIME.unpack(look)[0]
    return found


def order(path: bytes) -> bytes:
    """The sort key of scans and manifests: a folder, then all that is in it, then its next sibling."""
    return path.replace(b"/", b"\0")


def lies_in(path: bytes, folder: bytes) -> bool:
    """Is `path` the folder or something in it, at any depth?"""
    return not folder or path == folder or path.startswith(folder + b"/")
