"""`riskhub sessions utilisation`: the week's table, without Prefect."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime

import click
from pydantic import TypeAdapter

from cli.answer import EXIT_CODES, print_table
from cli.flow_command import plain_command
from cli.options import Moment
from domain.clock import utc_now
from environments import EnvironmentName, load_environment
from plans.utilisation import (
    WEEK,
    Report,
    judge_utilisation,
    missing_findings,
    report_figures,
    report_tables,
    sample_figures,
    weekly_report,
)
from systems.metrics import as_openmetrics
from systems.utilisation import observe_week


def _utilisation(until: datetime | None, metrics: bool, environment: EnvironmentName, as_json: bool) -> None:
    """The week: who worked, what was asked for and used, how spawns went, homes and their growth, what is full when.

    Exit 3 when something is full within the environment's `warn_within` or could not be read. With --metrics it is
    told as OpenMetrics text, which names no user, and what is due is left to who alerts: exit 0.
    """
    if metrics and as_json:
        raise click.UsageError("--metrics and --json are two ways to tell it: give one")
    env, ends = load_environment(environment), until or utc_now()
    seen = observe_week(env, ends - WEEK, ends)
    report = weekly_report(seen, ends, synthetic_user=env.health.synthetic_user)
    if metrics:
        newest = [each for each in seen.samples if each.taken_at >= report.begins][-2:]
        of_now = sample_figures(newest[-1], newest[0] if len(newest) > 1 else None) if newest else []
        click.echo(as_openmetrics([*of_now, *report_figures(report)], env.name), nl=False)
        return
    findings = [*judge_utilisation(report, env.utilisation), *missing_findings(seen.missing)]
    bad = [finding for finding in findings if finding.state != "ok"]
    if as_json:
        told = TypeAdapter(Report).dump_python(report, mode="json")
        state = "partial" if bad else "complete"
        click.echo(json.dumps({"state": state, **told, "findings": [asdict(finding) for finding in findings]}))
    else:
        for table in report_tables(report):
            click.echo(f"{table.title}\n")
            print_table(table.head, table.rows)
            click.echo()
        rows = ((each.state, each.probe, each.seen, each.next_step or "-") for each in findings)
        print_table(("STATE", "WHAT", "SEEN", "NEXT"), rows)
    click.get_current_context().exit(EXIT_CODES["partial" if bad else "complete"])


utilisation = plain_command(
    "sessions utilisation",
    _utilisation,
    ["", "--until 2026-03-02T00:00:00Z", "--environment prod --json"],
    click.Option(["--until"], type=Moment(), help="The end of the week to tell; now by default."),
    click.Option(["--metrics"], is_flag=True, help="OpenMetrics text, as Prometheus and its agents read it."),
)
