"""What a dump of the Hub's database holds: a digest of each table's rows, and whose auth_state it has.

Read from the dump itself by pg_restore, so it is told of what was kept and not of what was there a moment later. A
dump of the restored database must tell the same.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from threading import Timer
from typing import IO

from domain.errors import Damaged, Failed
from environments.settings import DatabaseSettings
from systems.database import tool_of

_COPY = re.compile(rb"COPY ([^ ]+) \((.*)\) FROM stdin;\n")
_END = b"\\.\n"
_NULL = rb"\N"
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
_LETTERS = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}
_RING = 1 << 256


@dataclass(frozen=True)
class Table:
    """A table's rows, in no order. `digest` is the sum of the rows' SHA-256, hex, its first 16 digits."""

    rows: int
    digest: str


@dataclass(frozen=True)
class DumpContent:
    """What a dump holds.

    Attributes:
        tables: by name, without the schema.
        users: the Hub's users, by name.
        auth_states: by user, encrypted as the Hub keeps them; users who never logged in have none.
    """

    tables: dict[str, Table]
    users: tuple[str, ...]
    auth_states: dict[str, bytes]

    @property
    def facts(self) -> dict[str, str | int]:
        """What a recovery point keeps of it, to be held against a restored database."""
        return {f"table {name}": f"{table.rows} rows, {table.digest}" for name, table in sorted(self.tables.items())}


def read_dump(database: DatabaseSettings, path: Path, *, deadline: timedelta = timedelta(minutes=10)) -> DumpContent:
    """Read a dump from its first row to its last.

    Raises:
        Damaged: it ends early, or is no dump.
        Failed: it took longer than `deadline`.
        Refused: pg_restore is not installed here.
    """
    tables: dict[str, Table] = {}
    users: list[str] = []
    auth_states: dict[str, bytes] = {}
    with _data_of(database, path, deadline) as lines:
        for line in lines:
            if (found := _COPY.fullmatch(line)) is None:
                continue
            name = found[1].rpartition(b".")[2].decode().strip('"')
            columns = found[2].decode().split(", ")
            rows, total = 0, 0
            for row in _until_end(lines, path):
                rows += 1
                total = (total + int.from_bytes(hashlib.sha256(row).digest())) % _RING
                if name == "users":
                    user, auth_state = _user_of(row, columns, path)
                    users.append(user)
                    if auth_state is not None:
                        auth_states[user] = auth_state
            tables[name] = Table(rows, f"{total:064x}"[:16])
    return DumpContent(tables, tuple(users), auth_states)


def _user_of(row: bytes, columns: Sequence[str], path: Path) -> tuple[str, bytes | None]:
    """A user's name and auth_state.

    Raises:
        Damaged: the row is not whole, as the last one of a dump that was cut.
    """
    try:
        values = dict(zip(columns, map(_unescaped, row[:-1].split(b"\t")), strict=True))
        kept = values["encrypted_auth_state"]
        auth_state = None if kept == _NULL else bytes.fromhex(kept.removeprefix(rb"\x").decode())
        return values["name"].decode(), auth_state
    except (ValueError, KeyError):
        raise _cut_short(path, "it ends in the middle of a user") from None


def _until_end(lines: Iterator[bytes], path: Path) -> Iterator[bytes]:
    for line in lines:
        if line == _END:
            return
        yield line
    raise _cut_short(path, "it ends in the middle of a table")


@contextmanager
def _data_of(database: DatabaseSettings, path: Path, deadline: timedelta) -> Iterator[Iterator[bytes]]:
    """The dump's rows as pg_restore writes them, COPY block by COPY block."""
    command = (tool_of(database, "pg_restore"), "--data-only", "--file=-", str(path))
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        late = Timer(deadline.total_seconds(), process.kill)
        late.start()
        try:
            assert process.stdout is not None and process.stderr is not None  # noqa: S101 - both are pipes
            yield iter(process.stdout)
            words = _words(process.stderr)
            code = process.wait()
        finally:
            timed_out = not late.is_alive()
            late.cancel()
            process.kill()
        if timed_out:
            cause = f"it was not read after {deadline.total_seconds():.0f} s"
            raise Failed(f"dump {path.name}", cause, "look at the disk and run again")
        if code != 0:
            raise _cut_short(path, words)


def _unescaped(value: bytes) -> bytes:
    """A value of COPY's text format (PostgreSQL's documentation of COPY, "Text Format")."""
    return value if value == _NULL else _ESCAPED.sub(lambda found: _LETTERS.get(found[1], found[1]), value)


def _words(stream: IO[bytes]) -> str:
    return " ".join(stream.read().decode(errors="replace").split())[:300]


def _cut_short(path: Path, how: str) -> Damaged:
    return Damaged(f"dump {path.name}", f"it cannot be read whole: {how}", "take another recovery point")
