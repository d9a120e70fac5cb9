"""A real Hub, its proxy and its servers that disagree: what is astray is mended, whatever users are called."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta
from urllib.parse import quote

import httpx
import pytest

from devstack.light import LightHub, Seed, light_hub
from domain.errors import Refused
from domain.plan import Outcome, Plan
from domain.reconciliation import Item, Running, Standing
from environments.reconciling import ReconcilePolicy
from plans.reconciliation import agreement, plan_reconciliation
from systems.hub import end_server, only_cull, only_reconciliation, require_whole_sight
from systems.reconciling import confirm_mends, mend, read_standing
from systems.running import end_running, read_running

ODD = ("b e a", "carl@example.org", "dörte", "x+y", "per%cent", "q?a#b", "小林")
POLICY = ReconcilePolicy(grace=timedelta(seconds=1), pending_after=timedelta(0), max_share=1)
HOUR = timedelta(hours=1)
FORGET = """\
update spawners set server_id = null, state = null where user_id in (select id from users where name like ?)
"""


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LightHub]:
    """The Hub believes in the servers of `gone-...`, of which nothing runs. A name with a slash its API refuses."""
    seeds = [Seed(f"gone-{user}", HOUR) for user in (*ODD, "a/b")]
    with light_hub(tmp_path_factory.mktemp("hub"), seeds) as running:
        give_up = time.monotonic() + 60
        while not all(server.ready for server in read_standing(running.settings).servers):
            assert time.monotonic() < give_up
            time.sleep(0.2)
        yield running


def proxy(hub: LightHub, method: str, user: str, body: object = None) -> None:
    """The proxy's own API, behind the Hub's back."""
    variables = hub.parts["hub"].environment
    url = f"{variables['LIGHT_PROXY_API_URL']}/api/routes/user/{quote(user, safe='@~')}"
    token = {"Authorization": f"token {variables['CONFIGPROXY_AUTH_TOKEN']}"}
    httpx.request(method, url, headers=token, json=body).raise_for_status()


def route_to_nothing(hub: LightHub, user: str) -> None:
    told = {"target": "http://127.0.0.1:9", "user": user, "server_name": "", "jupyterhub": True}
    proxy(hub, "POST", user, told)


def forget_servers(hub: LightHub, prefix: str) -> None:
    """Its database came back from before they were started."""
    hub.kill()
    with closing(sqlite3.connect(hub.database)) as database, database:
        database.execute(FORGET, [f"{prefix}%"])
    hub.up()


def running_of(hub: LightHub, user: str) -> list[Running]:
    return [each for each in read_running(hub.settings) or () if each.user == user]


def looks(hub: LightHub) -> tuple[Standing, Standing]:
    before = read_standing(hub.settings)
    time.sleep(POLICY.grace.total_seconds() + 1)
    return before, read_standing(hub.settings)


def plan_of(hub: LightHub, policy: ReconcilePolicy = POLICY) -> Plan[Item]:
    return plan_reconciliation(*looks(hub), policy)


def carry_out(hub: LightHub, plan: Plan[Item], seconds: float = 10) -> dict[tuple[str, str], Outcome]:
    outcomes = mend(hub.settings, plan.actions)
    told = confirm_mends(hub.settings, plan.actions, outcomes, settle=timedelta(seconds=seconds))
    return {(outcome.verb, outcome.target): outcome for outcome in told}


def chosen(plan: Plan[Item], *users: str) -> Plan[Item]:
    return Plan(plan.title, tuple(each for each in plan.actions if each.on.user in users))


@dataclass(frozen=True)
class Mended:
    plan: Plan[Item]
    outcomes: dict[tuple[str, str], Outcome]
    after: Standing


@pytest.fixture(scope="module")
def mended(hub: LightHub) -> Mended:
    """All that can be astray at once, under odd names, beside what is well; then one whole run.

    Between its plan and its acts two servers are started anew.
    """
    for user in ODD:
        hub.add_user(f"process-{user}", "")
    hub.add_user("process-named", "gpu")
    hub.add_user("process-back", "")
    forget_servers(hub, "process-")
    hub.add_user("start-hangs-1")
    assert hub.start("start-hangs-1") == httpx.codes.ACCEPTED
    hub.add_user("process-well", "")
    hub.add_user("gone-again", "")
    hub.add_user("process-unrouted", "")
    proxy(hub, "DELETE", "process-unrouted")
    hub.add_user("elsewhere", "")
    for user in (*ODD, "a/b"):
        route_to_nothing(hub, f"nobody-{user}")
    plan = plan_of(hub)
    hub.start("process-back")
    end_server(hub.settings, "gone-again")
    hub.start("gone-again")
    return Mended(plan, carry_out(hub, plan), read_standing(hub.settings))


def test_servers_of_which_nothing_runs_are_cleared_from_the_hub(mended):
    for user in (*ODD, "a/b"):
        assert mended.outcomes["clear", f"gone-{user}/"].state == "done"
    assert [server.user for server in mended.after.servers if server.user.startswith("gone-")] == ["gone-again"]


def test_one_that_answers_is_not_cleared_though_nobody_sees_it_run(mended):
    outcome = mended.outcomes["clear", "elsewhere/"]
    assert (outcome.state, outcome.detail) == ("skipped", "it answers, so it runs where nobody looked")
    assert "elsewhere/" in {server.label for server in mended.after.servers}


def test_what_the_hub_forgot_is_ended_named_servers_too(mended):
    for label in (*(f"process-{user}/" for user in ODD), "process-named/gpu"):
        outcome = mended.outcomes["end", label]
        assert outcome.state == "done" and outcome.detail.endswith("runs, and the Hub knows no such server")
    assert {each.user for each in mended.after.running or ()} == {"process-well", "process-back", "process-unrouted"}


def test_routes_to_nothing_are_removed(mended):
    for user in (*ODD, "a/b"):
        assert mended.outcomes["remove route", f"nobody-{user}/"].state == "done"
    assert not [route for route in mended.after.routes if route.user.startswith("nobody-")]


def test_a_route_that_was_lost_is_added(mended):
    assert mended.outcomes["add route", "process-unrouted/"].state == "done"
    assert "process-unrouted/" in {route.label for route in mended.after.routes}


def test_a_start_that_does_not_end_is_interrupted(mended):
    assert mended.outcomes["interrupt", "start-hangs-1/"].state == "done"
    assert "start-hangs-1/" not in {server.label for server in mended.after.servers}


def test_what_was_well_still_is(mended):
    assert "process-well/" not in {action.target for action in (*mended.plan.actions, *mended.plan.left_alone)}
    assert "process-well/" in {server.label for server in mended.after.servers if server.ready}


def test_after_it_nothing_is_astray_but_what_nobody_sees(hub, mended):
    assert {action.target for action in plan_of(hub).actions} == {"elsewhere/", "gone-again/"}


def test_what_was_started_since_the_plan_is_not_ended(hub, mended):
    outcome = mended.outcomes["end", "process-back/"]
    assert (outcome.state, outcome.detail) == ("skipped", "the Hub knows it by now")
    assert len(running_of(hub, "process-back")) == 2, "the Hub's own, and the one beside it, which is too young to tell"


def test_what_came_between_the_two_looks_is_left_alone(hub, mended):
    before = read_standing(hub.settings)
    route_to_nothing(hub, "nobody-yet")
    time.sleep(POLICY.grace.total_seconds() + 1)
    plan = plan_reconciliation(before, read_standing(hub.settings), POLICY)
    assert "nobody-yet/" not in {action.target for action in plan.actions}
    (left,) = [action for action in plan.left_alone if action.target == "nobody-yet/"]
    assert left.reason.endswith("not yet so for 1 s")
    proxy(hub, "DELETE", "nobody-yet")


def test_a_number_that_another_process_has_by_now_is_left_alone(hub, mended):
    (kept,) = running_of(hub, "process-well")
    end_running(replace(kept, uid="1.0"))
    assert running_of(hub, "process-well") == [kept]


def test_a_server_that_was_started_anew_since_the_plan_is_not_cleared(hub, mended):
    outcome = mended.outcomes["clear", "gone-again/"]
    assert (outcome.state, outcome.detail) == ("skipped", "it started or stopped since")
    assert hub.runs("gone-again")


def test_a_start_that_does_not_let_itself_be_interrupted_names_the_restart_of_the_hub(hub, mended):
    hub.add_user("start-clings-1")
    hub.start("start-clings-1")
    plan = chosen(plan_of(hub), "start-clings-1")
    (outcome,) = carry_out(hub, plan).values()
    assert outcome.state == "failed" and "Next: restart the Hub" in outcome.detail, outcome


def test_a_stop_that_hangs_is_told_with_what_to_do(hub, mended):
    hub.add_user("stop-hangs-1", "")
    hub.admin.delete("/users/stop-hangs-1/server")
    before, now = looks(hub)
    finding = agreement(now, plan_reconciliation(before, now, POLICY))
    assert finding.state == "degraded" and "stop-hangs-1/ (its stop does not end)" in finding.seen
    assert finding.next_step.startswith("restart the Hub")


def test_a_token_that_sees_some_users_only_is_refused_before_anything_is_compared(hub):
    require_whole_sight(hub.settings)
    with pytest.raises(Refused, match="lacks the scope read:servers for everybody"):
        require_whole_sight(hub.with_token(hub.lister_token))


def test_of_two_reconciliations_at_once_one_is_refused_and_a_cull_is_not(hub):
    with (
        only_reconciliation(hub.settings),
        only_cull(hub.settings),
        pytest.raises(Refused, match="another reconciliation of it runs now"),
        only_reconciliation(hub.settings),
    ):
        pass
