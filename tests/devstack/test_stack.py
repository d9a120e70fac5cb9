"""The stack as people use it: up, up again, down, and what is left after a crash."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from cli.stack import bring_up, take_down
from devstack.process import Part, http_ok, marked, require_free, start, wait_ready
from devstack.stack import Stack
from devstack.supervisor import read_status
from domain.errors import Failed, Refused
from environments.loader import PROJECT


def until(condition: Callable[[], bool], seconds: float = 30) -> None:
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up, "it did not come true in time"
        time.sleep(0.05)


def test_every_part_answers_and_every_secret_is_private_to_its_owner(stack: Stack) -> None:
    assert {part.name for part, _ in stack.running.values()} >= {"hub", "proxy", "database", "object-store", "sso"}
    assert all(part.ready() for part, _ in stack.running.values())
    for name in ("values.env", "stack.json", "objects.json"):
        assert (stack.state / name).stat().st_mode & 0o077 == 0


def test_a_part_that_died_is_started_again(stack: Stack) -> None:
    _, proxy = stack.running["proxy"]
    proxy.kill()
    proxy.wait()
    assert stack.revive() == ["proxy"]
    assert stack.running["proxy"][0].ready()


def test_no_secret_is_in_the_process_list_or_in_a_log(stack: Stack) -> None:
    words = [word for process in marked(stack.state) for word in process.cmdline()]
    logs = [path.read_text(errors="replace") for path in (stack.state / "logs").glob("*.log")]
    assert words and logs
    for name, secret in stack.choices.secrets.items():
        assert not any(secret in word for word in words), f"{name} is in argv"
        assert not any(secret in log for log in logs), f"{name} is in a log"


def test_a_taken_port_is_refused_by_name() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(Refused, match=rf"port {taken.getsockname()[1]} for hub-public: it is taken"):
            require_free("hub-public", taken.getsockname()[1])


def test_a_part_that_cannot_start_says_its_last_words(tmp_path: Path) -> None:
    part = Part("liar", (sys.executable, "-c", "print('no disk'); raise SystemExit(3)"), http_ok("http://127.0.0.1:9"))
    with pytest.raises(Failed, match=r"liar: ended with code 3 while starting: no disk"):
        wait_ready(part, start(part, tmp_path), tmp_path)


@pytest.fixture
def supervised(tmp_path: Path) -> Iterator[Path]:
    """A stack of its own under a supervisor, as `riskhub stack up` makes it."""
    state = tmp_path / "stack"
    bring_up(state)
    yield state
    take_down(state)


@pytest.mark.timeout(300)
def test_up_twice_is_harmless_and_a_killed_supervisor_leaves_no_orphan(supervised: Path) -> None:
    first = read_status(supervised)
    hub = next(process for process in marked(supervised) if "jupyterhub" in " ".join(process.cmdline()))

    bring_up(supervised)
    assert read_status(supervised)["pid"] == first["pid"]
    assert hub.is_running()

    os.kill(first["pid"], signal.SIGKILL)
    until(lambda: marked(supervised) == [])


@pytest.mark.timeout(300)
def test_ctrl_c_while_it_starts_leaves_nothing_running(tmp_path: Path) -> None:
    state = tmp_path / "stack"
    command = (sys.executable, "-m", "cli.main", "stack", "up")
    environment = {**os.environ, "RISKHUB_STATE": str(state)}
    starting = subprocess.Popen(command, env=environment, cwd=PROJECT, stderr=subprocess.PIPE, start_new_session=True)
    until(lambda: len(marked(state)) >= 3)
    os.killpg(starting.pid, signal.SIGINT)
    assert starting.wait(60) != 0
    until(lambda: marked(state) == [])
    status = json.loads((state / "status.json").read_text())
    until(lambda: not psutil.pid_exists(status["pid"]))
