"""Reading a tree in order, one lstat an entry, by as many walkers as its file system is slow.

On a local disk one walker is the fastest (an lstat takes a microsecond). EFS answers in milliseconds: there
folders ahead of the one that is wanted are read by helpers, and how many there are follows from how long an
lstat was seen to take. What is read ahead is bounded, so a tree of any size takes the same memory.
"""

from __future__ import annotations

import heapq
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from systems.mirror.entry import Miss, Skip, look_of, order
from systems.mirror.tree import WORK_PREFIX, look, open_folder, opened_root

_AHEAD = 50_000  # entries that may be read before they are wanted
_PIECE = 250  # names that one walker looks at in one go
_WALKERS = 64
_WORTH = 50e-6  # seconds an lstat must take, for each walker there is already, to be worth another one

_KINDS = {
    stat.S_IFSOCK: "a socket",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFBLK: "a block device",
    stat.S_IFCHR: "a character device",
}


class Batch(NamedTuple):
    """Entries in order, as (path, look); `newest_ns` is at or above every file's ctime among them."""

    rows: list[tuple[bytes, bytes]]
    newest_ns: int


def walk(
    root: int,
    skipped: list[Skip],
    below: bytes = b"",
    *,
    wanted: Callable[[bytes], bool] = lambda name: True,
) -> Iterator[Batch]:
    """Every entry at and below `below`, in `entry.order`; what cannot be kept goes to `skipped`, in order too.

    A skip is told before anything that comes after it. Links are never followed.

    Args:
        root: descriptor of the folder that paths are relative to.
        wanted: which of the names in it are walked; it is asked about the folder itself (b"") too.
    """
    start = look(root, below)
    if start is None:
        return
    if below or wanted(b""):
        yield Batch([(below, start.look)], start.ctime_ns)
    if start.is_folder:
        walkers = _Walkers(root, wanted)
        try:
            yield from walkers.read(below, skipped)
        finally:
            walkers.close()


def unreadable_in(folder: Path, path: str) -> list[Miss]:
    """What at and below `path` cannot be read, so that nobody knows what it holds."""
    skipped: list[Skip] = []
    with ExitStack() as opened:
        for _ in walk(opened_root(opened, folder), skipped, os.fsencode(path)):
            pass
    return [skip.miss for skip in skipped if skip.unreadable]


@dataclass
class _Piece:
    """Some names of a folder, looked at. `folders` are those of the rows that are folders, by index."""

    rows: list[tuple[bytes, bytes]] = field(default_factory=list)
    folders: dict[int, _Folder] = field(default_factory=dict)
    newest_ns: int = 0
    skips: list[Skip] = field(default_factory=list)


@dataclass
class _Folder:
    """A folder that is to be read; `pieces` of its names, None where not looked at yet."""

    path: bytes
    pieces: list[_Piece | None] = field(default_factory=lambda: [None])


class _Task(NamedTuple):
    """Look at piece number `piece` of a folder; `names` is None until the folder was listed.

    `key` puts tasks in the order in which their pieces are wanted: the folders in a piece come before the next piece.
    """

    key: bytes
    piece: int
    names: list[bytes] | None
    folder: _Folder


