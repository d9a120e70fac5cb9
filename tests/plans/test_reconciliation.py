"""What belongs to nothing and what mends it: the decision alone, no server needed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import Refused
from domain.plan import Action, Outcome, Plan
from domain.reconciliation import Item, Route, Running, Standing, key_of
from domain.sessions import Server
from environments.reconciling import ReconcilePolicy
from plans.reconciliation import VERBS, agreement, is_astray, plan_reconciliation, reconciliation_summary

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
POLICY = ReconcilePolicy(grace=MINUTE, pending_after=15 * MINUTE, max_share=1)


def server(user: str = "ana", name: str = "", *, age: timedelta = HOUR, pending: str | None = None) -> Server:
    return Server(user, name, ready=pending is None, pending=pending, started=NOW - age, last_activity=NOW)


def running(user: str = "ana", name: str = "", *, age: timedelta = HOUR, ours: bool = True, uid: str = "u") -> Running:
    return Running(user, name, "pod", f"jupyter-{uid}", uid, "kubectl delete", NOW - age, ours)


def route(user: str = "ana", name: str = "", target: str = "http://10.0.0.1:8888") -> Route:
    return Route(f"/user/{user}/{name}", target, user, name)


def standing(*items: Item) -> Standing:
    return Standing(
        NOW,
        tuple(each for each in items if isinstance(each, Server)),
        tuple(each for each in items if isinstance(each, Route)),
        tuple(each for each in items if isinstance(each, Running)),
    )


def earlier(look: Standing, by: timedelta = MINUTE) -> Standing:
    return replace(look, at=look.at - by)


def plan_of(*items: Item, policy: ReconcilePolicy = POLICY) -> Plan[Item]:
    """Of two looks that saw the same."""
    look = standing(*items)
    return plan_reconciliation(earlier(look), look, policy)


def told(actions: object) -> list[str]:
    return [f"{each.verb} {each.target}: {each.reason}" for each in actions]


def test_where_all_three_agree_nothing_is_to_be_done():
    plan = plan_of(server(), running(), route(), server("bea", "gpu"), running("bea", "gpu"), route("bea", "gpu"))
    assert plan == Plan("reconcile sessions", ())


def test_a_server_of_which_nothing_runs_is_cleared():
    (said,) = told(plan_of(server(), route()).actions)
    assert said == "clear ana/: the Hub lists it as ready, and nothing of it runs"


def test_where_nobody_can_look_at_what_runs_no_server_counts_as_gone():
    look = replace(standing(server(), route()), running=None)
    assert plan_reconciliation(earlier(look), look, POLICY).actions == ()


def test_what_the_hub_knows_nothing_of_is_ended():
    (said,) = told(plan_of(running()).actions)
    assert said == "end ana/: its pod jupyter-u runs, and the Hub knows no such server"


def test_a_name_with_a_slash_is_no_other_users_server():
    plan = plan_of(server("a/b"), running("a", "b"), route("a/b"))
    assert [(each.verb, key_of(each.on)) for each in plan.actions] == [("clear", ("a/b", "")), ("end", ("a", "b"))]


def test_what_bears_no_address_of_this_hub_is_left_alone():
    plan = plan_of(running(ours=False))
    assert plan.actions == ()
    assert told(plan.left_alone) == ["leave ana/: its pod jupyter-u bears no address of this Hub"]


def test_what_an_earlier_start_left_beside_the_hubs_own_is_ended():
    plan = plan_of(server(age=HOUR), running(age=HOUR), running(age=2 * HOUR, uid="old"), route())
    assert told(plan.actions) == [
        "end ana/: its pod jupyter-old runs, and an earlier start left it beside the Hub's own"
    ]


def test_of_one_alone_that_looks_too_old_the_clocks_are_to_blame():
    assert plan_of(server(age=HOUR), running(age=2 * HOUR), route()).actions == ()


def test_a_route_to_a_server_that_the_hub_lacks_is_removed():
    assert told(plan_of(route()).actions) == [
        "remove route ana/: it leads to http://10.0.0.1:8888, a server the Hub lacks"
    ]


def test_a_ready_server_without_a_route_gets_one():
    assert told(plan_of(server(), running()).actions) == [
        "add route ana/: it is ready, and the proxy has no route to it"
    ]


def test_what_is_astray_is_mended_in_the_order_in_which_it_settles():
    plan = plan_of(
        route("e"), running("d"), server("c"), running("c"), server("b", age=HOUR, pending="spawn"), server()
    )
    assert [each.verb for each in plan.actions] == ["clear", "interrupt", "end", "remove route", "add route"]


@pytest.mark.parametrize("pending", ["spawn", "stop", "check"])
def test_what_the_hub_is_at_is_left_alone_with_all_that_goes_with_it(pending):
    for there in ((), (running(),), (running(), route()), (running(age=2 * HOUR, uid="old"), running())):
        assert plan_of(server(age=MINUTE, pending=pending), *there).actions == ()


def test_what_an_earlier_start_left_is_left_alone_while_the_hub_is_at_the_server():
    assert plan_of(server(pending="stop"), running(), running(age=2 * HOUR, uid="old"), route()).actions == ()


def test_a_start_is_interrupted_above_the_limit_alone():
    starting = server(age=15 * MINUTE, pending="spawn")
    assert told(plan_of(starting).left_alone) == ["leave ana/: it starts since 900 s, the limit is 900 s"]
    assert plan_of(server(age=16 * MINUTE, pending="spawn")).actions == (), "above it in one look only"
    (said,) = told(plan_of(server(age=17 * MINUTE, pending="spawn")).actions)
    assert said == "interrupt ana/: it starts since 1020 s, the limit is 900 s"


def test_a_stop_that_does_not_end_is_told_with_what_to_do():
    look = standing(server(pending="stop"))
    plan = plan_reconciliation(earlier(look), look, POLICY)
    assert plan.actions == ()
    finding = agreement(look, plan)
    assert finding.state == "degraded" and "stuck with ana/ (its stop does not end)" in finding.seen
    assert finding.next_step.startswith("restart the Hub")


def test_a_stop_that_has_just_begun_is_no_trouble():
    look = standing(server(pending="stop"))
    assert agreement(look, plan_reconciliation(earlier(standing(server())), look, POLICY)).state == "ok"


def test_where_nobody_can_look_the_finding_says_so():
    look = replace(standing(server(), route()), running=None)
    assert agreement(look, plan_reconciliation(earlier(look), look, POLICY)).state == "not configured"


@pytest.mark.parametrize("item", [running(), route()])
def test_what_is_new_since_the_first_look_is_left_alone(item):
    plan = plan_reconciliation(earlier(standing()), standing(item), POLICY)
    assert plan.actions == ()
    assert told(plan.left_alone)[0].endswith("; not yet so for 60 s")


def test_another_start_another_pod_or_another_target_counts_from_its_own_first_look():
    for before, after in (
        ((server(age=HOUR), route()), (server(age=MINUTE), route())),
        ((running(uid="one"),), (running(uid="two"),)),
        ((route(target="http://10.0.0.1"),), (route(target="http://10.0.0.2"),)),
    ):
        assert plan_reconciliation(earlier(standing(*before)), standing(*after), POLICY).actions == ()


def test_two_looks_closer_than_the_grace_confirm_nothing():
    look = standing(running())
    assert plan_reconciliation(earlier(look, MINUTE - timedelta(seconds=1)), look, POLICY).actions == ()
    assert plan_reconciliation(look, look, POLICY).actions == ()


def test_a_second_look_is_taken_for_what_may_be_acted_on_alone():
    assert is_astray(standing(running()), POLICY) and is_astray(standing(server(pending="stop")), POLICY)
    assert not is_astray(standing(server(age=MINUTE, pending="spawn"), running("bea", ours=False)), POLICY)


def test_a_plan_over_the_share_is_refused_whole():
    """The Hub's database came back from an hour ago, or a token sees some of the users: nobody loses a server."""
    policy = ReconcilePolicy(grace=MINUTE, max_share=0.25, at_least=3)
    known = [
        each for number in range(12) for each in (server(f"u{number}"), running(f"u{number}"), route(f"u{number}"))
    ]
    strangers = [running(f"stranger{number}", uid=str(number)) for number in range(5)]
    assert len(plan_of(*known, *strangers[:4], policy=policy).actions) == 4
    with pytest.raises(Refused, match=r"take away 5 of 17 servers \(end: 5\), more than the 4 allowed"):
        plan_of(*known, *strangers, policy=policy)


