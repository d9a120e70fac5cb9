"""Users' sessions: stop what nobody uses."""

from __future__ import annotations

from contextlib import nullcontext

from domain.clock import utc_now
from domain.health import Finding
from domain.plan import Outcome
from domain.record import Record
from environments import EnvironmentName, load_environment
from environments.culling import CullPolicy
from flows.chapter import chapter
from plans.culling import cull_summary, plan_culls
from tasks.hub import confirm_stops, list_servers, only_cull, read_clock, require_scope, stop_servers
from tasks.records import publish_plan, record


@chapter(name="cull-idle-servers")
def cull_idle_servers(
    environment: EnvironmentName = "local", policy: CullPolicy | None = None, execute: bool = False
) -> Record:
    """Stop notebook servers that nobody uses.

    Run it when: every 15 minutes by schedule; by hand when the cluster is out of room.
    It never stops a server that was active since the plan: activity is read again right before each stop. Nor one
    that is pending or exempt, nor more than the policy's share of all servers: such a plan is refused whole.
    If it fails: the outcomes name each server that still runs and why; run it again once the Hub answers. Refused
    over the share: check the clocks and the proxy (its restart counts as everybody's activity) before a larger share.
    """
    env, started = load_environment(environment), utc_now()
    outcomes: list[Outcome] = []
    findings: list[Finding] = []
    with only_cull(env.hub, env.database) if execute else nullcontext():
        if execute:
            require_scope(env.hub, "delete:servers")
        now = read_clock(env.hub)
        plan = plan_culls(list_servers(env.hub), policy or env.culling, now=now)
        publish_plan(plan, environment=env)
        if execute:
            answered = stop_servers(env.hub, [action.on for action in plan.actions])
            outcomes, finding = confirm_stops(env.hub, answered, since=now, cluster=env.cluster)
            findings.append(finding)
    return record(
        flow="cull-idle-servers",
        environment=env,
        started_at=started,
        plan=plan,
        executed=execute,
        outcomes=outcomes,
        findings=findings,
        measures={"servers": len(plan.actions) + len(plan.left_alone), "due": len(plan.actions)},
        summary=cull_summary(plan, outcomes, executed=execute),
    )
