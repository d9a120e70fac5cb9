"""`riskhub day`: a day of operations, every step measured, red when a step is."""

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
from environments import Environment, EnvironmentName
from environments.loader import load_environment, state_folder

KIND_OF = {"local": "stack", "dev": "cluster"}


@click.command("day")
@click.option("--keep", is_flag=True, help="Leave all of it up at the end, and print its URLs and logins.")
@port_option
@click.option(
    "--environment",
    type=click.Choice(["local", "dev"]),
    default="local",
    show_default=True,
    help="local: on the embedded stack. dev: on the Kubernetes node of `riskhub cluster up` (Linux, root).",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
@click.pass_context
def day(
    context: click.Context, keep: bool, ports: tuple[str, ...], environment: EnvironmentName, as_json: bool
) -> None:
    """Watch a real JupyterHub being looked after: checked, culled, backed up, damaged, restored, reported on.

    It begins with a new stack or cluster: what an earlier one left is removed.

    \b
    Examples:
      riskhub day
      riskhub day --keep --port hub-public=8000
      riskhub day --environment dev
    """
    kind = KIND_OF[environment]
    state = state_folder() / "cluster" if kind == "cluster" else state_folder()
    if ports and kind == "cluster":
        raise click.UsageError("--port is for the embedded stack; the addresses of the node are fixed")
    _require_none_up(state, kind)
    remove_state(state, kind=kind)
    rows: list[dict[str, object]] = []
    began = time.monotonic()
    with _peak_memory(state) as peak:
        try:
            click.echo(f"Bringing up the {kind} (the AWS control plane is emulated, all else is real)", err=True)
            bring_up(state, ports, owner=None if keep else os.getpid(), kind=kind)
            rows.append(_row(f"{kind} up", True, began, "every part answers", str(state / "logs")))
            env = load_environment(environment)
            _walk(env, state, rows)
        except RiskhubError as error:
            rows.append(_row(f"{kind} up", False, began, str(error), str(state / "logs")))
    passed = all(row["passed"] for row in rows)
    if not keep:
        take_down(state, kind=kind)
    if as_json:
        click.echo(json.dumps({"state": "complete" if passed else "failed", "peak_mib": peak[0], "steps": rows}))
    else:
        _print_table(rows, time.monotonic() - began, peak[0], kind)
    if keep and len(rows) > 1:
        _print_addresses(env, state, kind)
    context.exit(0 if passed else 1)


def _require_none_up(state: Path, kind: str) -> None:
    from devstack.supervisor import read_status  # noqa: PLC0415

    phase = read_status(state)["phase"]
    if phase not in ("down", "failed"):
        raise Refused(f"{kind} in {state}", f"it is {phase}, and a day begins with a new one", f"riskhub {kind} down")


def _walk(env: Environment, state: Path, rows: list[dict[str, object]]) -> None:
    """Take the steps until one fails."""
    from devstack.day.runs import Deployments  # noqa: PLC0415
    from devstack.day.story import STEPS, Day  # noqa: PLC0415

    story = Day(env, state, Deployments(env.prefect.api_url, env.prefect.ui_url))
    for step in STEPS[env.name]:
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


def _print_table(rows: list[dict[str, object]], seconds: float, memory: int, kind: str) -> None:
    for row in rows:
        sign = click.style("ok    ", fg="green") if row["passed"] else click.style("FAILED", fg="red")
        click.echo(f"{sign} {row['seconds']:6} s  {row['step']:20} {row['result']}")
        if row["where"]:
            click.echo(f"{'':38}{row['where']}")
    which = "the stack" if kind == "stack" else "the node and the services around it, pods not counted,"
    click.echo(f"{seconds:.0f} s in all; {memory} MiB in all processes of {which} together")


def _print_addresses(env: Environment, state: Path, kind: str) -> None:
    click.echo(
        f"\nHub         {env.hub.public_url}   log in by Corporate SSO as ana, bea, carl (business users),"
        f" dina, emil (data scientists) or gita (platform admin)\n"
        f"Prefect UI  {env.prefect.ui_url}\n"
        f"Report      {(state / 'report.html').as_uri()}\n"
        f"Stop it     riskhub {kind} down"
    )
