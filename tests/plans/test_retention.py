from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import Damaged, Refused
from domain.plan import Outcome, OutcomeState, Plan
from domain.recovery import Member, RecoveryPoint, point_id
from environments.settings import RetentionPolicy
from plans.retention import damaged_points, needed_keys, plan_retention, staying, told

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)  # a Monday
NOBODY_SAYS = None


def point(taken: datetime, key: str | None = "aa") -> RecoveryPoint:
    facts: dict[str, str | int] = {} if key is NOBODY_SAYS else {"crypt_key": key}
    return RecoveryPoint(point_id(taken), (Member("database", "a key", 1, "0" * 64, facts),))


def nights(count: int) -> list[RecoveryPoint]:
    return [point(NOW - timedelta(days=day)) for day in range(count)]


def policy(daily: int, weekly: int = 0, monthly: int = 0, **limits: float) -> RetentionPolicy:
    return RetentionPolicy.model_validate(
        {"daily": daily, "weekly": weekly, "monthly": monthly, "max_share": 1.0, **limits}
    )


def removed(plan: Plan[RecoveryPoint]) -> set[str]:
    return {action.target for action in plan.actions}


def kept(plan: Plan[RecoveryPoint]) -> dict[str, str]:
    return {action.target: action.reason for action in plan.left_alone}


def test_days_weeks_and_months_are_counted_by_their_newest_points() -> None:
    plan = plan_retention(nights(70), {}, policy(3, 2, 2), now=NOW)
    assert kept(plan) == {
        "20260302T120000Z": "the newest",
        "20260301T120000Z": "the newest of day 2026-03-01",
        "20260228T120000Z": "the newest of day 2026-02-28",
    }, "the week before ended on March 1, February on the 28th"
    assert set(kept(plan_retention(nights(70), {}, policy(0, 3, 3), now=NOW))) == {
        "20260302T120000Z",
        "20260301T120000Z",
        "20260222T120000Z",
        "20260228T120000Z",
        "20260131T120000Z",
    }


def test_of_several_points_of_a_day_the_newest_stands_for_it() -> None:
    points = [point(NOW - timedelta(days=1, hours=hour)) for hour in range(3)]
    plan = plan_retention([*points, point(NOW)], {}, policy(5), now=NOW)
    assert removed(plan) == {points[1].id, points[2].id}


def test_days_without_a_point_do_not_count_so_that_nothing_goes_because_backups_stopped() -> None:
    years_later = NOW + timedelta(days=2000)
    assert plan_retention(nights(5), {}, policy(5), now=years_later).actions == ()


def test_a_locked_point_that_no_rule_keeps_is_left_alone_and_told_until_its_lock_has_ended() -> None:
    old = point(NOW - timedelta(days=9))
    locks = {old.id: NOW + timedelta(days=1)}
    plan = plan_retention([*nights(2), old], locks, policy(2), now=NOW)
    assert (removed(plan), kept(plan)[old.id]) == (set(), "no rule keeps it, but it is locked until 2026-03-03")
    assert removed(plan_retention([*nights(2), old], locks, policy(2), now=NOW + timedelta(days=1))) == {old.id}


def test_more_than_the_share_is_refused_whole_and_the_message_says_what_to_do() -> None:
    with pytest.raises(Refused, match="20 of 30 points would be removed, more than the 15 allowed") as refused:
        plan_retention(nights(30), {}, policy(10, max_share=0.5), now=NOW)
    assert "--max-share" in refused.value.next_step
    assert len(plan_retention(nights(9), {}, policy(2, max_share=0.5), now=NOW).actions) == 7


def test_a_point_that_cannot_be_read_is_told_and_while_it_is_there_no_key_is_known_to_be_free() -> None:
    damage = Damaged("recovery point 20250101T000000Z", "its manifest cannot be read", "take another point")
    points = [*nights(2), damage]
    (finding,) = damaged_points(points)
    assert (finding.state, "20250101T000000Z" in finding.seen) == ("degraded", True)
    findings = told(needed_keys(points))
    assert [each.state for each in findings] == ["ok", "degraded"]
    assert findings[0].seen == "aa is needed by 2 points, 20260301T120000Z to 20260302T120000Z"
    assert "recovery point 20250101T000000Z" in findings[1].seen


