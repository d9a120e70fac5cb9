"""What a dump holds, read from real dumps of a database with the names and values that users choose."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from devstack.database import create_database
from devstack.stack import Stack
from domain.errors import Damaged, Failed, Refused
from environments import Environment
from environments.settings import DatabaseSettings
from systems.database import ask, dump_database, restore_database
from systems.dumps import read_dump

USERS = r"""
create table alembic_version (version_num text);
insert into alembic_version values ('abc');
create table users (id int, name text, encrypted_auth_state bytea);
insert into users values (1, 'ana', '\x0001ff'), (2, E'tab\there', null), (3, E'back\\slash\nline', '\x');
"""


@pytest.fixture
def empty(stack: Stack, env: Environment) -> Iterator[Callable[[], DatabaseSettings]]:
    """Makes a database of its own on the stack's server."""
    server = env.database.url.get_secret_value()
    made: list[str] = []

    def make() -> DatabaseSettings:
        made.append(f"dumps_{secrets.token_hex(4)}")
        create_database(server, made[-1])
        return env.database.model_copy(update={"url": SecretStr(f"{server.rpartition('/')[0]}/{made[-1]}")})

    yield make
    for name in made:
        ask(env.database, f"drop database {name} with (force)")


def test_a_dump_tells_users_auth_states_and_rows_as_they_are(
    empty: Callable[[], DatabaseSettings], tmp_path: Path
) -> None:
    database = empty()
    ask(database, USERS)
    content = read_dump(database, dump_database(database, tmp_path / "hub.dump").path)
    assert content.users == ("ana", "tab\there", "back\\slash\nline")
    assert content.auth_states == {"ana": b"\x00\x01\xff", "back\\slash\nline": b""}
    assert {name: table.rows for name, table in content.tables.items()} == {"alembic_version": 1, "users": 3}


def test_a_restored_database_has_the_same_digests_and_a_changed_row_another(
    empty: Callable[[], DatabaseSettings], tmp_path: Path
) -> None:
    first, second = empty(), empty()
    ask(first, USERS)
    dump = dump_database(first, tmp_path / "first.dump")
    restore_database(second, dump.path)
    ask(second, "update users set id = id")  # another order on disk
    same = read_dump(second, dump_database(second, tmp_path / "second.dump").path)
    assert same.tables == read_dump(first, dump.path).tables
    ask(second, "update users set name = 'anna' where id = 1")
    other = read_dump(second, dump_database(second, tmp_path / "third.dump").path)
    assert [name for name in same.tables if same.tables[name] != other.tables[name]] == ["users"]


def test_nothing_is_restored_over_another_hub(empty: Callable[[], DatabaseSettings], tmp_path: Path) -> None:
    database = empty()
    ask(database, USERS)
    dump = dump_database(database, tmp_path / "hub.dump")
    with pytest.raises(Refused, match="it holds 2 tables already"):
        restore_database(database, dump.path)


def test_a_restore_of_half_a_dump_leaves_nothing(
    empty: Callable[[], DatabaseSettings], env: Environment, tmp_path: Path
) -> None:
    target = empty()
    dump = dump_database(env.database, tmp_path / "hub.dump")
    dump.path.write_bytes(dump.path.read_bytes()[: dump.bytes // 2])
    with pytest.raises(Failed, match="pg_restore"):
        restore_database(target, dump.path)
    assert ask(target, "select count(*) from pg_tables where schemaname = 'public'") == "0"


@pytest.mark.parametrize("kept", [0.0, 0.1, 0.5, 0.95])
def test_a_dump_cut_short_is_damaged(kept: float, env: Environment, tmp_path: Path) -> None:
    dump = dump_database(env.database, tmp_path / "hub.dump")
    dump.path.write_bytes(dump.path.read_bytes()[: int(dump.bytes * kept)])
    with pytest.raises(Damaged, match=r"hub\.dump: it cannot be read whole"):
        read_dump(env.database, dump.path)


def test_a_dump_cut_in_the_middle_of_a_user_is_damaged(empty: Callable[[], DatabaseSettings], tmp_path: Path) -> None:
    """Wherever a row is cut: in a name, in the digits of an auth_state, between two columns."""
    database = empty()
    ask(
        database,
        "create table alembic_version (version_num text); "
        "create table users (id int, name text, encrypted_auth_state bytea); "
        "insert into users select n, 'user-' || n, decode(md5(n::text) || md5((-n)::text), 'hex') "
        "from generate_series(1, 3000) n",
    )
    dump = dump_database(database, tmp_path / "hub.dump")
    whole = dump.path.read_bytes()
    assert len(read_dump(database, dump.path).users) == 3000
    for cut in range(len(whole) // 3, len(whole) - 2000, len(whole) // 40):
        dump.path.write_bytes(whole[:cut])
        with pytest.raises(Damaged, match=r"hub\.dump: it cannot be read whole"):
            read_dump(database, dump.path)


def test_a_dump_that_takes_too_long_is_given_up(env: Environment, tmp_path: Path) -> None:
    dump = dump_database(env.database, tmp_path / "hub.dump")
    with pytest.raises(Failed, match="it was not read after 0 s"):
        read_dump(env.database, dump.path, deadline=timedelta(0))
