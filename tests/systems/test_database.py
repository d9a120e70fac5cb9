"""The dump against the stack's own Postgres: it can be restored, and each failure says what it is."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from pathlib import Path

import psycopg2
import pytest
from pydantic import SecretStr

from devstack.stack import Stack
from domain.errors import Refused, RiskhubError, Unreachable
from environments import Environment
from environments.settings import DatabaseSettings
from systems.database import dump_database, why_no_login
from systems.hub import read_version


def test_a_dump_restores_into_an_empty_database_with_every_row(stack: Stack, env: Environment, tmp_path: Path) -> None:
    dump = dump_database(env.database, tmp_path / "hub.dump")
    assert dump.bytes == dump.path.stat().st_size
    assert dump.tables > 10

    url = env.database.url.get_secret_value()
    with contextlib.closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True  # databases are not made inside a transaction
        connection.cursor().execute("create database rehearsal")
    rehearsal = url.rsplit("/", 1)[0] + "/rehearsal"
    tool = str((env.database.tools or Path()) / "pg_restore")
    subprocess.run((tool, "--exit-on-error", f"--dbname={rehearsal}", str(dump.path)), check=True, timeout=60)
    assert _revision(rehearsal) == _revision(url) == dump.alembic_revision


def test_a_wrong_password_is_refused_and_never_shown(stack: Stack, env: Environment, tmp_path: Path) -> None:
    secret = stack.choices.secrets["database"]
    wrong = env.database.model_copy(
        update={"url": SecretStr(env.database.url.get_secret_value().replace(secret, "not-the-password"))}
    )
    with pytest.raises(Refused, match="password authentication failed") as refused:
        dump_database(wrong, tmp_path / "hub.dump")
    assert "not-the-password" not in str(refused.value)
    assert not (tmp_path / "hub.dump").exists()


def test_a_database_that_is_down_is_unreachable(stack: Stack, env: Environment, tmp_path: Path) -> None:
    stack.stop_part("database")
    try:
        with pytest.raises(Unreachable, match="does not answer"):
            dump_database(env.database, tmp_path / "hub.dump")
    finally:
        stack.restart_part("database")
        wait_for_the_hub(env)


def wait_for_the_hub(env: Environment) -> None:
    """Its first call after its database was away fails on the connection that it had, as if the token were wrong."""
    give_up = time.monotonic() + 60
    while True:
        try:
            read_version(env.hub)
        except RiskhubError:
            assert time.monotonic() < give_up, "the Hub did not find back to its database"
            time.sleep(0.1)
        else:
            return


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("postgresql", "postgresql", ("none", "")),
        ("{password}", "wrong", ("password", "hub")),
        ("/{database}", "/hubs", ("missing", "hubs")),
        ("{port}", "9", ("silent", "127.0.0.1:9")),
        ("127.0.0.1", "database.invalid", ("name", "database.invalid")),
    ],
)
def test_why_nobody_can_log_in_is_told_without_the_password(
    before: str, after: str, told: tuple[str, str], stack: Stack, env: Environment
) -> None:
    secret, port = stack.choices.secrets["database"], str(stack.choices.ports["database"])
    url = env.database.url.get_secret_value()
    database = url.rpartition("/")[2]
    start, _, end = url.rpartition(before.format(password=secret, port=port, database=database))
    changed = SecretStr(f"{start}{after}{end}")
    assert why_no_login(DatabaseSettings(url=changed, tools=env.database.tools)) == told


def test_a_full_disk_leaves_no_dump_behind(stack: Stack, env: Environment) -> None:
    target = Path("/dev/full")
    if not target.exists():
        pytest.skip("no /dev/full on this machine: a full disk cannot be had without root")
    folder = stack.state / "full"
    folder.mkdir(exist_ok=True)
    link = folder / "hub.dump"
    link.symlink_to(target)
    with pytest.raises(Exception, match="No space left on device"):
        dump_database(env.database, link)
    assert not os.path.lexists(link)


def _revision(url: str) -> str:
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute("select version_num from alembic_version")
        row = cursor.fetchone()
        assert row is not None
        return str(row[0])
