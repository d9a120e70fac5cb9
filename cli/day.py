"""`riskhub day`: a day of operations on the embedded stack, every step measured, red when a step is."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import httpx

from cli.stack import bring_up, port_option, proportional_memory, remove_state, take_down
from domain.errors import Refused, RiskhubError
from environments.loader import load_environment, state_folder

STOP = "stop it: riskhub stack down"


@click.command("day")
@click.option("--keep", is_flag=True, help="Leave the stack up at the end, and print its URLs and logins.")
@port_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
@click.pass_context
def day(context: click.Context, keep: bool, ports: tuple[str, ...], as_json: bool) -> None:
    """Watch a real JupyterHub being looked after: checked, culled, backed up, damaged, restored, reported on.

    It begins with a new stack: what an earlier one left is removed.

    \b
    Examples:
      riskhub day
      riskhub day --keep --port hub-public=8000
    """
    state = state_folder()
    _require_none_up(state)
    remove_state(state)
    rows: list[dict[str, object]] = []
    began = time.monotonic()
    with _peak_memory(state) as peak:
        try:
            click.echo("Bringing up the embedded stack (the AWS control plane is emulated, all else is real)", err=True)
            bring_up(state, ports, owner=None if keep else os.getpid())
            rows.append(_row("stack up", True, began, "every part answers", str(state / "logs")))
            _walk(state, rows)
        except RiskhubError as error:
            rows.append(_row("stack up", False, began, str(error), str(state / "logs")))
    if not keep:
        take_down(state)
    passed = all(row["passed"] for row in rows)
    if as_json:
        click.echo(json.dumps({"state": "complete" if passed else "failed", "peak_mib": peak[0], "steps": rows}))
    else:
        _print_table(rows, time.monotonic() - began, peak[0])
    if keep:
        _print_addresses(state)
    context.exit(0 if passed else 1)


def _require_none_up(state: Path) -> None:
    from devstack.supervisor import read_status  # noqa: PLC0415

    phase = read_status(state)["phase"]
    if phase not in ("down", "failed"):
        raise Refused(f"embedded stack in {state}", f"it is {phase}, and a day begins with a new one", STOP)


def _walk(state: Path, rows: list[dict[str, object]]) -> None:
    """Take the steps until one fails."""
    from devstack.day.runs import Deployments  # noqa: PLC0415
    from devstack.day.story import STEPS, Day  # noqa: PLC0415

    env = load_environment("local")
    story = Day(env, state, Deployments(env.prefect.api_url, env.prefect.ui_url))
    for step in STEPS:
        name = step.__name__.replace("_", " ")
        click.echo(f"{name} ...", err=True)
        began = time.monotonic()
        try:
            told = step(story)
        except (RiskhubError, httpx.HTTPError) as error:
            rows.append(_row(name, False, began, str(error), ""))
            break
        rows.append(_row(name, True, began, told.result, told.where))
    story.at_work.set()


@contextmanager
def _peak_memory(state: Path) -> Iterator[list[int]]:
    """The most MiB that all processes of the stack used together, looked at every other second."""
    peak, ended = [0], threading.Event()

    def watch() -> None:
        while not ended.wait(2):
            peak[0] = max(peak[0], proportional_memory(state) >> 20)

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield peak
    finally:
        ended.set()
        watching.join()


def _row(step: str, passed: bool, began: float, result: str, where: str) -> dict[str, object]:
    return {
        "step": step,
        "passed": passed,
        "seconds": round(time.monotonic() - began, 1),
        "result": result,
        "where": where,
    }


def _print_table(rows: list[dict[str, object]], seconds: float, memory: int) -> None:
    for row in rows:
        sign = click.style("ok    ", fg="green") if row["passed"] else click.style("FAILED", fg="red")
        click.echo(f"{sign} {row['seconds']:6} s  {row['step']:20} {row['result']}")
        if row["where"]:
            click.echo(f"{'':38}{row['where']}")
    click.echo(f"{seconds:.0f} s in all; {memory} MiB in all processes of the stack together")


def _print_addresses(state: Path) -> None:
    env = load_environment("local")
    click.echo(
        f"\nHub         {env.hub.public_url}   log in by Corporate SSO as ana, bea, carl (business users),"
        f" dina, emil (data scientists) or gita (platform admin)\n"
        f"Prefect UI  {env.prefect.ui_url}\n"
        f"Report      {(state / 'report.html').as_uri()}\n"
        f"Stop it     riskhub stack down"
    )
