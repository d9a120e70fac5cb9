"""A real Hub whose users' servers are light: one small web server that answers for all of them.

So a test can have hundreds of servers in seconds. What a stop does follows from the user's name: `stop-raises-*`
raises in the spawner, `stop-hangs-*` never ends, `start-hangs-*` stays pending, everybody else's is instant.
"""

import asyncio
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from jupyterhub import __version__
from jupyterhub.spawner import Spawner

c = get_config()  # noqa: F821 - the Hub defines it


class AnswersForEverybody(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("X-JupyterHub-Version", __version__)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), AnswersForEverybody)
Thread(target=server.serve_forever, daemon=True).start()


class LightSpawner(Spawner):
    running = False

    async def start(self):
        if self.user.name.startswith("start-hangs-"):
            await asyncio.sleep(3600)
        self.running = True
        return ("127.0.0.1", server.server_port)

    async def poll(self):
        return None if self.running else 0

    async def stop(self, now=False):
        if self.user.name.startswith("stop-hangs-"):
            await asyncio.sleep(3600)
        if self.user.name.startswith("stop-raises-"):
            raise RuntimeError("the stop failed inside the spawner")
        self.running = False


c.JupyterHub.bind_url = os.environ["TEST_PUBLIC_URL"]
c.JupyterHub.hub_bind_url = os.environ["TEST_HUB_URL"]
c.ConfigurableHTTPProxy.should_start = False
c.ConfigurableHTTPProxy.api_url = os.environ["TEST_PROXY_API_URL"]
c.JupyterHub.db_url = f"sqlite:///{os.environ['TEST_DATABASE']}"
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.JupyterHub.spawner_class = LightSpawner
c.JupyterHub.allow_named_servers = True
c.JupyterHub.cleanup_servers = False
c.JupyterHub.activity_resolution = 0
c.JupyterHub.concurrent_spawn_limit = 0
c.JupyterHub.tornado_settings = {"slow_spawn_timeout": 1, "slow_stop_timeout": 1}
c.LightSpawner.args = []
c.JupyterHub.services = [
    {"name": "riskhub", "api_token": os.environ["TEST_RISKHUB_TOKEN"]},
    {"name": "test", "api_token": os.environ["TEST_ADMIN_TOKEN"], "admin": True},
    {"name": "lister", "api_token": os.environ["TEST_LISTER_TOKEN"]},
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
            "proxy",
            "admin:users!user=riskhub-check",
            "servers!user=riskhub-check",
            "access:servers!user=riskhub-check",
        ],
    },
    {"name": "lister", "services": ["lister"], "scopes": ["list:users", "read:users:activity"]},
]
