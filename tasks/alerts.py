"""Alerts as a task: tried again while Alertmanager does not answer, and never at the cost of what was seen."""

from __future__ import annotations

import time
from collections.abc import Sequence

from prefect import task
from prefect.cache_policies import NO_CACHE

from domain.clock import utc_now
from domain.errors import RiskhubError
from domain.health import Cause, Finding
from environments import Environment
from plans.alerts import AlertPlan, plan_alerts, plan_silences, silences_of
from systems import alertmanager
from tasks.retries import while_unreachable


def alert(env: Environment, findings: Sequence[Finding], causes: Sequence[Cause]) -> Finding:
    """Tell Alertmanager of `causes`, and that what else fired of what `findings` looked at is over; how that went."""
    if env.alerts.url is None:
        return Finding("alerts", "not configured", f"environment {env.name} names no Alertmanager: nobody is alerted")
    began = time.monotonic()
    try:
        sent = send_alerts(env, findings, causes)
    except RiskhubError as error:
        seen, seconds = f"{error.thing}: {error.cause}", time.monotonic() - began
        return Finding("alerts", "failed", seen, error.next_step, seconds, kind=error.kind or "alertmanager-down")
    firing, ended = len(sent.firing) + len(sent.kept), len(sent.ended)
    return Finding("alerts", "ok", f"Alertmanager was told: {firing} fire, {ended} ended", "", time.monotonic() - began)


@task(name="send-alerts", cache_policy=NO_CACHE, **while_unreachable(1, 3))
def send_alerts(env: Environment, findings: Sequence[Finding], causes: Sequence[Cause]) -> AlertPlan:
    """Silences first, so that a window that begins now is silent from its first alert on."""
    now = utc_now()
    wanted, there = silences_of(env.alerts, env.name, now=now), alertmanager.our_silences(env.alerts, env.name)
    make, end = plan_silences(wanted, there, now=now)
    for silence in make:
        alertmanager.make_silence(env.alerts, silence)
    for silence in end:
        alertmanager.end_silence(env.alerts, silence)
    active = alertmanager.active_alerts(env.alerts, env.name)
    plan = plan_alerts(causes, findings, active, env.name, lasts=env.alerts.patience, now=now)
    alertmanager.post_alerts(env.alerts, plan.all)
    return plan
