"""`riskhub mirror`: push, restore, verify and history against any S3, with no environment file and no Prefect.

Credentials come from the AWS_* variables, a profile or a role, as everywhere on AWS.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

import click

from cli.answer import EXIT_CODES, print_table
from cli.options import Moment
from domain.record import RunState
from domain.text import visible
from systems.mirror import (
    MirrorLocation,
    Miss,
    Progress,
    RestorePlan,
    apply_restore,
    history,
    parse_location,
    plan_restore,
    push,
    retention,
    verify,
)

_QUIET_SECONDS = 2.0
_ROWS = 40


def _options(command: Callable[..., None]) -> Callable[..., None]:
    for option in (
        click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout."),
        click.option(
            "--endpoint-url",
            envvar=["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"],
            help="An S3 other than AWS's.",
        ),
    ):
        command = option(command)
    return command


FOLDER = click.Path(path_type=Path)


@click.group()
def mirror() -> None:
    """Copies of a folder in a bucket, without Prefect: push, restore, verify, history.

    A mirror is s3://BUCKET/PREFIX: plain objects below the prefix, manifests beside it. The bucket must be
    versioned. Exit codes: 0 done or planned, 3 partial (each miss is listed), 2 usage, 1 refused or failed.
    """


@mirror.command("push")
@click.argument("source", type=FOLDER)
@click.argument("url", metavar="s3://BUCKET/PREFIX")
@click.option("--source-id", help="The file system's id; a push from another one is refused from then on.")
@click.option(
    "--max-delete-share",
    type=click.FloatRange(0, 1),
    default=0.5,
    show_default=True,
    help="Refuse when more than this share of the last point is gone.",
)
@_options
def push_command(  # noqa: PLR0917 - click names them
    source: Path, url: str, source_id: str | None, max_delete_share: float, endpoint_url: str | None, as_json: bool
) -> None:
    """Mirror SOURCE and make a point of it."""
    result = push(
        source,
        _location(url, endpoint_url),
        source_id=source_id,
        max_delete_share=max_delete_share,
        progress=_progress(),
    )
    summary = (
        f"point {result.point}: {result.files} files, {result.bytes} bytes; "
        f"{result.uploaded} uploaded, {result.deleted} deleted"
    )
    figures = {"files": result.files, "uploaded": result.uploaded, "bytes": result.bytes, "deleted": result.deleted}
    _answer(result.state, result.point, summary, figures, result.skipped, as_json=as_json)


@mirror.command("restore")
@click.argument("url", metavar="s3://BUCKET/PREFIX")
@click.argument("destination", metavar="DEST", type=FOLDER)
@click.option("--at", type=Moment(), help="The last point not after this time.")
@click.option("--point", help="The point with this id, as `history` lists it.")
@click.option("--path", help="Only this user, folder or file, relative to the mirror.")
@click.option("--execute", is_flag=True, help="Do it; without this the plan is shown.")
@_options
def restore_command(  # noqa: PLR0917 - click names them
    url: str,
    destination: Path,
    at: datetime | None,
    point: str | None,
    path: str | None,
    execute: bool,
    endpoint_url: str | None,
    as_json: bool,
) -> None:
    """Bring DEST to a point. Extra files are left alone; what is replaced is kept, and the answer says where."""
    if at and point:
        raise click.UsageError("--at and --point name a point each: give one")
    plan = plan_restore(_location(url, endpoint_url), destination, at=at, point=point, path=path, progress=_progress())
    if not execute:
        _answer_plan(plan, as_json=as_json)
    result = apply_restore(plan, progress=_progress())
    kept = str(result.kept) if result.kept else None
    summary = f"point {result.point}: {result.files} files, {result.bytes} bytes restored, {result.fixed} set right"
    if kept:
        summary += f"\nWhat was replaced is in {kept}"
    extra = [action.target for action in plan.left_alone]
    figures = {
        "files": result.files,
        "uploaded": 0,
        "bytes": result.bytes,
        "deleted": 0,
        "fixed": result.fixed,
        "kept": kept,
        "extra": extra,
    }
    _answer(result.state, result.point, summary, figures, result.skipped, as_json=as_json)


@mirror.command("verify")
@click.argument("url", metavar="s3://BUCKET/PREFIX")
@click.argument("source", type=FOLDER, required=False)
@click.option(
    "--within",
    "within_days",
    type=click.IntRange(min=1),
    metavar="DAYS",
    help="Read only what is due, so that with a run a day every object is read at least every so many days.",
)
@_options
def verify_command(
    url: str, source: Path | None, within_days: int | None, endpoint_url: str | None, as_json: bool
) -> None:
    """Read the last point back and compare every SHA-256; with SOURCE, compare the disk too."""
    result = verify(_location(url, endpoint_url), source, within_days=within_days, progress=_progress())
    since = result.restorable_from.isoformat() if result.restorable_from else None
    summary = (
        f"point {result.point}: {result.files} of {result.read} files, {result.bytes} bytes, read back as they were "
        f"stored\n{f'Every time since {since} can be restored' if since else 'No point is whole any more'}"
    )
    figures = {
        "files": result.files,
        "uploaded": 0,
        "bytes": result.bytes,
        "deleted": 0,
        "read": result.read,
        "restorable_from": since,
    }
    _answer(result.state, result.point, summary, figures, result.skipped, as_json=as_json)


@mirror.command("history")
@click.argument("url", metavar="s3://BUCKET/PREFIX")
@_options
def history_command(url: str, endpoint_url: str | None, as_json: bool) -> None:
    """The points that can be restored, oldest first."""
    location = _location(url, endpoint_url)
    points = history(location)
    kept = retention(location, points)
    if as_json:
        listed = [
            {
                "point": point.id,
                "created_at": point.created_at.isoformat(),
                "files": point.files,
                "bytes": point.bytes,
                "skipped": point.skipped,
                "source": point.source,
            }
            for point in points
        ]
        facts = {
            "state": "complete",
            "point": points[-1].id if points else None,
            "restorable_from": kept.restorable_from.isoformat() if kept.restorable_from else None,
            "retention": kept.words,
            "points": listed,
        }
        click.echo(json.dumps(facts))
    elif points:
        rows = [
            (point.id, point.created_at.isoformat(), str(point.files), str(point.bytes), str(point.skipped))
            for point in points
        ]
        print_table(("POINT", "CREATED AT", "FILES", "BYTES", "SKIPPED"), rows)
        click.echo(f"\n{kept.words[0].upper()}{kept.words[1:]}.")
    else:
        click.echo("no point yet")


def _location(url: str, endpoint_url: str | None) -> MirrorLocation:
    return parse_location(url, endpoint_url, os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION"))


def _answer_plan(plan: RestorePlan, *, as_json: bool) -> None:
    files = size = 0
    for action in plan.actions:
        entry = action.on.entry
        if action.verb != "fix-metadata" and not entry.is_folder:
            files += 1
            size += entry.size
    figures: dict[str, Any] = {"files": files, "uploaded": 0, "bytes": size, "deleted": 0}
    if as_json:
        figures["actions"] = [
            {"verb": action.verb, "path": action.target, "reason": action.reason} for action in plan.actions
        ]
        figures["extra"] = [action.target for action in plan.left_alone]
    elif plan.actions:
        shown = islice(plan.actions, _ROWS)
        print_table(("ACTION", "PATH", "WHY"), [(action.verb, action.target, action.reason) for action in shown])
        if len(plan.actions) > _ROWS:
            click.echo(f"... and {len(plan.actions) - _ROWS} more; --json has all of them")
        click.echo()
    summary = (
        f"{plan.title}: {len(plan.actions)} actions, {size} bytes; {plan.kept} entries are as in the point, "
        f"{len(plan.left_alone)} extra ones are left alone"
    )
    summary += "\nNothing was changed. Add --execute to do it." if plan.actions else ""
    _answer("planned", plan.point.id, summary, figures, (), as_json=as_json)


def _answer(
    state: RunState, point: str, summary: str, figures: dict[str, Any], skipped: Sequence[Miss], *, as_json: bool
) -> None:
    """Say how it ended, and end with the exit code that goes with it."""
    if as_json:
        misses = [{"path": miss.path, "reason": miss.reason} for miss in skipped]
        click.echo(json.dumps({"state": state, "point": point, **figures, "skipped": misses}))
    else:
        first, *more = summary.splitlines()
        click.echo("\n".join([f"{state}: {visible(first)}", *map(visible, more)]))
        if skipped:
            click.echo(f"\nNot as it should be: {len(skipped)}")
            print_table(("PATH", "WHY"), [(miss.path, miss.reason) for miss in skipped])
    raise click.exceptions.Exit(EXIT_CODES[state])


def _progress() -> Callable[[Progress], None] | None:
    """A line on stderr that tells how far it is, on a terminal and once it takes longer than a moment."""
    if not sys.stderr.isatty():
        return None
    began = time.monotonic()
    told = began

    def tell(progress: Progress) -> None:
        nonlocal told
        now = time.monotonic()
        last = progress.done == progress.total
        if now - began < _QUIET_SECONDS or (now - told < 0.2 and not last):
            return
        told = now
        click.echo(f"\r{progress.words}".ljust(79), nl=last, err=True)

    return tell
