"""Connections that were kept and cut meanwhile cost one try, not all of them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from environments.settings import ObjectStoreSettings
from systems.mirror.wire import Keys, Wire

AT_ONCE = 12


class Forgetful(BaseHTTPRequestHandler):
    """Answers once on each connection and then cuts it without a word, as servers do with idle ones."""

    protocol_version = "HTTP/1.1"
    together = threading.Barrier(AT_ONCE)

    def do_GET(self) -> None:
        if "wait=" in self.path:
            self.together.wait(10)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def wire() -> Iterator[Wire]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Forgetful) as server:
        serving = threading.Thread(target=server.serve_forever, daemon=True)
        serving.start()
        store = ObjectStoreSettings(bucket="bucket", endpoint_url=f"http://127.0.0.1:{server.server_port}")
        yield Wire(store, lambda: Keys("key", "secret", None))
        server.shutdown()
        serving.join()


def test_a_server_that_cut_every_kept_connection_is_asked_on_a_new_one(wire: Wire) -> None:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(lambda _: wire.ask("GET", query={"wait": ""}), range(AT_ONCE)))
    assert {answer.status for answer in answers} == {200}
    assert wire.ask("GET").status == 200
