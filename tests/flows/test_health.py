"""The health check on the running stack: what is broken is named, and hides nothing else."""

from __future__ import annotations

import pytest

from domain.record import Record
from flows.chapter import record_of
from flows.health import daily_health_check, health_pulse
from systems.hub import read_server

pytestmark = pytest.mark.usefixtures("prefect_of_the_stack")


def check() -> Record:
    record = record_of(daily_health_check("local", return_state=True))
    assert record is not None
    return record


def pulse() -> Record:
    record = record_of(health_pulse("local", return_state=True))
    assert record is not None
    return record


def states(record: Record) -> dict[str, str]:
    return {finding.probe: finding.state for finding in record.findings}


def test_every_part_of_a_healthy_stack_is_looked_at(env):
    found = states(check())
    backups = [found.pop(probe) for probe in list(found) if probe.startswith("backup-")]
    assert backups
    assert found.pop("recovery")  # as backups and drills are that other tests left
    absent = {found.pop(probe) for probe in ("cluster", "certificates", "reports")}
    assert absent == {"not configured"}
    assert set(found.values()) == {"ok"}, found


def test_one_failing_part_hides_no_other_and_fails_the_check(env, stack):
    stack.stop_part("risk-api")
    try:
        record = check()
    finally:
        stack.restart_part("risk-api")
    found = states(record)
    assert record.state == "failed" and "risk-api" in record.summary
    assert found.pop("risk-api") == "failed"
    assert found.pop("synthetic-user") == "failed", "whose notebook reads it"
    assert [cause.kind for cause in record.causes if cause.probe == "risk-api"] == ["risk-api-down"]
    assert "synthetic-user" not in {cause.probe for cause in record.causes}
    assert found.pop("recovery")
    assert "failed" not in found.values(), found


def test_with_the_bucket_away_the_result_is_still_told(env, stack):
    stack.stop_part("object-store")
    try:
        record = check()
    finally:
        stack.restart_part("object-store")
    assert states(record)["object-store"] == "failed"
    assert states(record)["hub-api"] == "ok"


def test_nothing_of_the_synthetic_user_is_left_running(env):
    check()
    assert read_server(env.hub, env.health.synthetic_user) is None


def test_each_bad_finding_says_what_to_do_next_and_no_secret(env, stack):
    stack.stop_part("hub")
    try:
        record = check()
    finally:
        stack.restart_part("hub")
    bad = [finding for finding in record.findings if finding.state in ("failed", "degraded")]
    assert {"hub-api", "proxy-routes", "synthetic-user"} <= {finding.probe for finding in bad}
    assert all(finding.next_step for finding in bad)
    told = record.model_dump_json()
    assert not [name for name, secret in stack.choices.secrets.items() if secret in told]


def test_the_pulse_is_the_check_without_what_takes_long_and_starts_nothing(env):
    record = pulse()
    assert (record.state, record.causes) == ("complete", ()), record
    left_out = {"synthetic-user", "backup-snapshot", "backup-mirror", "reports", "recovery"}
    assert not left_out & states(record).keys()
    assert {"database", "hub-api", "sso", "scheduler"} <= states(record).keys()


def test_one_broken_part_is_one_cause_in_the_record_with_what_follows_from_it_and_its_page(env, stack):
    stack.stop_part("hub")
    try:
        record = pulse()
    finally:
        stack.restart_part("hub")
    (cause,) = record.causes
    assert (cause.kind, cause.explains) == ("hub-down", ("proxy-routes",))
    assert cause.page == "docs/on-call/hub.md#hub-down"
    assert record.summary.startswith("failed: hub-api; from that follow: proxy-routes; ")
