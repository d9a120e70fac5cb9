"""Pushes and restores in processes that can be killed at any moment, each begun in milliseconds.

A server that has everything imported, and no thread, forks a child for each: a fresh interpreter takes longer than
what it is to do, and most kills would hit its imports.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from systems.mirror import MirrorLocation


class Killer:
    """`run` a push or restore, killed so many seconds after it began."""

    def __init__(self, location: MirrorLocation) -> None:
        store = location.store
        assert store.access_key_id and store.secret_access_key
        keys = {
            "AWS_ACCESS_KEY_ID": store.access_key_id.get_secret_value(),
            "AWS_SECRET_ACCESS_KEY": store.secret_access_key.get_secret_value(),
        }
        self._server = subprocess.Popen(
            [sys.executable, "-m", "tests.systems.mirror.killer", location.url, str(store.endpoint_url)],
            env={**os.environ, **keys},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Killer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.communicate("")

    def run(self, what: str, folder: Path, *, kill_after: float | None = None) -> tuple[bool, float]:
        """Whether it came to its end, and after how many seconds."""
        assert self._server.stdin and self._server.stdout
        self._server.stdin.write(json.dumps([what, str(folder), kill_after]) + "\n")
        self._server.stdin.flush()
        ended, seconds = json.loads(self._server.stdout.readline())
        return ended, seconds


def _serve(url: str, endpoint: str) -> None:
    import numpy  # noqa: F401, PLC0415 - what a push imports late

    from systems import mirror  # noqa: PLC0415

    location = mirror.parse_location(url, endpoint)

    def act(what: str, folder: Path) -> None:
        if what == "push":
            mirror.push(folder, location, max_delete_share=1)
        else:
            mirror.apply_restore(mirror.plan_restore(location, folder))

    for line in sys.stdin:
        what, folder, kill_after = json.loads(line)
        began = time.monotonic()
        child = os.fork()
        if child == 0:
            try:
                act(what, Path(folder))
            except BaseException as error:
                print(error, file=sys.stderr, flush=True)
                os._exit(1)
            os._exit(0)
        print(json.dumps(_watched(child, began, kill_after)), flush=True)


def _watched(child: int, began: float, kill_after: float | None) -> Any:
    if kill_after is None:
        _, status = os.waitpid(child, 0)
    else:
        while time.monotonic() - began < kill_after:
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                break
            time.sleep(0.0005)
        else:
            os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
    return status == 0, time.monotonic() - began


if __name__ == "__main__":
    _serve(sys.argv[1], sys.argv[2])
