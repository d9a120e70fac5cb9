"""The process that holds the stack: brings it up, keeps it, takes it down; leaves nothing behind.

Two processes: the keeper does the work; its parent, the guard, only waits for it, and ends whatever
carries the stack's mark when the keeper is gone, however it died. The state is told in `<state>/status.json`.

    SIGTERM   stop all parts in order and end
    SIGHUP    start again the parts that died
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any, Literal, get_args

import psutil

from devstack.choices import Choices
from devstack.node.cluster import Cluster
from devstack.parts import Parts
from devstack.rehearsal import Rehearsal
from devstack.stack import Stack
from domain.errors import RiskhubError

Phase = Literal["starting", "up", "stopping", "down", "failed"]
Kind = Literal["stack", "cluster", "rehearsal"]
KINDS: dict[str, type[Parts]] = {"stack": Stack, "cluster": Cluster, "rehearsal": Rehearsal}


class Status:
    """`status.json`, replaced whole at each change."""

    def __init__(self, state: Path) -> None:
        self._path = state / "status.json"
        self._content: dict[str, Any] = {"phase": "starting", "pid": os.getpid(), "parts": {}, "problem": None}
        self._lock = threading.Lock()
        self._write()

    def phase(self, phase: Phase, problem: str | None = None) -> None:
        with self._lock:
            self._content |= {"phase": phase, "problem": problem}
            self._write()

    def part(self, name: str, seconds: float) -> None:
        with self._lock:
            self._content["parts"][name] = round(seconds, 1)
            self._write()

    def _write(self) -> None:
        fresh = self._path.with_suffix(".new")
        fresh.write_text(json.dumps(self._content))
        fresh.replace(self._path)


def read_status(state: Path) -> dict[str, Any]:
    """What the supervisor last told; phase `down` when there is none or it is gone."""
    path = state / "status.json"
    status: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {"phase": "down", "pid": 0, "parts": {}}
    if status["phase"] not in ("down", "failed") and not psutil.pid_exists(status["pid"]):
        status |= {"phase": "down"}
    return status


def keep(state: Path, kind: Kind, owner: int | None) -> int:
    """Bring the stack up and hold it until SIGTERM, or until the process `owner` is gone."""
    died = threading.Event()
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGINT, _end)
    signal.signal(signal.SIGHUP, lambda _number, _frame: died.set())
    status = Status(state)
    stack = KINDS[kind](state)
    owner_process = psutil.Process(owner) if owner else None
    try:
        stack.up(status.part)
        status.phase("up")
        while owner_process is None or owner_process.is_running():
            if died.wait(0.3):
                died.clear()
                stack.revive()
    except RiskhubError as error:
        stack.down()
        status.phase("failed", str(error))
        return 1
    except SystemExit:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # asked once is enough
    status.phase("stopping")
    stack.down()
    status.phase("down")
    return 0


def _end(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--kind", choices=get_args(Kind), default="stack")
    parser.add_argument("--owner", type=int, help="stop when this process is gone")
    parser.add_argument("--port", action="append", default=[], metavar="NAME=PORT")
    arguments = parser.parse_args()
    state: Path = arguments.state
    state.mkdir(parents=True, exist_ok=True)
    lock = (state / "supervisor.lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return 0  # another supervisor holds it: `up` twice is harmless
    wanted = {name: int(port) for name, port in (each.split("=", 1) for each in arguments.port)}
    Choices.load_or_make(state, wanted)
    keeper = os.fork()
    if keeper == 0:
        os._exit(keep(state, arguments.kind, arguments.owner))
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda number, _frame: os.kill(keeper, number))
    _, wait_status = os.waitpid(keeper, 0)
    KINDS[arguments.kind].clean(state)
    return os.waitstatus_to_exitcode(wait_status)


if __name__ == "__main__":
    sys.exit(main())
