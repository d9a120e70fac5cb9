"""`riskhub reports execute`: any notebooks with a parameters cell, many at once, with no catalogue and no Prefect."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import IO, TYPE_CHECKING, Any

import click

from cli.answer import EXIT_CODES
from domain.record import RunState
from domain.text import visible
from systems.kernels.forks import warm_up

if TYPE_CHECKING:
    from systems.kernels.batch import Result


@click.command("execute")
@click.option("--requests", type=click.File(encoding="utf-8"), required=True, help="JSON lines; - for stdin.")
@click.option(
    "--processes",
    type=click.IntRange(1),
    help="Notebooks at a time. [default: cores + 1]",
)
@click.option("--timeout", type=click.FloatRange(1), default=600, show_default=True, help="Seconds for each notebook.")
@click.option("--memory", type=click.IntRange(256), help="MiB that each kernel may allocate. [default: no limit]")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def execute(requests: IO[str], processes: int | None, timeout: float, memory: int | None, as_json: bool) -> None:
    """Run notebooks on other parameters, each in processes of its own, from a warm start.

    A request is {"notebook": "a.ipynb", "output": "out/a.ipynb", "html": "out/a.html", "params_yaml": "{confidence:
    0.99}"}. What a notebook's parameters cell does not declare, by name or type, is refused before a kernel starts.
    What failed is kept as out/a.failed.ipynb and .html, and what was at out/a.ipynb stays.

    \b
    Examples:
      riskhub reports execute --requests morning.jsonl
      riskhub reports execute --requests - --processes 4 --memory 2048 --json < morning.jsonl
    """
    warm_up()  # its parent imports what kernels need while this process imports what pages need
    from systems.kernels.batch import execute_all, read_requests  # noqa: PLC0415

    wanted = read_requests(requests.read())
    results = []
    for result in execute_all(
        wanted,
        processes=processes or (os.cpu_count() or 1) + 1,
        deadline=timedelta(seconds=timeout),
        memory=memory * 2**20 if memory else None,
    ):
        results.append(result)
        why = f": {result.problem}" if result.problem else ""
        told = f"{len(results)}/{len(wanted)} {result.state} {result.request.output} ({result.seconds:.1f} s){why}"
        click.echo(visible(told), err=True)
    state, summary = _state(results), _summary(results)
    if as_json:
        click.echo(json.dumps({"state": state, "summary": summary, "reports": [_told(each) for each in results]}))
    else:
        click.echo(f"{state}: {summary}")
    sys.exit(EXIT_CODES[state])


def _state(results: Sequence[Result]) -> RunState:
    states = {result.state for result in results}
    if states <= {"complete"}:
        return "complete"
    if "complete" in states:
        return "partial"
    return "failed" if "failed" in states else "refused"


def _summary(results: Sequence[Result]) -> str:
    if not results:
        return "no requests"
    return ", ".join(f"{number} {state}" for state, number in Counter(result.state for result in results).items())


def _told(result: Result) -> dict[str, Any]:
    return {
        "notebook": str(result.request.notebook),
        "output": str(result.request.output),
        "html": str(result.request.html),
        "state": result.state,
        "problem": result.problem,
        "kept": str(result.kept) if result.kept else None,
        "seconds": round(result.seconds, 3),
        "peak_memory": result.peak_memory,
    }
