"""Who is stopped and who is not: the decision alone, no server needed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import Refused
from domain.sessions import Server
from environments.culling import CullPolicy
from plans.culling import judge, plan_culls

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
POLICY = CullPolicy(idle=HOUR, max_share=1)


def server(user: str = "ana", *, idle: timedelta | None = 2 * HOUR, age: timedelta | None = 5 * HOUR, **more) -> Server:
    facts = {"name": "", "ready": True, "pending": None, **more}
    return Server(
        user,
        started=None if age is None else NOW - age,
        last_activity=None if idle is None else NOW - idle,
        **facts,
    )


def reason(one: Server, policy: CullPolicy = POLICY) -> str:
    plan = plan_culls([one], policy, now=NOW)
    (action,) = plan.actions + plan.left_alone
    return f"{action.verb}: {action.reason}"


def test_a_server_idle_for_longer_than_the_limit_is_stopped():
    assert reason(server(idle=3 * HOUR)) == "stop: idle for 3 h 0 min, the limit is 1 h 0 min"


def test_a_server_idle_for_just_the_limit_is_left_alone():
    assert reason(server(idle=HOUR)) == "leave: active 1 h 0 min ago, the limit is 1 h 0 min"


def test_a_server_that_never_reported_activity_counts_from_its_start():
    assert reason(server(idle=None, age=2 * HOUR)).startswith("stop: idle for 2 h")
    assert reason(server(idle=None, age=HOUR / 2)).startswith("leave: active 30 min ago")


def test_a_server_of_which_neither_activity_nor_start_is_known_is_left_alone():
    assert reason(server(idle=None, age=None)) == "leave: neither its activity nor its start is known"


def test_a_pending_server_is_left_alone_however_old_its_activity():
    assert reason(server(ready=False, pending="stop")) == "leave: pending stop"


def test_a_server_that_is_not_ready_is_left_alone():
    assert reason(server(ready=False)) == "leave: not ready"


def test_an_exempt_user_is_left_alone():
    policy = POLICY.model_copy(update={"exempt": ("ana",), "max_age": HOUR})
    assert reason(server(), policy) == "leave: its user is exempt"


def test_a_server_older_than_the_maximum_age_is_stopped_though_it_is_active():
    policy = POLICY.model_copy(update={"max_age": 4 * HOUR})
    active = server(idle=timedelta(0), age=5 * HOUR)
    assert reason(active, policy) == "stop: started at 2026-03-02 04:00 UTC, the limit is 4 h 0 min"
    assert judge(active, policy, now=NOW).idle_since is None


def test_an_idle_server_must_have_been_idle_since_the_limit_began():
    assert judge(server(), POLICY, now=NOW).idle_since == NOW - HOUR


def test_a_plan_over_the_share_is_refused_whole():
    policy = CullPolicy(idle=HOUR, max_share=0.5, at_least=5)
    with pytest.raises(Refused, match=r"stop 12 of 20 running servers, more than the 10 allowed"):
        plan_culls([server(f"u{n}", idle=2 * HOUR if n < 12 else HOUR / 2) for n in range(20)], policy, now=NOW)


def test_on_a_small_hub_a_few_stops_are_always_allowed():
    policy = CullPolicy(idle=HOUR, max_share=0.1, at_least=2)
    assert len(plan_culls([server("ana"), server("bea")], policy, now=NOW).actions) == 2


def test_pending_servers_do_not_make_room_for_more_stops():
    policy = CullPolicy(idle=HOUR, max_share=0.5, at_least=0)
    pending = [server(f"p{n}", ready=False, pending="spawn") for n in range(10)]
    with pytest.raises(Refused):
        plan_culls([server("ana"), *pending], policy, now=NOW)


def test_activity_in_the_future_counts_as_active():
    assert reason(server(idle=-2 * HOUR)) == "leave: active 0 s ago, the limit is 1 h 0 min"


spans = st.timedeltas(min_value=timedelta(days=-2), max_value=timedelta(days=9))
servers = st.builds(
    Server,
    user=st.sampled_from(["ana", "bea", "carl", "dörte"]),
    name=st.sampled_from(["", "gpu"]),
    ready=st.booleans(),
    pending=st.sampled_from([None, "spawn", "stop"]),
    started=st.none() | spans.map(lambda span: NOW - span),
    last_activity=st.none() | spans.map(lambda span: NOW - span),
)
policies = st.builds(
    CullPolicy,
    idle=st.timedeltas(min_value=timedelta(seconds=1), max_value=timedelta(days=3)),
    max_age=st.none() | st.timedeltas(min_value=timedelta(seconds=1), max_value=timedelta(days=9)),
    exempt=st.sampled_from([(), ("ana",), ("ana", "carl")]),
    max_share=st.just(1.0),
)


@given(st.lists(servers), policies)
def test_no_pending_exempt_or_active_server_is_ever_stopped(some: list[Server], policy: CullPolicy):
    for action in plan_culls(some, policy, now=NOW).actions:
        one = action.on.server
        assert one.ready and one.pending is None and one.user not in policy.exempt
        activity = one.last_activity or one.started
        idle = activity is not None and NOW - activity > policy.idle
        old = policy.max_age is not None and one.started is not None and NOW - one.started > policy.max_age
        assert idle or old


@given(st.lists(servers), policies)
def test_every_server_is_told_once_in_the_order_it_came(some: list[Server], policy: CullPolicy):
    plan = plan_culls(some, policy, now=NOW)
    assert len(plan.actions) + len(plan.left_alone) == len(some)
    for chosen in (plan.actions, plan.left_alone):
        rest = iter(some)
        assert all(action.reason and any(action.on.server is one for one in rest) for action in chosen)


@given(st.lists(servers), policies, st.floats(min_value=0.01, max_value=1), st.integers(min_value=0, max_value=9))
def test_no_plan_stops_more_than_is_allowed(some: list[Server], policy: CullPolicy, share: float, at_least: int):
    limited = policy.model_copy(update={"max_share": share, "at_least": at_least})
    try:
        stops = len(plan_culls(some, limited, now=NOW).actions)
    except Refused:
        return
    assert stops <= max(at_least, share * sum(one.ready for one in some))
