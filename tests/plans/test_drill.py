from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from domain.plan import Outcome
from domain.recovery import RecoveryPoint
from environments.settings import RecoverySettings
from plans.drill import STEPS, Ages, hold_against_targets, plan_drill, verdict

NOW = datetime(2026, 3, 2, 5, 0, tzinfo=UTC)
POINT = RecoveryPoint("20260302T013000Z", ())
TARGETS = RecoverySettings(
    rto=timedelta(seconds=60), rpo_homes=timedelta(minutes=30), rpo_database=timedelta(hours=26), notebook="var.ipynb"
)
AGES = Ages(timedelta(minutes=12), timedelta(hours=3))
DONE = [Outcome("check", "recovery point", "done"), Outcome("run", "restored notebook", "done")]


def test_the_plan_tells_every_step_the_point_and_its_age() -> None:
    plan = plan_drill(POINT, 5, now=NOW)
    assert [action.on for action in plan.actions] == list(STEPS)
    assert plan.title == "Rebuild the Hub from point 20260302T013000Z, 210 min old, with 5 homes"
    assert plan_drill(POINT, None, now=NOW).title.endswith("with every home")


def test_figures_within_their_targets_are_ok_and_the_verdict_is_passed() -> None:
    findings = hold_against_targets(timedelta(seconds=41), AGES, TARGETS)
    assert [finding.state for finding in findings] == ["ok"] * 3
    assert verdict(DONE, findings).startswith("passed; from nothing to a user's notebook: 41.0 s, target 60 s; ")


@pytest.mark.parametrize(
    ("rto", "ages", "late"),
    [
        (timedelta(seconds=61), AGES, "rto"),
        (timedelta(seconds=41), AGES._replace(homes=timedelta(minutes=31)), "rpo-homes"),
        (timedelta(seconds=41), AGES._replace(database=timedelta(hours=27)), "rpo-database"),
    ],
)
def test_a_missed_target_is_named(rto: timedelta, ages: Ages, late: str) -> None:
    findings = hold_against_targets(rto, ages, TARGETS)
    assert [finding.probe for finding in findings if finding.state == "degraded"] == [late]
    assert verdict(DONE, findings).startswith(f"passed, but missed its target: {late}; ")


def test_a_drill_in_which_no_notebook_ran_has_no_recovery_time() -> None:
    findings = hold_against_targets(None, AGES, TARGETS)
    assert (findings[0].probe, findings[0].state) == ("rto", "failed")


def test_the_verdict_names_the_first_step_that_failed() -> None:
    outcomes = [*DONE, Outcome("start", "Hub", "failed", "no port"), Outcome("tear down", "second Hub", "failed", "x")]
    assert verdict(outcomes, hold_against_targets(None, AGES, TARGETS)) == "failed: start Hub: no port"
