"""What on-call is told when something breaks: once, by its cause, and again when it is over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from deployments.automations import apply_automations
from devstack.day.runs import Deployments
from devstack.faults.fault import with_empty_bucket
from devstack.stack import Stack
from domain.clock import utc_now
from domain.health import Finding
from domain.record import Record
from environments import Environment
from environments.alerts import AlertsSettings
from environments.culling import Hold
from flows.chapter import record_of
from flows.health import health_pulse
from plans.diagnosis import causes
from systems.alertmanager import our_silences
from systems.hub import read_version
from tasks.alerts import alert
from tests.faults.conftest import until
from tests.faults.oncall import OnCall
from tests.faults.receiver import Receiver, receiving
from tests.flows.conftest import deliver_events

DOWN = Finding("risk-api", "failed", "Risk API at http://risk: cannot be reached", "start it", kind="risk-api-down")


@pytest.fixture
def receiver(stack: Stack, env: Environment) -> Iterator[Receiver]:
    with receiving(stack) as made, temporary_settings({PREFECT_API_URL: env.prefect.api_url}):
        yield made
        deliver_events()


def pulse() -> Record:
    record = record_of(health_pulse("local", return_state=True))
    assert record is not None
    return record


def finding(record: Record, probe: str) -> tuple[str, str]:
    (found,) = (each for each in record.findings if each.probe == probe)
    return found.state, found.seen


def test_a_stopped_database_pages_once_and_the_next_green_pulse_ends_it(
    stack: Stack, env: Environment, receiver: Receiver
) -> None:
    stack.stop_part("database")
    try:
        first, second = pulse(), pulse()
        until(lambda: bool(receiver.told))
    finally:
        stack.restart_part("database")
    assert {each.probe for each in first.findings if each.because_of} >= {"hub-api", "proxy-routes"}
    assert finding(first, "alerts") == finding(second, "alerts") == ("ok", "Alertmanager was told: 1 fire, 0 ended")
    (notification,) = receiver.told
    (alert,) = notification["alerts"]
    assert alert["status"] == "firing"
    assert alert["labels"] == {
        "alertname": "database-down",
        "environment": "local",
        "probe": "database",
        "service": "hub",
        "severity": "P1",
        "source": "riskhub",
    }
    assert alert["annotations"]["page"] == "docs/on-call/hub.md#database-down"
    assert alert["annotations"]["explains"] == "hub-api, proxy-routes"
    assert alert["annotations"]["summary"] == first.causes[0].seen
    assert alert["annotations"]["next_step"] == first.causes[0].next_step

    until(lambda: bool(read_version(env.hub)))
    assert finding(pulse(), "alerts") == ("ok", "Alertmanager was told: 0 fire, 1 ended")
    until(lambda: len(receiver.told) > 1)
    assert receiver.statuses("database-down") == ["firing", "resolved"]


def test_within_a_maintenance_window_nobody_is_told_and_after_it_they_are(
    stack: Stack, env: Environment, receiver: Receiver
) -> None:
    settings = with_window(env, "upgrade of the Risk API", utc_now(), utc_now() + timedelta(hours=1))
    alert(settings, [DOWN], causes([DOWN]))
    (row,) = listed(stack)
    assert (row["alert"], row["muted"]) == ("risk-api-down", True)
    (before,) = our_silences(settings.alerts, "local")
    alert(settings, [DOWN], causes([DOWN]))
    assert our_silences(settings.alerts, "local") == (before,), "the same window is one silence"
    assert receiver.told == []

    alert(env, [DOWN], causes([DOWN]))  # the window was taken out of the file
    assert our_silences(env.alerts, "local") == ()
    until(lambda: receiver.statuses("risk-api-down") == ["firing"])


def test_a_silence_that_a_person_made_is_left_alone(env: Environment, receiver: Receiver) -> None:
    body = {
        "matchers": [{"name": "environment", "value": "local", "isRegex": False, "isEqual": True}],
        "startsAt": utc_now().isoformat(),
        "endsAt": (utc_now() + timedelta(hours=1)).isoformat(),
        "createdBy": "gita",
        "comment": "maintenance window 'upgrade'",
    }
    made = httpx.post(f"{env.alerts.url}/api/v2/silences", json=body).json()["silenceID"]
    alert(env, [DOWN], causes([DOWN]))
    state = httpx.get(f"{env.alerts.url}/api/v2/silence/{made}").json()["status"]["state"]
    assert (state, receiver.told) == ("active", [])


def test_what_a_look_did_not_see_goes_on_and_what_a_person_sent_is_never_ended(
    stack: Stack, env: Environment, receiver: Receiver
) -> None:
    late = Finding("recovery", "degraded", "last drill 40 days ago", "drill", kind="drill-overdue")
    alert(env, [late, DOWN], causes([late, DOWN]))
    others = [{"labels": {"alertname": "NodeHot", "environment": "local", "probe": "risk-api"}}]
    httpx.post(f"{env.alerts.url}/api/v2/alerts", json=others).raise_for_status()

    until(lambda: "firing" in receiver.statuses("risk-api-down"))
    fine = Finding("risk-api", "ok", "lists portfolios")
    assert alert(env, [fine], ()).seen == "Alertmanager was told: 1 fire, 1 ended"
    assert [row["alert"] for row in listed(stack)] == ["drill-overdue"]
    names = {each["labels"]["alertname"] for each in httpx.get(f"{env.alerts.url}/api/v2/alerts").json()}
    assert names == {"drill-overdue", "NodeHot"}
    until(lambda: receiver.statuses("risk-api-down") == ["firing", "resolved"])


def test_with_alertmanager_down_the_pulse_keeps_its_result_and_says_so(
    stack: Stack, env: Environment, receiver: Receiver
) -> None:
    stack.stop_part("alertmanager")
    try:
        record = pulse()
        answer = OnCall(stack.state, {}).riskhub("alerts", "list", "--json")
    finally:
        stack.restart_part("alertmanager")
    assert record.state == "failed" and "failed: alerts" in record.summary
    assert finding(record, "hub-api")[0] == "ok"
    (cause,) = [each for each in record.causes if each.probe == "alerts"]
    assert (cause.kind, cause.page) == ("alertmanager-down", "docs/on-call/overdue.md#alertmanager-down")
    assert cause.seen.startswith(f"Alertmanager at {env.alerts.url}: cannot be reached")
    assert "evidence" in record.links
    assert answer.code == 1


def test_when_nobody_looks_the_switch_fires_until_somebody_does(
    env: Environment, receiver: Receiver, other_state: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prefect is dead, and no pulse ever left its mark in this bucket."""
    bucket = with_empty_bucket(env).objects.bucket
    on_call = OnCall(other_state(S3_BACKUP_BUCKET=bucket, PREFECT_API_URL="http://127.0.0.1:9/api"), {})
    missing = on_call.riskhub("alerts", "watch", "--json")
    assert missing.record == {"state": "complete", "last_pulse": None, "fires": "pulse-missing"}
    until(lambda: receiver.statuses("pulse-missing") == ["firing"])
    (labels,) = [each["labels"] for each in receiver.told[0]["alerts"]]
    assert (labels["severity"], labels["probe"], labels["environment"]) == ("P1", "watch", "local")

    monkeypatch.setenv("RISKHUB_STATE", str(on_call.state))
    assert "scheduler-down" in {each.kind for each in pulse().causes}
    assert receiver.statuses("pulse-missing") == ["firing"], "the switch itself tells that it is over"
    assert on_call.riskhub("alerts", "watch", "--json").record["fires"] == "heartbeat"
    until(lambda: receiver.statuses("pulse-missing") == ["firing", "resolved"])
    until(lambda: receiver.statuses("heartbeat")[:1] == ["firing"])
    rows = on_call.riskhub("alerts", "list", "--json").record["alerts"]
    assert "scheduler-down" in [row["alert"] for row in rows]


