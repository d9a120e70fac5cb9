from __future__ import annotations

from datetime import UTC, datetime, timedelta

from domain.plan import Outcome
from domain.recovery import Member, MemberKind, Snapshot, Taken, point_id
from plans.backup import MEMBERS, is_whole, plan_backup

NOW = datetime(2026, 3, 1, 1, 30, tzinfo=UTC)
TARGETS: dict[MemberKind, str] = {kind: f"the {kind}" for kind in MEMBERS}


def taken(kind: MemberKind) -> Taken:
    return Taken(Outcome("back up", kind, "done"), Member(kind, "somewhere", 1, None, {}))


def test_every_member_is_planned_and_the_age_of_the_last_snapshot_is_the_reason() -> None:
    last = Snapshot("arn", NOW - timedelta(hours=26), 10, "riskhub")
    plan = plan_backup(TARGETS, last, now=NOW)
    assert [action.on for action in plan.actions] == list(MEMBERS)
    assert "26 h old" in plan.actions[0].reason


def test_the_first_backup_says_that_there_is_none_yet() -> None:
    assert "none yet" in plan_backup(TARGETS, None, now=NOW).actions[0].reason


def test_a_point_is_whole_only_with_every_member() -> None:
    whole = [taken(kind) for kind in MEMBERS]
    assert is_whole(whole)
    for missing in MEMBERS:
        others = [each for each in whole if each.member and each.member.kind != missing]
        assert not is_whole([*others, Taken(Outcome("back up", missing, "failed"))])


def test_point_ids_sort_by_time() -> None:
    moments = [NOW + timedelta(days=days) for days in (0, 1, 300)]
    assert sorted(map(point_id, moments)) == [point_id(moment) for moment in moments]
