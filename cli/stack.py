"""`riskhub stack`: the embedded stack up, down, and how it is."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import psutil

from domain.errors import Failed
from environments.loader import state_folder


class PortChoice(click.ParamType[str]):
    """`NAME=PORT` of a part of the stack."""

    name = "NAME=PORT"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from devstack.choices import PORTS  # noqa: PLC0415 - the stack's imports cost a second

        name, _, port = value.partition("=")
        if name not in PORTS:
            self.fail(f"{value!r}: no port has this name; choose one of {', '.join(PORTS)}", param, ctx)
        if not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
            self.fail(f"{value!r}: a port is a number from 1 to 65535, as in {name}=8000", param, ctx)
        return value


@click.group("stack")
def stack() -> None:
    """The embedded stack: a real Hub, S3, SSO, Postgres, Prefect and an emulated AWS control plane on loopback."""


port_option = click.option(
    "--port", "ports", type=PortChoice(), multiple=True, help="Use this port, e.g. hub-public=8000."
)


@stack.command()
@port_option
@click.option("--owner", type=int, hidden=True, help="Stop when this process is gone.")
def up(ports: tuple[str, ...], owner: int | None) -> None:
    """Bring the stack up, or start again what died in it. Twice is harmless."""
    bring_up(state_folder(), ports, owner)
    click.echo(f"up. URLs and logins: {state_folder() / 'values.env'} (readable by you only)", err=True)


@stack.command()
@click.option("--wipe", is_flag=True, help="Remove its state too: homes, bucket, database, keys.")
def down(wipe: bool) -> None:
    """Stop everything in order. The state stays unless --wipe."""
    take_down(state_folder())
    if wipe:
        remove_state(state_folder())
    click.echo("down" + (", state removed" if wipe else ""), err=True)


@stack.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def status(as_json: bool) -> None:
    """Phase, seconds each part took to get ready, and the memory of all processes together."""
    from devstack.supervisor import read_status  # noqa: PLC0415 - the stack's imports cost a second

    told = read_status(state_folder())
    told["memory_mib"] = round(proportional_memory(state_folder()) / 2**20)
    if as_json:
        click.echo(json.dumps(told))
        return
    click.echo(f"{told['phase']}, {told['memory_mib']} MiB in all processes")
    for name, seconds in told["parts"].items():
        click.echo(f"  {name:16} ready after {seconds:5.1f} s")


def bring_up(state: Path, ports: tuple[str, ...] = (), owner: int | None = None, *, kind: str = "stack") -> None:
    """Start the supervisor of a stack or a cluster in the background and wait until every part answers.

    Raises:
        Refused: this machine cannot run one.
        Failed: a part did not start; its message is passed on.
    """
    from devstack.supervisor import KINDS, read_status  # noqa: PLC0415

    before = read_status(state)
    if before["phase"] == "up":
        os.kill(before["pid"], signal.SIGHUP)
        return
    KINDS[kind].prepare()
    (state / "logs").mkdir(parents=True, exist_ok=True)
    (state / "status.json").unlink(missing_ok=True)
    command = [sys.executable, "-m", "devstack.supervisor", f"--kind={kind}", f"--state={state}"]
    command += [f"--port={port}" for port in ports] + ([f"--owner={owner}"] if owner else [])
    with (state / "logs" / "supervisor.log").open("ab") as log:
        supervisor = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    with _stopping_on_interrupt(supervisor):
        for told in _follow(state):
            if told["phase"] == "failed":
                raise Failed(kind, told["problem"], f"the logs are in {state / 'logs'}")
            if told["phase"] == "up":
                return
            if supervisor.poll() is not None:
                raise Failed(kind, "its supervisor ended", f"read {state / 'logs' / 'supervisor.log'}")


def take_down(state: Path, *, kind: str = "stack") -> None:
    """Stop the supervisor and wait; end what an earlier crash left."""
    from devstack.supervisor import KINDS, read_status  # noqa: PLC0415

    told = read_status(state)
    if told["phase"] not in ("down", "failed"):
        keeper = psutil.Process(told["pid"])
        guard = keeper.parent()
        keeper.terminate()
        psutil.wait_procs([each for each in (keeper, guard) if each is not None], timeout=60)
    KINDS[kind].clean(state)


def remove_state(state: Path, *, kind: str = "stack") -> None:
    """Remove the data of a stack or cluster that is down."""
    from devstack.supervisor import KINDS  # noqa: PLC0415

    KINDS[kind].forget(state)


def _follow(state: Path) -> Iterator[dict[str, Any]]:
    from devstack.supervisor import read_status  # noqa: PLC0415

    seen: set[str] = set()
    while True:
        told: dict[str, Any] = {"phase": "starting", "parts": {}}
        if (state / "status.json").exists():
            told = read_status(state)
        for name in told["parts"].keys() - seen:
            click.echo(f"  {name:16} ready after {told['parts'][name]:5.1f} s", err=True)
        seen |= told["parts"].keys()
        yield told
        time.sleep(0.1)


@contextmanager
def _stopping_on_interrupt(supervisor: subprocess.Popen[bytes]) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        click.echo("stopping what has started", err=True)
        supervisor.terminate()
        supervisor.wait(60)
        raise


def proportional_memory(state: Path) -> int:
    """Bytes that all processes of the stack in `state` use together, shared pages counted once (PSS)."""
    from devstack.process import marked  # noqa: PLC0415

    return sum(_proportional(process) for process in marked(state))


def _proportional(process: psutil.Process) -> int:
    try:
        memory = process.memory_full_info()
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return 0
    return int(getattr(memory, "pss", memory.uss))