def test_where_the_marks_cannot_be_read_the_switch_fires_and_says_why(
    stack: Stack, env: Environment, receiver: Receiver, other_state: Callable[..., Path]
) -> None:
    on_call = OnCall(other_state(S3_BACKUP_BUCKET="not-there"), {})
    assert on_call.riskhub("alerts", "watch", "--json").record["fires"] == "pulse-missing"
    (row,) = listed(stack)
    assert row["seen"].startswith("nobody can tell whether anybody looks: bucket not-there: ")


@pytest.mark.timeout(400)
def test_a_run_that_does_not_start_or_fails_alerts_and_the_next_that_succeeds_ends_it(
    stack: Stack, env: Environment, receiver: Receiver
) -> None:
    deployments = Deployments(env.prefect.api_url, env.prefect.ui_url)
    deployment = "cull-idle-servers/every-15-minutes"
    elsewhere = {"environment": "dev", "execute": True}  # its variables are not set here: refused
    pause_work_pool(env, paused=True)
    try:
        failing = due_a_minute_ago(env, deployment, elsewhere)
        until(lambda: receiver.statuses("run-missed") == ["firing"])
    finally:
        pause_work_pool(env, paused=False)
    assert deployments.wait(failing).state == "Refused"
    until(lambda: receiver.statuses("run-missed") == ["firing", "resolved"])
    until(lambda: receiver.statuses("run-failed") == ["firing"])
    (row,) = listed(stack)
    assert (row["severity"], row["about"]) == ("P3", "cull-idle-servers every-15-minutes")
    assert row["page"] == "docs/on-call/overdue.md#run-failed"
    assert row["seen"].startswith("cull-idle-servers/every-15-minutes ended as Refused: environment 'dev' (dev.toml): ")

    assert deployments.wait(deployments.start(deployment, {"execute": True})).state == "Completed"
    until(lambda: receiver.statuses("run-failed") == ["firing", "resolved"])
    assert listed(stack) == []


