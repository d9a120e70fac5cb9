"""Users' sessions: stop what nobody uses."""

from __future__ import annotations

from domain.clock import utc_now
from domain.plan import Outcome
from domain.record import Record
from domain.sessions import Stop
from environments import EnvironmentName, load_environment
from environments.settings import CullPolicy
from flows.chapter import chapter
from plans.culling import idle_since, plan_culls
from tasks.hub import list_servers, stop_servers
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
    limits = policy or env.culling
    plan = plan_culls(list_servers(env.hub), limits, now=started)
    publish_plan(plan, environment=env)
    stops = [Stop(action.on, idle_since(action.on, limits, now=started)) for action in plan.actions]
    outcomes = stop_servers(env.hub, stops) if execute else []
    return record(
        flow="cull-idle-servers",
        environment=env,
        started_at=started,
        plan=plan,
        executed=execute,
        outcomes=outcomes,
        measures={"servers": len(plan.actions) + len(plan.left_alone), "due": len(plan.actions)},
        summary=_summary(len(plan.actions), len(plan.left_alone), outcomes, executed=execute),
    )


def _summary(due: int, left: int, outcomes: list[Outcome], *, executed: bool) -> str:
    if not executed:
        return f"{due} servers would be stopped, {left} left alone"
    count = {state: sum(outcome.state == state for outcome in outcomes) for state in ("done", "skipped", "failed")}
    return f"{count['done']} servers stopped, {count['skipped']} woke up, {count['failed']} failed, {left} left alone"
