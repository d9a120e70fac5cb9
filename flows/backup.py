"""Backups: one recovery point over homes, database and configuration."""

from __future__ import annotations

from datetime import timedelta

from domain.clock import utc_now
from domain.record import Record
from domain.recovery import Taken, point_id
from environments import EnvironmentName, load_environment
from flows.chapter import chapter
from plans.backup import is_whole, plan_backup
from tasks.backup import (
    dump_hub_database,
    mirror_homes,
    observe_backups,
    save_configuration,
    seal_recovery_point,
    snapshot_homes,
)
from tasks.records import publish_plan, record


@chapter(name="daily-backup", timeout=timedelta(hours=13))  # six hours each for a first snapshot and its copy
def daily_backup(environment: EnvironmentName = "local", execute: bool = False) -> Record:
    """Take a recovery point: an EFS snapshot, the mirror of all homes, the Hub's database, the configuration.

    The snapshot is copied to the second region, where the environment names one.

    Run it when: daily by schedule; by hand before anything risky (an upgrade, a migration, a mass clean-up).
    It never deletes a backup. Its manifest is written last: without it there is no point, and the one before stays.
    If a member failed: the others are kept, the run is Partial; correct what its outcome names and run it again.
    If only the copy failed: the point counts, the run is Partial; the next one copies its own snapshot.
    """
    env, started = load_environment(environment), utc_now()
    targets, last = observe_backups(env)
    plan = plan_backup(targets, last, now=started)
    publish_plan(plan, environment=env)
    taken: list[Taken] = []
    links: dict[str, str] = {}
    if execute:
        point = point_id(started)
        steps = (snapshot_homes, mirror_homes, dump_hub_database, save_configuration)
        taken = [future.result() for future in [step.submit(env, point) for step in steps]]
        if is_whole(taken):
            key = seal_recovery_point(env.objects, point, [each.member for each in taken if each.member])
            links = {"recovery point": f"s3://{env.objects.bucket}/{key}"}
    return record(
        flow="daily-backup",
        environment=env,
        started_at=started,
        plan=plan,
        executed=execute,
        outcomes=[each.outcome for each in taken],
        measures={f"{each.member.kind}_bytes": each.member.bytes for each in taken if each.member},
        links=links,
        summary=_summary(taken),
    )


def _summary(taken: list[Taken]) -> str:
    if not taken:
        return "a recovery point would be taken"
    if is_whole(taken):
        flawed = ", ".join(each.outcome.target for each in taken if each.outcome.state == "failed")
        return "a recovery point was taken" + (f", but see {flawed}" if flawed else ", whole")
    missing = ", ".join(each.outcome.target for each in taken if each.member is None)
    return f"no recovery point: {missing} could not be backed up"
