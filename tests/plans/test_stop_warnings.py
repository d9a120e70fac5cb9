"""Who is warned of a stop, and who is stopped after it: the decision alone, no server needed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import Refused
from domain.notices import LONGEST, StopWarning
from domain.plan import Outcome, Plan
from domain.sessions import Server, Stop
from domain.text import visible
from environments.culling import CullPolicy
from plans.culling import cull_summary, plan_culls, stops_of, warned_by, warnings_of

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
POLICY = CullPolicy(idle=HOUR, warn=10 * MINUTE, max_share=1)


def server(user: str = "ana", *, idle: timedelta = HOUR - 5 * MINUTE, age: timedelta = 5 * HOUR, **more: Any) -> Server:
    facts: dict[str, Any] = {"name": "", "ready": True, "pending": None, **more}
    return Server(user, started=NOW - age, last_activity=NOW - idle, **facts)


def plan_of(one: Server, *warned: StopWarning, after: timedelta = timedelta(0), **changed: Any) -> Plan[Stop]:
    return plan_culls([one], POLICY.model_copy(update=changed), now=NOW + after, warned=warned)


def verb_of(plan: Plan[Stop]) -> str:
    (action,) = (*plan.actions, *plan.left_alone)
    return action.verb


def warning_of(one: Server, **changed: Any) -> StopWarning:
    (warning,) = warnings_of(plan_of(one, **changed))
    return warning


def test_a_server_is_warned_so_long_before_its_stop_and_not_earlier():
    assert verb_of(plan_of(server(idle=50 * MINUTE))) == "warn"
    assert verb_of(plan_of(server(idle=49 * MINUTE))) == "leave"


def test_the_stop_is_never_nearer_than_the_policy_warns():
    assert warning_of(server(idle=50 * MINUTE)).stop_at == NOW + 10 * MINUTE
    assert warning_of(server(idle=55 * MINUTE)).stop_at == NOW + 10 * MINUTE
    assert warning_of(server(idle=3 * HOUR)).stop_at == NOW + 10 * MINUTE


def test_a_warned_server_is_stopped_when_its_time_has_come_and_the_reason_tells_since_when_it_was_warned():
    one = server()
    warning = warning_of(one)
    assert verb_of(plan_of(one, warning, after=10 * MINUTE - timedelta(seconds=1))) == "leave"
    plan = plan_of(one, warning, after=10 * MINUTE)
    (action,) = plan.actions
    assert (action.verb, stops_of(plan)) == ("stop", [action.on])
    assert action.reason == "idle for 1 h 5 min, the limit is 1 h 0 min; warned at 2026-03-02 09:00 UTC"


def test_a_warned_server_that_waits_is_left_alone_and_stays_warned():
    one = server()
    warning = warning_of(one)
    plan = plan_of(one, warning, after=2 * MINUTE)
    (left,) = plan.left_alone
    assert left.reason.endswith("warned at 2026-03-02 09:00 UTC of a stop at 2026-03-02 09:10 UTC")
    assert warnings_of(plan) == [warning]


def test_activity_since_the_warning_spares_a_server_that_wakes_up_before_its_stop():
    one = server()
    (stop,) = stops_of(plan_of(one, warning_of(one), after=10 * MINUTE))
    assert stop.idle_since == one.last_activity


def test_who_works_again_loses_the_warning_and_is_warned_anew_when_idle_again():
    one = server()
    warning = warning_of(one)
    awake = server(idle=-1 * MINUTE)
    plan = plan_of(awake, warning, after=10 * MINUTE)
    assert (verb_of(plan), warnings_of(plan)) == ("leave", [])
    again = plan_of(awake, warning, after=2 * HOUR)
    assert verb_of(again) == "warn"
    assert [each.stop_at for each in warnings_of(again)] == [NOW + 2 * HOUR + 10 * MINUTE]


def test_a_warning_of_an_earlier_start_counts_for_nothing():
    warning = warning_of(server())
    assert verb_of(plan_of(server(age=4 * HOUR), warning, after=10 * MINUTE)) == "warn"


def test_a_server_that_is_too_old_is_warned_and_stopped_whatever_it_does():
    one = server(idle=timedelta(0), age=5 * HOUR)
    old = {"max_age": 5 * HOUR + 8 * MINUTE}
    warning = warning_of(one, **old)
    assert (warning.last_activity, warning.stop_at) == (None, NOW + 10 * MINUTE)
    busy = server(idle=-10 * MINUTE, age=5 * HOUR)
    plan = plan_of(busy, warning, after=10 * MINUTE, **old)
    (stop,) = stops_of(plan)
    assert stop.idle_since is None


def test_who_was_promised_that_use_keeps_the_server_is_not_stopped_by_its_age():
    one = server()
    warning = warning_of(one)
    assert "Use it to keep it" in warning.text
    plan = plan_of(one, warning, after=10 * MINUTE, max_age=5 * HOUR)
    assert verb_of(plan) == "warn"
    assert "Save your work" in warnings_of(plan)[0].text


def test_a_hold_or_an_exemption_takes_the_warning_back():
    one = server()
    plan = plan_of(one, warning_of(one), exempt=("ana",))
    assert (verb_of(plan), warnings_of(plan)) == ("leave", [])


def test_where_nobody_can_be_warned_a_server_is_stopped_so_much_later_and_not_held_forever():
    due, overdue = server(idle=HOUR + 5 * MINUTE), server("bea", idle=HOUR + 11 * MINUTE)
    plan = plan_culls([due, overdue], POLICY, now=NOW, warned=None)
    assert [(each.verb, each.target) for each in (*plan.actions, *plan.left_alone)] == [
        ("stop", "bea/"),
        ("leave", "ana/"),
    ]
    assert plan.actions[0].reason.endswith("; its user cannot be warned")  # type: ignore[index]


def test_without_a_time_to_warn_nobody_is_warned():
    plan = plan_of(server(idle=2 * HOUR), warn=timedelta(0))
    assert (verb_of(plan), warnings_of(plan)) == ("stop", [])


def test_a_plan_that_warns_over_the_share_is_refused_whole():
    policy = POLICY.model_copy(update={"max_share": 0.5, "at_least": 0})
    with pytest.raises(Refused, match="warn 2 of 2 running servers, more than the 1 allowed"):
        plan_culls([server(), server("bea")], policy, now=NOW)


def test_the_summary_counts_who_was_warned():
    plan = plan_culls([server(), server("bea", idle=timedelta(0))], POLICY, now=NOW)
    assert cull_summary(plan, [], executed=False) == "0 servers would be stopped, 1 warned, 1 left alone"
    told = [Outcome("warn", "ana/", "done")]
    expected = "0 servers stopped, 0 woke up, 0 failed, 1 of 1 warned, 1 left alone"
    assert cull_summary(plan, told, executed=True) == expected
    assert [stop.server.user for stop in warned_by(plan)] == ["ana"]


@given(st.text(min_size=1, max_size=255))
def test_whatever_a_server_is_called_its_warning_is_one_line_that_jupyterlab_shows_whole(name: str) -> None:
    text = warning_of(server(name=name)).text
    assert len(text) <= LONGEST and visible(text) == text
    assert "stops at 2026-03-02 09:10 UTC" in text
