"""What follows from what: causes found among findings, and nothing hidden that is a trouble of its own."""

from __future__ import annotations

from itertools import combinations
from typing import get_args

import pytest

from domain.health import Finding, Kind
from environments.loader import PROJECT
from plans.diagnosis import causes, diagnose
from plans.kinds import TROUBLES, follows_from, page_of

KINDS: tuple[Kind, ...] = get_args(Kind)


def bad(probe: str, kind: Kind, state: str = "failed") -> Finding:
    return Finding(probe, state, f"{probe} is bad", f"mend {probe}", kind=kind)


FINE = Finding("homes", "ok", "fine")
LOCKED = bad("database", "database-locked")
HUB_HANGS = bad("hub-api", "hub-overloaded")
PROXY_SEES_IT = bad("proxy-routes", "hub-overloaded")
NO_SESSION = bad("synthetic-user", "spawn-failed")
RISK_API = bad("risk-api", "risk-api-down")
BUCKET = bad("object-store", "bucket-denied")


def told(*findings: Finding) -> list[tuple[Kind, tuple[str, ...]]]:
    return [(cause.kind, cause.explains) for cause in causes(diagnose(findings))]


def test_a_locked_database_is_one_cause_and_names_all_that_follows_from_it():
    assert told(FINE, HUB_HANGS, PROXY_SEES_IT, NO_SESSION, LOCKED) == [
        ("database-locked", ("hub-api", "proxy-routes", "synthetic-user"))
    ]


def test_what_follows_is_told_after_its_cause_with_where_to_begin():
    findings = diagnose([NO_SESSION, HUB_HANGS, FINE, LOCKED])
    assert [each.probe for each in findings] == ["database", "synthetic-user", "hub-api", "homes"]
    assert findings[1].because_of == "database"
    assert findings[1].next_step == "mend database first: mend database"


def test_two_faults_at_once_are_two_causes_and_neither_hides_the_other():
    assert told(HUB_HANGS, LOCKED, RISK_API) == [("database-locked", ("hub-api",)), ("risk-api-down", ())]


def test_a_token_without_a_scope_is_no_consequence_of_a_locked_database():
    assert told(LOCKED, bad("hub-api", "token-scope")) == [("database-locked", ()), ("token-scope", ())]


def test_a_trouble_that_several_see_is_one():
    findings = [bad("hub-api", "dns"), bad("sso", "dns"), RISK_API]
    assert told(*findings) == [("dns", ("sso",)), ("risk-api-down", ())]


def test_the_graver_of_two_findings_of_a_kind_is_the_cause():
    assert told(bad("backup-snapshot", "backup-overdue", "degraded"), bad("recovery", "backup-overdue")) == [
        ("backup-overdue", ("backup-snapshot",))
    ]


def test_a_hub_that_starts_is_the_cause_though_what_follows_is_graver():
    starts = bad("hub-api", "hub-starting", "degraded")
    assert told(bad("proxy-routes", "hub-down"), starts) == [("hub-starting", ("proxy-routes",))]


def test_a_late_scheduler_explains_a_backup_that_was_missed():
    missed = bad("backup-mirror", "backup-overdue", "degraded")
    assert told(missed, bad("scheduler", "scheduler-late")) == [("scheduler-late", ("backup-mirror",))]


def test_a_chain_is_followed_to_its_root():
    proxy = bad("proxy-routes", "proxy-down")
    assert told(NO_SESSION, bad("hub-api", "hub-down"), proxy) == [
        ("proxy-down", ("synthetic-user", "hub-api")),
    ]


def test_a_finding_without_a_kind_is_its_own_cause():
    (cause,) = causes(diagnose([Finding("odd", "failed", "strange", "look at it")]))
    assert (cause.probe, cause.kind, cause.page) == ("odd", "", "")


def test_nothing_bad_has_no_cause():
    assert causes(diagnose([FINE, Finding("cluster", "not configured", "none")])) == ()


def test_of_any_two_troubles_one_is_a_cause_and_none_is_lost():
    for one, other in combinations(KINDS, 2):
        found = causes(diagnose([bad("one", one), bad("other", other)]))
        assert found, (one, other)
        assert {name for each in found for name in (each.probe, *each.explains)} == {"one", "other"}


def test_every_kind_has_its_place_and_brings_about_what_ends_somewhere():
    assert set(TROUBLES) == set(KINDS)
    assert not [kind for kind in KINDS if kind in follows_from(kind)]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_its_section_on_its_page(kind: Kind):
    path, _, section = page_of(kind).partition("#")
    assert f"\n## {section}\n" in (PROJECT / path).read_text()


def test_what_lies_between_a_cause_and_its_consequence_need_not_be_seen():
    assert told(LOCKED, NO_SESSION) == [("database-locked", ("synthetic-user",))]
