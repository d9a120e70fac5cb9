"""Plans, records and times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from pydantic import ValidationError

from domain.clock import to_utc, utc_now
from domain.errors import Refused
from domain.plan import Action, Outcome, Plan
from domain.record import Record, RunState, planned_actions, state_of

DONE, FAILED, SKIPPED = (Outcome("stop", "ana/", state) for state in ("done", "failed", "skipped"))


@pytest.mark.parametrize(
    ("outcomes", "executed", "state"),
    [
        ((), False, "planned"),
        ((), True, "complete"),
        ((DONE, SKIPPED), True, "complete"),
        ((DONE, FAILED), True, "partial"),
        ((FAILED,), True, "failed"),
    ],
)
def test_the_state_of_a_run_follows_from_its_outcomes(
    outcomes: tuple[Outcome, ...], executed: bool, state: RunState
) -> None:
    assert state_of(outcomes, executed=executed) == state


def test_plans_differ_in_digest_when_an_action_or_its_order_differs() -> None:
    one, two = Action("stop", "ana/", "idle", 1), Action("stop", "bea/", "idle", 2)
    digests = {Plan("cull", actions).digest for actions in ((), (one,), (one, two), (two, one))}
    assert len(digests) == 4


def test_a_digest_does_not_depend_on_the_object_acted_on() -> None:
    assert Plan("cull", (Action("stop", "a", "r", 1),)).digest == Plan("cull", (Action("stop", "a", "r", 2),)).digest


def test_a_record_survives_json_as_it_was() -> None:
    plan = Plan("cull", (Action("stop", "ana/", "idle", object()),))
    record = Record(
        flow="cull",
        environment="local",
        state="complete",
        summary="one",
        started_at=utc_now(),
        finished_at=utc_now(),
        outcomes=(DONE,),
        **planned_actions(plan),
    )
    assert Record.model_validate_json(record.model_dump_json()) == record


def test_a_record_does_not_take_a_time_without_a_zone() -> None:
    naive = datetime(2026, 3, 1, 9)  # noqa: DTZ001
    with pytest.raises(ValidationError, match="timezone"):
        Record(flow="f", environment="local", state="complete", summary="", started_at=naive, finished_at=utc_now())


def test_a_time_of_another_zone_is_the_same_moment_in_utc() -> None:
    moment = datetime(2026, 3, 1, 9, tzinfo=timezone(timedelta(hours=2)))
    assert to_utc(moment) == datetime(2026, 3, 1, 7, tzinfo=UTC)
    assert to_utc(moment).tzinfo is UTC


def test_a_naive_time_is_not_guessed() -> None:
    with pytest.raises(ValueError, match="without a zone"):
        to_utc(datetime(2026, 3, 1, 9))  # noqa: DTZ001


def test_an_error_reads_as_thing_cause_and_next_step() -> None:
    assert str(Refused("bucket b", "it is full", "make room")) == "bucket b: it is full. Next: make room"
