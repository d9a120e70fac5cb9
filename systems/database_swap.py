"""The Hub's database replaced by a restored one: filled beside it, then swapped by two renames in one transaction.

What was there is kept under another name. Nothing here stops the Hub: it holds its users in memory, so a database
that is changed under it would be overwritten from there.
"""

from __future__ import annotations

from urllib.parse import quote, urlsplit

from pydantic import SecretStr

from domain.errors import Refused
from environments.settings import DatabaseSettings
from systems.database import ask, why_no_login

_MAINTENANCE = "template1"  # every server has it, and nobody works in it


def database_name(database: DatabaseSettings) -> str:
    """What the database is called on its server."""
    return urlsplit(database.url.get_secret_value()).path.lstrip("/")


def called(database: DatabaseSettings, name: str) -> DatabaseSettings:
    """Another database of the same server."""
    url = urlsplit(database.url.get_secret_value())
    return database.model_copy(update={"url": SecretStr(url._replace(path=f"/{quote(name)}").geturl())})


def is_there(database: DatabaseSettings) -> bool:
    """Does the server know this database?

    Raises:
        Refused, Unreachable: nobody can log in, so it is not known.
    """
    trouble, _ = why_no_login(database)
    if trouble != "missing":
        ask(database, "select 1")
    return trouble != "missing"


def make_empty(database: DatabaseSettings) -> None:
    """Make the database, empty; one of this name goes first, so only for names that a restore chose.

    Raises:
        Refused: this user may not make databases.
    """
    remove(database)
    ask(called(database, _MAINTENANCE), f"create database {_quoted(database_name(database))} template template0")


def remove(database: DatabaseSettings) -> None:
    """Drop the database if it is there, whoever is connected; so only for names that a drill chose.

    Raises:
        Refused: this user may not drop it.
    """
    ask(called(database, _MAINTENANCE), f"drop database if exists {_quoted(database_name(database))} with (force)")


def require_nobody(database: DatabaseSettings) -> None:
    """Refuse while somebody is connected.

    Raises:
        Refused: sessions are open; a Hub that runs has some.
    """
    name = database_name(database)
    sessions = ask(called(database, _MAINTENANCE), "select datname from pg_stat_activity").splitlines().count(name)
    if sessions:
        cause = f"{sessions} sessions are open in it"
        raise Refused(f"database {name}", cause, "stop the Hub (its deployment to 0 replicas), then run again")


def swap(database: DatabaseSettings, restored: DatabaseSettings, *, keep_as: str | None) -> None:
    """Put `restored` in the place of `database`, which is kept under the name `keep_as`; None when it is not there.

    Raises:
        Refused, Failed: somebody connected meanwhile, or renaming is not permitted; nothing was changed.
    """
    name = _quoted(database_name(database))
    away = f"alter database {name} rename to {_quoted(keep_as)}; " if keep_as else ""
    statement = f"{away}alter database {_quoted(database_name(restored))} rename to {name}"
    ask(called(database, _MAINTENANCE), statement)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
