from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from domain.errors import Damaged
from domain.health import Finding
from domain.record import Record, RunState
from domain.recovery import RecoveryPoint, Standing, point_id
from environments.settings import RecoverySettings
from plans.recovery import in_one, judge_recovery

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
TARGETS = RecoverySettings(
    rto=timedelta(seconds=60),
    rpo_homes=timedelta(minutes=30),
    rpo_shared=timedelta(hours=30),
    rpo_database=timedelta(hours=26),
    drill_every=timedelta(days=31),
    notebook="var.ipynb",
)
POINT, HOMES = NOW - timedelta(hours=10), NOW - timedelta(minutes=12)


def drill(days: float = 3, state: RunState = "complete", rto: float | None = 41.5) -> Record:
    ended = NOW - timedelta(days=days)
    return Record(
        flow="recovery-drill",
        environment="local",
        state=state,
        summary="passed" if state == "complete" else "failed: start Hub: no port",
        started_at=ended,
        finished_at=ended,
        measures={"rto_seconds": rto},
    )


def standing(
    point: datetime | None = POINT, homes: datetime | None = HOMES, last: Record | None = None, *damaged: Damaged
) -> Standing:
    return Standing(RecoveryPoint(point_id(point), ()) if point else None, damaged, homes, last)


def states(point: datetime | None, homes: datetime | None, last: Record | None) -> dict[str, str]:
    findings = judge_recovery(standing(point, homes, last), TARGETS, now=NOW)
    return {each.probe: each.state for each in findings}


def test_all_is_ok_and_told_with_ages_and_targets() -> None:
    findings = judge_recovery(standing(last=drill()), TARGETS, now=NOW)
    assert {each.state for each in findings} == {"ok"}
    assert "10 h old, at most 26 h wanted" in findings[0].seen
    assert findings[2].seen == "3 days ago: passed"
    assert "41.5 s in the last drill" in findings[3].seen


def test_newer_points_that_cannot_be_read_are_told_beside_the_newest_whole_one() -> None:
    damage = Damaged("recovery point 20260302T110000Z", "its manifest cannot be read", "take another point")
    seen = standing(POINT, HOMES, drill(), damage)
    findings = {each.probe: each for each in judge_recovery(seen, TARGETS, now=NOW)}
    assert (findings["recovery-point"].state, findings["damaged-point"].state) == ("ok", "degraded")
    assert findings["damaged-point"].seen == "recovery point 20260302T110000Z: its manifest cannot be read"


@pytest.mark.parametrize(
    ("point", "homes", "last", "probe", "state"),
    [
        (None, HOMES, drill(), "recovery-point", "degraded"),
        (NOW - timedelta(hours=27), HOMES, drill(), "recovery-point", "degraded"),
        (POINT, None, drill(), "homes", "degraded"),
        (POINT, NOW - timedelta(minutes=31), drill(), "homes", "degraded"),
        (POINT, HOMES, drill(days=32), "drill", "degraded"),
        (POINT, HOMES, drill(rto=61.0), "rto", "degraded"),
    ],
)
def test_each_thing_that_is_late_or_missing_is_told_alone(
    point: datetime | None, homes: datetime | None, last: Record, probe: str, state: str
) -> None:
    told = states(point, homes, last)
    assert {name: each for name, each in told.items() if each != "ok"} == {probe: state}


def test_no_drill_leaves_recovery_unproven_and_a_failed_one_shows_that_it_does_not_work() -> None:
    well = {"recovery-point": "ok", "homes": "ok"}
    assert states(POINT, HOMES, None) == {**well, "drill": "degraded", "rto": "degraded"}
    failed = drill(state="failed", rto=None)
    assert states(POINT, HOMES, failed) == {**well, "drill": "failed", "rto": "degraded"}


def test_in_one_a_failed_drill_is_failed_with_its_cause_and_every_next_step_once() -> None:
    told = in_one(judge_recovery(standing(None, HOMES, drill(state="failed", rto=None)), TARGETS, now=NOW))
    assert (told.probe, told.state) == ("recovery", "failed")
    assert "drill: 3 days ago: failed: start Hub: no port" in told.seen
    assert "homes:" not in told.seen
    steps = told.next_step.split("; ")
    assert steps[0] == "riskhub backup run --execute"
    assert len(steps) == len(set(steps)) == 3


def test_in_one_a_first_day_is_degraded_and_what_is_well_is_told_with_its_figures() -> None:
    assert in_one(judge_recovery(standing(None, None, None), TARGETS, now=NOW)).state == "degraded"
    well = in_one(judge_recovery(standing(last=drill()), TARGETS, now=NOW))
    assert (well.state, well.next_step) == ("ok", "")
    assert "rto: 41.5 s in the last drill" in well.seen


def shared(**made: datetime | None) -> Finding | None:
    seen = replace(standing(last=drill()), shared=made)
    return next((each for each in judge_recovery(seen, TARGETS, now=NOW) if each.probe == "shared"), None)


def test_the_shared_folder_whose_point_is_oldest_is_held_against_the_target() -> None:
    told = shared(data=NOW - timedelta(hours=1), libs=NOW - timedelta(hours=29))
    assert told is not None
    assert (told.state, told.seen) == ("ok", "2026-03-01 07:00:00 UTC, 29 h old, at most 30 h wanted")
    late = shared(data=NOW - timedelta(hours=1), libs=NOW - timedelta(hours=31))
    assert late is not None
    assert (late.state, late.next_step) == ("degraded", "riskhub backup shared --execute")


def test_a_shared_folder_that_was_never_saved_is_named() -> None:
    told = shared(data=NOW - timedelta(hours=1), libs=None)
    assert told is not None
    assert (told.state, told.seen) == ("degraded", "there is none of libs: it could not be restored")


def test_where_nothing_is_shared_nothing_is_told_of_it() -> None:
    assert shared() is None
