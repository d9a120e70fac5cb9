"""A line to the store on which answers can be told to go wrong: errors, cut connections, slow and cut bodies."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal
from urllib.parse import urlsplit

Fault = Literal["500", "503", "lost answer", "cut", "cut body", "slow body", "expired"]
Choose = Callable[[str, str], Fault | None]

_ERRORS = {"500": "InternalError", "503": "SlowDown"}


class BadLine:
    """`choose(method, path)` names the fault of each request, or none. `seen` are the requests so far."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.choose: Choose = lambda method, path: None
        self.seen: list[tuple[str, str]] = []


@contextmanager
def bad_line(endpoint: str) -> Iterator[BadLine]:
    """A line to the store at `endpoint`; `url` is its near end."""
    upstream = urlsplit(endpoint).netloc

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def relay(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            line.seen.append((self.command, self.path))
            fault = line.choose(self.command, self.path)
            if fault == "cut":
                self.close_connection = True
                return
            if fault in ("500", "503"):
                self.answer(int(fault), f"<Error><Code>{_ERRORS[fault]}</Code></Error>".encode())
                return
            if fault == "expired":
                self.answer(403, b"<Error><Code>ExpiredToken</Code></Error>")
                return
            connection = http.client.HTTPConnection(upstream, timeout=30)
            connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                connection.putheader(name, value)
            connection.endheaders(body)
            found = connection.getresponse()
            answer = found.read()
            connection.close()
            if fault == "lost answer":
                self.close_connection = True
                return
            self.send_response(found.status)
            for name, value in found.getheaders():
                if name.lower() not in ("content-length", "transfer-encoding", "connection", "date", "server"):
                    self.send_header(name, value)
            length = found.getheader("Content-Length") if self.command == "HEAD" else str(len(answer))
            self.send_header("Content-Length", length or "0")
            self.end_headers()
            self.send_body(answer, fault)

        def send_body(self, answer: bytes, fault: Fault | None) -> None:
            if fault == "cut body" and len(answer) > 1:
                self.wfile.write(answer[: len(answer) // 2])
                self.close_connection = True
            elif fault == "slow body":
                for at in range(0, len(answer), len(answer) // 5 + 1):
                    self.wfile.write(answer[at : at + len(answer) // 5 + 1])
                    self.wfile.flush()
                    time.sleep(0.05)
            else:
                self.wfile.write(answer)

        def answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = relay

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    line = BadLine(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield line
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
