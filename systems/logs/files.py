"""Log files of this machine, where the Hub runs as a process of it.

A cursor is an inode, an offset behind the last whole line, and a digest of the file's beginning. So a file that was
rotated is read to its end under its new name, and one that was cut or written anew is read from its beginning, also
when it has grown past the offset again. A line that is half written waits for its other half.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from domain.logs import Origin, Program, Reading, Take

CHUNK = 1024 * 1024
LONGEST_LINE = 64 * 1024  # bytes; what a line has beyond is skipped
BYTES_A_RUN = 256 * 1024 * 1024  # of one file
_HEAD = 512

# Servers of the embedded stack write to the Hub's own output: there nobody can tell who wrote a line.
_PROGRAMS: Mapping[str, tuple[Program, ...]] = {
    "hub": ("hub", "server"),
    "proxy": ("proxy",),
    "database": ("database",),
}


def read_files(folder: Path, cursor: Mapping[str, Any], take: Take, *, at_most: int = BYTES_A_RUN) -> Reading:
    """Every log of `folder` that we know (`hub.log`, `proxy.log`, `database.log`) from its cursor on.

    Links, pipes and whatever else is no file are left alone.
    """
    reader = _Files(take, at_most, Reading(cursor=dict(cursor)))
    for stem, programs in _PROGRAMS.items():
        path = folder / f"{stem}.log"
        try:
            reader.read(path, Origin("file", path.name, programs), cursor.get(path.name))
        except FileNotFoundError:
            continue
        except OSError as error:
            reader.reading.unread.append(f"{path.name} ({error.strerror})")
    return reader.reading


@dataclass(frozen=True)
class _Files:
    take: Take
    at_most: int
    reading: Reading

    def read(self, path: Path, origin: Origin, known: Mapping[str, Any] | None) -> None:
        with _opened(path) as file:
            status = os.fstat(file.fileno())
            begin = int(known["offset"]) if known else 0
            if known and known["inode"] != status.st_ino:
                self._read_rotated(path, origin, known)
                begin = 0
            elif known and (status.st_size < begin or _head(file, known["head_bytes"]) != known["head"]):
                self.reading.lost.append(f"{path.name} was cut")
                begin = 0
            end = self._read_lines(file, origin, begin)
            if status.st_size - begin > self.at_most:
                self.reading.behind.append(f"{path.name}: {status.st_size - end} bytes")
            size = min(end, _HEAD)
            self.reading.cursor[path.name] = {
                "inode": status.st_ino,
                "offset": end,
                "head_bytes": size,
                "head": _head(file, size),
            }
            self.reading.sources += 1

    def _read_rotated(self, path: Path, origin: Origin, known: Mapping[str, Any]) -> None:
        """The rest of the file that had this name."""
        for other in sorted(path.parent.glob(f"{path.name}*")):
            if other == path or other.lstat().st_ino != known["inode"]:
                continue
            with _opened(other) as file:
                if _head(file, known["head_bytes"]) == known["head"]:
                    self._read_lines(file, origin, int(known["offset"]), whole=True)
                    return
        self.reading.lost.append(f"{path.name} was rotated away")

    def _read_lines(self, file: BinaryIO, origin: Origin, begin: int, *, whole: bool = False) -> int:
        """Every whole line from `begin` on; the offset behind the last one. With `whole` the last needs no end."""
        file.seek(begin)
        kept, held, position, done = b"", 0, begin, begin  # of the line begun: its first bytes, and how long it is
        while position - begin < self.at_most and (chunk := file.read(CHUNK)):
            position += len(chunk)
            first, *others = chunk.split(b"\n")
            held += len(first)
            *lines, kept = kept + first[: LONGEST_LINE - len(kept)], *others
            for line in lines:
                self.take(origin, line, None, "", 1)
            self.reading.lines += len(lines)
            held = len(kept) if lines else held
            kept = kept[:LONGEST_LINE]
            done = position - held
        if done == begin and position - begin >= self.at_most:
            done = position  # one line that no run would ever get past
        if whole and kept:
            self.take(origin, kept, None, "", 1)
            self.reading.lines += 1
        self.reading.size += done - begin
        return done


def _head(file: BinaryIO, size: int) -> str:
    file.seek(0)
    return hashlib.blake2b(file.read(size), digest_size=16).hexdigest()


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """The file. A link is not followed, it would lead elsewhere; a pipe has no place to begin from, and fails there."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        yield file
