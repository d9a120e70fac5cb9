"""Metrics as a scraper reads them: by the library's own parsers."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from prometheus_client import parser as prometheus
from prometheus_client.openmetrics import parser as openmetrics

from domain.record import Record, RunState
from domain.recovery import RecoveryPoint, Standing
from environments.settings import RecoverySettings
from systems.recovery_metrics import recovery_metrics

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
TARGETS = RecoverySettings(
    rto=timedelta(seconds=60),
    rpo_homes=timedelta(minutes=30),
    rpo_database=timedelta(hours=26),
    drill_every=timedelta(days=31),
    notebook="var.ipynb",
)
WANTED = {
    "point_age_target_seconds": 93600.0,
    "homes_age_target_seconds": 1800.0,
    "drill_age_target_seconds": 2678400.0,
    "rto_target_seconds": 60.0,
}


def standing(state: RunState, rto: float | None) -> Standing:
    ended = NOW - timedelta(days=3)
    drill = Record(
        flow="recovery-drill",
        environment="local",
        state=state,
        summary="",
        started_at=ended,
        finished_at=ended,
        measures={"rto_seconds": rto},
    )
    return Standing(RecoveryPoint("20260302T020000Z", ()), (), NOW - timedelta(minutes=12), drill)


def text(seen: Standing, environment: str = "local") -> str:
    return recovery_metrics(seen, TARGETS, environment, now=NOW)


def samples(told: str) -> dict[str, float]:
    found = [sample for family in openmetrics.text_string_to_metric_families(told) for sample in family.samples]
    assert {each.labels["environment"] for each in found} == {"local"}
    return {each.name.removeprefix("riskhub_recovery_"): each.value for each in found}


def test_ages_verdict_and_recovery_time_stand_beside_their_targets() -> None:
    seen = {"point_age_seconds": 36000.0, "homes_age_seconds": 720.0, "drill_age_seconds": 259200.0}
    assert samples(text(standing("complete", 41.5))) == {**seen, "drill_passed": 1.0, "rto_seconds": 41.5, **WANTED}


def test_a_failed_drill_has_verdict_0_and_no_recovery_time() -> None:
    told = samples(text(standing("failed", None)))
    assert told["drill_passed"] == 0.0
    assert "rto_seconds" not in told


def test_a_drill_that_missed_its_target_passed() -> None:
    assert samples(text(standing("partial", 61.0)))["drill_passed"] == 1.0


def test_what_was_never_seen_has_no_sample() -> None:
    assert samples(text(Standing(None, (), None, None))) == WANTED


def test_the_age_of_what_is_shared_is_that_of_its_oldest_point() -> None:
    made = {"shared/data": NOW - timedelta(hours=1), "shared/libs": NOW - timedelta(hours=12)}
    told = samples(text(replace(standing("complete", 41.5), shared=made)))
    assert (told["shared_age_seconds"], told["shared_age_target_seconds"]) == (43200.0, 93600.0)
    never = samples(text(replace(standing("complete", 41.5), shared={**made, "shared/notebooks": None})))
    assert "shared_age_seconds" not in never
    assert never["shared_age_target_seconds"] == 93600.0


def test_the_older_format_reads_the_same() -> None:
    told = text(standing("complete", 41.5))
    found = [each for family in prometheus.text_string_to_metric_families(told) for each in family.samples]
    assert {each.name.removeprefix("riskhub_recovery_"): each.value for each in found} == samples(told)
