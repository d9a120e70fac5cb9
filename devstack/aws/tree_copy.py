"""Copy a folder the way a snapshot must: modes, owners, times to the nanosecond, links as links.

The folder is a live one that its users write to, and some of them plant symlinks. So every directory is
opened without following links, and all names are looked up in open directories, never as joined paths.
Like AWS Backup's copies of a live EFS it is no instant: files that vanish on the way are left out, and
sockets, pipes and devices, which hold no data, are too.
"""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

CHUNK = 1 << 20
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)  # nothing that comes after it will fit either

Wanted = dict[str, "Wanted | None"]
"""Names wanted in a directory: whole (None), or some of what is below."""


class Stopped(Exception):
    """The copy was asked to stop and did."""


class NotThere(Exception):
    """A path that was asked for is not in the source."""


@dataclass
class Progress:
    """How far a copy is, in bytes of file content; `stop` ends it at the next chunk."""

    total: int = 0
    done: int = 0
    stop: threading.Event = field(default_factory=threading.Event)

    @property
    def percent(self) -> float:
        return min(100.0, 100.0 * self.done / self.total) if self.total else 0.0


def wanted_paths(paths: Iterable[str]) -> Wanted:
    """The tree of names that `paths`, relative to the root of the copy, ask for.

    Raises:
        ValueError: there is no path, or one names the root, or could leave it.
    """
    root: Wanted = {}
    for path in paths:
        names = path.strip("/").split("/")
        if any(name in ("", ".", "..") or "\0" in name for name in names):
            raise ValueError(f"not a path below the root: {path!r}")
        level = root
        for name in names[:-1]:
            below = level.setdefault(name, {})
            if below is None:
                break  # a folder above it is wanted whole
            level = below
        else:
            level[names[-1]] = None
    if not root:
        raise ValueError("no path is given")
    return root


def _nothing(name: str) -> bool:
    return False


def copy_tree(
    source: Path,
    target: Path,
    progress: Progress,
    *,
    wanted: Wanted | None = None,
    leave_out: Callable[[str], bool] = _nothing,
    misses: dict[str, OSError] | None = None,
) -> None:
    """Copy what is in `source`, or what is `wanted` of it, into the existing empty folder `target`.

    Names at the root for which `leave_out` says True are not copied. With `misses` an entry that cannot be copied
    goes there by its path, and the copy goes on.

    Raises:
        Stopped: `progress.stop` was set; what was copied so far lies in `target`.
        NotThere: something wanted is not in `source`.
        OSError: a file could not be read or written, or there is no room left.
    """
    with _directory(source) as from_fd, _directory(target) as to_fd:
        progress.total = _size(from_fd, wanted, leave_out)
        _Copy(progress, to_fd, misses).directory(from_fd, to_fd, "", wanted, leave_out)


@contextmanager
def _directory(path: str | Path, parent: int | None = None) -> Iterator[int]:
    fd = os.open(path, _DIRECTORY, dir_fd=parent)
    try:
        yield fd
    finally:
        os.close(fd)


def _names(fd: int, wanted: Wanted | None, leave_out: Callable[[str], bool]) -> list[str]:
    return [name for name in os.listdir(fd) if not leave_out(name) and (wanted is None or name in wanted)]


def _size(fd: int, wanted: Wanted | None, leave_out: Callable[[str], bool] = _nothing) -> int:
    total = 0
    for name in _names(fd, wanted, leave_out):
        try:
            seen = os.lstat(name, dir_fd=fd)
            if stat.S_ISREG(seen.st_mode):
                total += seen.st_size
            elif stat.S_ISDIR(seen.st_mode):
                with _directory(name, fd) as below:
                    total += _size(below, wanted[name] if wanted else None)
        except (FileNotFoundError, NotADirectoryError):
            continue
    return total


class _Copy:
    """One copy under way: where it lands and the hard links it has seen."""

    def __init__(self, progress: Progress, target_root: int, misses: dict[str, OSError] | None) -> None:
        self.progress = progress
        self.target_root = target_root
        self.misses = misses
        self.first_names: dict[tuple[int, int], str] = {}

    def directory(
        self,
        from_fd: int,
        to_fd: int,
        path: str,
        wanted: Wanted | None,
        leave_out: Callable[[str], bool] = _nothing,
    ) -> None:
        names = _names(from_fd, wanted, leave_out)
        for missing in (wanted or {}).keys() - set(names):
            raise NotThere(f"{path}{missing}")
        for name in names:
            below = wanted[name] if wanted else None
            try:
                self._entry(from_fd, to_fd, name, path + name, below)
            except FileNotFoundError:
                if wanted:
                    raise
                # Its user removed it between the listing and the read.
            except OSError as error:
                if self.misses is None or error.errno in _NO_ROOM:
                    raise
                self.misses[path + name] = error
        _take_over(os.fstat(from_fd), to_fd)

    def _entry(self, from_fd: int, to_fd: int, name: str, path: str, wanted: Wanted | None) -> None:
        seen = os.lstat(name, dir_fd=from_fd)
        if wanted is not None and not stat.S_ISDIR(seen.st_mode):
            raise NotThere(f"{path}/{next(iter(wanted))}")
        if stat.S_ISDIR(seen.st_mode):
            with _directory(name, from_fd) as from_below:
                os.mkdir(name, 0o700, dir_fd=to_fd)
                with _directory(name, to_fd) as to_below:
                    self.directory(from_below, to_below, f"{path}/", wanted)
        elif stat.S_ISLNK(seen.st_mode):
            os.symlink(os.readlink(name, dir_fd=from_fd), name, dir_fd=to_fd)
            os.chown(name, seen.st_uid, seen.st_gid, dir_fd=to_fd, follow_symlinks=False)
            os.utime(name, ns=(seen.st_atime_ns, seen.st_mtime_ns), dir_fd=to_fd, follow_symlinks=False)
        elif stat.S_ISREG(seen.st_mode):
            self._file(from_fd, to_fd, name, path)

    def _file(self, from_fd: int, to_fd: int, name: str, path: str) -> None:
        read = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=from_fd)
        try:
            seen = os.fstat(read)
            identity = (seen.st_dev, seen.st_ino)
            if seen.st_nlink > 1 and identity in self.first_names:
                os.link(self.first_names[identity], name, src_dir_fd=self.target_root, dst_dir_fd=to_fd)
                self.progress.done += seen.st_size
                return
            write = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=to_fd)
            try:
                while chunk := os.read(read, CHUNK):
                    if self.progress.stop.is_set():
                        raise Stopped
                    _write_all(write, chunk)
                    self.progress.done += len(chunk)
                _take_over(seen, write)
            except OSError:
                os.unlink(name, dir_fd=to_fd)
                raise
            finally:
                os.close(write)
            self.first_names[identity] = path
        finally:
            os.close(read)


def _write_all(fd: int, chunk: bytes) -> None:
    view = memoryview(chunk)
    while view:
        view = view[os.write(fd, view) :]


def _take_over(seen: os.stat_result, fd: int) -> None:
    # Owner first: a change of owner clears the set-user-id bits.
    os.chown(fd, seen.st_uid, seen.st_gid)
    os.chmod(fd, stat.S_IMODE(seen.st_mode))
    os.utime(fd, ns=(seen.st_atime_ns, seen.st_mtime_ns))
