"""How the disaster on the node is judged: what came back, what did not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from benchmarks.disaster import Measured, Work, lost_work, with_home, without
from devstack.day.damage import differences, look_at
from domain.errors import Damaged

BEGAN = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
WRITTEN = [BEGAN + timedelta(seconds=5 * number) for number in range(4)]
WORK = Work(WRITTEN, run=timedelta(seconds=20))
LOST_AT = BEGAN + timedelta(seconds=18)


def journal(lines: list[datetime]) -> str:
    return "".join(f"{each.isoformat()}\n" for each in lines)


def test_the_work_that_is_lost_begins_after_the_newest_line_that_came_back():
    lost = lost_work(WORK, journal(WRITTEN[:2]), LOST_AT)
    assert (lost.rpo, lost.lines, lost.since) == (timedelta(seconds=13), 2, WRITTEN[2])
    assert lost.goal == timedelta(minutes=15, seconds=20)


def test_where_every_line_came_back_none_is_the_first_lost():
    lost = lost_work(WORK, journal(WRITTEN), LOST_AT)
    assert (lost.rpo, lost.lines, lost.since) == (timedelta(seconds=3), 0, None)


@pytest.mark.parametrize("back", ["", "something else\n", journal(WRITTEN[1:]), journal([*WRITTEN, LOST_AT])])
def test_a_journal_that_is_not_what_was_written_is_damaged(back):
    with pytest.raises(Damaged, match="they are not the first of the 4 that were written"):
        lost_work(WORK, back, LOST_AT)


def test_one_home_is_compared_as_an_earlier_look_saw_it(tmp_path):
    for name in ("dina", "dinas", "proof"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a").write_text("1")
    before = look_at(tmp_path)
    (tmp_path / "dina" / "a").chmod(0o600)
    hers = look_at(tmp_path / "dina")
    (tmp_path / "dina" / "a").write_text("of her own server")
    (tmp_path / "dina" / "log").write_text("of her own server")
    (tmp_path / "dinas" / "a").unlink()
    (tmp_path / "proof" / "a").write_text("left out")
    after = with_home(look_at(tmp_path), "dina", hers)
    told = differences(without(before, "proof"), without(after, "proof"))
    assert told == ["dina/a: mode", "dinas: mtime", "dinas/a: missing"]


@pytest.mark.parametrize(
    ("rto", "differing", "rpo", "good"),
    [(120, [], 915, True), (121, [], 915, False), (120, ["dina/a: mode"], 915, False), (120, [], 921, False)],
)
def test_it_is_good_when_both_goals_are_met_and_nothing_differs(rto, differing, rpo, good):
    lost = lost_work(WORK, journal(WRITTEN[:1]), BEGAN + timedelta(seconds=rpo))
    took = timedelta(seconds=rto)
    assert Measured(rto=took, command=took, steps={}, entries=9, differing=differing, lost=lost).is_good is good
