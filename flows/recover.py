"""The whole brought back: all homes, what users share, and an environment of which only bucket and keys are left."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from prefect import State

from domain.clock import UtcDatetime, utc_now
from domain.plan import Action, Outcome, Plan
from domain.record import Record
from environments import Environment, EnvironmentName, load_environment
from flows.chapter import chapter, record_of
from flows.deploy import deploy_hub
from flows.restore import restore_configuration, restore_hub_database
from plans.environment import Step, plan_environment_recovery
from tasks.confirmation import require_confirmed
from tasks.environment import Observed, observe_point, stop_the_hub
from tasks.folders import (
    Restored,
    apply_homes_restore,
    apply_shared_restore,
    compare_homes,
    compare_shared,
    require_no_server,
)
from tasks.records import publish_plan, record

_WHOLE = timedelta(hours=12)


@chapter(name="restore-homes", timeout=_WHOLE)
def restore_homes(
    environment: EnvironmentName = "local", at: UtcDatetime | None = None, confirm: str = "", execute: bool = False
) -> Record:
    """Bring every home back to how it was at a time (the newest point if none is given).

    Run it when: the file system is lost, new or damaged as a whole. For one user riskhub restore home is quicker.
    It compares by content and brings back what differs; what it replaces is kept beside the homes, what is newer than
    the point is left alone. It is refused while anybody's server runs.
    If it fails: a home that is not done is named with its cause; run it again, it goes on with what still differs.

    Args:
        at: the last point not after this time, e.g. 2026-03-01T09:00:00Z; the newest point if none is given.
        confirm: the environment and its cluster, typed, e.g. prod/riskhub-prod; without a cluster its name alone. A run
            that was started in Prefect without it waits for somebody to approve it.
    """
    env, started = load_environment(environment), utc_now()
    compared, plan = compare_homes(env, at)
    publish_plan(plan, environment=env)
    restored = Restored([], {}, {})
    approval: dict[str, str] = {}
    if execute and plan.actions:
        approval = require_confirmed(env, confirm)
        require_no_server(env)
        restored = apply_homes_restore(compared, plan)
    entries = len(compared.found.actions)
    return record(
        flow="restore-homes",
        environment=env,
        started_at=started,
        plan=plan,
        executed=execute,
        outcomes=restored.outcomes,
        links=restored.links,
        measures={
            "point": compared.found.point.id,
            "entries_to_restore": entries,
            **restored.figures,
            **approval,
        },
        summary=_folders_summary("homes", plan, entries, restored.outcomes, executed=execute),
    )


@chapter(name="restore-shared", timeout=_WHOLE)
def restore_shared(
    environment: EnvironmentName = "local",
    at: UtcDatetime | None = None,
    path: str | None = None,
    confirm: str = "",
    execute: bool = False,
) -> Record:
    """Bring the shared folders, or a path in them, back to how they were at a time (the newest point if none is given).

    Run it when: libraries or data that all use are lost or damaged. Points are made at night: without --path, what
    was changed in the day since then goes back too, so name the path where only that is damaged.
    It compares by content and brings back what differs; what it replaces is kept beside the folders, what is newer than
    the point is left alone. No server has to be stopped. Most only read these folders: each file is swapped whole by
    rename, so they see the old one or the restored one; a module once imported stays the old one until its kernel is
    restarted. Code of a data scientist may write there meanwhile (no open notebook does: JupyterLab sees the home
    alone): what it wrote before the swap is kept with what was replaced, what it wrote since is told as not done.
    If it fails: what is not done is named with its cause; run it again, it goes on with what still differs.

    Args:
        at: the last points not after this time, e.g. 2026-03-01T09:00:00Z; the newest points if none is given.
        path: only this folder or file, as below /shared, e.g. data/prices.csv.
        confirm: the environment and its cluster, typed, e.g. prod/riskhub-prod; without a cluster its name alone. A run
            that was started in Prefect without it waits for somebody to approve it.
    """
    env, started = load_environment(environment), utc_now()
    compared, plan = compare_shared(env, at, path)
    publish_plan(plan, environment=env)
    restored = Restored([], {}, {})
    approval: dict[str, str] = {}
    if execute and plan.actions:
        approval = require_confirmed(env, confirm)
        restored = apply_shared_restore(compared, plan)
    entries = sum(len(each.found.actions) for each in compared)
    return record(
        flow="restore-shared",
        environment=env,
        started_at=started,
        plan=plan,
        executed=execute,
        outcomes=restored.outcomes,
        links=restored.links,
        measures={
            **{f"point of {each.folder.name}": each.found.point.id for each in compared},
            "entries_to_restore": entries,
            **restored.figures,
            **approval,
        },
        summary=_folders_summary("shared files and folders", plan, entries, restored.outcomes, executed=execute),
    )


def _folders_summary(what: str, plan: Plan[str], entries: int, outcomes: list[Outcome], *, executed: bool) -> str:
    if not plan.actions:
        return f"{what}: nothing differs from the point"
    if not executed:
        return f"{entries} entries of {len(plan.actions)} {what} would be restored"
    done = sum(outcome.state == "done" for outcome in outcomes)
    return f"{done} of {len(plan.actions)} {what} restored and verified, {entries} entries"


@chapter(name="recover-environment", timeout=_WHOLE)
def recover_environment(
    environment: EnvironmentName = "local",
    point: str | None = None,
    start_at: Step = "configuration",
    confirm: str = "",
    execute: bool = False,
) -> Record:
    """Bring a whole environment back from its bucket: configuration, database, homes, what is shared, then the Hub.

    Users are let in last.

    Run it when: the cluster, the database and the file system are lost, or any of them and you do not know which.
    Before: a cluster that answers, a Postgres server, the file system mounted, and the environment file naming them;
    the backup key is in CONFIGURATION_BACKUP_KEY. Each step is a chapter of its own, with its own record; what is good
    is left as it is, what is replaced is kept. It is refused while users' servers run.
    If it fails: the step is named with its cause; correct that, then run again with --start-at that step.
    Without a cluster the Hub is stopped before and started afterwards by hand.

    Args:
        point: the recovery point's id, e.g. 20260301T013000Z, with its own homes and what was shared then; the
            newest of each if none is given.
        start_at: the first step to do, where an earlier run did those before it.
        confirm: the environment and its cluster, typed, e.g. prod/riskhub-prod; without a cluster its name alone.
    """
    env, started, began = load_environment(environment), utc_now(), time.monotonic()
    observed = observe_point(env, point)
    plan = plan_environment_recovery(
        observed.chosen,
        observed.homes.created_at,
        observed.shared,
        name=env.name,
        on_cluster=env.cluster is not None,
        start_at=start_at,
        now=started,
    )
    publish_plan(plan, environment=env)
    outcomes: list[Outcome] = []
    if execute:
        require_confirmed(env, confirm)
        outcomes = _carried_out(env, observed, plan, confirm)
    done = len(outcomes) == len(plan.actions) and outcomes[-1].state == "done"
    return record(
        flow="recover-environment",
        environment=env,
        started_at=started,
        plan=plan,
        executed=execute,
        outcomes=outcomes,
        measures={
            "point": observed.chosen.id,
            "homes_point": observed.homes.id,
            "rto_seconds": round(time.monotonic() - began, 1) if done else None,
        },
        summary=_summary(env, observed.chosen.id, plan, outcomes, executed=execute),
        state=None if done or not execute else "failed",
    )


def _carried_out(env: Environment, observed: Observed, plan: Plan[Step], confirm: str) -> list[Outcome]:
    """Every step until one fails."""
    point, homes_at = observed.chosen.id, observed.homes.created_at
    shared_at = max((at for at in observed.shared.values() if at), default=None)  # each folder has one until then
    chapters: dict[Step, Callable[[], State[Record]]] = {
        "configuration": lambda: _run(restore_configuration, env, point=point, confirm=confirm),
        "database": lambda: _run(restore_hub_database, env, point=point, confirm=confirm),
        "homes": lambda: _run(restore_homes, env, at=homes_at, confirm=confirm),
        "shared": lambda: _run(restore_shared, env, at=shared_at, confirm=confirm),
        "deploy": lambda: _run(deploy_hub, env),
    }
    outcomes: list[Outcome] = []
    for action in plan.actions:
        outcomes.append(stop_the_hub(env) if action.on == "stop" else _outcome(action, chapters[action.on]))
        if outcomes[-1].state == "failed":
            break
    return outcomes


def _run(flow: Any, env: Environment, **arguments: Any) -> State[Record]:
    """A chapter as a child run, executed; the state of its end, whatever that was."""
    ended: State[Record] = flow(environment=env.name, **arguments, execute=True, return_state=True)
    return ended


def _outcome(action: Action[Step], run: Callable[[], State[Record]]) -> Outcome:
    began = time.monotonic()
    ended = run()
    left = record_of(ended)
    summary = left.summary if left else ended.message or f"the run ended as {ended.name}"
    good = left is not None and left.state == "complete"
    return Outcome(action.verb, action.target, "done" if good else "failed", summary, time.monotonic() - began)


def _summary(env: Environment, point: str, plan: Plan[Step], outcomes: list[Outcome], *, executed: bool) -> str:
    if not executed:
        return f"environment {env.name} would be recovered from point {point}"
    if outcomes[-1].state == "failed":
        step = [action.on for action in plan.actions][len(outcomes) - 1]
        return f"stopped at {step}: {outcomes[-1].detail}; correct it, then run again with --start-at {step}"
    if env.cluster is None:
        back = ", ".join(action.target for action in plan.actions)
        return f"{back} of {env.name} are back from point {point}: start the Hub, then riskhub health check"
    return f"environment {env.name} is back from point {point}, proven by a real server"
