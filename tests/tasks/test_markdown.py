"""What people read in the Prefect UI shows hostile names as names."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from domain.clock import utc_now
from domain.health import Finding
from domain.logs import LoggedMessage
from domain.plan import Outcome
from domain.record import PlannedAction, Record
from tasks.markdown import escaped, plan_page, record_page


@given(st.text(max_size=400))
@example("\u20280")
def test_any_name_stays_on_its_line_and_opens_no_markup(name: str) -> None:
    shown = escaped(name)
    assert len(shown.splitlines()) <= 1
    assert "<" not in shown and ">" not in shown
    assert not any(mark in shown.replace(f"\\{mark}", "") for mark in "|*[]`")


def test_a_link_in_a_name_is_text() -> None:
    assert escaped("[home](https://e)") == r"\[home\]\(https&#58;//e\)"


def test_a_name_that_turns_the_line_around_is_seen_to_do_so() -> None:
    assert "u202e" in escaped("a\u202eb")


def test_a_long_name_is_cut_and_says_so() -> None:
    assert escaped("a" * 1000).endswith(r"… \(1000 characters\)")


def test_an_empty_plan_says_that_there_is_nothing_to_do() -> None:
    assert "Nothing to do." in plan_page("cull", "d1", [], [], "local")


def test_what_is_left_alone_is_shown_with_its_reason() -> None:
    page = plan_page("cull", "d1", [], [PlannedAction(verb="leave", target="ana/", reason="active")], "local")
    assert "| leave | ana/ | active |" in page


def test_the_failed_outcomes_come_first() -> None:
    record = _record(outcomes=(Outcome("stop", "ana/", "done"), Outcome("stop", "bea/", "failed", "still runs")))
    page = record_page(record)
    assert page.index("bea/") < page.index("ana/")


def test_a_finding_tells_its_next_step() -> None:
    page = record_page(_record(findings=(Finding("hub-api", "failed", "no answer", "look at the pod"),)))
    assert "| hub-api | failed | no answer | look at the pod |" in page


def test_a_line_of_a_log_opens_no_markup() -> None:
    hostile = "403 GET /user/<img src=x> | [x](http://e) `"
    page = record_page(_record(logged=(LoggedMessage("security", hostile, 2, (hostile, "another")),)))
    assert f"| security | 2 | {escaped(hostile)} | {escaped(hostile)} |" in page.splitlines()
    assert "<img" not in page and "[x](" not in page


def test_only_a_plain_address_becomes_a_link() -> None:
    page = record_page(_record(links={"run": "http://127.0.0.1:1/runs", "bad": "https://e)[x](y"}))
    assert "<http://127.0.0.1:1/runs>" in page
    assert "[x](y" not in page


def _record(**fields: object) -> Record:
    base = {"flow": "f", "environment": "local", "state": "partial", "summary": "s"}
    return Record.model_validate({**base, "started_at": utc_now(), "finished_at": utc_now(), **fields})
