"""`riskhub recovery status`, `list`, `show`, `verify` and `scorecard`: what could be restored, without Prefect."""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from cli.answer import EXIT_CODES, print_table
from cli.flow_command import plain_command
from cli.options import Moment
from domain.clock import utc_now
from domain.errors import Damaged, Refused
from domain.record import RunState
from domain.recovery import RecoveryPoint
from environments import Environment, EnvironmentName, load_environment
from plans.drill import NOT_SHOWN
from plans.recovery import judge_recovery
from systems.point_check import check_point
from systems.recovery_metrics import recovery_metrics
from systems.recovery_points import newest_first, read_point
from systems.recovery_standing import read_standing
from systems.scorecard import drill_until, scorecard_of

_TIME = "%Y-%m-%d %H:%M:%S"


def _list(environment: EnvironmentName, as_json: bool) -> None:
    """The recovery points, oldest first: each is one whole Hub of one moment; exit 3 when one cannot be read."""
    found = [*newest_first(load_environment(environment).objects)][::-1]
    points = [each for each in found if isinstance(each, RecoveryPoint)]
    damaged = [each for each in found if isinstance(each, Damaged)]
    state: RunState = "partial" if damaged else "complete"
    if as_json:
        told = [{"thing": each.thing, "cause": each.cause} for each in damaged]
        click.echo(json.dumps({"state": state, "points": [_facts(point) for point in points], "damaged": told}))
    elif not found:
        click.echo("no recovery point yet; riskhub backup run --execute takes one")
    else:
        now = utc_now()
        print_table(
            ("POINT", "TAKEN (UTC)", "AGE", "MEMBERS", "BYTES"),
            (
                (
                    point.id,
                    f"{point.created_at:{_TIME}}",
                    f"{(now - point.created_at).total_seconds() / 3600:.1f} h",
                    ", ".join(member.kind for member in point.members),
                    str(sum(member.bytes for member in point.members)),
                )
                for point in points
            ),
        )
        for each in damaged:
            click.echo(f"damaged: {each.thing}: {each.cause}", err=True)
    click.get_current_context().exit(EXIT_CODES[state])


def _show(point: str, environment: EnvironmentName, as_json: bool) -> None:
    """What one recovery point is made of: where each member is, its digest, and what a restore must know."""
    found = read_point(load_environment(environment).objects, point)
    if as_json:
        click.echo(json.dumps({"state": "complete", **_facts(found)}))
        return
    for member in found.members:
        click.echo(f"{member.kind}: {member.bytes} bytes, {member.reference}")
        facts = {**({"sha256": member.sha256} if member.sha256 else {}), **member.facts}
        print_table(("  FACT", "VALUE"), ((f"  {name}", str(value)) for name, value in facts.items()))
        click.echo()


def _verify(point: str, environment: EnvironmentName, as_json: bool) -> None:
    """Read a recovery point's members and hold them against each other and the key; exit 1 when they do not fit.

    What it does not read is the contents of the homes: riskhub mirror verify does.
    """
    env = load_environment(environment)
    found = read_point(env.objects, point)
    figures = _verified(env, found)
    if as_json:
        click.echo(json.dumps({"state": "complete", "point": point, **figures}))
        return
    click.echo(f"complete: point {point} is whole and its members fit")
    print_table(("FIGURE", "VALUE"), ((name, str(value)) for name, value in figures.items()))


def _status(metrics: bool, environment: EnvironmentName, as_json: bool) -> None:
    """What could be restored right now, to when, and whether it is known to work; exit 3 when something is overdue.

    With --metrics it is told as OpenMetrics text, and what is overdue is left to who alerts: exit 0.
    """
    if metrics and as_json:
        raise click.UsageError("--metrics and --json are two ways to tell it: give one")
    env = load_environment(environment)
    if env.recovery is None:
        raise Refused(f"environment {env.name}", "it has no [recovery] section", "set its targets and its notebook")
    standing, now = read_standing(env), utc_now()
    if metrics:
        click.echo(recovery_metrics(standing, env.recovery, env.name, now=now), nl=False)
        return
    findings = judge_recovery(standing, env.recovery, now=now)
    late = [finding for finding in findings if finding.state != "ok"]
    if as_json:
        told = [asdict(finding) for finding in findings]
        click.echo(json.dumps({"state": "partial" if late else "complete", "findings": told}))
    else:
        rows = ((each.state, each.probe, each.seen, each.next_step or "-") for each in findings)
        print_table(("STATE", "WHAT", "SEEN", "NEXT"), rows)
    click.get_current_context().exit(EXIT_CODES["partial" if late else "complete"])


def _scorecard(output: Path, at: datetime | None, environment: EnvironmentName, as_json: bool) -> None:
    """Draw a drill's page from its evidence: one HTML file that needs nothing else, fit for printing."""
    env = load_environment(environment)
    evidence, drill = drill_until(env.objects, at or utc_now())
    page = scorecard_of(env.objects, drill, evidence, NOT_SHOWN)
    try:
        output.write_text(page, encoding="utf-8")
    except OSError as error:
        raise Refused(str(output), f"it cannot be written ({error.strerror})", "name another file") from None
    if as_json:
        click.echo(json.dumps({"state": "complete", "evidence": evidence, "output": str(output)}))
    else:
        click.echo(f"complete: {output} shows the drill of {drill.started_at:{_TIME}} UTC, {evidence}")


def _verified(env: Environment, point: RecoveryPoint) -> dict[str, str | int]:
    with tempfile.TemporaryDirectory(prefix="riskhub-") as folder:
        checked = check_point(env, point, Path(folder) / "database.dump")
    return {
        "tables": len(checked.dump.tables),
        "rows": sum(table.rows for table in checked.dump.tables.values()),
        "users": len(checked.dump.users),
        "auth_states": len(checked.dump.auth_states),
        "crypt_key": checked.key.fingerprint,
        "homes": checked.homes.id,
        "files": checked.homes.files,
    }


def _facts(point: RecoveryPoint) -> dict[str, Any]:
    return {
        "point": point.id,
        "created_at": point.created_at.isoformat(),
        "members": [asdict(member) for member in point.members],
    }


_OF_A_POINT = ["20260301T013000Z", "20260301T013000Z --environment prod --json"]

status = plain_command(
    "recovery status",
    _status,
    ["", "--environment prod --json"],
    click.Option(["--metrics"], is_flag=True, help="OpenMetrics text, as Prometheus and its agents read it."),
)
list_command = plain_command("recovery list", _list, ["", "--environment prod --json"])
show = plain_command("recovery show", _show, _OF_A_POINT, click.Argument(["point"]))
verify = plain_command("recovery verify", _verify, _OF_A_POINT, click.Argument(["point"]))
scorecard = plain_command(
    "recovery scorecard",
    _scorecard,
    ["--output drill.html", "--output drill.html --environment prod --json"],
    click.Option(
        ["--output"], type=click.Path(path_type=Path, dir_okay=False), required=True, help="The file to write."
    ),
    click.Option(["--at"], type=Moment(), help="The last drill that had ended then; without it the newest."),
)
