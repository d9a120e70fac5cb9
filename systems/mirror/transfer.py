"""One entry from disk to bucket, such that what is stored was on disk at one moment.

A file is looked at before and after it is read; one that changed under the read is read again, and is never
stored torn: small files are whole in memory before they are sent, and the parts of a large one are dropped.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator

from systems.mirror.bucket import PART, Bucket
from systems.mirror.entry import Entry, Pinned, entry_of
from systems.mirror.names import key_of
from systems.mirror.tree import open_file, parent_of

_TRIES = 3
_PIECE = 1024 * 1024


class Torn(Exception):
    """The file changed whenever it was read."""


class ChangedKind(Exception):
    """What was scanned as a file is something else by now."""


def send(bucket: Bucket, root: int, entry: Entry, old: Pinned | None, *, anew: bool) -> Pinned:
    """Store `entry`, read below the folder `root`; its pin.

    Content that is stored already, with the same metadata, is not sent again unless `anew`.

    Raises:
        Torn, ChangedKind, OSError: it cannot be read as it is; the object in the bucket is untouched.
        RiskhubError: the store did not take it.
    """
    known = None if anew else old
    if entry.is_folder:
        bucket.put_marker(key_of(bucket.location.prefix, entry.path, entry.mode), attributes_of(entry))
        return Pinned(entry, "", "")
    if entry.is_link:
        with parent_of(root, entry.path) as (folder, name):
            target = os.readlink(name, dir_fd=folder)
        return _send_whole(bucket, entry, os.fsencode(target), known)
    for _ in range(_TRIES):
        try:
            return _send_file(bucket, root, entry.path, known)
        except Torn:
            continue
    raise Torn


def attributes_of(entry: Entry) -> dict[str, str]:
    """POSIX metadata under the keys that FSx, File Cache, DataSync and S3 Files read and write."""
    return {
        "file-permissions": f"{entry.mode:07o}",
        "file-owner": str(entry.uid),
        "file-group": str(entry.gid),
        "file-mtime": f"{entry.mtime_ns}ns",
    }


def _send_file(bucket: Bucket, root: int, path: bytes, known: Pinned | None) -> Pinned:
    with open_file(root, path) as file:
        before = os.fstat(file)
        if not stat.S_ISREG(before.st_mode):
            raise ChangedKind
        entry = entry_of(path, before)
        if entry.size <= PART:
            body = b"".join(_pieces(file, entry))
            return _send_whole(bucket, entry, body, known)
        if known and known.entry.size == entry.size and known.entry.posix == entry.posix:
            digest = hashlib.sha256()
            for piece in _pieces(file, entry):
                digest.update(piece)
            if digest.hexdigest() == known.sha256:
                return known._replace(entry=entry)
            os.lseek(file, 0, os.SEEK_SET)
        return _send_parts(bucket, file, entry)


def _send_whole(bucket: Bucket, entry: Entry, body: bytes, known: Pinned | None) -> Pinned:
    digest = hashlib.sha256(body).hexdigest()
    if known and known.sha256 == digest and known.entry.posix == entry.posix:
        return known._replace(entry=entry)
    key = key_of(bucket.location.prefix, entry.path, entry.mode)
    version = bucket.put(key, body, len(body), attributes_of(entry))
    return Pinned(entry, digest, version)


def _send_parts(bucket: Bucket, file: int, entry: Entry) -> Pinned:
    digest = hashlib.sha256()

    def pieces() -> Iterator[bytes]:
        for piece in _pieces(file, entry):
            digest.update(piece)
            yield piece

    key = key_of(bucket.location.prefix, entry.path, entry.mode)
    version = bucket.put(key, pieces(), entry.size, attributes_of(entry))
    return Pinned(entry, digest.hexdigest(), version)


def _pieces(file: int, entry: Entry) -> Iterator[bytes]:
    """The file's bytes, `Torn` at the end if they are not those of `entry`."""
    count = 0
    while piece := os.read(file, _PIECE):
        count += len(piece)
        yield piece
        if count > entry.size:
            raise Torn  # a log that grows as fast as it is read would never end
    if count != entry.size or entry_of(entry.path, os.fstat(file)) != entry:
        raise Torn
