"""The daily check's look at recovery, on a bucket whose points, homes and drills the test leaves there."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from domain.clock import utc_now
from domain.health import Finding
from domain.record import Record
from domain.recovery import point_id
from environments import Environment
from systems.evidence import publish_key, signing_key, store_evidence
from systems.mirror import push
from systems.mirrored import homes_of, shared_of
from systems.probes import carry_out
from systems.recovery_points import seal_recovery_point
from tasks.health import probes_of


def recovery(env: Environment) -> Finding:
    return carry_out(next(probe for probe in probes_of(env) if probe.name == "recovery"))


def leave_a_drill(env: Environment, summary: str, *, ago: timedelta = timedelta(0)) -> None:
    ended = utc_now() - ago
    key = signing_key(env.aws)
    publish_key(env.objects, key)
    made = Record(
        flow="recovery-drill",
        environment="local",
        state="failed" if summary.startswith("failed") else "complete",
        summary=summary,
        started_at=ended,
        finished_at=ended,
        measures={"rto_seconds": None if summary.startswith("failed") else 5.8},
    )
    store_evidence(env.objects, made, key)


def back_up(env: Environment, folder: Path) -> None:
    for each in (homes_of(env), *shared_of(env)):
        push(folder, each.location)
    seal_recovery_point(env.objects, point_id(utc_now()), [])


def test_a_first_day_is_degraded_and_says_what_to_run(apart: Environment) -> None:
    told = recovery(apart)
    assert told.state == "degraded"
    assert "drill: there was never one" in told.seen
    backups = [f"riskhub backup {what} --execute" for what in ("run", "homes", "shared")]
    assert told.next_step.split("; ") == [*backups, "riskhub recovery drill --execute"]


def test_a_failed_drill_fails_the_probe_with_its_cause_until_one_passes(apart: Environment, tmp_path: Path) -> None:
    back_up(apart, tmp_path)
    leave_a_drill(apart, "failed: start Hub: no port", ago=timedelta(minutes=2))
    told = recovery(apart)
    assert (told.state, "failed: start Hub: no port" in told.seen) == ("failed", True)
    assert "mend what it names" in told.next_step

    leave_a_drill(apart, "passed; in 5.8 s")
    told = recovery(apart)
    assert (told.state, told.next_step) == ("ok", "")
    assert "passed; in 5.8 s" in told.seen


def test_an_overdue_drill_is_degraded(apart: Environment, tmp_path: Path) -> None:
    back_up(apart, tmp_path)
    leave_a_drill(apart, "passed; in 5.8 s", ago=timedelta(days=32))
    told = recovery(apart)
    assert (told.state, told.next_step) == ("degraded", "riskhub recovery drill --execute")
    assert told.seen == "drill: overdue, every 31 days wanted; 32 days ago: passed; in 5.8 s"


def test_where_no_targets_are_set_nobody_looked(env: Environment) -> None:
    assert recovery(env.model_copy(update={"recovery": None})).state == "not configured"
