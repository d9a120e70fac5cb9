"""Retention on the real store: what is removed is gone, what is locked, damaged or newest stays and is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from domain.recovery import RecoveryPoint
from environments import Environment
from environments.settings import RetentionPolicy
from plans.retention import plan_retention
from systems.objects import get_object, list_versions, put_object
from systems.recovery_points import read_point, seal_recovery_point, store_member
from tasks.retention import observe_points, remove_points
from tests.faults.oncall import Answer, OnCall

OLD, SAME_DAY, LOCKED, NEWEST = "20240101T010000Z", "20240101T020000Z", "20240102T010000Z", "20240301T010000Z"
DAMAGED = "20240201T010000Z"
KEYS = {OLD: "aa" * 8, SAME_DAY: "bb" * 8, LOCKED: "cc" * 8, NEWEST: "dd" * 8}
NEWEST_ONLY = RetentionPolicy(daily=1, weekly=0, monthly=0)


@pytest.fixture
def points(apart: Environment) -> Environment:
    """A bucket with four points of known keys, one of them still locked, and a damaged one."""
    unlocked = apart.objects.model_copy(update={"locked_for": None})
    for point, key in KEYS.items():
        member = store_member(unlocked, point, "database", "database.dump", b"a dump", facts={"crypt_key": key})
        seal_recovery_point(apart.objects if point == LOCKED else unlocked, point, [member])
    put_object(unlocked, f"recovery-points/{DAMAGED}/manifest.json", b"[]", content_type="application/json")
    return apart


@pytest.fixture
def prune(points: Environment, on_call: OnCall, other_state: Callable[..., Path]) -> Callable[..., Answer]:
    state = other_state(S3_BACKUP_BUCKET=points.objects.bucket)
    keep_one = ("--daily", "1", "--weekly", "0", "--monthly", "0")

    def run(*arguments: str) -> Answer:
        return on_call.riskhub("recovery", "prune", *keep_one, "--json", *arguments, RISKHUB_STATE=str(state))

    return run


def there(env: Environment) -> set[str]:
    """The points of which any version of any object is left."""
    return {key.split("/")[1] for key, _ in list_versions(env.objects, "recovery-points/")}


def test_a_dry_run_names_what_would_go_and_the_keys_that_would_still_be_needed_and_removes_nothing(
    points: Environment, prune: Callable[..., Answer]
) -> None:
    answer = prune()
    assert (answer.code, answer.record["state"]) == (0, "planned"), answer
    assert [each["target"] for each in answer.record["actions"]] == [OLD, SAME_DAY]
    assert there(points) == {*KEYS, DAMAGED}


def test_what_no_rule_keeps_is_gone_and_the_keys_of_all_others_are_named(
    points: Environment, prune: Callable[..., Answer]
) -> None:
    answer = prune("--execute")
    assert (answer.code, answer.record["state"]) == (3, "partial"), "a damaged point is told"
    assert {target: told.partition(":")[0] for target, told in answer.outcomes.items()} == {
        OLD: "done",
        SAME_DAY: "done",
    }
    assert there(points) == {LOCKED, DAMAGED, NEWEST}
    assert get_object(points.objects, read_point(points.objects, LOCKED).member("database").reference) == b"a dump"
    reasons = {each["target"]: each["reason"] for each in answer.record["left_alone"]}
    assert "locked until" in reasons[LOCKED]
    seen = " ".join(each["seen"] for each in answer.record["findings"])
    assert [key in seen for key in KEYS.values()] == [False, False, True, True]
    assert f"recovery point {DAMAGED}: its manifest cannot be read; it is left alone" in seen


def test_more_than_the_share_is_refused_and_nothing_is_removed(
    points: Environment, prune: Callable[..., Answer]
) -> None:
    answer = prune("--execute", "--max-share", "0.3", "--at-least", "1")
    assert (answer.code, answer.record["state"]) == (1, "refused"), answer
    assert there(points) == {*KEYS, DAMAGED}


def test_a_point_that_changed_since_the_plan_is_left_alone(points: Environment) -> None:
    found, locks = observe_points.fn(points.objects)
    plan = plan_retention(found, locks, NEWEST_ONLY, now=read_point(points.objects, NEWEST).created_at)
    altered, locked = (f"recovery-points/{point}/manifest.json" for point in (OLD, SAME_DAY))
    put_object(points.objects, altered, b'{"members": []}', content_type="text/plain")
    put_object(points.objects, locked, get_object(points.objects, locked), content_type="application/json", locked=True)

    outcomes = {each.target: (each.state, each.detail) for each in remove_points.fn(points.objects, plan)}

    assert outcomes[OLD] == ("skipped", "its manifest is not the one of the plan any more")
    assert outcomes[SAME_DAY][0] == "skipped" and "it is locked until" in outcomes[SAME_DAY][1]
    assert there(points) == {*KEYS, DAMAGED}


def test_a_point_that_has_become_the_newest_is_left_alone(points: Environment) -> None:
    found, locks = observe_points.fn(points.objects)
    only = [each for each in found if isinstance(each, RecoveryPoint) and each.id in (OLD, NEWEST)]
    plan = plan_retention(only, locks, NEWEST_ONLY, now=read_point(points.objects, NEWEST).created_at)
    for point in (SAME_DAY, LOCKED, NEWEST):
        put_object(points.objects, f"recovery-points/{point}/manifest.json", b"[]", content_type="text/plain")

    (outcome,) = remove_points.fn(points.objects, plan)

    assert (outcome.state, outcome.detail) == ("skipped", "it is the newest now")
    assert OLD in there(points)