def test_a_proxy_that_forgot_everything_is_told_of_all_at_once():
    policy = ReconcilePolicy(grace=MINUTE, max_share=0.1, at_least=0)
    everybody = [each for number in range(20) for each in (server(f"u{number}"), running(f"u{number}"))]
    assert len(plan_of(*everybody, policy=policy).actions) == 20


def test_the_summary_tells_what_came_of_it():
    plan = plan_of(running(), route())
    assert reconciliation_summary(plan_of(), [], executed=True) == "nothing is astray"
    assert reconciliation_summary(plan, [], executed=False) == "2 astray would be mended, 0 left alone"
    outcomes = [Outcome("end", "ana/", "done"), Outcome("remove route", "ana/", "failed")]
    said = reconciliation_summary(plan, outcomes, executed=True)
    assert said == "2 astray: 1 mended, 0 right by then, 1 failed, 0 left alone"


USERS = st.sampled_from(["ana", "b e a", "carl@example.org", "a/b", "dörte", "小林"])
NAMES = st.sampled_from(["", "gpu"])
AGES = st.sampled_from([timedelta(0), MINUTE, HOUR, 2 * HOUR])
ITEMS = st.one_of(
    st.builds(server, USERS, NAMES, age=AGES, pending=st.sampled_from([None, "spawn", "stop", "check"])),
    st.builds(running, USERS, NAMES, age=AGES, ours=st.booleans(), uid=st.sampled_from(["one", "two"])),
    st.builds(route, USERS, NAMES, st.sampled_from(["http://10.0.0.1", "http://10.0.0.2"])),
)


