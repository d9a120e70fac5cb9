"""A route that is made again after the proxy was restarted is nobody's activity; the first use of it is."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest

from devstack import hub as hub_parts
from devstack.process import free_ports, start, stop, sweep, wait_ready
from tests.k8s.servers import hub_variables, load_hub_configuration

ROUTE = "/user/d%C3%B6rte@x/"  # as the Hub escapes it
DATA = {"user": "dörte@x", "server_name": ""}


class Answers(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()


@pytest.fixture
def target() -> Iterator[str]:
    """A server of a user."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_route_is_active_from_its_first_use_on_and_not_from_its_making(tmp_path: Path, target: str):
    public, api = free_ports(2)
    token = secrets.token_hex(16)
    part = hub_parts.proxy(public, api, token)
    made = load_hub_configuration(hub_variables("dev")).JupyterHub.proxy_class

    async def activity(proxy: Any) -> str | None:
        return (await proxy.get_all_routes())[ROUTE]["data"].get("last_activity")

    async def look() -> None:
        proxy = made(api_url=f"http://127.0.0.1:{api}", auth_token=token, should_start=False)
        for _ in range(2):  # the second time it is a proxy that knows no route any more
            process = start(part, tmp_path)
            wait_ready(part, process, tmp_path)
            await proxy.add_route("/", target, {})
            await proxy.add_route(ROUTE, target, dict(DATA))
            assert await activity(proxy) is None
            assert await activity(proxy) is None
            async with httpx.AsyncClient() as client:
                await client.get(f"http://127.0.0.1:{public}{ROUTE}")
            used = await activity(proxy)
            assert used is not None
            assert await activity(proxy) == used
            stop(part, process)

    try:
        asyncio.run(look())
    finally:
        sweep(tmp_path)
