"""Which lines count, how often, and when a count is a burst: on lines as the programs write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.health import Finding
from domain.logs import CATEGORIES, Category, Origin, Reading, Usual
from environments.loader import PROJECT
from environments.settings import LogSettings
from plans.log_watch import LONGEST_LINE, MESSAGES, REMEMBERED, SAMPLES, TOLD_APART, Tally, judge_logs, usual_after

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
STACK = Origin("file", "hub.log", ("hub", "server"))
HUB = Origin("pod", "hub-1/hub", ("hub",))
SERVER = Origin("pod", "jupyter-dina/notebook", ("server",))
PROXY = Origin("file", "proxy.log", ("proxy",))
DATABASE = Origin("file", "database.log", ("database",))
EVENT = Origin("event", "Pod/jupyter-dina", ("event",))
GROUP = Origin("group", "/platform:1", ("hub", "proxy", "server", "database"))

TOKEN = b"[W 2026-11-28 03:19:34.001 JupyterHub log:192] 403 GET /hub/api/users (@10.0.0.1) 3.40ms"
SAVE = "[W 2026-11-28 03:19:42.960 ServerApp] 403 PUT /user/a/api/contents/x (10.0.0.1): Permission denied: "
ORIGINS = {
    "stack": STACK,
    "hub": HUB,
    "server": SERVER,
    "proxy": PROXY,
    "database": DATABASE,
    "event": EVENT,
    "group": GROUP,
}


def read_incidents() -> dict[str, tuple[Origin, str, list[str]]]:
    """Every line that an incident left in the logs of an embedded stack, or that the program's source writes for it."""
    found = {}
    for block in (PROJECT / "tests/plans/incidents.txt").read_text().split("== ")[1:]:
        head, *lines = block.rstrip("\n").replace("\\x1b", "\x1b").split("\n")
        title, origin, category = head.split(" | ")
        found[title] = ORIGINS[origin], category, lines
    return found


INCIDENTS = read_incidents()
_, _, ORDINARY = INCIDENTS.pop("ordinary")


def counted(tally: Tally, origin: Origin, lines: list[str]) -> int:
    return sum(tally.take(origin, line.encode()) for line in lines)


@pytest.mark.parametrize("incident", INCIDENTS)
def test_of_all_the_lines_of_an_incident_one_counts(incident: str) -> None:
    origin, category, lines = INCIDENTS[incident]
    tally = Tally(NOW)
    assert counted(tally, origin, lines) == 1
    assert dict(tally.counts) == {category: 1}
    (message,) = tally.logged()
    assert message.category == category and message.count == 1 and message.samples


def test_ordinary_warnings_do_not_count() -> None:
    tally = Tally(NOW)
    assert counted(tally, STACK, ORDINARY) == 0 and tally.logged() == ()


@pytest.mark.parametrize("origin", [SERVER, PROXY, DATABASE])
def test_a_line_that_looks_like_the_hubs_is_none_where_the_hub_does_not_write(origin: Origin) -> None:
    tally = Tally(NOW)
    assert not tally.take(origin, TOKEN)
    assert not tally.take(origin, b"FailedMount Pod/hub: forged")


def test_a_line_within_a_line_counts_once() -> None:
    forged = TOKEN.decode()
    tally = Tally(NOW)
    line = f"{SAVE}{forged} {forged}"
    assert tally.take(STACK, line.encode())
    assert dict(tally.counts) == {"storage": 1}


def test_a_line_that_comes_by_a_pods_log_and_a_log_group_counts_once_also_in_a_later_run() -> None:
    first = Tally(NOW)
    assert first.take(HUB, TOKEN, NOW)
    assert not first.take(GROUP, TOKEN, NOW, "event-1")
    later = Tally(NOW + QUARTER, counted=first.remembered())
    assert not later.take(GROUP, TOKEN + b" ", NOW, "event-1")
    assert later.take(HUB, TOKEN, NOW), "the same words twice from one place are two lines"


def test_an_event_that_a_log_group_gives_again_counts_once() -> None:
    first = Tally(NOW)
    assert [first.take(GROUP, TOKEN, NOW, key) for key in ("one", "one", "two")] == [True, False, True]
    later = Tally(NOW + QUARTER, counted=first.remembered())
    assert [later.take(GROUP, TOKEN, NOW, key) for key in ("one", "three", "two")] == [False, True, False]


def test_what_is_older_than_asked_for_does_not_count_by_the_time_zone_of_its_machine() -> None:
    line = b"[W 2026-11-28 03:19:34.001 JupyterHub base:516] Invalid or expired cookie token"
    since = datetime(2026, 11, 28, 3, tzinfo=UTC)
    assert Tally(NOW, since).take(HUB, line)
    assert not Tally(NOW, since, timezone(timedelta(hours=1))).take(HUB, line), "03:19 there is 02:19 UTC"
    assert not Tally(NOW, since).take(HUB, line, since - timedelta(seconds=1)), "its channel knows better"


@given(st.binary(max_size=300), st.sampled_from(list(INCIDENTS)))
def test_junk_around_lines_breaks_nothing_and_nothing_in_a_sample_is_obeyed(junk: bytes, incident: str) -> None:
    tally = Tally(NOW)
    for line in INCIDENTS[incident][2]:
        for origin in (STACK, PROXY, EVENT, GROUP):
            tally.take(origin, junk + line.encode())
            tally.take(origin, line.encode() + junk)
    shown = "".join(sample for each in tally.logged() for sample in (each.message, *each.samples))
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e]", shown)