def identity(item: Item) -> tuple[object, ...]:
    match item:
        case Server():
            return "server", *key_of(item)
        case Running():
            return "running", *key_of(item), item.uid
        case Route():
            return "route", *key_of(item)


STANDINGS = st.lists(ITEMS, max_size=12, unique_by=identity).map(lambda items: standing(*items))


@given(STANDINGS, STANDINGS)
def test_nothing_is_done_that_both_looks_did_not_see_nor_to_what_the_hub_is_at(before, now):
    plan = plan_reconciliation(earlier(before), now, POLICY)
    pending = {key_of(each): each for each in now.servers if each.pending}
    seen = {Server: before.servers, Running: before.running, Route: before.routes}
    for action in plan.actions:
        assert action.verb in VERBS and action.reason
        assert action.on in seen[type(action.on)]
        if action.verb == "interrupt":
            assert pending[key_of(action.on)].pending == "spawn"
        else:
            assert key_of(action.on) not in pending
        assert not isinstance(action.on, Running) or action.on.ours


def mended(look: Standing, actions: tuple[Action[Item], ...]) -> Standing:
    """What is there when each act does what it is for."""
    gone = [each.on for each in actions if each.verb != "add route"]
    added = tuple(Route("/", "http://10.0.0.3", *key_of(each.on)) for each in actions if each.verb == "add route")
    cleared = {key_of(each) for each in gone if isinstance(each, Server)}
    return Standing(
        look.at,
        tuple(each for each in look.servers if each not in gone),
        tuple(each for each in (*look.routes, *added) if each not in gone and key_of(each) not in cleared),
        tuple(each for each in look.running or () if each not in gone and key_of(each) not in cleared),
    )


@given(STANDINGS)
def test_what_was_mended_needs_no_mending(look):
    plan = plan_reconciliation(earlier(look), look, POLICY)
    after = mended(look, tuple(plan.actions))
    assert plan_reconciliation(earlier(after), after, POLICY).actions == ()


@given(STANDINGS, st.floats(min_value=0.01, max_value=1), st.integers(min_value=0, max_value=4))
def test_no_more_is_taken_away_than_is_allowed(look, share, at_least):
    policy = POLICY.model_copy(update={"max_share": share, "at_least": at_least})
    everything = {key_of(each) for each in (*look.servers, *(look.running or ()), *look.routes)}
    try:
        plan = plan_reconciliation(earlier(look), look, policy)
    except Refused:
        return
    taken = {key_of(each.on) for each in plan.actions if each.verb != "add route"}
    assert len(taken) <= max(at_least, share * len(everything))
