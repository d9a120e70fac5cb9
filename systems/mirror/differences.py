"""How an entry on disk differs from its row in a point: the verb that a restore has for it, and why.

Size and times do not count as proof: where they are as in the point, the content's SHA-256 decides.
"""

from __future__ import annotations

import hashlib
import os
import stat
from typing import NamedTuple

from systems.mirror.entry import Entry, Skip
from systems.mirror.tree import open_file, parent_of

_PIECE = 1024 * 1024


class Difference(NamedTuple):
    """`verb` is `create`, `replace` or `fix-metadata`."""

    verb: str
    reason: str


def difference(
    entry: Entry | None, wanted: Entry, *, digest: bytes | None, sha256: bytes, skip: Skip | None
) -> Difference | None:
    """What is to be done for `wanted`; None when all is as in the point.

    Args:
        digest: of what is on disk, where `could_be_same`; None when it cannot be read.
        sha256: what it has to be.
        skip: why there is no entry where something is.
    """
    if entry is None or stat.S_IFMT(entry.mode) != stat.S_IFMT(wanted.mode):
        return instead(entry, skip)
    if not wanted.is_folder:
        if not wanted.is_link and entry.size != wanted.size:
            return Difference("replace", f"it has {entry.size} bytes instead of {wanted.size}")
        if digest is None:
            return Difference("replace", "it cannot be read")
        if digest != sha256:
            return Difference("replace", "its target differs" if wanted.is_link else "its content differs")
    differs = _of_metadata(entry, wanted)
    return Difference("fix-metadata", differs) if differs else None


def instead(entry: Entry | None, skip: Skip | None = None) -> Difference:
    """The difference where nothing is, or something of another kind."""
    if skip and not skip.unreadable:
        return Difference("replace", f"in its place is {skip.reason}")
    if entry is None:
        return Difference("create", "it is missing")
    kind = "a folder" if entry.is_folder else "a symbolic link" if entry.is_link else "a file"
    return Difference("replace", f"in its place is {kind}")


def could_be_same(entry: Entry, wanted: Entry) -> bool:
    """Does only the content tell: files of the same size, and links?"""
    same_kind = stat.S_IFMT(entry.mode) == stat.S_IFMT(wanted.mode)
    return same_kind and not entry.is_folder and (entry.is_link or entry.size == wanted.size)


def digest_of(root: int, entry: Entry) -> bytes | None:
    """SHA-256 of a file's bytes or a link's target; None when it cannot be read."""
    try:
        if entry.is_link:
            with parent_of(root, entry.path) as (folder, name):
                return hashlib.sha256(os.fsencode(os.readlink(name, dir_fd=folder))).digest()
        digest = hashlib.sha256()
        with open_file(root, entry.path) as file:
            while piece := os.read(file, _PIECE):
                digest.update(piece)
        return digest.digest()
    except OSError:
        return None


def _of_metadata(entry: Entry, wanted: Entry) -> str:
    told = []
    if not wanted.is_link and entry.mode != wanted.mode:  # Linux has no modes on links
        told.append(f"mode {stat.S_IMODE(entry.mode):04o} instead of {stat.S_IMODE(wanted.mode):04o}")
    if (entry.uid, entry.gid) != (wanted.uid, wanted.gid):
        told.append(f"owner {entry.uid}:{entry.gid} instead of {wanted.uid}:{wanted.gid}")
    if entry.mtime_ns != wanted.mtime_ns:
        told.append("another modification time")
    return ", ".join(told)
