from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from domain.errors import Refused
from domain.plan import Plan
from domain.recovery import RecoveryPoint
from plans.environment import Step, plan_environment_recovery, plan_parts_restore

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
POINT = RecoveryPoint("20260302T020000Z", ())


SHARED = {"shared/data": NOW - timedelta(hours=11), "shared/libs": NOW - timedelta(hours=35)}


def planned(
    *,
    on_cluster: bool,
    start_at: Step = "configuration",
    shared_at: Mapping[str, datetime | None] = SHARED,
) -> Plan[Step]:
    homes_at = NOW - timedelta(minutes=12)
    return plan_environment_recovery(
        POINT, homes_at, shared_at, name="prod", on_cluster=on_cluster, start_at=start_at, now=NOW
    )


def steps(plan: Plan[Step]) -> list[Step]:
    return [action.on for action in plan.actions]


def test_homes_and_what_is_shared_come_before_the_hub_lets_anybody_in_and_all_ages_are_told() -> None:
    plan = planned(on_cluster=True)
    assert steps(plan) == ["configuration", "stop", "database", "homes", "shared", "deploy"]
    reasons = {action.on: action.reason for action in plan.actions}
    assert reasons["database"].startswith("10 h old")
    assert reasons["homes"] == "as of 2026-03-02 11:48:00 UTC, 12 min old"
    assert reasons["shared"] == "as of 2026-03-01 01:00:00 UTC, 35 h old", "of the folder whose point is oldest"


def test_without_a_cluster_there_is_nothing_to_configure_stop_or_deploy() -> None:
    assert steps(planned(on_cluster=False)) == ["database", "homes", "shared"]


def test_without_shared_folders_there_is_no_such_step() -> None:
    plan = planned(on_cluster=True, shared_at={})
    assert steps(plan) == ["configuration", "stop", "database", "homes", "deploy"]
    assert plan.left_alone == ()


def test_a_shared_folder_without_a_point_is_left_alone_and_told_and_the_others_come_back() -> None:
    plan = planned(on_cluster=False, shared_at={**SHARED, "shared/notebooks": None})
    assert steps(plan) == ["database", "homes", "shared"]
    assert [(each.target, each.reason) for each in plan.left_alone] == [
        ("shared/notebooks", "there is no point of it as old as that")
    ]


def test_where_no_shared_folder_has_a_point_the_rest_is_recovered_all_the_same() -> None:
    plan = planned(on_cluster=False, shared_at=dict.fromkeys(SHARED))
    assert steps(plan) == ["database", "homes"]
    assert [each.target for each in plan.left_alone] == ["shared/data", "shared/libs"]


def test_what_an_earlier_run_did_is_left_alone_and_told() -> None:
    plan = planned(on_cluster=True, start_at="shared")
    assert steps(plan) == ["shared", "deploy"]
    assert [action.on for action in plan.left_alone] == ["configuration", "stop", "database", "homes"]


def test_a_start_at_which_nothing_is_left_is_refused_and_told_what_to_choose() -> None:
    with pytest.raises(Refused, match="nothing is left to do from deploy on") as refused:
        planned(on_cluster=False, start_at="deploy")
    assert refused.value.next_step == "start at one of: database, homes, shared"
    with pytest.raises(Refused, match="nothing is left to do from shared on") as refused:
        planned(on_cluster=False, start_at="shared", shared_at={})
    assert refused.value.next_step == "start at one of: database, homes"


def test_a_part_is_one_action_however_much_of_it_comes_back() -> None:
    differing = [("ana", "create"), ("ana", "create"), ("ana", "replace"), ("shared/data/prices", "create")]
    plan = plan_parts_restore(differing, title="t")
    assert [(action.target, action.reason) for action in plan.actions] == [
        ("ana", "create 2, replace 1"), ("shared/data/prices", "create 1")
    ]  # fmt: skip
