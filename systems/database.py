"""The Hub's Postgres database: dumped whole by pg_dump, checked by pg_restore, described by what a restore must know.

The password reaches the tools through their environment, never through argv.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from domain.errors import Damaged, Failed, Refused, RiskhubError, Unreachable
from environments.settings import DatabaseSettings

LoginTrouble = Literal["none", "password", "missing", "name", "silent", "unknown"]

_MISSING = re.compile(r'(?:relation|column) "?[\w.]+"? does not exist')
_SILENCE = (
    "Connection refused",
    "timeout expired",
    "could not translate",
    "starting up",
    "in recovery",
    "not yet accepting",
)

# What a Hub does all day, and undone again: it writes to these tables, and the server writes to its disk. A lock that
# keeps the Hub from writing keeps this one out, which itself is in nobody's way.
_USE = """\
begin;
set local lock_timeout = '1s';
set local statement_timeout = '5s';
set local work_mem = '64kB';
lock table users, spawners, servers, api_tokens in row exclusive mode;
select count(*) from (select md5(n::text) from generate_series(1, 20000) as n order by 1) as spilled_to_disk;
rollback
"""
# Whose transaction keeps others waiting, or keeps the Hub from writing, for longer than any of its own takes.
_HOLDERS = """\
select pid, coalesce(nullif(application_name, ''), usename), floor(extract(epoch from now() - xact_start))
from pg_stat_activity
where now() - xact_start > interval '2 s' and (
  pid in (select unnest(pg_blocking_pids(pid)) from pg_stat_activity where wait_event_type = 'Lock')
  or pid in (select pid from pg_locks where granted
             and relation in ('users'::regclass, 'spawners'::regclass, 'servers'::regclass, 'api_tokens'::regclass)
             and mode in ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')))
order by xact_start
"""
# The Hub names itself to the server by nothing, the tools here do.
_HUB_SINCE = """\
select floor(extract(epoch from min(backend_start))) from pg_stat_activity
where datname = current_database() and application_name = '' and backend_type = 'client backend'
"""

UNLOCK = "end the session that holds it, if nobody misses it: select pg_terminate_backend(PID)"


@dataclass(frozen=True)
class DatabaseDump:
    """A dump in pg_dump's custom format.

    Attributes:
        path: where it lies; bytes and sha256 are of this file.
        alembic_revision: the schema revision that a Hub must know to run on it.
        server_version: of the Postgres it came from, e.g. "16.14".
        tables: how many tables' data it holds.
    """

    path: Path
    bytes: int
    sha256: str
    alembic_revision: str
    server_version: str
    tables: int


def dump_database(
    database: DatabaseSettings, path: Path, *, deadline: timedelta = timedelta(minutes=30)
) -> DatabaseDump:
    """Dump the Hub's database to `path` and read the dump's table of contents back.

    Raises:
        Unreachable: the server does not answer.
        Refused: it answers and will not let us (password, missing database, missing tool).
        Damaged: the dump cannot be read back.
        Failed: pg_dump ended badly or ran out of time; nothing is left at `path`.
    """
    where = _where(database)
    revision = ask(database, "select version_num from alembic_version")
    version = ask(database, "show server_version").split(" ")[0]
    try:
        _run(database, deadline, "pg_dump", "--format=custom", f"--file={path}", "--lock-wait-timeout=60s")
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    content = _run(database, deadline, "pg_restore", "--list", str(path))
    tables = sum(" TABLE DATA " in line for line in content.splitlines())
    if tables == 0:
        raise Damaged(where, "its dump holds no table", "look at the Hub's database before anything else")
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return DatabaseDump(path, path.stat().st_size, digest.hexdigest(), revision, version, tables)


def restore_database(database: DatabaseSettings, path: Path, *, deadline: timedelta = timedelta(minutes=30)) -> None:
    """Fill an empty database from a dump, all of it or nothing.

    Raises:
        Refused: the database holds tables already; a restore over them would mix two Hubs.
        Unreachable, Failed: as `dump_database`; nothing of it is there.
    """
    there = ask(database, "select count(*) from pg_tables where schemaname = 'public'")
    if there != "0":
        raise Refused(_where(database), f"it holds {there} tables already", "restore into an empty database")
    name = _connection(database)["PGDATABASE"]
    arguments = ("--exit-on-error", "--single-transaction", "--no-owner", f"--dbname={name}", str(path))
    _run(database, deadline, "pg_restore", *arguments)


def use_database(database: DatabaseSettings) -> None:
    """Do what the Hub needs its database for: log in, be let write to its tables, have room on the server's disk.

    Nothing of it stays.

    Raises:
        Unreachable: the server does not answer (kind `database-down`), or somebody holds a lock (`database-locked`).
        Refused: it does not let us in (`database-login`).
        Failed: its disk is full (`database-full`), or something else.
    """
    ask(database, _USE)


def lock_holders(database: DatabaseSettings) -> list[str]:
    """Whose transaction keeps others waiting for longer than 2 s, oldest first: the server's process, who, how long."""
    lines = (line.split("|") for line in ask(database, _HOLDERS).splitlines())
    return [f"process {pid} ({who}, for {seconds} s)" for pid, who, seconds in lines]


def hub_since(database: DatabaseSettings) -> datetime | None:
    """Since when a Hub is connected to its database; None when none is."""
    seconds = ask(database, _HUB_SINCE)
    return datetime.fromtimestamp(int(seconds), UTC) if seconds else None


def why_no_login(database: DatabaseSettings) -> tuple[LoginTrouble, str]:
    """Why nobody can log in with this URL, and the user, host or database it is about.

    `none` when the login works, `unknown` when it does not and the reason is none of these.
    """
    url = urlsplit(database.url.get_secret_value())
    try:
        ask(database, "select 1")
    except RiskhubError as error:
        words = str(error)
    else:
        return "none", ""
    if "authentication failed" in words:
        return "password", unquote(url.username or "")
    if "does not exist" in words:
        return "missing", url.path.lstrip("/")
    if "could not translate host name" in words:
        return "name", url.hostname or ""
    if any(sign in words for sign in _SILENCE):
        return "silent", f"{url.hostname}:{url.port or 5432}"
    return "unknown", ""


def ask(database: DatabaseSettings, query: str) -> str:
    """What psql prints for one statement: a line for each row, columns parted by `|`.

    Raises:
        Unreachable, Refused, Failed: as `dump_database`.
    """
    return _run(
        database, timedelta(seconds=15), "psql", "--no-psqlrc", "--tuples-only", "--no-align", f"--command={query}"
    ).strip()


def tool_of(database: DatabaseSettings, tool: str) -> str:
    """The path of a Postgres client program.

    Raises:
        Refused: it is not installed here.
    """
    program = str(database.tools / tool) if database.tools else shutil.which(tool)
    if program is None or not Path(program).exists():
        cause = f"{tool} is not installed here"
        raise Refused(_where(database), cause, "install the Postgres client, or set database.tools")
    return program


def _run(database: DatabaseSettings, deadline: timedelta, tool: str, *arguments: str) -> str:
    where = _where(database)
    try:
        done = subprocess.run(
            (tool_of(database, tool), *arguments),
            env={**os.environ, **_connection(database)},
            capture_output=True,
            text=True,
            timeout=deadline.total_seconds(),
            check=False,
        )
    except subprocess.TimeoutExpired:
        seconds = deadline.total_seconds()
        raise Failed(
            where,
            f"{tool} was not done after {seconds:.0f} s",
            "look for locks: pg_stat_activity",
            kind="database-down",
        ) from None
    if done.returncode == 0:
        return done.stdout
    words = " ".join(done.stderr.split())[:400] or f"code {done.returncode}"
    if any(sign in words for sign in _SILENCE):
        raise Unreachable(
            where,
            f"the server does not answer ({words})",
            "look at the database, then run again",
            kind="dns" if "could not translate" in words else "database-down",
        )
    if "lock timeout" in words:
        raise Unreachable(where, "a lock keeps the Hub out of its tables", UNLOCK, kind="database-locked")
    if "No space left on device" in words:
        raise Failed(
            where, f"its disk is full ({words})", "give it room, then look what filled it", kind="database-full"
        )
    if _MISSING.search(words):
        step = "bring the schema to the Hub's version (jupyterhub upgrade-db), or restore the database"
        raise Refused(where, words, step, kind="database-schema")
    if any(sign in words for sign in ("authentication failed", "does not exist", "permission denied", "version mism")):
        step = "correct HUB_DATABASE_URL, the rights, or the client's version"
        raise Refused(where, words, step, kind="database-login")
    raise Failed(where, f"{tool}: {words}", "correct it and run again; nothing was kept")


def _where(database: DatabaseSettings) -> str:
    url = urlsplit(database.url.get_secret_value())
    return f"Hub database at {url.hostname}:{url.port or 5432}"


def _connection(database: DatabaseSettings) -> dict[str, str]:
    url = urlsplit(database.url.get_secret_value())
    return {
        "PGHOST": url.hostname or "",
        "PGPORT": str(url.port or 5432),
        "PGUSER": unquote(url.username or ""),
        "PGPASSWORD": unquote(url.password or ""),
        "PGDATABASE": url.path.lstrip("/"),
        "PGCONNECT_TIMEOUT": "10",
    }
