"""The health check on the running stack: what is broken is named, and hides nothing else."""

from __future__ import annotations

import pytest

from domain.record import Record
from flows.chapter import record_of
from flows.health import daily_health_check
from systems.hub import read_server

pytestmark = pytest.mark.usefixtures("prefect_of_the_stack")


def check() -> Record:
    record = record_of(daily_health_check("local", return_state=True))
    assert record is not None
    return record


def states(record: Record) -> dict[str, str]:
    return {finding.probe: finding.state for finding in record.findings}


def test_every_part_of_a_healthy_stack_is_looked_at(env):
    found = states(check())
    backups = [found.pop(probe) for probe in list(found) if probe.startswith("backup-")]
    assert backups
    assert found.pop("recovery")  # as backups and drills are that other tests left
    assert found.pop("cluster") == "not configured"
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
