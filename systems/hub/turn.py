"""One cull, one reconciliation and one announcement of a Hub at a time: two culls would each take one's share."""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from domain.errors import Refused, Unreachable
from environments.settings import DatabaseSettings, HubSettings

_WAIT = "let it end; its record tells what it did"


def only_cull(hub: HubSettings, database: DatabaseSettings | None = None) -> AbstractContextManager[None]:
    """Hold the Hub's turn to cull; raises as `_turn`."""
    return _turn("cull", hub, database)


def only_reconciliation(hub: HubSettings, database: DatabaseSettings | None = None) -> AbstractContextManager[None]:
    """Hold the Hub's turn to reconcile; raises as `_turn`. A cull beside it does no harm."""
    return _turn("reconciliation", hub, database)


def only_announcement(hub: HubSettings, database: DatabaseSettings | None = None) -> AbstractContextManager[None]:
    """Hold the Hub's turn to announce: two at once would lose what the other one told; raises as `_turn`."""
    return _turn("announcement", hub, database)


@contextmanager
def _turn(what: str, hub: HubSettings, database: DatabaseSettings | None) -> Iterator[None]:
    """Hold the Hub's turn: on this machine among one person's processes, and with `database` everywhere.

    Both locks end with the process that holds them, however it ends.

    Raises:
        Refused: somebody else has it.
        Unreachable: the database does not answer.
    """
    digest = hashlib.sha256(hub.api_url.encode()).digest()
    with ExitStack() as held:
        held.enter_context(
            _file_lock(what, hub, Path(tempfile.gettempdir()) / f"riskhub-{what}-{os.getuid()}-{digest.hex()[:16]}")
        )
        if database is not None:
            held.enter_context(_database_lock(what, hub, database))
        yield


@contextmanager
def _file_lock(what: str, hub: HubSettings, path: Path) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Refused(f"Hub at {hub.api_url}", f"another {what} of it runs now", _WAIT) from None
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _database_lock(what: str, hub: HubSettings, database: DatabaseSettings) -> Iterator[None]:
    """An advisory lock in the Hub's own database, which everybody who acts on this Hub reaches."""
    import psycopg2  # noqa: PLC0415 - not where a token is all there is

    try:
        connection = psycopg2.connect(
            database.url.get_secret_value(), connect_timeout=5, application_name=f"riskhub {what}"
        )
    except psycopg2.OperationalError:
        next_step = "start it, or see riskhub health check; nothing was stopped"
        raise Unreachable(
            "Hub database", f"it does not answer, so no other {what} can be kept out", next_step
        ) from None
    try:
        with connection.cursor() as cursor:
            cursor.execute("select pg_try_advisory_lock(hashtext(%s))", (f"riskhub {what}",))
            if cursor.fetchone() != (True,):
                raise Refused(f"Hub at {hub.api_url}", f"another {what} of it runs now", _WAIT)
        connection.commit()
        yield
    finally:
        connection.close()
