"""Retention: recovery points that no rule keeps are removed, and the keys that the others need are named."""

from __future__ import annotations

from domain.clock import utc_now
from domain.plan import Outcome
from domain.record import Record
from environments import EnvironmentName, load_environment
from environments.settings import RetentionPolicy
from flows.chapter import chapter
from plans.retention import damaged_points, needed_keys, plan_retention, staying, told
from tasks.records import publish_plan, record
from tasks.retention import observe_points, remove_points


@chapter(name="recovery-retention")
def apply_recovery_retention(
    environment: EnvironmentName = "local", policy: RetentionPolicy | None = None, execute: bool = False
) -> Record:
    """Remove the recovery points that no rule keeps, and name the crypt keys that the others still need.

    Run it when: weekly by schedule; before a crypt key is given up, to see which points need it.
    It never removes the newest point, one that is locked or cannot be read, nor more than the policy's share of all:
    such a plan is refused whole. Each point is looked at again right before it goes. Snapshots and the mirror stay:
    they have retentions of their own.
    If it is Partial: a point that cannot be read is left alone, and nobody knows which key it needs; or the outcomes
    name each point that is still there and why.
    """
    env, started = load_environment(environment), utc_now()
    points, locks = observe_points(env.objects)
    plan = plan_retention(points, locks, policy or env.retention, now=started)
    publish_plan(plan, environment=env)
    outcomes = remove_points(env.objects, plan) if execute else []
    stay = staying(points, plan, outcomes, executed=execute)
    needed = needed_keys(stay)
    return record(
        flow="recovery-retention",
        environment=env,
        started_at=started,
        plan=plan,
        executed=execute,
        outcomes=outcomes,
        findings=[*damaged_points(points), *told(needed)],
        measures={"points": len(points), "stay": len(stay), "crypt_keys": len(needed.points)},
        summary=_summary(outcomes, len(points) - len(stay), len(stay), executed=execute),
    )


def _summary(outcomes: list[Outcome], gone: int, stay: int, *, executed: bool) -> str:
    if not executed:
        return f"{gone} recovery points would be removed, {stay} stay"
    unlike = len(outcomes) - gone
    return f"{gone} recovery points removed, {stay} stay" + (f", {unlike} of them against the plan" if unlike else "")
