"""Who is told by Alertmanager: a webhook that keeps what arrives."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import groupby
from threading import Thread
from typing import Any

import pytest

from devstack.alertmanager import PROGRAM, configuration_of
from devstack.stack import Stack

# Told at once, and again as soon as something changes; nothing is told twice.
CONFIGURATION = """\
route: {{receiver: webhook, group_by: [environment], group_wait: 0s, group_interval: 200ms, repeat_interval: 1h}}
receivers:
  - name: webhook
    webhook_configs: [{{url: "http://127.0.0.1:{port}/", send_resolved: true}}]
"""


@dataclass
class Receiver:
    """`told`: each notification as it arrived, oldest first."""

    told: list[dict[str, Any]] = field(default_factory=list)

    def statuses(self, name: str) -> list[str]:
        """What was told of the alert of this name, each change once: firing, resolved.

        A message about another alert of the group tells it again.
        """
        told = [
            alert["status"]
            for notification in list(self.told)
            for alert in notification["alerts"]
            if alert["labels"]["alertname"] == name
        ]
        return [status for status, _ in groupby(told)]


@contextmanager
def receiving(stack: Stack) -> Iterator[Receiver]:
    """The stack's Alertmanager, empty and with a receiver, until the block ends."""
    if "alertmanager" not in stack.running:
        pytest.fail(f"{PROGRAM} is not on the PATH: nobody would be alerted; apt-get install {PROGRAM}")
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            receiver.told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    configuration = configuration_of(stack.state)
    to_nobody = configuration.read_text()
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            _start_anew(stack, CONFIGURATION.format(port=server.server_address[1]))
            yield receiver
        finally:
            _start_anew(stack, to_nobody)
            server.shutdown()


def _start_anew(stack: Stack, configuration: str) -> None:
    """Without the silences of before, and without its memory of whom it told."""
    stack.stop_part("alertmanager")
    path = configuration_of(stack.state)
    shutil.rmtree(path.parent)
    path.parent.mkdir()
    path.write_text(configuration)
    stack.restart_part("alertmanager")
