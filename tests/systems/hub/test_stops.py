"""Many stops on a real Hub that fails in the middle of them: each ends in a clear outcome, and no wrong stop."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import psutil
import pytest
from click.testing import CliRunner

from cli import sessions
from cli.sessions import cull_directly
from devstack.light import LightHub, Seed, light_hub
from domain.clock import utc_now
from domain.errors import Refused
from domain.plan import Outcome
from domain.sessions import Stop
from environments.culling import CullPolicy
from systems.hub import end_server, list_servers, only_cull, stop_servers
from systems.hub.stops import FEW
from systems.running import confirm_stops

HOUR = timedelta(hours=1)
ODD = ("b e a", "carl@example.org", "dörte", "x+y", "per%cent", "q?a#b", "a/b", "../groups/x", "小林")
ALL_OF_THEM = CullPolicy(max_share=1)


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LightHub]:
    """Idle users with odd names and plain ones, a sleepy one, and one at work; a stop takes 0.2 s."""
    idle = [*ODD, *(f"idle-{number:02d}" for number in range(FEW))]
    seeds = [Seed("at work", timedelta(0)), *(Seed(user, 3 * HOUR) for user in idle), Seed("sleepy", HOUR / 2)]
    with light_hub(tmp_path_factory.mktemp("hub"), seeds, stop_seconds=0.2) as running:
        give_up = time.monotonic() + 60
        while not all(server.ready for server in list_servers(running.settings)):
            assert time.monotonic() < give_up
            time.sleep(0.2)
        yield running


def stops_of(hub: LightHub, prefix: str) -> list[Stop]:
    return [Stop(server, utc_now()) for server in list_servers(hub.settings) if server.user.startswith(prefix)]


def many(hub: LightHub, prefix: str, count: int) -> list[str]:
    """Running servers, more than are looked at one by one."""
    users = [f"{prefix}{number:02d}" for number in range(count)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda user: hub.add_user(user, ""), users))
    return users


def states(outcomes: list[Outcome]) -> set[str]:
    return {outcome.state for outcome in outcomes}


def test_clocks_that_disagree_by_an_hour_stop_nobody_who_is_not_idle_by_the_hubs(hub, monkeypatch):
    monkeypatch.setattr(sessions, "utc_now", lambda: utc_now() + HOUR)
    record = cull_directly(hub.settings, ALL_OF_THEM)
    assert {action.target for action in record.left_alone} == {"at work/", "sleepy/"}
    assert re.match(r"active 3\d min ago", {action.target: action.reason for action in record.left_alone}["sleepy/"])


def test_the_list_tells_what_the_policy_would_do_and_when(hub):
    variables = {
        "JUPYTERHUB_API_URL": hub.settings.api_url,
        "JUPYTERHUB_API_TOKEN": hub.settings.api_token.get_secret_value(),
    }
    ended = CliRunner().invoke(sessions.list_sessions, ["--json"], env=variables)
    listed = {server["user"]: server for server in json.loads(ended.stdout)["servers"]}
    assert set(listed) == {"at work", "sleepy", *(server.user for server in list_servers(hub.settings))}
    idle, sleepy = listed["dörte"]["policy"], listed["sleepy"]
    assert (idle["action"], sleepy["policy"]["action"]) == ("stop", "leave")
    assert re.fullmatch(r"idle for 3 h \d+ min, the limit is 1 h 0 min", idle["reason"])
    stop_at = datetime.fromisoformat(sleepy["policy"]["stop_at"])
    assert stop_at == datetime.fromisoformat(sleepy["last_activity"]) + HOUR
    table = CliRunner().invoke(sessions.list_sessions, [], env=variables).stdout
    assert "dörte/" in table and "now" in table and f"{stop_at:%Y-%m-%d %H:%M:%S}" in table


def test_a_token_that_may_not_stop_servers_is_refused_before_anything_is_tried(hub):
    with pytest.raises(Refused, match="lacks the scope delete:servers"):
        cull_directly(hub.with_token(hub.reader_token), ALL_OF_THEM, execute=True)
    assert cull_directly(hub.with_token(hub.reader_token), ALL_OF_THEM).state == "planned"


def test_of_two_cullers_at_once_one_is_refused_and_stops_nobody(hub):
    with only_cull(hub.settings), pytest.raises(Refused, match="another cull of it runs now"):
        cull_directly(hub.settings, ALL_OF_THEM, execute=True)
    assert hub.runs("idle-00")


def test_another_process_holds_the_turn_until_it_ends(hub):
    code = (
        "import sys, time; from environments.settings import HubSettings; from systems.hub import only_cull\n"
        "with only_cull(HubSettings(api_url=sys.argv[1], public_url=sys.argv[1], api_token='x')):\n"
        "    print('has it', flush=True); time.sleep(60)"
    )
    other = subprocess.Popen((sys.executable, "-c", code, hub.settings.api_url), stdout=subprocess.PIPE, text=True)
    assert other.stdout and other.stdout.readline() == "has it\n"
    with pytest.raises(Refused, match="another cull"), only_cull(hub.settings):
        pass
    other.kill()
    other.wait()
    with only_cull(hub.settings):
        pass


def test_idle_servers_stop_whatever_their_users_are_called_and_those_at_work_do_not(hub):
    record = cull_directly(hub.settings, ALL_OF_THEM, execute=True)
    assert record.state == "complete", record
    stopped = {outcome.target: outcome.detail for outcome in record.outcomes}
    assert set(stopped) == {f"{user}/" for user in (*ODD, *(f"idle-{number:02d}" for number in range(FEW)))}
    for detail in stopped.values():
        assert re.fullmatch(r"stopped: idle for 3 h \d+ min, the limit is 1 h 0 min", detail)
    assert {server.user for server in list_servers(hub.settings)} == {"at work", "sleepy"}


def test_one_who_woke_up_between_plan_and_stop_is_left_alone_among_many(hub):
    many(hub, "wake-", FEW + 5)
    stops = stops_of(hub, "wake-")
    hub.become_active("wake-03", utc_now() + timedelta(seconds=1))
    outcomes = {outcome.target: outcome for outcome in stop_servers(hub.settings, stops)}
    assert outcomes["wake-03/"].state == "skipped" and "woke up" in outcomes["wake-03/"].detail
    assert {outcome.state for target, outcome in outcomes.items() if target != "wake-03/"} == {"done"}
    assert hub.runs("wake-03")
    end_server(hub.settings, "wake-03")


def test_an_error_for_one_user_is_told_and_the_others_are_stopped(hub):
    many(hub, "beside-", FEW)
    hub.add_user("poll-raises-1", "")
    stops = [*stops_of(hub, "beside-"), *stops_of(hub, "poll-raises-1")]
    *others, failed = stop_servers(hub.settings, stops)
    assert states(others) == {"done"}
    assert failed.state == "failed" and "answered 500" in failed.detail and "Next:" in failed.detail


def test_a_stop_that_raises_is_not_taken_for_one_since_its_process_runs_on(hub):
    hub.add_user("stop-raises-1", "")
    hub.add_user("process-1", "")
    began = utc_now()
    stops = [*stops_of(hub, "process-1"), *stops_of(hub, "stop-raises-1")]
    answered = stop_servers(hub.settings, stops)
    assert states(answered) == {"done"}, "the Hub's word for it"
    outcomes, finding = confirm_stops(hub.settings, answered, since=began, grace=timedelta(0))
    told = {outcome.target: outcome for outcome in outcomes}
    assert told["process-1/"].state == "done"
    assert told["stop-raises-1/"].state == finding.state == "failed"
    assert "the Hub lists it as stopped, and its process" in told["stop-raises-1/"].detail
    (number,) = [word for word in told["stop-raises-1/"].detail.split() if word.isdigit()]
    assert psutil.Process(int(number)).environ()["JUPYTERHUB_USER"] == "stop-raises-1"
    os.kill(int(number), 9)


def test_where_the_hub_runs_elsewhere_nothing_is_claimed_beyond_its_word(hub):
    elsewhere = hub.settings.model_copy(update={"api_url": "https://hub.example.org/hub/api"})
    outcomes, finding = confirm_stops(elsewhere, [Outcome("stop", "ana/", "done")], since=utc_now())
    assert outcomes[0].state == "done" and finding.state == "not configured"


@pytest.mark.parametrize("ending", ["down", "kill"])
def test_a_hub_that_restarts_in_the_middle_is_waited_for_and_all_is_done(hub, ending):
    users = many(hub, f"restart-{ending}-", 40)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(stop_servers, hub.settings, stops_of(hub, f"restart-{ending}-"))
        give_up = time.monotonic() + 20
        while hub.runs(users[0]):
            assert time.monotonic() < give_up
            time.sleep(0.05)
        getattr(hub, ending)()
        try:
            time.sleep(1)
            assert not running.done()
        finally:
            hub.up()
        outcomes = running.result(timeout=60)
    assert not [outcome for outcome in outcomes if outcome.state != "done"]
    assert not {server.user for server in list_servers(hub.settings)} & set(users)


def test_a_hub_that_does_not_come_back_is_told_for_each_server(hub):
    many(hub, "gone-", FEW + 5)
    stops = stops_of(hub, "gone-")
    hub.down()
    try:
        outcomes = stop_servers(hub.settings, stops, resume_within=timedelta(seconds=1))
    finally:
        hub.up()
    assert states(outcomes) == {"failed"}
    assert all("cannot be reached" in outcome.detail for outcome in outcomes)
