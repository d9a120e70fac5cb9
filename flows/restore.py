"""Restores: bring back what was lost or altered, exactly, and prove it: homes, configuration, the Hub's database."""

from __future__ import annotations

from datetime import timedelta

from domain.clock import UtcDatetime, utc_now
from domain.plan import Outcome
from domain.record import Record
from environments import EnvironmentName, load_environment
from flows.chapter import chapter
from plans.configuration import plan_configuration_restore
from plans.database import Names, plan_database_restore
from plans.snapshot_restore import plan_snapshot_restore
from tasks.configuration import choose_point, compare_configuration, restore_objects
from tasks.confirmation import require_confirmed
from tasks.database import observe_database, replace_database, require_hub_stopped
from tasks.records import publish_plan, record
from tasks.restore import apply_home_restore, compare_home, require_server_stopped
from tasks.snapshot_restore import choose_snapshot, restore_aside, swap_in_home


@chapter(name="restore-user-home")
def restore_user_home(
    user: str,
    environment: EnvironmentName = "local",
    *,
    at: UtcDatetime | None = None,
    path: str | None = None,
    confirm: str = "",
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
        confirm: the environment and its cluster, typed, e.g. prod/riskhub-prod; without a cluster its name alone. A run
            that was started in Prefect without it waits for somebody to approve it.
    """
    env, started = load_environment(environment), utc_now()
    plan = compare_home(env, user, at=at, path=path)
    publish_plan(plan, environment=env)
    outcomes: list[Outcome] = []
    links: dict[str, str] = {}
    approval: dict[str, str] = {}
    if execute and plan.actions:
        approval = require_confirmed(env, confirm)
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
        measures={
            "entries_to_restore": len(plan.actions),
            "entries_left_alone": plan.kept + len(plan.left_alone),
            **approval,
        },
        summary=_summary(user, len(plan.actions), outcomes, executed=execute),
    )


def _summary(user: str, due: int, outcomes: list[Outcome], *, executed: bool) -> str:
    if due == 0:
        return f"home of {user}: nothing differs from the point"
    if not executed:
        return f"home of {user}: {due} entries would be restored"
    failed = sum(outcome.state == "failed" for outcome in outcomes)
    return f"home of {user}: {due - failed} entries restored and verified" + (f", {failed} not" if failed else "")


@chapter(name="restore-home-from-snapshot", timeout=timedelta(hours=7))  # six of them for AWS's own job
def restore_home_from_snapshot(
    user: str,
    environment: EnvironmentName = "local",
    snapshot: str | None = None,
    confirm: str = "",
    execute: bool = False,
) -> Record:
    """Bring a user's whole home back from an EFS snapshot that AWS Backup keeps.

    Run it when: the bucket is gone or damaged, so that riskhub restore home cannot; else that one is quicker, knows
    every 15 minutes, and leaves alone what is good.
    It never throws anything away: AWS restores into a folder aside, which is then swapped in whole by rename. What was
    there, with all that is newer than the snapshot, is kept beside the homes, and the result says where. It is refused
    while the user's server runs. Run it where the root of the file system is mounted, as root.
    If it fails: the home is as it was before, and the message says what AWS left where.

    Args:
        user: whose home, by the name the Hub lists.
        snapshot: ARN of the recovery point in the environment's vault; the newest whole one if none is given.
        confirm: the environment and its cluster, typed, e.g. prod/riskhub-prod; without a cluster its name alone.
    """
    env, started = load_environment(environment), utc_now()
    chosen, home, exists = choose_snapshot(env, user, snapshot)
    plan = plan_snapshot_restore(chosen, home, exists=exists, now=started)
    publish_plan(plan, environment=env)
    outcomes: list[Outcome] = []
    links, measures = {"snapshot": chosen.recovery_point_arn}, {}
    if execute:
        require_confirmed(env, confirm)
        require_server_stopped(env, user)
        folder, aside = restore_aside(env, chosen, home)
        swapped, in_place = swap_in_home(env, user, home, folder)
        outcomes = [aside, in_place]
        measures = {"entries": swapped.entries, "bytes": swapped.bytes}
        links |= {"what was replaced": str(swapped.kept)} if swapped.kept else {}
    done = "is as in" if execute else "would be restored from"
    return record(
        flow="restore-home-from-snapshot",
        environment=env,
        started_at=started,
        plan=plan,
        executed=execute,
        outcomes=outcomes,
        measures=measures,
        links=links,
        summary=f"home of {user} {done} the snapshot of {chosen.created_at:%Y-%m-%d %H:%M} UTC",
    )


@chapter(name="restore-configuration")
def restore_configuration(
    environment: EnvironmentName = "local", point: str | None = None, confirm: str = "", execute: bool = False
) -> Record:
    """Bring the cluster's ConfigMaps and Secrets back to how they were in a recovery point.

    Run it when: a Secret or ConfigMap was deleted or altered; first of all when a cluster is built anew.
    It never makes up a value, shows none (values are compared by fingerprint), and leaves alone what is newer than the
    point. Without the key that sealed the point, or when anything in it was altered, it is refused.
    If it fails: the outcome names the object; what it put back stays. Pods read a restored Secret when they start:
    restart what uses it, kubectl -n jupyterhub rollout restart deployment/hub deployment/proxy.

    Args:
        point: the recovery point's id, e.g. 20260301T013000Z; the newest if none is given.
        confirm: the environment and its cluster, typed, e.g. prod/riskhub-prod; without a cluster its name alone.
    """
    env, started = load_environment(environment), utc_now()
    chosen = choose_point(env, point)
    differences, asked_for = compare_configuration(env, chosen)
    plan = plan_configuration_restore(differences, asked_for, point=chosen, environment=env.name)
    publish_plan(plan, environment=env)
    outcomes: list[Outcome] = []
    if execute and plan.actions:
        require_confirmed(env, confirm)
        outcomes = restore_objects(env, chosen, plan)
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


@chapter(name="restore-hub-database")
def restore_hub_database(
    environment: EnvironmentName = "local", point: str | None = None, confirm: str = "", execute: bool = False
) -> Record:
    """Bring the Hub's database back to how it was in a recovery point: users, groups, tokens, auth_state.

    Run it when: the database is lost or damaged, or a migration went wrong. The Hub has to be stopped first.
    It fills a database beside the one that is there, compares every row, then swaps them by name, all or nothing; what
    was there is kept, and the result names it. It is refused while anybody is connected, and when the Hub's crypt
    key does not open the point's auth_state.
    If it fails: the database that was there is still in place; correct what the message names and run it again.
    Start the Hub again when it is done.

    Args:
        point: the recovery point's id, e.g. 20260301T013000Z; the newest if none is given.
        confirm: the environment and its cluster, typed, e.g. prod/riskhub-prod; without a cluster its name alone. A run
            that was started in Prefect without it waits for somebody to approve it.
    """
    env, started = load_environment(environment), utc_now()
    chosen, names = observe_database(env, point, started)
    plan = plan_database_restore(chosen, names, now=started)
    publish_plan(plan, environment=env)
    outcomes: list[Outcome] = []
    approval: dict[str, str] = {}
    if execute:
        approval = require_confirmed(env, confirm)
        require_hub_stopped(env)
        outcomes = replace_database(env, chosen, names, plan)
    done = len(outcomes) == len(plan.actions) and outcomes[-1].state == "done"
    return record(
        flow="restore-hub-database",
        environment=env,
        started_at=started,
        plan=plan,
        executed=execute,
        outcomes=outcomes,
        measures={"point": chosen.id, **approval},
        summary=_database_summary(names, chosen.id, executed=execute, done=done),
        state=None if done or not execute else "failed",
    )


def _database_summary(names: Names, point: str, *, executed: bool, done: bool) -> str:
    if not executed:
        return f"database {names.name} would be restored from point {point}"
    if not done:
        return f"database {names.name} was not replaced"
    kept = f"; what was there is kept as {names.kept}" if names.kept else ""
    return f"database {names.name} is as in point {point}{kept}; start the Hub"
