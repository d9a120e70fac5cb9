"""The week from its samples: sessions, requests, spawns, homes; and what bad samples do to it."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.utilisation import Capacity, HomeSizes, Sample, ServerSample, SpawnCount, Spawns, WeekSeen
from environments.settings import UtilisationSettings
from plans.utilisation import (
    Report,
    judge_utilisation,
    report_figures,
    report_tables,
    sample_figures,
    spawns_of,
    weekly_report,
)
from plans.utilisation.spawns import quantile

ENDS = datetime(2026, 3, 30, 7, tzinfo=UTC)  # the clocks of London went forward in this week
BEGINS = ENDS - timedelta(days=7)
HOUR = timedelta(hours=1)
GIB = 2**30
INF = float("inf")


def server(
    user: str, started: datetime, *, name: str = "", active: datetime | None = None, **used: float
) -> ServerSample:
    return ServerSample(user=user, name=name, profile=None, started=started, last_activity=active, **used)


def sample(at: datetime, *servers: ServerSample, used: float | None = None, spawns: Spawns | None = None) -> Sample:
    stores = () if used is None else (Capacity(name="homes", used=used, limit=100 * GIB, unit="bytes"),)
    return Sample(taken_at=at, servers=servers, capacities=stores, spawns=spawns)


def week(*samples: Sample, homes: HomeSizes | None = None, owners: dict[str, str] | None = None) -> Report:
    return weekly_report(WeekSeen(samples, homes, owners or {}, {}), ENDS, synthetic_user="riskhub-check")


def hours_of(report: Report) -> dict[str, float]:
    return {each.user: each.session_hours for each in report.users}


def test_a_session_is_as_long_as_it_was_seen_whatever_samples_are_missing_or_came_twice() -> None:
    began = BEGINS + HOUR
    every = [sample(began + hour * HOUR, server("otto", began)) for hour in range(9)]
    assert hours_of(week(*every)) == hours_of(week(every[8])) == hours_of(week(*every, *every)) == {"otto": 8.0}


def test_a_session_over_the_weeks_beginning_counts_from_there() -> None:
    began = BEGINS - 50 * HOUR
    samples = [sample(BEGINS + hour * HOUR, server("otto", began)) for hour in (-1, 1)]
    assert hours_of(week(*samples)) == {"otto": 1.0}


def test_two_sessions_and_two_servers_of_one_user_add_up() -> None:
    first, second = BEGINS + HOUR, BEGINS + 10 * HOUR
    samples = (
        sample(first + HOUR, server("otto", first), server("otto", first, name="gpu")),
        sample(second + 3 * HOUR, server("otto", second)),
    )
    assert hours_of(week(*samples)) == {"otto": 5.0}


def test_a_start_after_the_sample_that_saw_it_makes_no_negative_hours() -> None:
    assert hours_of(week(sample(BEGINS + HOUR, server("otto", BEGINS + 2 * HOUR)))) == {"otto": 0.0}


def test_the_night_the_clocks_change_has_its_true_hours() -> None:
    london = ZoneInfo("Europe/London")
    began = datetime(2026, 3, 29, 0, 30, tzinfo=london)
    seen = datetime(2026, 3, 29, 3, 30, tzinfo=london)  # two hours later
    assert hours_of(week(sample(seen, server("otto", began)))) == {"otto": 2.0}


@given(st.lists(st.tuples(st.integers(-300, 200), st.integers(-300, 200)), max_size=30), st.randoms())
def test_no_series_of_samples_makes_more_hours_than_the_week_has(
    seen: list[tuple[int, int]], chance: random.Random
) -> None:
    samples = [sample(BEGINS + at * HOUR, server("otto", BEGINS + began * HOUR)) for at, began in seen]
    told = week(*samples)
    chance.shuffle(samples)
    assert week(*samples) == told
    each = {began for _, began in seen}
    assert 0 <= told.session_hours <= 168 * len(each)


def test_active_is_who_did_something_in_the_week_and_the_synthetic_user_is_nobody() -> None:
    began = BEGINS - HOUR
    told = week(
        sample(
            BEGINS + HOUR,
            server("otto", began, active=BEGINS + HOUR / 2),
            server("nora", began, active=began),
            server("dina", began),
            server("riskhub-check", began, active=BEGINS + HOUR),
        )
    )
    assert told.active_users == 1
    assert {each.user: each.active for each in told.users} == {"otto": True, "nora": False, "dina": False}


def test_what_was_asked_for_stands_beside_what_was_used() -> None:
    began = BEGINS
    samples = [
        sample(
            BEGINS + hour * HOUR,
            server(
                "otto",
                began,
                cpu_cores=cores,
                memory_bytes=memory * GIB,
                cpu_requested_cores=2,
                memory_requested_bytes=4 * GIB,
            ),
        )
        for hour, (cores, memory) in enumerate([(0.2, 1), (0.4, 3)], 1)
    ]
    (otto,) = week(*samples).users
    assert otto.used.cpu_cores == pytest.approx(0.3)
    assert (otto.used.memory_bytes, otto.used.memory_peak_bytes) == (2 * GIB, 3 * GIB)
    assert (otto.used.cpu_requested_cores, otto.used.memory_requested_bytes) == (2, 4 * GIB)


def test_what_was_not_seen_is_unknown_and_not_zero() -> None:
    (otto,) = week(sample(BEGINS + HOUR, server("otto", BEGINS))).users
    assert otto.used.cpu_cores is None and otto.used.memory_peak_bytes is None
    assert "-" in report_tables(week(sample(BEGINS + HOUR, server("otto", BEGINS))))[2].rows[0]


def sizes(then: dict[str, int], now: dict[str, int], *, age: timedelta = timedelta(minutes=12)) -> HomeSizes:
    return HomeSizes(BEGINS, ENDS - age, then, now)


def test_homes_grow_shrink_appear_and_are_nobodys() -> None:
    homes = sizes({"otto": 5, "nora": 9, "gone": 7}, {"otto": 8, "nora": 2, "dina": 4, "left": 1})
    told = week(homes=homes, owners={"otto": "otto", "nora": "nora", "dina": "dina"})
    rows = [(each.user, each.home, each.home_bytes, each.growth_bytes) for each in told.users]
    assert rows == [("otto", "otto", 8, 3), ("dina", "dina", 4, 4), ("nora", "nora", 2, -7), ("", "left", 1, 1)]
    assert report_tables(told)[2].rows[3][0] == "nobody's (left)"


def test_a_user_with_a_server_and_no_home_in_the_mirror_yet_has_a_row() -> None:
    told = week(sample(BEGINS + HOUR, server("otto", BEGINS)), homes=sizes({}, {}), owners={"otto": "otto"})
    assert [(each.user, each.home, each.home_bytes) for each in told.users] == [("otto", "", None)]


def test_the_first_point_of_a_mirror_tells_sizes_and_no_growth() -> None:
    homes = HomeSizes(ENDS - HOUR, ENDS - HOUR, {"otto": 5}, {"otto": 5})
    told = week(homes=homes, owners={"otto": "otto"})
    assert [(each.home_bytes, each.growth_bytes) for each in told.users] == [(5, None)]
    assert told.homes_since is None


def spawned(began: datetime, *, ok: dict[float, float] | None = None, **ends: float) -> Spawns:
    counts = [SpawnCount(status="success", reason="", buckets=ok)] if ok else []
    for ended, count in ends.items():
        status, _, reason = ended.partition("_")
        counts.append(SpawnCount(status=status, reason=reason, buckets={1.0: 0, INF: count}))
    return Spawns(hub_began=began.timestamp(), counts=tuple(counts))


def test_spawns_are_those_between_the_samples_over_a_restart_of_the_hub() -> None:
    old, new = BEGINS - HOUR, BEGINS + 2.5 * HOUR
    samples = [
        sample(BEGINS + HOUR, spawns=spawned(old, ok={2.5: 10, 5: 10, INF: 10}, error=3)),
        sample(BEGINS + 2 * HOUR, spawns=spawned(old, ok={2.5: 12, 5: 14, INF: 14}, error=3)),
        sample(BEGINS + 3 * HOUR, spawns=spawned(new, ok={2.5: 1, 5: 1, INF: 2}, error=1, failure_throttled=5)),
    ]
    told = spawns_of(samples)
    assert told is not None
    assert (told.succeeded, told.failed, dict(told.rejected)) == (6, 1, {"throttled": 5})
    assert spawns_of([*samples, *samples[::-1]]) == told


def test_a_server_that_exited_is_one_failure_and_not_the_two_that_the_hub_counts() -> None:
    first = sample(BEGINS + HOUR, spawns=spawned(BEGINS))
    told = spawns_of([first, sample(BEGINS + 2 * HOUR, spawns=spawned(BEGINS, error=1, error_exited=1))])
    assert told is not None and told.failed == 1


def test_without_the_hubs_metrics_spawns_are_not_seen() -> None:
    assert week(sample(BEGINS + HOUR)).spawns is None


def test_quantiles_are_prometheuss() -> None:
    """histogram_quantile over the same buckets, by its documentation: linear between the bounds."""
    buckets = {1.0: 10, 2.5: 40, 5.0: 90, INF: 100}
    assert quantile(buckets, 0.5) == pytest.approx(3.0)
    assert quantile(buckets, 0.05) == pytest.approx(0.5)
    assert quantile(buckets, 0.95) == 5.0  # beyond the last bound nothing is known
    assert quantile({}, 0.5) is None and quantile({1.0: 0, INF: 0}, 0.5) is None


@given(st.lists(st.floats(0.01, 600), min_size=1), st.lists(st.floats(0.01, 1), min_size=2, max_size=4))
def test_a_larger_share_takes_no_shorter(times: list[float], shares: list[float]) -> None:
    bounds = (0.5, 1, 2.5, 5, 10, 60, 300, INF)
    buckets = {float(bound): float(sum(each <= bound for each in times)) for bound in bounds}
    found = [quantile(buckets, share) for share in sorted(shares)]
    assert all(a is not None and b is not None and a <= b for a, b in pairwise(found))


def growing(days: int, a_day: float) -> tuple[Sample, ...]:
    return tuple(sample(ENDS - day * timedelta(days=1), used=(80 - day * a_day) * GIB) for day in range(days))


def test_a_store_that_is_full_soon_is_told_with_its_date_and_what_to_do() -> None:
    told = judge_utilisation(week(*growing(20, 1.0)), UtilisationSettings())
    homes = next(each for each in told if each.probe == "homes")
    assert (homes.state, homes.kind) == ("degraded", "homes-full")
    assert "80.0 GiB of 100.0 GiB (80%); full on 2026-04-19" in homes.seen and homes.next_step


def test_a_store_that_is_full_in_a_year_is_well() -> None:
    told = judge_utilisation(week(*growing(20, 0.05)), UtilisationSettings())
    assert {each.probe: each.state for each in told}["homes"] == "ok"


def test_a_store_that_is_gone_fills_up_no_more() -> None:
    quota = Capacity(name="quota jupyterhub/users: pods", used=1, limit=2, unit="count")
    old = Sample(taken_at=ENDS - timedelta(days=2), capacities=(quota,))
    assert [each.capacity.name for each in week(*growing(2, 1.0), old).filling] == ["homes"]


def test_a_week_without_a_sample_or_a_point_says_so() -> None:
    told = {each.probe: each for each in judge_utilisation(week(), UtilisationSettings())}
    assert told["samples"].state == told["home-sizes"].state == "degraded"
    assert all(each.next_step for each in told.values())


def test_no_metric_names_a_user() -> None:
    busy = sample(BEGINS + HOUR, server("otto", BEGINS, active=BEGINS + HOUR, cpu_cores=1.0), used=5)
    report = week(busy, homes=sizes({}, {"otto": 3}), owners={"otto": "otto"})
    figures = [*sample_figures(busy, None), *report_figures(report)]
    assert len(figures) > 10
    assert not [each for each in figures if "otto" in f"{each.name} {each.what} {dict(each.labels)}"]
    assert {label for each in figures for label in each.labels} <= {"store"}


def test_a_servers_use_that_was_not_seen_has_no_figure_and_no_server_uses_nothing() -> None:
    unseen = sample(BEGINS + HOUR, server("otto", BEGINS))
    told = {each.name: each.value for each in sample_figures(unseen, None)}
    assert told["utilisation_servers"] == 1 and told["utilisation_cpu_cores"] is None
    told = {each.name: each.value for each in sample_figures(sample(BEGINS + HOUR), None)}
    assert told["utilisation_servers"] == 0 and told["utilisation_cpu_cores"] == 0


def test_a_sample_survives_its_own_file() -> None:
    whole = sample(
        BEGINS,
        server("小林 x+y/\\", BEGINS - HOUR, cpu_cores=0.25),
        used=1,
        spawns=spawned(BEGINS, ok={0.5: 1, INF: 2}),
    )
    assert Sample.model_validate_json(whole.model_dump_json()) == whole
