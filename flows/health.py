"""Health: look at every part, and say what is broken."""

from __future__ import annotations

from domain.clock import utc_now
from domain.record import Record
from environments import EnvironmentName, load_environment
from flows.chapter import chapter
from plans.cluster import diagnose
from plans.health import judge
from tasks.cluster import look_at_cluster, watched_servers
from tasks.health import carry_out, probes_of
from tasks.records import record


@chapter(name="daily-health-check")
def daily_health_check(environment: EnvironmentName = "local") -> Record:
    """Look at every part of the platform the way its users do, and tell what is broken and what to do.

    Run it when: each morning by schedule, before people come; after every deployment, restore or incident.
    It never changes anything that lasts: the synthetic user, its server and the test object are removed again.
    If it fails: each failed finding names the next step; begin with the first. What only follows from another says so.
    A part that is not configured is not healthy: nobody looked at it.
    """
    env, started = load_environment(environment), utc_now()
    with watched_servers(env) as seen:
        looked = [look.result() for look in [carry_out.submit(probe) for probe in probes_of(env)]]
    cluster, snapshot = look_at_cluster(env, seen())
    findings = diagnose([*looked, *cluster], snapshot, synthetic_user=env.health.synthetic_user)
    verdict = judge(findings)
    return record(
        flow="daily-health-check",
        environment=env,
        started_at=started,
        executed=True,
        findings=findings,
        state=verdict.state,
        measures={f"{finding.probe}_seconds": round(finding.seconds, 3) for finding in findings},
        summary=verdict.summary,
    )
