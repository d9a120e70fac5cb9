"""Users' sessions: stop what nobody uses, and put right what the Hub, its servers and its routes disagree on."""

from __future__ import annotations

from contextlib import nullcontext

from domain.clock import utc_now
from domain.health import Finding
from domain.plan import Outcome
from domain.record import Record
from environments import EnvironmentName, load_environment
from environments.culling import CullPolicy
from environments.reconciling import ReconcilePolicy
from flows.chapter import chapter
from plans.culling import cull_summary, plan_culls, stops_of, warned_by, warnings_of
from plans.reconciliation import agreement, is_astray, plan_reconciliation, reconciliation_summary
from tasks.hub import (
    confirm_mends,
    confirm_stops,
    find_warnings,
    list_servers,
    mend,
    only_cull,
    only_reconciliation,
    read_clock,
    read_standing,
    read_standing_again,
    require_scope,
    require_whole_sight,
    stop_servers,
    warn,
)
from tasks.records import publish_plan, record


@chapter(name="cull-idle-servers")
def cull_idle_servers(
    environment: EnvironmentName = "local", policy: CullPolicy | None = None, execute: bool = False
) -> Record:
    """Stop notebook servers that nobody uses.

    Run it when: every 15 minutes by schedule; by hand when the cluster is out of room.
    It never stops a server that was active since the plan: activity is read again right before each stop. Nor one
    that is pending or exempt, nor more than the policy's share of all servers: such a plan is refused whole.
    Where the policy warns, its user's JupyterLab tells of the stop so long before; who works on is left alone.
    If it fails: the outcomes name each server that still runs and why; run it again once the Hub answers. Refused
    over the share: check the clocks and the proxy (its restart counts as everybody's activity) before a larger share.
    """
    env, started = load_environment(environment), utc_now()
    policy, outcomes = policy or env.culling, list[Outcome]()
    with only_cull(env.hub, env.database) if execute else nullcontext():
        if execute:
            require_scope(env.hub, "delete:servers")
        now = read_clock(env.hub)
        warned, findings = find_warnings(env.hub) if policy.warn else ((), list[Finding]())
        plan = plan_culls(list_servers(env.hub), policy, now=now, warned=warned)
        publish_plan(plan, environment=env)
        if execute:
            told = warn(env.hub, warned, warnings_of(plan), warned_by(plan))
            answered = stop_servers(env.hub, stops_of(plan))
            confirmed, finding = confirm_stops(env.hub, answered, since=now, cluster=env.cluster)
            outcomes, findings = [*told, *confirmed], [*findings, finding]
    return record(
        flow="cull-idle-servers",
        environment=env,
        started_at=started,
        plan=plan,
        executed=execute,
        outcomes=outcomes,
        findings=findings,
        measures={
            "servers": len(plan.actions) + len(plan.left_alone),
            "due": len(stops_of(plan)),
            "warned": len(warned_by(plan)),
        },
        summary=cull_summary(plan, outcomes, executed=execute),
    )


@chapter(name="reconcile-sessions")
def reconcile_sessions(
    environment: EnvironmentName = "local", policy: ReconcilePolicy | None = None, execute: bool = False
) -> Record:
    """Hold the Hub's servers, what really runs, and the proxy's routes against each other, and mend what is astray.

    Run it when: every hour by schedule; by hand after a restore of the Hub's database, or when a user's server can
    neither be reached nor started again.
    What is out of order must be found so twice, the policy's grace apart, and is looked at again right before each
    act. Pending servers below the limit are left alone, and so are pods and processes that bear no address of this Hub.
    It never takes away more than the policy's share: such a plan is refused whole.
    If it fails: the outcomes name each thing and the next step. A flow run may delete no pod: run it by hand, with
    on-call's own kubeconfig. What the Hub is stuck with, only its restart mends.
    """
    env, started = load_environment(environment), utc_now()
    policy, outcomes = policy or env.reconciling, list[Outcome]()
    with only_reconciliation(env.hub, env.database) if execute else nullcontext():
        require_whole_sight(env.hub)
        if execute:
            require_scope(env.hub, "delete:servers")
        now = before = read_standing(env.hub, env.cluster)
        if is_astray(before, policy):
            now = read_standing_again(env.hub, env.cluster, after=policy.grace)
        plan = plan_reconciliation(before, now, policy)
        publish_plan(plan, environment=env)
        if execute:
            mended = mend(env.hub, plan.actions, env.cluster)
            outcomes = confirm_mends(env.hub, plan.actions, mended, env.cluster)
    return record(
        flow="reconcile-sessions",
        environment=env,
        started_at=started,
        plan=plan,
        executed=execute,
        outcomes=outcomes,
        findings=[agreement(now, plan)],
        measures={"servers": len(now.servers), "routes": len(now.routes), "astray": len(plan.actions)},
        summary=reconciliation_summary(plan, outcomes, executed=execute),
    )
