from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from domain.errors import Refused
from domain.plan import Plan
from domain.recovery import RecoveryPoint
from plans.environment import Step, plan_environment_recovery, plan_homes_restore

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
POINT = RecoveryPoint("20260302T020000Z", ())


def planned(*, on_cluster: bool, start_at: Step = "configuration") -> Plan[Step]:
    homes_at = NOW - timedelta(minutes=12)
    return plan_environment_recovery(POINT, homes_at, name="prod", on_cluster=on_cluster, start_at=start_at, now=NOW)


def steps(plan: Plan[Step]) -> list[Step]:
    return [action.on for action in plan.actions]


def test_homes_come_before_the_hub_lets_anybody_in_and_both_ages_are_told() -> None:
    plan = planned(on_cluster=True)
    assert steps(plan) == ["configuration", "stop", "database", "homes", "deploy"]
    reasons = {action.on: action.reason for action in plan.actions}
    assert reasons["database"].startswith("10 h old")
    assert reasons["homes"] == "as of 2026-03-02 11:48:00 UTC, 12 min old"


def test_without_a_cluster_there_is_nothing_to_configure_stop_or_deploy() -> None:
    assert steps(planned(on_cluster=False)) == ["database", "homes"]


def test_what_an_earlier_run_did_is_left_alone_and_told() -> None:
    plan = planned(on_cluster=True, start_at="homes")
    assert steps(plan) == ["homes", "deploy"]
    assert [action.on for action in plan.left_alone] == ["configuration", "stop", "database"]


def test_a_start_at_which_nothing_is_left_is_refused_and_told_what_to_choose() -> None:
    with pytest.raises(Refused, match="nothing is left to do from deploy on") as refused:
        planned(on_cluster=False, start_at="deploy")
    assert refused.value.next_step == "start at one of: database, homes"


def test_a_home_is_one_action_however_much_of_it_comes_back() -> None:
    plan = plan_homes_restore([("ana", "create"), ("ana", "create"), ("ana", "replace"), ("bea", "create")], title="t")
    assert [(action.target, action.reason) for action in plan.actions] == [
        ("ana", "create 2, replace 1"), ("bea", "create 1")
    ]  # fmt: skip
