"""Putting staged entries in place by rename, through descriptors, and setting owners, modes and times.

A link in the way of a path is never followed: the rename acts on the link itself, and a link where a folder
should be walked through is an error.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable

from systems.mirror.entry import Entry, lies_in
from systems.mirror.tree import parent_of


class Swapper:
    """The swaps of one restore.

    Args:
        base, name: the descriptor of the folder that holds the destination, and the destination's name in it.
        stage, replaced: descriptors of the staging folder and of where displaced entries go.
    """

    def __init__(self, base: int, name: bytes, stage: int, replaced: int) -> None:
        self.misses: dict[bytes, str] = {}
        self._base = base
        self._name = name
        self._stage = stage
        self._replaced = replaced
        self._out: set[bytes] = set()
        self._times: dict[bytes, tuple[int, int]] = {}

    def is_in(self, path: bytes) -> bool:
        """Was `path` swapped in, itself or with a folder above it?"""
        if not self._out:
            return True
        parts = path.split(b"/")
        return b"" not in self._out and all(
            b"/".join(parts[:depth]) not in self._out for depth in range(1, len(parts) + 1)
        )

    def swap(self, path: bytes, place: bytes, *, replace: bool) -> None:
        """Move the staged entry at `place` to `path`; what is there goes to the replaced ones."""
        try:
            with parent_of(self._base, self._full(path)) as (folder, name):
                self._remember(folder, path)
                there = _lstat(folder, name)
                if there is None:
                    os.rename(place, name, src_dir_fd=self._stage, dst_dir_fd=folder)
                elif replace:
                    self._displace(path, place, folder, name, there)
                else:
                    self._leave_out(path, "something appeared there since the plan was made; plan again")
        except OSError as error:
            self._leave_out(path, f"cannot be put in place: {error.strerror}")

    def finish(self, entries: Iterable[Entry]) -> None:
        """Set metadata, of a folder after all that is in it, and give folders that were only written to their times.

        The entries come in tree order.
        """
        around: list[Entry] = []
        for entry in entries:
            while around and not lies_in(entry.path, around[-1].path):
                self._set(around.pop())
            around.append(entry)
        for entry in reversed(around):
            self._set(entry)
        for path, times in self._times.items():
            with contextlib.suppress(OSError), parent_of(self._base, self._full(path)) as (folder, name):
                os.utime(name, ns=times, dir_fd=folder, follow_symlinks=False)

    def _set(self, entry: Entry) -> None:
        path = entry.path
        if not self.is_in(path):
            return
        self._times.pop(path, None)
        try:
            with parent_of(self._base, self._full(path)) as (folder, name):
                set_metadata(folder, name, entry)
        except OSError as error:
            self.misses[path] = f"its owner, mode or time cannot be set: {error.strerror}"

    def _full(self, path: bytes) -> bytes:
        return self._name + b"/" + path if path else self._name

    def _remember(self, folder: int, path: bytes) -> None:
        if path:
            status = os.fstat(folder)
            self._times.setdefault(path.rpartition(b"/")[0], (status.st_atime_ns, status.st_mtime_ns))

    def _displace(self, path: bytes, place: bytes, folder: int, name: bytes, there: os.stat_result) -> None:
        kept = self._full(path)
        parents = kept.split(b"/")[:-1]
        for depth in range(1, len(parents) + 1):
            with (
                contextlib.suppress(FileExistsError),
                parent_of(self._replaced, b"/".join(parents[:depth])) as (at, last),
            ):
                os.mkdir(last, 0o700, dir_fd=at)
        with parent_of(self._replaced, kept) as (keep, last):
            staged = os.stat(place, dir_fd=self._stage, follow_symlinks=False)
            if not stat.S_ISDIR(there.st_mode) and not stat.S_ISDIR(staged.st_mode):
                try:  # a second name first: then there is no moment without a file
                    os.link(name, last, src_dir_fd=folder, dst_dir_fd=keep, follow_symlinks=False)
                except OSError:
                    os.rename(name, last, src_dir_fd=folder, dst_dir_fd=keep)
            else:
                os.rename(name, last, src_dir_fd=folder, dst_dir_fd=keep)
            os.rename(place, name, src_dir_fd=self._stage, dst_dir_fd=folder)

    def _leave_out(self, path: bytes, reason: str) -> None:
        self._out.add(path)
        self.misses[path] = reason


def set_metadata(folder: int, name: bytes, entry: Entry) -> None:
    """Owner, mode and modification time of `name` in `folder`, as `entry` has them.

    Raises:
        OSError: some of it could not be set (an owner needs root). The rest is; a mode that lends the owner's
            rights is not set under another owner.
    """
    if entry.is_link:
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if (status.st_uid, status.st_gid) != (entry.uid, entry.gid):
            os.chown(name, entry.uid, entry.gid, dir_fd=folder, follow_symlinks=False)
        os.utime(name, ns=(entry.mtime_ns, entry.mtime_ns), dir_fd=folder, follow_symlinks=False)
        return
    # By descriptor, so that no link put in its place meanwhile is followed; O_PATH needs no right to read.
    file = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    try:
        set_metadata_of(file, f"/proc/self/fd/{file}", entry)
    finally:
        os.close(file)


def set_metadata_of(file: int, reached_by: int | str, entry: Entry) -> None:
    """The same for the open `file`; `reached_by`: itself, or its path in /proc where it was only opened as a path.

    Raises:
        OSError: as `set_metadata`.
    """
    status = os.fstat(file)
    if stat.S_IFMT(status.st_mode) != stat.S_IFMT(entry.mode):
        raise OSError(0, "it became something else meanwhile")
    mode = stat.S_IMODE(entry.mode)
    refused = None
    if (status.st_uid, status.st_gid) != (entry.uid, entry.gid):
        try:
            os.chown(reached_by, entry.uid, entry.gid)
        except PermissionError as error:
            refused = PermissionError(error.errno, f"owner {entry.uid}:{entry.gid} needs root")
            mode &= ~(stat.S_ISUID | stat.S_ISGID)
    os.chmod(reached_by, mode)  # noqa: PTH101 - a descriptor
    os.utime(reached_by, ns=(entry.mtime_ns, entry.mtime_ns))
    if refused:
        raise refused


def _lstat(folder: int, name: bytes) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
