"""Recovery drills: the Hub rebuilt beside itself from the newest recovery point, and the proof that it works."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from domain.clock import utc_now
from domain.plan import Outcome
from domain.record import Record, RunState
from environments import EnvironmentName, load_environment
from flows.chapter import chapter
from plans.drill import hold_against_targets, plan_drill, verdict
from tasks.drill import observe_recovery, rehearse, require_targets
from tasks.records import publish_plan, record
from tasks.scorecard import add_scorecard


@chapter(name="recovery-drill")
def recovery_drill(
    environment: EnvironmentName = "local",
    point: str | None = None,
    homes: int | None = 5,
    whole: bool = False,
    execute: bool = False,
) -> Record:
    """Rebuild the Hub from a recovery point, beside the one that runs, and run a user's notebook in it.

    Run it when: monthly by schedule with a few homes, quarterly with all; by hand after a change to backups or keys.
    It never touches the Hub that runs: the second one has its own database, ports and folder, and is gone afterwards
    whatever happens. It measures the time to recover, and how old what could be restored now is.
    If it failed: the outcome names the step and its cause. Nothing has to be cleaned up. Until it passes again the
    backups are not known to work.

    Args:
        point: the recovery point's id, e.g. 20260301T013000Z; the newest if none is given.
        homes: how many users' homes are brought back.
        whole: bring back every home.
    """
    env, started = load_environment(environment), utc_now()
    targets = require_targets(env)
    chosen, ages = observe_recovery(env, point, started)
    scope = None if whole else homes
    plan = plan_drill(chosen, scope, now=started)
    publish_plan(plan, environment=env)
    outcomes: list[Outcome] = []
    rto: timedelta | None = None
    if execute:
        outcomes, rto = rehearse(env, targets, chosen, scope)
    findings = hold_against_targets(rto, ages, targets) if execute else []
    broken: RunState | None = "failed" if any(outcome.state == "failed" for outcome in outcomes) else None
    return record(
        flow="recovery-drill",
        environment=env,
        started_at=started,
        plan=plan,
        executed=execute,
        outcomes=outcomes,
        findings=findings,
        measures={
            "point": chosen.id,
            "rto_seconds": round(rto.total_seconds(), 1) if rto else None,
            "rto_target_seconds": targets.rto.total_seconds(),
            "rpo_homes_seconds": round(ages.homes.total_seconds(), 1),
            "rpo_homes_target_seconds": targets.rpo_homes.total_seconds(),
            "rpo_database_seconds": round(ages.database.total_seconds(), 1),
            "rpo_database_target_seconds": targets.rpo_database.total_seconds(),
        },
        summary=verdict(outcomes, findings) if execute else f"the Hub would be rebuilt from point {chosen.id}",
        state=broken,
        then=partial(add_scorecard, env) if execute else None,
    )
