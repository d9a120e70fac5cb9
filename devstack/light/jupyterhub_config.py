"""A real Hub whose users' servers are light: one small web server that answers for all of them.

So thousands of servers run in seconds. A stop takes LIGHT_STOP_SECONDS. What else a server does follows from the
user's name: `stop-raises-*` raises in the spawner and leaves its process running, `stop-hangs-*` never ends,
`start-hangs-*` stays pending, `start-clings-*` too, and does not let itself be interrupted, `start-raises-*` fails,
`poll-raises-*` answers 500 to a stop, `process-*` has a process of its own, `gone-*` is told as running and says
nothing of itself.
"""

import asyncio
import os
import subprocess
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from jupyterhub import __version__
from jupyterhub.spawner import Spawner

c = get_config()  # type: ignore[name-defined]


class AnswersForEverybody(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(404 if self.path.startswith("/user/gone-") else 200)
        self.send_header("X-JupyterHub-Version", __version__)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 512


PORT = int(os.environ["LIGHT_SERVER_PORT"])
Thread(target=Server(("127.0.0.1", PORT), AnswersForEverybody).serve_forever, daemon=True).start()


class LightSpawner(Spawner):  # type: ignore[misc]
    running = False
    process: subprocess.Popen[bytes] | None = None

    def load_state(self, state: dict[str, Any]) -> None:
        super().load_state(state)
        self.running = state.get("running", False)

    def get_state(self) -> dict[str, Any]:
        return {**super().get_state(), "running": self.running}

    def clear_state(self) -> None:
        super().clear_state()
        self.running = False

    async def start(self) -> tuple[str, int]:
        if self.user.name.startswith("start-hangs-"):
            await asyncio.sleep(3600)
        while self.user.name.startswith("start-clings-"):
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(3600)
        if self.user.name.startswith("start-raises-"):
            raise RuntimeError("the start failed inside the spawner")
        if self.user.name.startswith(("process-", "stop-raises-")):
            self.process = subprocess.Popen(["sleep", "3600"], env=self.get_env())
        self.running = True
        return ("127.0.0.1", PORT)

    async def poll(self) -> int | None:
        if self.running and self.user.name.startswith("poll-raises-"):
            raise RuntimeError("nobody knows whether it runs")
        return None if self.running else 0

    async def stop(self, now: bool = False) -> None:
        if self.user.name.startswith("stop-hangs-"):
            await asyncio.sleep(3600)
        if self.user.name.startswith("stop-raises-"):
            raise RuntimeError("the stop failed inside the spawner")
        if self.process:
            self.process.kill()
            self.process.wait()
        await asyncio.sleep(float(os.environ["LIGHT_STOP_SECONDS"]))
        self.running = False


c.JupyterHub.bind_url = os.environ["LIGHT_PUBLIC_URL"]
c.JupyterHub.hub_bind_url = os.environ["LIGHT_HUB_URL"]
c.ConfigurableHTTPProxy.should_start = False
c.ConfigurableHTTPProxy.api_url = os.environ["LIGHT_PROXY_API_URL"]
c.JupyterHub.db_url = os.environ["LIGHT_DATABASE"]
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.JupyterHub.spawner_class = LightSpawner
c.JupyterHub.allow_named_servers = True
c.JupyterHub.cleanup_servers = False
c.JupyterHub.activity_resolution = 0
c.JupyterHub.last_activity_interval = 3600  # the routes that a new proxy is told of would count as activity
c.JupyterHub.concurrent_spawn_limit = 0
c.JupyterHub.tornado_settings = {
    "slow_spawn_timeout": 1,
    "slow_stop_timeout": float(os.environ["LIGHT_SLOW_STOP_SECONDS"]),
}
c.LightSpawner.args = []
c.LightSpawner.start_timeout = 3600  # what hangs is interrupted, and does not end by itself
c.LightSpawner.poll_interval = 3600
c.LightSpawner.env_keep = ["PATH", "RISKHUB_STACK"]
c.JupyterHub.services = [
    {"name": "riskhub", "api_token": os.environ["LIGHT_RISKHUB_TOKEN"]},
    {"name": "admin", "api_token": os.environ["LIGHT_ADMIN_TOKEN"], "admin": True},
    {"name": "lister", "api_token": os.environ["LIGHT_LISTER_TOKEN"]},
    {"name": "reader", "api_token": os.environ["LIGHT_READER_TOKEN"]},
]
c.JupyterHub.load_roles = [
    {
        "name": "riskhub",
        "services": ["riskhub"],
        "scopes": [
            "list:users",
            "read:users",
            "read:servers",
            "delete:servers",
            "read:hub",
            "read:metrics",
            "proxy",
            "admin:groups!group=riskhub-warnings",
            "admin:groups!group=riskhub-announcements",
            "admin:users!user=riskhub-check",
            "servers!user=riskhub-check",
            "access:servers!user=riskhub-check",
        ],
    },
    {"name": "lister", "services": ["lister"], "scopes": ["list:users", "read:users:activity"]},
    {"name": "reader", "services": ["reader"], "scopes": ["list:users", "read:users", "read:servers"]},
]
