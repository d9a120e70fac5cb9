"""How spawns went, from a real Hub's metrics."""

from __future__ import annotations

import httpx
import pytest

from devstack.light import LightHub
from domain.errors import Refused
from domain.utilisation import Spawns
from systems.hub import list_user_names, read_spawns
from systems.hub.metrics import spawns_in


def count(spawns: Spawns, status: str) -> float:
    return sum(each.count for each in spawns.counts if each.status == status)


def test_spawns_that_worked_and_spawns_that_failed_are_counted_and_timed(hub: LightHub) -> None:
    before = read_spawns(hub.settings)
    hub.add_user("works-1", "", "second")
    hub.add_user("start-raises-1")
    with pytest.raises(httpx.HTTPStatusError):
        hub.start("start-raises-1")
    after = read_spawns(hub.settings)
    assert after.hub_began == before.hub_began
    assert count(after, "success") - count(before, "success") == 2
    assert count(after, "error") - count(before, "error") == 1
    worked = next(each for each in after.counts if each.status == "success")
    assert float("inf") in worked.buckets and worked.buckets[0.5] <= worked.buckets[600.0] <= worked.count


def test_a_hub_that_began_anew_is_another_process(hub: LightHub) -> None:
    before = read_spawns(hub.settings)
    hub.down()
    hub.up()
    after = read_spawns(hub.settings)
    assert after.hub_began > before.hub_began
    assert count(after, "error") == 0


def test_a_token_that_may_not_read_them_is_told_the_scope(hub: LightHub) -> None:
    with pytest.raises(Refused, match="scope") as refused:
        read_spawns(hub.with_token(hub.reader_token))
    assert hub.reader_token not in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<html>login</html>",
        "process_start_time_seconds 1.0\n",
        'jupyterhub_server_spawn_duration_seconds_bucket{le="1.0",status="success",reason=""} 1.0\n',
        "process_start_time_seconds 1.0\n"
        'jupyterhub_server_spawn_duration_seconds_bucket{le="1.0",status="success"} 1.0\n',  # Hub 5
        "process_start_time_seconds soon\n",
    ],
)
def test_what_is_no_metrics_of_a_hub_6_is_refused(text: str) -> None:
    with pytest.raises(Refused, match="as a Hub 6 does"):
        spawns_in(text, "Hub")


def test_everybody_is_listed_whatever_they_are_called(hub: LightHub) -> None:
    names = ["nobody-works", "小林", "per%cent"]
    hub.admin.post("/users", json={"usernames": names}).raise_for_status()
    assert set(names) <= set(list_user_names(hub.settings))
