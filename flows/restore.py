"""Restores: bring back what was lost or altered, exactly, and prove it: homes, and the cluster's configuration."""

from __future__ import annotations

from domain.clock import UtcDatetime, utc_now
from domain.plan import Outcome
from domain.record import Record
from environments import EnvironmentName, load_environment
from flows.chapter import chapter
from plans.configuration import plan_configuration_restore
from tasks.configuration import choose_point, compare_configuration, restore_objects
from tasks.records import publish_plan, record
from tasks.restore import apply_home_restore, compare_home, require_server_stopped


@chapter(name="restore-user-home")
def restore_user_home(
    user: str,
    environment: EnvironmentName = "local",
    at: UtcDatetime | None = None,
    path: str | None = None,
    execute: bool = False,
) -> Record:
    """Bring a user's home, or one path of it, back to how it was at a time (the newest point if none is given).

    Run it when: a user lost or damaged files, or a home is suspected to be damaged.
    It never throws anything away: what it replaces is kept beside the homes, and the result says where. What is good
    is not touched, what is newer than the point is left alone, and no link is followed. It is refused while the
    user's server runs: an open notebook would write over what was restored.
    If it fails: the home is as it was before; correct what the message names and run it again.

    Args:
        user: whose home, by the name the Hub lists.
        at: the last point not after this time, e.g. 2026-03-01T09:00:00Z; the newest point if none is given.
        path: only this file or folder, relative to the home, e.g. models/var.ipynb.
    """
    env, started = load_environment(environment), utc_now()
    plan = compare_home(env, user, at=at, path=path)
    publish_plan(plan, environment=env)
    outcomes: list[Outcome] = []
    links: dict[str, str] = {}
    if execute and plan.actions:
        require_server_stopped(env, user)
        outcomes, links = apply_home_restore(env, user, plan, path=path)
    return record(
        flow="restore-user-home",
        environment=env,
        started_at=started,
        plan=plan,
        executed=execute,
        outcomes=outcomes,
        links=links,
        measures={"entries_to_restore": len(plan.actions), "entries_left_alone": len(plan.left_alone)},
        summary=_summary(user, len(plan.actions), outcomes, executed=execute),
    )


def _summary(user: str, due: int, outcomes: list[Outcome], *, executed: bool) -> str:
    if due == 0:
        return f"home of {user}: nothing differs from the point"
    if not executed:
        return f"home of {user}: {due} entries would be restored"
    failed = sum(outcome.state == "failed" for outcome in outcomes)
    return f"home of {user}: {due - failed} entries restored and verified" + (f", {failed} not" if failed else "")


@chapter(name="restore-configuration")
def restore_configuration(
    environment: EnvironmentName = "local", point: str | None = None, execute: bool = False
) -> Record:
    """Bring the cluster's ConfigMaps and Secrets back to how they were in a recovery point.

    Run it when: a Secret or ConfigMap was deleted or altered; first of all when a cluster is built anew.
    It never makes up a value, shows none (values are compared by fingerprint), and leaves alone what is newer than the
    point. Without the key that sealed the point, or when anything in it was altered, it is refused.
    If it fails: the outcome names the object; what it put back stays. Pods read a restored Secret when they start:
    restart what uses it, kubectl -n jupyterhub rollout restart deployment/hub deployment/proxy.

    Args:
        point: the recovery point's id, e.g. 20260301T013000Z; the newest if none is given.
    """
    env, started = load_environment(environment), utc_now()
    chosen = choose_point(env, point)
    differences, asked_for = compare_configuration(env, chosen)
    plan = plan_configuration_restore(differences, asked_for, point=chosen, environment=env.name)
    publish_plan(plan, environment=env)
    outcomes = restore_objects(env, chosen, plan) if execute and plan.actions else []
    return record(
        flow="restore-configuration",
        environment=env,
        started_at=started,
        plan=plan,
        executed=execute,
        outcomes=outcomes,
        measures={"objects_to_restore": len(plan.actions), "objects_left_alone": len(plan.left_alone)},
        summary=_configuration_summary(chosen, len(plan.actions), outcomes, executed=execute),
    )


def _configuration_summary(point: str, due: int, outcomes: list[Outcome], *, executed: bool) -> str:
    if due == 0:
        return f"configuration: nothing differs from point {point}"
    if not executed:
        return f"configuration: {due} objects would be restored from point {point}"
    failed = sum(outcome.state == "failed" for outcome in outcomes)
    return f"configuration: {due - failed} objects restored from point {point} and read back" + (
        f", {failed} not" if failed else "; restart what reads them"
    )
