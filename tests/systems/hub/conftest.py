"""A real JupyterHub and its proxy, on SQLite, with light servers (see jupyterhub_config.py)."""

from __future__ import annotations

import secrets
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from pydantic import SecretStr

from devstack import hub as hub_parts
from devstack.process import Part, free_ports, http_ok, start, stop, sweep, wait_ready
from environments.settings import HubSettings

CONFIGURATION = Path(__file__).parent / "jupyterhub_config.py"


@dataclass
class RunningHub:
    """The Hub under test, with an administrator's hand on it to arrange what a test needs."""

    settings: HubSettings
    lister_token: str
    database: Path
    admin: httpx.Client
    down: Callable[[], None]
    up: Callable[[], None]

    def add_user(self, user: str, *servers: str) -> None:
        """A user with these servers running ("" is the default one)."""
        self.admin.post(f"/users/{quote(user)}").raise_for_status()
        for name in servers:
            self.start(user, name)

    def start(self, user: str, name: str = "") -> int:
        path = f"/users/{quote(user)}/servers/{name}" if name else f"/users/{quote(user)}/server"
        return self.admin.post(path).raise_for_status().status_code

    def become_active(self, user: str, at: datetime) -> None:
        """What a user's server reports while somebody works in it."""
        activity = {"servers": {"": {"last_activity": at.isoformat()}}, "last_activity": at.isoformat()}
        self.admin.post(f"/users/{quote(user)}/activity", json=activity).raise_for_status()

    def runs(self, user: str, name: str = "") -> bool:
        model: dict[str, Any] = self.admin.get(f"/users/{quote(user)}").raise_for_status().json()
        return name in model["servers"]

    def with_token(self, token: str) -> HubSettings:
        return self.settings.model_copy(update={"api_token": SecretStr(token)})


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    state = tmp_path_factory.mktemp("hub")
    public, proxy_api, own = free_ports(3)
    tokens = {name: secrets.token_hex(16) for name in ("riskhub", "admin", "lister", "proxy")}
    parts = {
        "proxy": hub_parts.proxy(public, proxy_api, tokens["proxy"]),
        "hub": Part(
            name="hub",
            command=(sys.executable, "-m", "jupyterhub", "--config", str(CONFIGURATION)),
            ready=http_ok(f"http://127.0.0.1:{public}/hub/api"),
            environment={
                "TEST_PUBLIC_URL": f"http://127.0.0.1:{public}",
                "TEST_HUB_URL": f"http://127.0.0.1:{own}",
                "TEST_PROXY_API_URL": f"http://127.0.0.1:{proxy_api}",
                "TEST_DATABASE": str(state / "hub.sqlite"),
                "TEST_RISKHUB_TOKEN": tokens["riskhub"],
                "TEST_ADMIN_TOKEN": tokens["admin"],
                "TEST_LISTER_TOKEN": tokens["lister"],
                "CONFIGPROXY_AUTH_TOKEN": tokens["proxy"],
            },
        ),
    }
    processes = {}

    def up() -> None:
        for name, part in parts.items():
            if name not in processes or processes[name].poll() is not None:
                processes[name] = start(part, state)
                wait_ready(part, processes[name], state)

    def down() -> None:
        stop(parts["hub"], processes["hub"])

    api_url = f"http://127.0.0.1:{own}/hub/api"
    settings = HubSettings(
        api_url=api_url, public_url=f"http://127.0.0.1:{public}", api_token=SecretStr(tokens["riskhub"]), timeout=5
    )
    try:
        up()
        headers = {"Authorization": f"token {tokens['admin']}"}
        with httpx.Client(base_url=api_url, headers=headers, timeout=20) as admin:
            yield RunningHub(settings, tokens["lister"], state / "hub.sqlite", admin, down, up)
    finally:
        sweep(state)


@pytest.fixture
def eventually() -> Callable[[Callable[[], bool]], None]:
    """Wait for a condition, at most ten seconds."""

    def wait(condition: Callable[[], bool]) -> None:
        give_up = time.monotonic() + 10
        while not condition():
            assert time.monotonic() < give_up, "it did not come true within 10 s"
            time.sleep(0.05)

    return wait
