"""`riskhub alerts`: what people are told of, and the switch that tells when nobody looks. Neither needs Prefect."""

from __future__ import annotations

import json
from datetime import datetime

import click

from cli.answer import print_table
from cli.flow_command import plain_command
from domain.alerts import HEARTBEAT, ActiveAlert
from domain.clock import utc_now
from domain.errors import RiskhubError
from environments import Environment, EnvironmentName, load_environment
from plans.alerts import plan_watch
from systems.alertmanager import active_alerts, post_alerts
from systems.evidence import last_look

_PULSE = "health-pulse"


def _list(environment: EnvironmentName, as_json: bool) -> None:
    """What fires in the environment, the most urgent first. `muted`: a silence, or another alert, keeps it from people.

    Alertmanager's own page has the same, and makes silences: amtool silence add environment=prod --alertmanager.url=...
    """
    env = load_environment(environment)
    found = [each for each in active_alerts(env.alerts, env.name) if each.labels["alertname"] != HEARTBEAT]
    rows = [_row(each) for each in sorted(found, key=lambda each: (each.labels["severity"], each.starts_at))]
    if as_json:
        click.echo(json.dumps({"state": "complete", "alerts": rows}))
        return
    click.echo(f"{len(rows)} alerts fire in {env.name}")
    for row in rows:
        click.echo()
        print_table(("FACT", "VALUE"), ((name, str(value)) for name, value in row.items() if value))


def _row(alert: ActiveAlert) -> dict[str, str | bool]:
    labels, told = alert.labels, alert.annotations
    return {
        "alert": labels["alertname"],
        "severity": labels["severity"],
        "since": alert.starts_at.isoformat(timespec="seconds"),
        "muted": alert.muted,
        "about": " ".join(labels[name] for name in ("flow", "deployment") if name in labels) or labels["probe"],
        "seen": told.get("summary", ""),
        "explains": told.get("explains", ""),
        "next_step": told.get("next_step", ""),
        "page": told.get("page", ""),
    }


def _watch(environment: EnvironmentName, as_json: bool) -> None:
    """Alert when no health pulse left its mark for three intervals; end that alert when one did.

    Run it every five minutes by something that is not Prefect (k8s/operations/pulse-watch.yaml): when Prefect is dead,
    nothing else says so. As long as pulses come it keeps the alert `heartbeat` firing, for a receiver outside that
    tells when even that stops. Exit 1: nobody could be alerted.
    """
    env, now = load_environment(environment), utc_now()
    last, cause = _last_pulse(env, now)
    plan = plan_watch(last, cause, env.name, patience=env.alerts.patience, now=now)
    post_alerts(env.alerts, plan.all)
    (told,) = plan.firing
    if as_json:
        seen = last.isoformat() if last else None
        click.echo(json.dumps({"state": "complete", "last_pulse": seen, "fires": told.labels["alertname"]}))
        return
    click.echo(f"{told.labels['alertname']}: {told.annotations['summary']}")


def _last_pulse(env: Environment, now: datetime) -> tuple[datetime | None, str]:
    """When a pulse was last seen within the patience, or why nobody can tell."""
    try:
        return last_look(env.objects, _PULSE, since=now - env.alerts.patience), ""
    except RiskhubError as error:
        return None, f"nobody can tell whether anybody looks: {error.thing}: {error.cause}"


list_command = plain_command("alerts list", _list, ["", "--environment prod --json"])
watch = plain_command("alerts watch", _watch, ["", "--environment prod --json"])
