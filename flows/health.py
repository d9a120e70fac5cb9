"""Health: look at every part, and name what is broken by its root cause."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from datetime import datetime

from domain.clock import utc_now
from domain.health import Finding
from domain.record import Record
from environments import Environment, EnvironmentName, load_environment
from flows.chapter import chapter
from plans.diagnosis import causes, diagnose
from plans.health import in_order, judge
from systems.probes import Probe
from tasks.alerts import alert
from tasks.cluster import look_at_cluster, watched_servers
from tasks.health import look_with, probes_of, quick_probes_of
from tasks.records import record


@chapter(name="daily-health-check")
def daily_health_check(environment: EnvironmentName = "local") -> Record:
    """Look at every part of the platform the way its users do, and tell what is broken and what to do.

    Run it when: each morning by schedule, before people come; after every deployment, restore or incident.
    It never changes anything that lasts: the synthetic user, its server and the test object are removed again.
    If it fails: begin with the first cause; it names its next step and its page. What only follows from it says so.
    A part that is not configured is not healthy: nobody looked at it.
    """
    env = load_environment(environment)
    return _check("daily-health-check", env, probes_of(env))


@chapter(name="health-pulse")
def health_pulse(environment: EnvironmentName = "local") -> Record:
    """Look in a moment at all that breaks from one minute to the next, and name its root cause.

    Run it when: every five minutes by schedule; first of all when something seems broken.
    It starts no server and leaves nothing behind; what takes longer is in the daily check: a user's whole session,
    the age of backups, drills and reports.
    If it fails: begin with the first cause; it names its next step and its page. What only follows from it says so.
    """
    env = load_environment(environment)
    return _check("health-pulse", env, quick_probes_of(env))


def look(env: Environment, probes: Sequence[Probe], *, cluster: bool = True) -> tuple[Finding, ...]:
    """What the probes find, and where `cluster` the cluster itself, causes first."""
    with watched_servers(env) if cluster else nullcontext(tuple) as seen:
        looked = look_with(probes)
    areas, snapshot = look_at_cluster(env, seen()) if cluster else ((), None)
    return diagnose([*looked, *areas], snapshot, synthetic_user=env.health.synthetic_user)


def found(flow: str, env: Environment, started: datetime, findings: Sequence[Finding], summary: str) -> Record:
    """The record of a look: its state, its causes, and how long each probe took."""
    return record(
        flow=flow,
        environment=env,
        started_at=started,
        executed=True,
        findings=findings,
        causes=causes(findings),
        state=judge(findings).state,
        measures={f"{finding.probe}_seconds": round(finding.seconds, 3) for finding in findings},
        summary=summary,
    )


def _check(flow: str, env: Environment, probes: Sequence[Probe]) -> Record:
    started = utc_now()
    findings = look(env, probes)
    findings = in_order([*findings, alert(env, findings, causes(findings))])
    return found(flow, env, started, findings, judge(findings).summary)