class _Walkers:
    def __init__(self, root: int, wanted: Callable[[bytes], bool]) -> None:
        self._root = root
        self._wanted = wanted
        self._changed = threading.Condition()
        self._tasks: list[_Task] = []  # a heap: what comes first in order is read first
        self._helpers: list[threading.Thread] = []
        self._ahead = 0
        self._seconds = 0.0  # spent in lstats and listings so far, of all walkers
        self._calls = 0
        self._closed = False
        self._broken: BaseException | None = None

    def read(self, path: bytes, skipped: list[Skip]) -> Iterator[Batch]:
        """All that is in the folder at `path`."""
        top = _Folder(path)
        heapq.heappush(self._tasks, _Task(order(path), 0, None, top))
        stack = [self._batches(top, skipped)]
        while stack:
            found = next(stack[-1], None)
            if found is None:
                stack.pop()
            elif isinstance(found, Batch):
                yield found
            else:
                stack.append(self._batches(found, skipped))

    def close(self) -> None:
        """Let the helpers end."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for helper in self._helpers:
            helper.join()

    def _batches(self, folder: _Folder, skipped: list[Skip]) -> Iterator[Batch | _Folder]:
        """The folder's entries; after each batch that ends in a folder, that folder."""
        index = 0
        while index < len(folder.pieces):
            piece = self._take(folder, index)
            skipped += piece.skips
            done = 0
            for at, deeper in piece.folders.items():
                yield Batch(piece.rows[done : at + 1], piece.newest_ns)
                yield deeper
                done = at + 1
            if done < len(piece.rows):
                yield Batch(piece.rows[done:], piece.newest_ns)
            index += 1

    def _take(self, folder: _Folder, index: int) -> _Piece:
        """The piece, looked at here if no helper has begun to."""
        while True:
            with self._changed:
                while folder.pieces[index] is None and not self._is_next(folder, index):
                    if self._broken:
                        raise self._broken
                    self._changed.wait()
                piece = folder.pieces[index]
                if piece is not None:
                    folder.pieces[index] = None
                    self._ahead -= len(piece.rows)
                    self._changed.notify_all()
                    return piece
                task = heapq.heappop(self._tasks)
            self._work(task)

    def _is_next(self, folder: _Folder, index: int) -> bool:
        return bool(self._tasks) and self._tasks[0].folder is folder and self._tasks[0].piece == index

    def _help(self) -> None:
        while True:
            with self._changed:
                while not self._closed and (not self._tasks or self._ahead > _AHEAD):
                    self._changed.wait()
                if self._closed:
                    return
                task = heapq.heappop(self._tasks)
            try:
                self._work(task)
            except BaseException as error:
                with self._changed:
                    self._broken = error
                    self._changed.notify_all()
                return

    def _work(self, task: _Task) -> None:
        began = time.perf_counter()
        piece, more = self._look_at(task)
        took = time.perf_counter() - began
        with self._changed:
            self._seconds += took
            self._calls += len(piece.rows) + 1
            task.folder.pieces[task.piece] = piece
            self._ahead += len(piece.rows)
            for inner in piece.folders.values():
                heapq.heappush(self._tasks, _Task(order(inner.path), 0, None, inner))
            for names in more:
                index = len(task.folder.pieces)
                task.folder.pieces.append(None)
                heapq.heappush(
                    self._tasks, _Task(order(_inside(task.folder.path, names[0])), index, names, task.folder)
                )
            worth = (
                min(_WALKERS, int(self._seconds / self._calls / _WORTH), len(self._tasks)) if not self._closed else 0
            )
            while len(self._helpers) < worth:
                self._helpers.append(threading.Thread(target=self._help, daemon=True))
                self._helpers[-1].start()
            if self._helpers:
                self._changed.notify_all()

    def _look_at(self, task: _Task) -> tuple[_Piece, list[list[bytes]]]:
        """The piece, and the names of the folder's further pieces when this listed it."""
        path = task.folder.path
        piece = _Piece()
        try:
            folder = open_folder(self._root, path)
        except OSError as error:
            piece.skips.append(_unreadable(path, error))
            return piece, []
        try:
            names, *more = [task.names] if task.names is not None else self._listed(folder, path)
            _fill(piece, folder, _inside(path, b""), names)
        except OSError as error:
            piece.skips.append(_unreadable(path, error))
            return piece, []
        finally:
            os.close(folder)
        return piece, more

    def _listed(self, folder: int, path: bytes) -> list[list[bytes]]:
        """The sorted names in a folder, in pieces; at least one."""
        names = sorted(map(os.fsencode, os.listdir(folder)))
        if not path:
            names = [name for name in names if not name.startswith(WORK_PREFIX) and self._wanted(name)]
        return [names[at : at + _PIECE] for at in range(0, max(len(names), 1), _PIECE)]


def _inside(folder: bytes, name: bytes) -> bytes:
    return folder + b"/" + name if folder else name


def _fill(piece: _Piece, folder: int, prefix: bytes, names: list[bytes]) -> None:
    newest = 0
    lstat, rows = os.stat, piece.rows
    for name in names:
        try:
            status = lstat(name, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            continue  # gone since the listing: as good as never seen
        except OSError as error:
            piece.skips.append(_unreadable(prefix + name, error))
            continue
        kind = status.st_mode & 0o170000
        if kind == 0o040000:
            piece.folders[len(rows)] = _Folder(prefix + name)
        elif kind in _KINDS:
            piece.skips.append(Skip(prefix + name, f"{_KINDS[kind]}, which no bucket can hold", unreadable=False))
            continue
        elif status.st_ctime_ns > newest:
            newest = status.st_ctime_ns
        rows.append((prefix + name, look_of(status)))
    piece.newest_ns = newest


def _unreadable(path: bytes, error: OSError) -> Skip:
    return Skip(path, f"cannot be read: {error.strerror}", unreadable=True)
