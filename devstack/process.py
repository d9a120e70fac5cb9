"""One part of the stack as a process: start it, wait for its own health endpoint, stop it, leave no orphan.

Every process carries the stack's folder in its environment (`RISKHUB_STACK`). Whatever its parent did
(a Hub killed with -9 leaves its users' servers behind), `sweep` finds it by that mark and ends it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import httpx
import psutil

from domain.errors import Failed, Refused

MARK = "RISKHUB_STACK"
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Part:
    """A program of the stack.

    Attributes:
        environment: added to the caller's own; secrets go here, never into `command` (argv is public).
        ready: asks the part itself whether it serves; called until it says True.
        deadline: how long it may take to get ready.
        grace: how long it may take to stop after `stop_signal` before it is killed.
    """

    name: str
    command: tuple[str, ...]
    ready: Callable[[], bool]
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = None
    deadline: timedelta = timedelta(seconds=60)
    grace: timedelta = timedelta(seconds=15)
    stop_signal: str = "SIGTERM"


def start(part: Part, state: Path) -> subprocess.Popen[bytes]:
    """Start `part`; its output goes to `<state>/logs/<name>.log`. Does not wait for it."""
    logs = state / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    with (logs / f"{part.name}.log").open("ab") as log:
        return subprocess.Popen(
            part.command,
            env={**os.environ, **part.environment, MARK: str(state)},
            cwd=part.folder or state,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def wait_ready(part: Part, process: subprocess.Popen[bytes], state: Path) -> None:
    """Block until the part answers.

    Raises:
        Failed: the process ended, or did not answer within its deadline; the message ends with its last log lines.
    """
    give_up = time.monotonic() + part.deadline.total_seconds()
    log = state / "logs" / f"{part.name}.log"
    while True:
        code = process.poll()
        if code is not None:
            raise Failed(part.name, f"ended with code {code} while starting: {_tail(log)}", f"read {log}")
        if part.ready():
            return
        if time.monotonic() > give_up:
            seconds = part.deadline.total_seconds()
            raise Failed(part.name, f"did not answer within {seconds:.0f} s: {_tail(log)}", f"read {log}")
        time.sleep(0.05)


def stop(part: Part, process: subprocess.Popen[bytes]) -> None:
    """The part's stop signal, then SIGKILL after its grace."""
    if process.poll() is None:
        process.send_signal(signal.Signals[part.stop_signal])
        try:
            process.wait(part.grace.total_seconds())
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def marked(state: Path) -> list[psutil.Process]:
    """Every live process of the stack in `state`, except the caller and its ancestors."""
    own = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid not in own and process.environ().get(MARK) == str(state):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return found


def sweep(state: Path, grace: timedelta = timedelta(seconds=5)) -> int:
    """End every process that carries the mark of `state`; how many there were."""
    processes = marked(state)
    for process in processes:
        _signal(process, "terminate")
    _, alive = psutil.wait_procs(processes, timeout=grace.total_seconds())
    for process in alive:
        _signal(process, "kill")
    psutil.wait_procs(alive, timeout=5)
    return len(processes)


def free_ports(count: int) -> list[int]:
    """`count` loopback ports that nobody listens on now, held together so that they differ."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind((LOOPBACK, 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def require_free(name: str, port: int, host: str = LOOPBACK) -> None:
    """Refuse a port somebody listens on.

    Raises:
        Refused: the port is taken.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise Refused(
                f"port {port} for {name}",
                f"it is taken ({error.strerror})",
                "stop what listens there or choose another",
            ) from None


def http_ok(url: str) -> Callable[[], bool]:
    """A health check: does `url` answer with a status below 400?"""

    def check() -> bool:
        try:
            return httpx.get(url, timeout=2).status_code < 400
        except httpx.TransportError:
            return False

    return check


def _tail(log: Path, lines: int = 3) -> str:
    text = log.read_text(errors="replace").strip().splitlines()
    return " | ".join(text[-lines:]) or "its log is empty"


def _signal(process: psutil.Process, verb: str) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        getattr(process, verb)()
