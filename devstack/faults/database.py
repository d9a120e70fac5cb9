"""Faults of the Hub's database."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from threading import Thread
from urllib.parse import unquote, urlsplit

import psycopg2

from devstack.faults.disk import filled, small_disk
from devstack.faults.fault import stopped
from devstack.stack import Stack
from domain.errors import RiskhubError
from environments import Environment
from systems.database import ask
from systems.hub import read_version

SPARE = 24 * 2**20  # the server keeps its log in files of 16 MiB


@contextmanager
def down(stack: Stack, env: Environment) -> Iterator[Environment]:
    with stopped(stack, "database"):
        yield env


@contextmanager
def tables_locked(_: Stack, env: Environment) -> Iterator[Environment]:
    """As a migration does that somebody forgot."""
    with _transaction(env, "lock table users, api_tokens in access exclusive mode"):
        yield env


@contextmanager
def rows_locked(_: Stack, env: Environment) -> Iterator[Environment]:
    """As a psql does that somebody left open in the middle of mending."""
    with _transaction(env, "update api_tokens set note = note"):
        yield env


@contextmanager
def password_changed(_: Stack, env: Environment) -> Iterator[Environment]:
    """Who is connected goes on, nobody else gets in."""
    url = env.database.url.get_secret_value()
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute("alter role hub password 'another one'")
        try:
            yield env
        finally:
            cursor.execute("alter role hub password %s", (unquote(urlsplit(url).password or ""),))


@contextmanager
def disk_full(stack: Stack, env: Environment) -> Iterator[Environment]:
    """Its data is on a file system of its own, on which nothing is left."""
    data = stack.state / "database"
    aside = data.with_name("database.aside")
    stack.stop_part("database")
    data.rename(aside)
    data.mkdir(mode=0o700)
    try:
        used = subprocess.run(("du", "-sk", str(aside)), capture_output=True, text=True, timeout=60, check=True)
        with small_disk(data, int(used.stdout.split()[0]) * 1024 + SPARE):
            subprocess.run(("cp", "-a", f"{aside}/.", str(data)), check=True, timeout=60)
            stack.restart_part("database")
            try:
                with filled(data):
                    yield env
            finally:
                stack.stop_part("database")
    finally:
        data.rmdir()
        aside.rename(data)
        stack.restart_part("database")


@contextmanager
def table_missing(_: Stack, env: Environment) -> Iterator[Environment]:
    """A migration went wrong: a table that the Hub reads has another name."""
    ask(env.database, "alter table spawners rename to spawners_aside")
    try:
        yield env
    finally:
        ask(env.database, "alter table spawners_aside rename to spawners")


@contextmanager
def _transaction(env: Environment, statement: str) -> Iterator[None]:
    """Held open, for longer than any of the Hub's own takes."""
    with closing(psycopg2.connect(env.database.url.get_secret_value())) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        # a Hub that is asked something waits for it, as it does within seconds on any day
        asking = Thread(target=_ask_the_hub, args=(env,))
        asking.start()
        time.sleep(2.5)
        try:
            yield
        finally:
            connection.rollback()
            asking.join()


def _ask_the_hub(env: Environment) -> None:
    with suppress(RiskhubError):
        read_version(env.hub)
