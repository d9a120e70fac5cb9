"""What a look means for alerts and silences."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest

from domain.alerts import ActiveAlert, Alert, Silence
from domain.health import Cause, Finding, Kind
from environments.alerts import AlertsSettings
from plans.alerts import RUN_FAILED, AlertPlan, plan_alerts, plan_silences, plan_watch, run_labels, silences_of
from plans.diagnosis import causes, diagnose
from plans.kinds import _SEVERITIES, severity_of

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
LASTS = timedelta(minutes=15)
DOWN = Finding("database", "failed", "no answer", "start it", kind="database-down")
FULL_SOON = Finding("homes", "degraded", "86 % used", "make room", kind="homes-full")


def planned(*findings: Finding, active: tuple[ActiveAlert, ...] = (), now: datetime = NOW) -> AlertPlan:
    told = diagnose(findings)
    return plan_alerts(causes(told), told, active, "prod", lasts=LASTS, now=now)


def names(alerts: tuple[Alert, ...]) -> list[str]:
    return [each.labels["alertname"] for each in alerts]


def held(alert: Alert) -> ActiveAlert:
    return ActiveAlert(alert.labels, alert.annotations, alert.starts_at, alert.ends_at)


def fired(*findings: Finding) -> tuple[ActiveAlert, ...]:
    return tuple(held(each) for each in planned(*findings, now=NOW - timedelta(minutes=5)).firing)


def test_only_the_root_cause_alerts_and_names_what_follows_from_it() -> None:
    hub = Finding("hub-api", "failed", "hangs", "wait", kind="hub-overloaded")
    (alert,) = planned(hub, DOWN, Finding("homes", "ok", "fine")).firing
    assert alert.labels["alertname"] == "database-down"
    assert alert.annotations == {
        "summary": "no answer",
        "next_step": "start it",
        "page": "docs/on-call/hub.md#database-down",
        "explains": "hub-api",
    }
    assert (alert.starts_at, alert.ends_at) == (NOW, NOW + LASTS)


def test_every_kind_has_one_severity_and_none_that_is_only_degraded_wakes_anybody() -> None:
    named = [kind for kinds in _SEVERITIES.values() for kind in kinds]
    assert len(named) == len(set(named))
    kinds: tuple[Kind, ...] = get_args(Kind)
    assert set(named) <= set(kinds)
    assert {severity_of(kind, "degraded") for kind in kinds} == {"P3", "P4"}
    assert (severity_of("database-down", "failed"), severity_of("homes-full", "degraded")) == ("P1", "P3")
    assert (severity_of("drill-overdue", "degraded"), severity_of("", "failed")) == ("P4", "P3")


def test_an_alert_ends_when_its_probe_was_looked_at_and_is_well() -> None:
    plan = planned(Finding("database", "ok", "answers"), active=fired(DOWN))
    assert (names(plan.firing), names(plan.kept), names(plan.ended)) == ([], [], ["database-down"])
    assert plan.ended[0].ends_at == NOW
    assert plan.ended[0].starts_at == NOW - timedelta(minutes=5)


@pytest.mark.parametrize("look", [(), (Finding("database", "not configured", "none"),)])
def test_what_was_not_looked_at_goes_on(look: tuple[Finding, ...]) -> None:
    plan = planned(Finding("homes", "ok", "fine"), *look, active=fired(DOWN))
    assert (names(plan.kept), names(plan.ended)) == (["database-down"], [])
    assert plan.kept[0].ends_at == NOW + LASTS


def test_a_trouble_that_goes_on_is_told_again_and_nothing_of_it_ends() -> None:
    plan = planned(DOWN, active=fired(DOWN))
    assert (names(plan.firing), names(plan.kept), names(plan.ended)) == (["database-down"], [], [])
    assert plan.firing[0].ends_at == NOW + LASTS


def test_a_trouble_that_became_another_is_that_one_only() -> None:
    locked = Finding("database", "failed", "a lock", "end it", kind="database-locked")
    plan = planned(locked, active=fired(DOWN))
    assert (names(plan.firing), names(plan.ended)) == (["database-locked"], ["database-down"])


def test_what_turns_out_to_follow_from_something_else_alerts_no_more_by_itself() -> None:
    hub = Finding("hub-api", "failed", "no answer", "start it", kind="hub-down")
    plan = planned(hub, DOWN, active=fired(hub))
    assert (names(plan.firing), names(plan.ended)) == (["database-down"], ["hub-down"])


def test_a_part_that_gets_worse_is_told_again_more_urgently() -> None:
    full = Finding("homes", "failed", "100 % used", "make room", kind="homes-full")
    plan = planned(full, active=fired(FULL_SOON))
    assert [each.labels["severity"] for each in (*plan.firing, *plan.ended)] == ["P1", "P3"]


def test_a_look_neither_renews_nor_ends_what_prefect_and_the_switch_told() -> None:
    runs = {**run_labels(RUN_FAILED, "prod"), "flow": "daily-backup", "deployment": "nightly"}
    others = [Alert(runs, {}, NOW, NOW), *plan_watch(None, "", "prod", patience=LASTS, now=NOW).firing]
    others += plan_watch(NOW, "", "prod", patience=LASTS, now=NOW).firing
    assert planned(Finding("database", "ok", "answers"), active=tuple(map(held, others))).all == ()


def test_what_was_seen_moves_nothing_around_it() -> None:
    seen = "process of o\u202etto\n\x1b[31m" + "\udcff"
    (alert,) = planned(Finding("database", "failed", seen, "end it", kind="database-locked")).firing
    assert alert.annotations["summary"] == "process of o\\u202etto\\n\\x1b[31m\\udcff"
    alert.annotations["summary"].encode()


def test_a_cause_without_a_kind_alerts_by_the_name_of_its_probe() -> None:
    cause = Cause("", "evidence", "failed", "not in the bucket", "copy it", "")
    (alert,) = plan_alerts([cause], (), (), "prod", lasts=LASTS, now=NOW).firing
    assert (alert.labels["alertname"], alert.labels["severity"]) == ("evidence", "P3")


@pytest.mark.parametrize(
    ("age", "fires", "ends"),
    [
        (timedelta(minutes=15), ["heartbeat"], ["pulse-missing"]),
        (timedelta(minutes=15, seconds=1), ["pulse-missing"], []),
        (None, ["pulse-missing"], []),
    ],
)
def test_the_switch_bears_three_intervals_of_silence(age: timedelta | None, fires: list[str], ends: list[str]) -> None:
    last = None if age is None else NOW - age
    plan = plan_watch(last, "", "prod", patience=AlertsSettings().patience, now=NOW)
    assert (names(plan.firing), names(plan.ended)) == (fires, ends)
    missing = next(each for each in plan.all if each.labels["alertname"] == "pulse-missing")
    assert missing.labels["severity"] == "P1"


SETTINGS = AlertsSettings.model_validate(
    {
        "windows": [
            {"name": "upgrade", "begins": "2026-11-28T11:00:00Z", "ends": "2026-11-28T13:00:00Z"},
            {"name": "long ago", "begins": "2026-11-01T11:00:00Z", "ends": "2026-11-01T13:00:00Z"},
        ],
        "weekly": [
            {"name": "patches", "when": {"days": ["sun"], "begins": "02:00", "ends": "04:00", "timezone": "Asia/Tokyo"}}
        ],
    }
)


def test_windows_are_silences_those_that_are_over_none_and_weekly_ones_their_next() -> None:
    upgrade, patches = silences_of(SETTINGS, "prod", now=NOW)
    assert upgrade == Silence(
        "prod", "maintenance window 'upgrade'", NOW - timedelta(hours=1), NOW + timedelta(hours=1)
    )
    assert (patches.begins, patches.ends) == (NOW + timedelta(hours=5), NOW + timedelta(hours=7))


def test_a_window_is_one_silence_however_often_it_is_looked_at() -> None:
    wanted = silences_of(SETTINGS, "prod", now=NOW)
    # Alertmanager lets one that goes on begin when it was made, and keeps milliseconds
    made = [
        Silence("prod", each.comment, max(each.begins, NOW - timedelta(minutes=5)), each.ends, "id") for each in wanted
    ]
    assert plan_silences(wanted, made, now=NOW) == ((), ())


def test_a_window_that_was_moved_or_taken_out_is_silent_no_more() -> None:
    upgrade, patches = silences_of(SETTINGS, "prod", now=NOW)
    longer = Silence("prod", upgrade.comment, upgrade.begins, upgrade.ends + timedelta(hours=1), "longer")
    gone = Silence("prod", "maintenance window 'gone'", NOW, NOW + timedelta(hours=1), "gone")
    assert plan_silences((upgrade, patches), (longer, gone), now=NOW) == ((upgrade, patches), (longer, gone))
