"""Walking and opening below one folder by descriptor, never through a link.

Users own the names and may change them while we look, so no path is ever handed to the kernel whole: each
component is opened from its parent's descriptor, and a link in the way is an error, not a way out.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from domain.errors import Refused
from systems.mirror.entry import Entry, Skip, entry_of

WORK_PREFIX = b".riskhub-restore-"  # a restore's own folders; never part of a mirror

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_KINDS = {
    stat.S_IFSOCK: "a socket",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFBLK: "a block device",
    stat.S_IFCHR: "a character device",
}


def open_root(folder: Path) -> int:
    """A descriptor of the folder that everything else is looked up from.

    Raises:
        Refused: there is no such folder, or it may not be read.
    """
    try:
        return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        cause = f"it cannot be opened ({error.strerror})"
        raise Refused(f"folder {folder}", cause, "check the path and the mount") from None


@contextmanager
def parent_of(root: int, path: bytes) -> Iterator[tuple[int, bytes]]:
    """The descriptor of the folder that holds `path`, and the last name.

    Raises:
        OSError: a folder on the way is missing, is a link (ELOOP, ENOTDIR) or may not be entered.
    """
    *folders, name = path.split(b"/")
    descriptor = os.dup(root)
    try:
        for folder in folders:
            deeper = os.open(folder, _FOLDER, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = deeper
        yield descriptor, name or b"."
    finally:
        os.close(descriptor)


@contextmanager
def open_file(root: int, path: bytes) -> Iterator[int]:
    """A descriptor to read `path` from. Does not wait for a writer where a named pipe was put in its place.

    Raises:
        OSError: as `parent_of`, or it is a link or may not be read.
    """
    with parent_of(root, path) as (folder, name):
        file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    try:
        yield file
    finally:
        os.close(file)


def look(root: int, path: bytes) -> Entry | None:
    """The entry at `path` below `root`; None where nothing is, a link or a file on the way included."""
    try:
        with parent_of(root, path) as (folder, name):
            return entry_of(path, os.stat(name, dir_fd=folder, follow_symlinks=False))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if error.errno == errno.ELOOP:
            return None
        raise


def scan(root: int, skipped: list[Skip], below: bytes = b"") -> Iterator[Entry]:
    """Every entry at and below `below`, in `entry.order`, one lstat each; what cannot be kept goes to `skipped`."""
    start = look(root, below)
    if start is None:
        return
    yield start
    if not start.is_folder:
        return
    with parent_of(root, below) as (parent, name):
        top = _open(parent, name, below, skipped)
    stack = [top] if top else []
    try:
        while stack:
            folder, prefix, names = stack[-1]
            found = next(names, None)
            if found is None:
                os.close(folder)
                stack.pop()
                continue
            path = prefix + found
            entry = _lstat(folder, found, path, skipped)
            if entry is None:
                continue
            yield entry
            if entry.is_folder:
                deeper = _open(folder, found, path, skipped)
                if deeper:
                    stack.append(deeper)
    finally:
        for folder, _, _ in stack:
            os.close(folder)


_Frame = tuple[int, bytes, Iterator[bytes]]


def _open(parent: int, name: bytes, path: bytes, skipped: list[Skip]) -> _Frame | None:
    try:
        folder = os.open(name, _FOLDER, dir_fd=parent)
    except OSError as error:
        skipped.append(Skip(path, f"cannot be read: {error.strerror}", unreadable=True))
        return None
    try:
        names = sorted(os.fsencode(name) for name in os.listdir(folder))  # noqa: PTH208 - of a descriptor
    except OSError as error:
        os.close(folder)
        skipped.append(Skip(path, f"cannot be read: {error.strerror}", unreadable=True))
        return None
    if not path:
        names = [name for name in names if not name.startswith(WORK_PREFIX)]
    return folder, path + b"/" if path else b"", iter(names)


def _lstat(folder: int, name: bytes, path: bytes, skipped: list[Skip]) -> Entry | None:
    try:
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None  # gone since the listing: as good as never seen
    except OSError as error:
        skipped.append(Skip(path, f"cannot be read: {error.strerror}", unreadable=True))
        return None
    kind = _KINDS.get(stat.S_IFMT(status.st_mode))
    if kind:
        skipped.append(Skip(path, f"{kind}, which no bucket can hold", unreadable=False))
        return None
    return entry_of(path, status)