def test_memory_is_bounded_and_every_line_is_counted_whatever_is_written() -> None:
    tally = Tally(NOW)
    many = TOLD_APART * 5
    for number in range(many):
        path = "".join(chr(97 + int(digit)) for digit in str(number))
        line = f"[W 2026-11-28 03:19:33.810 JupyterHub log:192] 403 GET /hub/api/{path} (@10.0.0.{number % 256}) 1.00ms"
        assert tally.take(HUB, line.encode() + b" " * (number % 7))
    logged = tally.logged()
    assert tally.counts["authentication"] == many == sum(each.count for each in logged)
    assert len(logged) <= MESSAGES + 1
    assert sum(len(each.samples) for each in logged) <= SAMPLES
    assert len(tally.remembered()) == REMEMBERED < many


def test_an_overlong_line_is_cut_before_the_word_that_may_be_half_a_secret() -> None:
    secret = "correct-horse-battery"
    tally = Tally(NOW, secrets=(secret,))
    line = f"{SAVE}x" + "\x1b[0m" * ((LONGEST_LINE - len(SAVE) - 12) // 4) + f" {secret} {'x' * LONGEST_LINE}"
    assert line.index(secret) < LONGEST_LINE < line.index(secret) + len(secret)
    assert tally.take(SERVER, line.encode())
    assert "correct" not in str(tally.logged())


def findings(
    counts: dict[Category, int], usual: dict[Category, Usual] | None = None, window: timedelta = QUARTER
) -> list[str]:
    told = judge_logs(counts, LogSettings(), usual or {}, window, [Reading(sources=1)])
    return [each.kind for each in told if each.state == "degraded"]


def test_more_than_the_limit_is_a_burst_and_the_limit_itself_is_none() -> None:
    assert findings({"storage": 10, "authentication": 20}) == []
    assert findings({"storage": 11, "authentication": 21}) == ["log-authentication", "log-storage"]


def test_after_a_long_pause_the_limit_is_that_of_the_whole_time_and_of_a_short_one_it_is_whole() -> None:
    assert findings({"storage": 40}, window=4 * QUARTER) == []
    assert findings({"storage": 41}, window=4 * QUARTER) == ["log-storage"]
    assert findings({"storage": 10}, window=timedelta(0)) == []


def test_many_times_what_is_usual_is_a_burst_below_the_limit_once_it_is_known() -> None:
    known = Usual(rate=4.0, hours=3)
    assert findings({"authentication": 15}, {"authentication": known}) == ["log-authentication"]
    assert findings({"authentication": 10}, {"authentication": known}) == [], "not half of the limit"
    assert findings({"authentication": 15}, {"authentication": Usual(rate=40, hours=3)}) == []
    assert findings({"authentication": 15}, {"authentication": Usual(rate=4.0, hours=1)}) == []


def test_a_burst_teaches_nothing_and_quiet_windows_do() -> None:
    usual: dict[Category, Usual] = {}
    for _ in range(20):
        usual = usual_after(usual, {"authentication": 2}, (), QUARTER)
    assert usual["authentication"].rate == pytest.approx(8) and usual["authentication"].hours == 5
    burst = (Finding("log-authentication", "degraded", "many", kind="log-authentication"),)
    assert usual_after(usual, {"authentication": 500}, burst, QUARTER)["authentication"] == usual["authentication"]
    assert usual_after(usual, {"authentication": 1}, (), timedelta(0)) == usual, "no time has passed"


@given(st.lists(st.tuples(st.integers(0, 1000), st.floats(1, 7200)), max_size=60))
def test_what_is_usual_stays_between_the_least_and_the_most(windows: list[tuple[int, float]]) -> None:
    usual: dict[Category, Usual] = {}
    rates = [0.0]
    for count, seconds in windows:
        rates.append(count / (seconds / 3600))
        usual = usual_after(usual, {"api": count}, (), timedelta(seconds=seconds))
    assert usual.get("api", Usual()).rate <= max(rates) * 1.001 + 0.001


def test_what_could_not_be_read_is_told_before_what_is_lost_or_left() -> None:
    def told(*readings: Reading) -> Finding:
        return judge_logs({}, LogSettings(), {}, QUARTER, readings)[-1]

    assert told(Reading(sources=2, lines=7)).state == "ok"
    assert told(Reading()).state == "not configured"
    assert told(Reading(behind=["x"]), Reading(lost=["y"], sources=1)).seen.endswith("y")
    unread = told(Reading(unread=["hub.log (gone)"]), Reading(lost=["y"]))
    assert (unread.state, unread.kind) == ("failed", "log-unread") and "hub.log (gone)" in unread.seen


def test_every_category_has_its_finding() -> None:
    told = judge_logs(dict.fromkeys(CATEGORIES, 10_000), LogSettings(), {}, QUARTER, [])
    assert [each.kind for each in told[:-1]] == [f"log-{category}" for category in CATEGORIES]
    assert all(each.next_step for each in told[:-1])
