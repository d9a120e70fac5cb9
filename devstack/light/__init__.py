"""A Hub with light servers, for tests and benchmarks: real in all but its users' servers, which cost nothing.

JupyterHub and its proxy run as processes on SQLite (see jupyterhub_config.py for what its servers can be made to
do). `Seed` puts servers into its database before it starts, since the Hub's API cannot set an activity in the past.
"""

from __future__ import annotations

import secrets
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
from pydantic import SecretStr

from devstack import hub as hub_parts
from devstack.process import LOOPBACK, Part, free_ports, http_ok, start, stop, sweep, wait_ready
from domain.clock import utc_now
from domain.errors import Failed
from environments.settings import HubSettings

CONFIGURATION = Path(__file__).with_name("jupyterhub_config.py")


@dataclass(frozen=True)
class Seed:
    """A user who is there when the Hub starts; `idle` and `age` are counted back from that moment.

    Attributes:
        runs: their server does too.
    """

    user: str
    idle: timedelta
    age: timedelta = timedelta(days=1)
    runs: bool = True


@dataclass
class LightHub:
    """The running Hub, with an administrator's hand on it to arrange what a test needs.

    Attributes:
        lister_token: may list users and does not see their servers.
        reader_token: sees all that a cull reads, and may stop nothing.
    """

    settings: HubSettings
    lister_token: str
    reader_token: str
    database: Path
    state: Path
    parts: dict[str, Part]
    admin: httpx.Client
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def up(self) -> None:
        """Start the parts that do not run, and wait until they answer."""
        for name, part in self.parts.items():
            if name not in self.processes or self.processes[name].poll() is not None:
                self.processes[name] = start(part, self.state)
                wait_ready(part, self.processes[name], self.state)

    def down(self, name: str = "hub") -> None:
        """Stop one part as its machine would, by SIGTERM."""
        stop(self.parts[name], self.processes[name])

    def kill(self, name: str = "hub") -> None:
        """End one part at once."""
        self.processes[name].kill()
        self.processes[name].wait()

    def add_user(self, user: str, *servers: str) -> None:
        """A user with these servers running ("" is the default one)."""
        self.admin.post(f"/users/{quote(user)}").raise_for_status()
        for name in servers:
            if self.start(user, name) == httpx.codes.ACCEPTED:
                self._until_ready(user, name)

    def start(self, user: str, name: str = "") -> int:
        """Start a server; the Hub's status: 201 is ready, 202 still starting."""
        path = f"/users/{quote(user)}/servers/{name}" if name else f"/users/{quote(user)}/server"
        return self.admin.post(path).raise_for_status().status_code

    def _until_ready(self, user: str, name: str) -> None:
        give_up = time.monotonic() + 60
        while not (self.admin.get(f"/users/{quote(user)}").json()["servers"].get(name) or {}).get("ready"):
            if time.monotonic() > give_up:
                raise Failed(f"server {user}/{name}", "not ready after 60 s", "read the light Hub's log")
            time.sleep(0.1)

    def become_active(self, user: str, at: datetime) -> None:
        """What a user's server reports while somebody works in it."""
        activity = {"servers": {"": {"last_activity": at.isoformat()}}, "last_activity": at.isoformat()}
        self.admin.post(f"/users/{quote(user)}/activity", json=activity).raise_for_status()

    def runs(self, user: str, name: str = "") -> bool:
        """Does the Hub list the server?"""
        model: dict[str, Any] = self.admin.get(f"/users/{quote(user)}").raise_for_status().json()
        return name in model["servers"]

    def with_token(self, token: str) -> HubSettings:
        """The settings of somebody else."""
        return self.settings.model_copy(update={"api_token": SecretStr(token)})


@contextmanager
def light_hub(
    state: Path, seeds: Iterable[Seed] = (), *, stop_seconds: float = 0, slow_stop_seconds: float = 1
) -> Iterator[LightHub]:
    """A Hub and its proxy with their files in `state`, both gone at the end.

    Args:
        stop_seconds: how long the spawner takes to stop a server.
        slow_stop_seconds: a stop that takes longer is answered 202 (10 on a Hub that was not told otherwise).
    """
    public, proxy_api, own, servers = free_ports(4)
    tokens = {name: secrets.token_hex(16) for name in ("riskhub", "admin", "lister", "reader", "proxy")}
    database = state / "hub.sqlite"
    environment = {
        "LIGHT_PUBLIC_URL": f"http://{LOOPBACK}:{public}",
        "LIGHT_HUB_URL": f"http://{LOOPBACK}:{own}",
        "LIGHT_PROXY_API_URL": f"http://{LOOPBACK}:{proxy_api}",
        "LIGHT_DATABASE": f"sqlite:///{database}",
        "LIGHT_SERVER_PORT": str(servers),
        "LIGHT_STOP_SECONDS": str(stop_seconds),
        "LIGHT_SLOW_STOP_SECONDS": str(slow_stop_seconds),
        **{f"LIGHT_{name.upper()}_TOKEN": token for name, token in tokens.items()},
        "CONFIGPROXY_AUTH_TOKEN": tokens["proxy"],
    }
    parts = {
        "proxy": hub_parts.proxy(public, proxy_api, tokens["proxy"]),
        "hub": Part(
            name="hub",
            command=(sys.executable, "-m", "jupyterhub", "--config", str(CONFIGURATION)),
            ready=http_ok(f"http://{LOOPBACK}:{public}/hub/api"),
            environment=environment,
            deadline=timedelta(seconds=120),
        ),
    }
    seed_database(f"sqlite:///{database}", seeds, port=servers)
    api_url = f"http://{LOOPBACK}:{own}/hub/api"
    settings = HubSettings(
        api_url=api_url,
        public_url=f"http://{LOOPBACK}:{public}",
        api_token=SecretStr(tokens["riskhub"]),
        timeout=timedelta(seconds=5),
    )
    try:
        with httpx.Client(base_url=api_url, headers={"Authorization": f"token {tokens['admin']}"}, timeout=60) as admin:
            hub = LightHub(settings, tokens["lister"], tokens["reader"], database, state, parts, admin)
            hub.up()
            yield hub
    finally:
        sweep(state)


def seed_database(url: str, seeds: Iterable[Seed], *, port: int) -> None:
    """Write users and their running servers into a new database of the Hub, as the Hub itself would have left them."""
    from jupyterhub import dbutil, orm, roles  # noqa: PLC0415 - SQLAlchemy: only where a database is seeded

    now = utc_now().replace(tzinfo=None)  # the Hub's columns are UTC without a zone
    session = orm.new_session_factory(url)()
    dbutil.upgrade_if_needed(url, backup=False)
    for each in roles.get_default_roles():
        roles.create_role(session, each)
    everybodys = orm.Role.find(session, "user")
    for seed in seeds:
        user = orm.User(name=seed.user, last_activity=now - seed.idle, roles=[everybodys])
        session.add(user)
        if not seed.runs:
            continue
        server = orm.Server(ip=LOOPBACK, port=port, base_url=f"/user/{quote(seed.user, safe='@~')}/", cookie_name="")
        spawner = orm.Spawner(
            name="",
            user=user,
            server=server,
            state={"running": True},
            started=now - seed.age,
            last_activity=now - seed.idle,
        )
        session.add_all((server, spawner))
    session.commit()
    session.close()
