"""What is announced, and what is announced no more: the decision alone, no server needed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from domain.errors import Refused
from domain.notices import LONGEST, Announcement
from domain.plan import Plan
from plans.announcements import announcement_summary, announcements_after, plan_announcement, plan_withdrawal

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def announced(
    *told: Announcement,
    text: str = "a new node",
    begins: datetime = NOW + HOUR,
    ends: datetime = NOW + 3 * HOUR,
    group: str | None = None,
) -> Plan[Announcement]:
    return plan_announcement(told, text, begins=begins, ends=ends, group=group, now=NOW)


def test_everybody_is_told_of_the_window_and_what_happens_in_it():
    (made,) = announcements_after(announced())
    assert made.text == "Maintenance 2026-03-02 10:00 to 12:00 UTC: a new node"
    assert (made.audience, made.ends) == ("everybody", NOW + 3 * HOUR)
    (overnight,) = announcements_after(announced(ends=NOW + 24 * HOUR))
    assert "2026-03-02 10:00 to 2026-03-03 09:00 UTC" in overnight.text


def test_an_announcement_is_added_to_those_that_have_not_ended():
    (kept,) = announcements_after(announced(text="a database", group="data-scientists"))
    (ended,) = announcements_after(announced(text="done", ends=NOW + 2 * HOUR))
    ended = ended.model_copy(update={"ends": NOW})
    plan = announced(kept, ended)
    assert [each.text.rpartition(": ")[2] for each in announcements_after(plan)] == ["a database", "a new node"]
    assert [action.target for action in plan.left_alone] == [f"{kept.id} for group data-scientists"]


def test_the_same_announcement_twice_is_told_once():
    (made,) = announcements_after(announced())
    again = announced(made)
    assert (list(again.actions), announcements_after(again)) == ([], [made])
    assert announcement_summary(again, executed=True) == "it is announced already"


@pytest.mark.parametrize("group", [None, "", "None"])
def test_whom_it_is_for_is_part_of_what_it_is(group: str | None):
    others = {None, "", "None"} - {group}
    mine = announcements_after(announced(group=group))[0].id
    assert mine not in {announcements_after(announced(group=other))[0].id for other in others}


def test_one_is_withdrawn_and_the_others_stay():
    told = [*announcements_after(announced()), *announcements_after(announced(text="another"))]
    plan = plan_withdrawal(told, told[0].id, now=NOW)
    assert announcements_after(plan) == told[1:]
    said = f"{told[0].id} for everybody: would be withdrawn: {told[0].text}"
    assert announcement_summary(plan, executed=False) == said


def test_to_withdraw_what_nobody_is_told_of_is_refused_with_what_they_are_told():
    told = announcements_after(announced())
    with pytest.raises(Refused, match=f"nobody is told of it.*choose one of those told: {told[0].id}"):
        plan_withdrawal(told, "0" * 8, now=NOW)
    with pytest.raises(Refused, match="those told: none"):
        plan_withdrawal(told, told[0].id, now=NOW + 3 * HOUR)


@pytest.mark.parametrize(
    ("begins", "ends", "said"),
    [
        (NOW + 2 * HOUR, NOW + HOUR, "ends before it begins"),
        (NOW + HOUR, NOW + HOUR, "ends before it begins"),
        (NOW - 2 * HOUR, NOW, "it ended at 2026-03-02 09:00 UTC"),
    ],
)
def test_a_window_that_cannot_be_meant_is_refused(begins: datetime, ends: datetime, said: str):
    with pytest.raises(Refused, match=said):
        announced(begins=begins, ends=ends)


def test_a_text_that_nobody_could_read_is_refused_with_the_room_there_is():
    room = LONGEST - len("Maintenance 2026-03-02 10:00 to 12:00 UTC: ")
    assert len(announcements_after(announced(text="x" * room))[0].text) == LONGEST
    for text in ("x" * (room + 1), " ", "two\nlines", "turned \u202earound"):
        with pytest.raises(Refused, match=f"write one line of 1 to {room}"):
            announced(text=text)
