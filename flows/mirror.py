"""The mirror: points in time to restore to, of the homes every fifteen minutes, of what users share every night."""

from __future__ import annotations

from datetime import timedelta

from domain.clock import utc_now
from domain.plan import Outcome
from domain.record import Record
from environments import EnvironmentName, load_environment
from flows.chapter import chapter
from plans.mirroring import plan_mirroring, plan_shard
from systems.mirror import batch_of
from tasks.mirror import (
    join_homes,
    measures_of,
    observe_mirror,
    observe_shared,
    outcomes_of,
    push_homes,
    push_in_child_runs,
    push_part,
    push_shared,
)
from tasks.records import publish_plan, record


@chapter(name="mirror-homes")
def mirror_homes(environment: EnvironmentName = "local", shards: int = 1, execute: bool = False) -> Record:
    """Bring the copy of every home in the bucket up to date, and make a point in time of it.

    Run it when: every 15 minutes by schedule; by hand before work on somebody's home.
    It never deletes a version: what users delete is hidden, and stays restorable. It is refused, with nothing changed,
    when the homes look lost (not mounted, another file system, more than half of the entries gone).
    If it is Partial: the outcomes name every entry that could not be kept and why; the rest is safe.

    Args:
        shards: into how many child runs the homes are divided; any number of workers push them side by side.
    """
    env, started = load_environment(environment), utc_now()
    batch, last = observe_mirror(env, shards)
    made = last.created_at if last else None
    plan = plan_mirroring([(f"homes {shard.words}", made) for shard in batch.shards], now=started)
    publish_plan(plan, environment=env)
    outcomes: list[Outcome] = []
    measures: dict[str, float | int | str | None] = {}
    if execute:
        if len(batch.shards) == 1:
            pushed = push_homes(env)
        else:
            push_in_child_runs(env, batch)
            pushed = join_homes(env, batch)
        outcomes, measures = outcomes_of(env, pushed, started)
    age = (started - last.created_at).total_seconds() if last else None
    return record(
        flow="mirror-homes",
        environment=env,
        started_at=started,
        plan=plan,
        executed=execute,
        outcomes=outcomes,
        measures={"last_point_age_seconds": age, **measures},
        summary=outcomes[0].detail if outcomes else "every home would be brought up to date in the bucket",
    )


@chapter(name="mirror-shard")
def mirror_shard(
    sequence: int,
    starts: list[str],
    number: int,
    environment: EnvironmentName = "local",
    execute: bool = False,
) -> Record:
    """Push one stretch of the homes, for a run of mirror-homes that makes one point of all of them.

    Run it when: never by hand; mirror-homes starts it, and starts it again if it dies.
    It never makes a point: until mirror-homes joins all parts, the point before is the last.
    If it fails: mirror-homes says which part is missing; its next run brings everything up to date.

    Args:
        sequence: of the point that is to be made.
        starts: the names of the homes at which the stretches after the first begin, escaped.
        number: which stretch this run pushes, from 0.
    """
    env, started = load_environment(environment), utc_now()
    batch = batch_of(sequence, starts)
    plan = plan_shard(sequence, [shard.words for shard in batch.shards], number)
    publish_plan(plan, environment=env)
    outcomes = push_part(env, batch, number) if execute else []
    return record(
        flow="mirror-shard",
        environment=env,
        started_at=started,
        plan=plan,
        executed=execute,
        outcomes=outcomes,
        summary=outcomes[0].detail if outcomes else f"part {number + 1} of {len(batch.shards)} would be pushed",
    )


@chapter(name="mirror-shared", timeout=timedelta(hours=12))  # a first push of large data
def mirror_shared(environment: EnvironmentName = "local", execute: bool = False) -> Record:
    """Bring the copy of the shared folders in the bucket up to date, and make a point in time of each.

    Run it when: nightly by schedule, before the backup; by hand before anybody changes libraries or data that all use.
    It never deletes a version: what is deleted is hidden, and stays restorable. A folder that looks lost (another file
    system, emptied, more than half of its entries gone) is left as it is in the bucket, and the others are brought up
    to date. It is refused when the file system is not mounted.
    If it is Partial: the outcomes name every folder and entry that could not be kept and why; the rest is safe.
    """
    env, started = load_environment(environment), utc_now()
    folders = observe_shared(env)
    plan = plan_mirroring([(it.name, last.created_at if last else None) for it, last in folders], now=started)
    publish_plan(plan, environment=env)
    pushed = [push_shared(env, folder) for folder, _ in folders] if execute else []
    results = [result for result, _ in pushed if result]
    return record(
        flow="mirror-shared",
        environment=env,
        started_at=started,
        plan=plan,
        executed=execute,
        outcomes=[outcome for _, outcomes in pushed for outcome in outcomes],
        measures=measures_of(results) if execute else {},
        summary=_shared_summary(len(folders), len(results), executed=execute),
    )


def _shared_summary(folders: int, done: int, *, executed: bool) -> str:
    if folders == 0:
        return "the environment has no shared folders"
    if not executed:
        return f"{folders} shared folders would be brought up to date in the bucket"
    return f"{done} of {folders} shared folders are up to date in the bucket"