def test_automations_applied_twice_are_the_same_and_without_alertmanager_ours_go(env: Environment) -> None:
    def there() -> dict[str, str]:
        found = httpx.post(f"{env.prefect.api_url}/automations/filter", json={}).raise_for_status().json()
        return {each["name"]: each["id"] for each in found}

    of_a_person = {
        "name": "gita's own",
        "trigger": {"type": "event", "posture": "Reactive", "expect": ["nothing"], "threshold": 1, "within": 0},
        "actions": [{"type": "do-nothing"}],
    }
    httpx.post(f"{env.prefect.api_url}/automations/", json=of_a_person).raise_for_status()
    before = there()
    assert len(before) == 6
    apply_automations("local", env.prefect, env.alerts)
    assert there() == before
    assert apply_automations("local", env.prefect, AlertsSettings()) == []
    assert there().keys() == {"gita's own"}
    httpx.delete(f"{env.prefect.api_url}/automations/{before[of_a_person['name']]}")
    apply_automations("local", env.prefect, env.alerts)


def listed(stack: Stack) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = OnCall(stack.state, {}).riskhub("alerts", "list", "--json").record["alerts"]
    return found


def due_a_minute_ago(env: Environment, deployment: str, parameters: dict[str, Any]) -> str:
    """A run that a schedule would have made; its id."""
    found = httpx.get(f"{env.prefect.api_url}/deployments/name/{deployment}", timeout=30).raise_for_status().json()
    due = (utc_now() - timedelta(minutes=1)).isoformat()
    state = {"type": "SCHEDULED", "name": "Scheduled", "state_details": {"scheduled_time": due}}
    url = f"{env.prefect.api_url}/deployments/{found['id']}/create_flow_run"
    made = httpx.post(url, json={"parameters": parameters, "state": state}, timeout=30).raise_for_status()
    run_id: str = made.json()["id"]
    return run_id


def pause_work_pool(env: Environment, *, paused: bool) -> None:
    """While it is paused nobody starts its runs."""
    url = f"{env.prefect.api_url}/work_pools/{env.prefect.work_pool}"
    httpx.patch(url, json={"is_paused": paused}, timeout=30).raise_for_status()


def with_window(env: Environment, name: str, begins: datetime, ends: datetime) -> Environment:
    window = Hold(name=name, begins=begins, ends=ends)
    return env.model_copy(update={"alerts": env.alerts.model_copy(update={"windows": (window,)})})