def test_a_point_whose_removal_failed_or_was_not_done_stays_and_its_key_is_needed() -> None:
    old = [point(NOW - timedelta(days=day), key) for day, key in ((9, "bb"), (8, "cc"), (7, "dd"))]
    points = [*nights(1), *old]
    plan = plan_retention(points, {}, policy(1), now=NOW)
    outcomes = [Outcome("remove", each.id, state) for each, state in zip(old, get_args(OutcomeState), strict=True)]
    done = [each.target for each in outcomes if each.state == "done"]

    stay = staying(points, plan, outcomes, executed=True)

    assert ids(stay) == ids(points) - {*done}
    assert len(needed_keys(stay).points) == 3
    assert set(needed_keys(staying(points, plan, [], executed=False)).points) == {"aa"}


moments = st.integers(0, 400 * 24).map(lambda hours: NOW - timedelta(hours=hours))
counts = st.integers(0, 6)


@st.composite
def buckets(draw: st.DrawFn) -> tuple[list[RecoveryPoint | Damaged], dict[str, datetime]]:
    """Points in any order, some damaged, some locked, some without the record of a key."""
    points: list[RecoveryPoint | Damaged] = []
    locks: dict[str, datetime] = {}
    for taken in draw(st.sets(moments, max_size=40)):
        kind = draw(st.sampled_from(["whole", "whole", "whole", "damaged"]))
        if kind == "damaged":
            points.append(Damaged(f"recovery point {point_id(taken)}", "cannot be read", "take another"))
            continue
        points.append(point(taken, draw(st.sampled_from(["aa", "bb", "cc", NOBODY_SAYS]))))
        if draw(st.booleans()):
            locks[point_id(taken)] = taken + timedelta(days=draw(st.integers(0, 500)))
    return draw(st.permutations(points)), locks


def ids(points: Collection[RecoveryPoint | Damaged]) -> set[str]:
    return {each.id for each in points if isinstance(each, RecoveryPoint)}


@given(buckets(), counts, counts, counts)
def test_whatever_lies_there_the_newest_the_locked_and_the_damaged_stay_with_their_keys(
    bucket: tuple[list[RecoveryPoint | Damaged], dict[str, datetime]], daily: int, weekly: int, monthly: int
) -> None:
    points, locks = bucket
    plan = plan_retention(points, locks, policy(daily, weekly, monthly), now=NOW)
    gone = removed(plan)
    whole = ids(points)

    assert gone.isdisjoint(kept(plan)) and gone | set(kept(plan)) == whole
    assert gone.isdisjoint(sorted(whole)[-1:])
    assert not [each for each in gone if each in locks and locks[each] > NOW]
    days = sorted({each[:8] for each in whole})
    assert {each[:8] for each in whole - gone} >= set(days[len(days) - daily :])

    stay = staying(points, plan, [], executed=False)
    needed = needed_keys(stay)
    assert {each.thing for each in points if isinstance(each, Damaged)} <= set(needed.unknown)
    for each in stay:
        if isinstance(each, RecoveryPoint):
            key = each.member("database").facts.get("crypt_key")
            assert each.id in needed.points[str(key)] if key else f"recovery point {each.id}" in needed.unknown


@given(buckets(), counts, counts, counts)
def test_what_one_run_leaves_the_next_one_leaves_too(
    bucket: tuple[list[RecoveryPoint | Damaged], dict[str, datetime]], daily: int, weekly: int, monthly: int
) -> None:
    points, locks = bucket
    rules = policy(daily, weekly, monthly)
    stay = staying(points, plan_retention(points, locks, rules, now=NOW), [], executed=False)
    assert removed(plan_retention(stay, locks, rules, now=NOW)) == set()
