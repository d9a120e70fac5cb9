"""Opening below one folder by descriptor, never through a link.

Users own the names and may change them while we look, so no path is ever handed to the kernel whole: each
component is opened from its parent's descriptor, and a link in the way is an error, not a way out.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from domain.errors import Refused
from systems.mirror.entry import Entry, entry_of

WORK_PREFIX = b".riskhub-restore-"  # a restore's own folders; never part of a mirror

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_ON_THE_WAY = _FOLDER | os.O_PATH  # needs no right to list, and no call to a network file system


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


def opened_root(stack: ExitStack, folder: Path) -> int:
    """`open_root`, closed with `stack`."""
    descriptor = open_root(folder)
    stack.callback(os.close, descriptor)
    return descriptor


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
            deeper = os.open(folder, _ON_THE_WAY, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = deeper
        yield descriptor, name or b"."
    finally:
        os.close(descriptor)


def open_folder(root: int, path: bytes) -> int:
    """A descriptor to list the folder at `path` with.

    Raises:
        OSError: as `parent_of`, or it is no folder or may not be read.
    """
    with parent_of(root, path) as (folder, name):
        return os.open(name, _FOLDER, dir_fd=folder)


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
