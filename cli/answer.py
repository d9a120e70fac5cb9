"""What a command says at its end: a summary for people, or one JSON object, and the exit code.

Names come from users and may hold terminal escapes; nothing is printed that a terminal would obey.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence

import click

from domain.errors import Refused, RiskhubError
from domain.record import Record, RunState
from domain.text import visible

EXIT_CODES: dict[RunState, int] = {"complete": 0, "planned": 0, "partial": 3, "refused": 1, "failed": 1}

_COLOURS: dict[str, str] = {
    "complete": "green",
    "planned": "cyan",
    "partial": "yellow",
    "refused": "red",
    "failed": "red",
    "done": "green",
    "ok": "green",
    "degraded": "yellow",
}


def answer(record: Record, *, as_json: bool) -> int:
    """Print `record`; the exit code that goes with it."""
    ended_badly = EXIT_CODES[record.state] == 1
    if as_json:
        problem = {"problem": record.summary} if ended_badly else {}
        click.echo(json.dumps({**record.model_dump(mode="json"), **problem}))
    else:
        if not ended_badly:
            click.echo(f"{_coloured(record.state)}: {visible(record.summary)}")
        _echo_details(record)
    if ended_badly:
        click.echo(f"riskhub: {record.state}: {visible(record.summary)}", err=True)
    return EXIT_CODES[record.state]


def print_error(error: RiskhubError, *, as_json: bool) -> None:
    """An error that ended a command before there was a record: what, why, what next."""
    state: RunState = "refused" if isinstance(error, Refused) else "failed"
    if as_json:
        click.echo(json.dumps({"state": state, "problem": str(error)}))
    click.echo(f"riskhub: {state}: {visible(error.thing)}: {visible(error.cause)}", err=True)
    click.echo(f"  Next: {visible(error.next_step)}", err=True)


def print_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Columns as wide as their longest cell; states in colour on a terminal."""
    cells = [[visible(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(head, *cells, strict=True)]
    click.echo("  ".join(name.ljust(width) for name, width in zip(head, widths, strict=True)).rstrip())
    for row in cells:
        padded = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        coloured = (_coloured(cell) for cell in padded)
        click.echo("  ".join(coloured).rstrip())


def _echo_details(record: Record) -> None:
    for cause in record.causes:
        click.echo(f"\n{_coloured(cause.state)}: {cause.kind}: {visible(cause.seen)}")
        click.echo(f"  Next: {visible(cause.next_step)}")
        click.echo(f"  Page: {cause.page}" + (f"; it explains {', '.join(cause.explains)}" if cause.explains else ""))
    if record.findings:
        click.echo()
        rows = ((f.state, f.probe, f.seen + (f"  Next: {f.next_step}" if f.next_step else "")) for f in record.findings)
        print_table(("STATE", "PROBE", "SEEN"), rows)
    if record.logged:
        click.echo()
        said = ((each.category, str(each.count), (each.samples or (each.message,))[0]) for each in record.logged)
        print_table(("CATEGORY", "LINES", "SUCH AS"), said)
    if record.outcomes:
        click.echo()
        print_table(
            ("STATE", "ACTION", "TARGET", "DETAIL"), ((o.state, o.verb, o.target, o.detail) for o in record.outcomes)
        )
    elif record.actions:
        click.echo()
        print_table(("ACTION", "TARGET", "WHY"), ((a.verb, a.target, a.reason) for a in record.actions))
    if record.left_alone:
        click.echo(f"\nLeft alone: {len(record.left_alone)}")
        print_table(("TARGET", "WHY"), ((a.target, a.reason) for a in record.left_alone))
    if record.measures:
        click.echo()
        print_table(("FIGURE", "VALUE"), ((name, str(value)) for name, value in record.measures.items()))
    for name, where in record.links.items():
        click.echo(f"{visible(name)}: {visible(where)}")


def _coloured(cell: str) -> str:
    colour = _COLOURS.get(cell.strip())
    return click.style(cell, fg=colour) if colour and sys.stdout.isatty() else cell
