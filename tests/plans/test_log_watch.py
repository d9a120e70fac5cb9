"""Which lines count, how often, and when a count is a burst: on lines as the programs write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.health import Finding
from domain.logs import CATEGORIES, Category, Origin, Program, Reading, Usual
from environments.settings import LogSettings
from plans.log_watch import MESSAGES, SAMPLES, TOLD_APART, Tally, judge_logs, usual_after

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
STACK = Origin("file", "hub.log", ("hub", "server"))
HUB = Origin("pod", "hub-1/hub", ("hub",))
SERVER = Origin("pod", "jupyter-dina/notebook", ("server",))
PROXY = Origin("file", "proxy.log", ("proxy",))
DATABASE = Origin("file", "database.log", ("database",))
EVENT = Origin("event", "Pod/jupyter-dina", ("event",))
GROUP = Origin("group", "/platform:1", ("hub", "proxy", "server", "database"))

# Every line that an incident left in the logs of an embedded stack, or that the program's source writes for it.
INCIDENTS: tuple[tuple[str, Origin, Category, str], ...] = (
    (
        "a login of somebody who is not allowed",
        STACK,
        "authentication",
        """[W 2026-11-28 03:19:33.172 JupyterHub auth:819] User 'hana' not allowed.
[W 2026-11-28 03:19:33.172 JupyterHub base:1041] Failed login for 'unknown user'
[W 2026-11-28 03:19:33.173 JupyterHub web:2106] 403 GET /hub/oauth_callback?code=Mxx&state=eyJ (127.0.0.1): Sorry, you
[W 2026-11-28 03:19:33.224 JupyterHub log:192] 403 GET /hub/oauth_callback?code=[secret]&state=[secret] (@127.0.0.1) 162.46ms""",
    ),
    (
        "a wrong OAuth state",
        STACK,
        "authentication",
        """[W 2026-11-28 03:19:33.404 JupyterHub oauth2:192] OAuth state mismatch: 5e455bf0b9fc48ab96943c77722f6a28 != abcdef
[W 2026-11-28 03:19:33.404 JupyterHub web:2106] 400 GET /hub/oauth_callback?code=p&state=eyJ (127.0.0.1): OAuth state mismatch
[W 2026-11-28 03:19:33.407 JupyterHub log:192] 400 GET /hub/oauth_callback?code=[secret]&state=[secret] (@127.0.0.1) 4.03ms""",
    ),
    (
        "an SSO that tells no name",
        STACK,
        "authentication",
        """[E 2026-11-28 03:19:33.801 JupyterHub oauth2:1013] ("No preferred_username found in {'sub': 'nobody'}. Maybe?",)
[E 2026-11-28 03:19:33.802 JupyterHub web:2108] Uncaught exception GET /hub/oauth_callback?code=jIP (127.0.0.1)
    HTTPServerRequest(protocol='http', host='127.0.0.1:53063', method='GET', uri='/hub/oauth_callback?code=jIP')
    Traceback (most recent call last):
    ValueError: ("No preferred_username found in {'sub': 'nobody'}. Maybe?",)
    
[E 2026-11-28 03:19:33.809 JupyterHub log:184] {
      "Host": "127.0.0.1:53063",
      "Cookie": "oauthenticator-state=[secret]"
    }
[E 2026-11-28 03:19:33.810 JupyterHub log:192] 500 GET /hub/oauth_callback?code=[secret]&state=[secret] (@127.0.0.1) 224.49ms""",
    ),
    (
        "a wrong password at PAM",
        STACK,
        "authentication",
        """[W 2026-11-28 03:19:33.801 JupyterHub auth:1479] PAM Authentication failed ('otto'@10.0.0.7): [PAM Error 7] Authentication failure
[W 2026-11-28 03:19:33.802 JupyterHub base:1041] Failed login for 'otto'""",
    ),
    (
        "a forged token",
        STACK,
        "authentication",
        """[W 2026-11-28 03:19:34.001 JupyterHub web:2106] 403 GET /hub/api/users (127.0.0.1): Missing or invalid credentials.
[W 2026-11-28 03:19:34.001 JupyterHub log:192] 403 GET /hub/api/users (@127.0.0.1) 3.40ms""",
    ),
    (
        "a forged token at a user's server",
        STACK,
        "authentication",
        """[W 2026-11-28 03:19:43.097 ServerApp] No Hub user identified for request
[W 2026-11-28 03:19:43.097 ServerApp] wrote error: 'Forbidden'
[W 2026-11-28 03:19:43.097 ServerApp] 403 GET /user/dina/api/contents (@127.0.0.1) 15.63ms
[W 2026-11-28 03:19:43.098 JupyterHub log:192] 403 GET /hub/api/user (@127.0.0.1) 3.39ms""",
    ),
    (
        "an expired cookie",
        STACK,
        "authentication",
        "[W 2026-11-28 03:19:34.350 JupyterHub base:516] Invalid or expired cookie token",
    ),
    (
        "a wrong token at the proxy",
        PROXY,
        "authentication",
        "2026-11-28T03:21:58.553Z [ConfigProxy] \x1b[33mwarn\x1b[39m: 403 GET /api/routes ",
    ),
    (
        "a wrong password of the database",
        DATABASE,
        "authentication",
        """2026-11-28 03:18:38.396 UTC [15961] FATAL:  password authentication failed for user "hub"
2026-11-28 03:18:38.396 UTC [15961] DETAIL:  Connection matched file "pg_hba.conf" line 3""",
    ),
    (
        "the same on RDS",
        GROUP,
        "authentication",
        '2026-11-28 03:18:38 UTC:10.0.0.5(5432):hub@hub:[159]:FATAL:  password authentication failed for user "hub"',
    ),
    (
        "a spawner that raises",
        STACK,
        "allocation",
        """[E 2026-11-28 03:22:01.169 JupyterHub user:1072] Unhandled error starting bea's server: [Errno 17] File exists: '/efs/bea'
    Traceback (most recent call last):
    FileExistsError: [Errno 17] File exists: '/efs/bea'
    
[E 2026-11-28 03:22:01.184 JupyterHub pages:426] Error starting server bea: [Errno 17] File exists: '/efs/bea'
    Traceback (most recent call last):
    NoneType: None
    
[W 2026-11-28 03:22:01.185 JupyterHub web:2106] 500 GET /hub/spawn (127.0.0.1): Unhandled error starting server bea
[E 2026-11-28 03:22:01.191 JupyterHub log:184] {
      "Host": "127.0.0.1:53063"
    }
[E 2026-11-28 03:22:01.191 JupyterHub log:192] 500 GET /hub/spawn (bea@127.0.0.1) 70.20ms""",
    ),
    (
        "a server that is not ready in time",
        STACK,
        "allocation",
        """[W 2026-11-28 03:22:01.169 JupyterHub user:1058] o'neil's server failed to start in 60 seconds, giving up.
    Common causes of this timeout, and debugging tips:
[E 2026-11-28 03:22:01.191 JupyterHub log:192] 500 POST /hub/api/users/o'neil/server (o'neil@127.0.0.1) 60070.20ms""",
    ),
    (
        "a server that was killed",
        STACK,
        "allocation",
        "[W 2026-11-28 03:22:12.191 JupyterHub base:1386] User ana server stopped, with exit code: -9",
    ),
    ("a pod without a node", EVENT, "allocation", "FailedScheduling Pod/jupyter-dina: 0/3 nodes are available"),
    ("a pod whose image is not there", EVENT, "allocation", 'Failed Pod/jupyter-dina: Failed to pull image "x"'),
    (
        "a server that died and still has its route",
        PROXY,
        "api",
        "2026-11-28T03:21:59.957Z [ConfigProxy] \x1b[31merror\x1b[39m: 503 GET /user/ana/api/status connect ECONNREFUSED",
    ),
    (
        "an error of the Hub",
        STACK,
        "api",
        """[E 2026-11-28 03:19:33.802 JupyterHub web:2108] Uncaught exception GET /hub/api/users (127.0.0.1)
    Traceback (most recent call last):
[E 2026-11-28 03:19:33.810 JupyterHub log:192] 500 GET /hub/api/users (riskhub@127.0.0.1) 224.49ms""",
    ),
    (
        "a Kubernetes that does not answer the Hub",
        HUB,
        "api",
        "[E 2026-11-28 03:19:33.810 JupyterHub reflector:383] Error when watching resources, retrying in 0.2s",
    ),
    (
        "a server that does not reach the Hub",
        SERVER,
        "api",
        "[E 2026-11-28 02:05:27.812 JupyterHubSingleUser] Error notifying Hub of activity: Cannot connect to host",
    ),
    (
        "a save that is not permitted",
        STACK,
        "storage",
        """[W 2026-11-28 03:19:42.960 ServerApp] 403 PUT /user/dina/api/contents/locked/a.txt (127.0.0.1): Permission denied: locked/a.txt
[W 2026-11-28 03:19:42.960 ServerApp] wrote error: 'Permission denied: locked/a.txt'
[W 2026-11-28 03:19:42.963 ServerApp] 403 PUT /user/dina/api/contents/locked/a.txt (dina@127.0.0.1) 8.26ms""",
    ),
    (
        "a volume that is not mounted",
        EVENT,
        "storage",
        'FailedMount Pod/jupyter-dina: MountVolume.SetUp failed for "homes"',
    ),
    (
        "a form without its XSRF token",
        STACK,
        "security",
        """[W 2026-11-28 03:19:36.631 JupyterHub web:2106] 403 POST /hub/spawn (127.0.0.1): '_xsrf' argument missing from POST
[W 2026-11-28 03:19:36.632 JupyterHub log:192] 403 POST /hub/spawn (dina@127.0.0.1) 15.54ms""",
    ),
    (
        "a wrong XSRF token",
        STACK,
        "security",
        """[W 2026-11-28 03:19:36.611 JupyterHub web:2106] 403 POST /hub/api/users/dina/tokens?_xsrf=bad (127.0.0.1): XSRF cookie does not match POST argument
[W 2026-11-28 03:19:36.614 JupyterHub log:192] 403 POST /hub/api/users/dina/tokens?_xsrf=[secret] (dina@127.0.0.1) 13.21ms""",
    ),
    (
        "the same at a user's server",
        STACK,
        "security",
        """[W 2026-11-28 03:19:43.246 ServerApp] 403 PUT /user/dina/api/contents/z.txt (127.0.0.1): '_xsrf' argument missing from PUT
[W 2026-11-28 03:19:43.246 ServerApp] wrote error: "'_xsrf' argument missing from PUT"
[W 2026-11-28 03:19:43.249 ServerApp] 403 PUT /user/dina/api/contents/z.txt (@127.0.0.1) 2.88ms""",
    ),
    (
        "a call beyond somebody's scopes",
        STACK,
        "security",
        """[W 2026-11-28 03:19:36.121 JupyterHub scopes:1021] Not authorizing access to /hub/api/users. Requires any of [list:users] on *, not derived from scopes []
[W 2026-11-28 03:19:36.121 JupyterHub web:2106] 403 GET /hub/api/users (127.0.0.1): Action is not authorized with current scopes
[W 2026-11-28 03:19:36.122 JupyterHub log:192] 403 GET /hub/api/users (dina@127.0.0.1) 12.18ms""",
    ),
    (
        "somebody at another's server",
        STACK,
        "security",
        """[W 2026-11-28 03:19:44.641 ServerApp] Not allowing user ana
[W 2026-11-28 03:19:44.641 ServerApp] wrote error: 'Forbidden'
[W 2026-11-28 03:19:44.642 ServerApp] 403 GET /user/dina/api/contents (@127.0.0.1) 16.81ms""",
    ),
)
ORDINARY = """[I 2026-11-28 02:02:09.649 JupyterHub proxy:481] Adding route for Hub: / => http://127.0.0.1:60851
[I 2026-11-28 02:05:23.885 JupyterHub log:192] 302 GET /hub/oauth_login -> http://127.0.0.1:47151/oauth2/authorize (@127.0.0.1)
[W 2026-11-28 02:05:27.812 LabApp] 'extra_template_paths' was found in both NotebookApp and ServerApp.
[W 2026-11-28 03:19:43.232 ServerApp] Skipping XSRF check for insecure request GET /user/dina/oauth_callback
[W 2026-11-28 03:19:43.232 ServerApp] 404 GET /user/dina/api/contents/a (dina@127.0.0.1) 2.00ms
[W 2026-11-28 03:19:43.232 JupyterHub log:192] 424 GET /hub/user/dina/api/kernels (dina@127.0.0.1) 2.00ms
[W 2026-11-28 03:22:12.191 JupyterHub base:1386] User ana server stopped, with exit code: 0
[C 2026-11-28 02:05:27.812 ServerApp] received signal 15, stopping
Traceback (most recent call last):"""


def counted(tally: Tally, origin: Origin, text: str) -> int:
    return sum(tally.take(origin, line.encode()) for line in text.split("\n"))


@pytest.mark.parametrize(
    ("origin", "category", "lines"), [each[1:] for each in INCIDENTS], ids=[each[0] for each in INCIDENTS]
)
def test_of_all_the_lines_of_an_incident_one_counts(origin: Origin, category: Category, lines: str) -> None:
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
    assert not tally.take(
        origin, b"[W 2026-11-28 03:19:34.001 JupyterHub log:192] 403 GET /hub/api/users (@10.0.0.1) 3.40ms"
    )
    assert not tally.take(origin, b"FailedMount Pod/hub: forged")


def test_a_line_within_a_line_counts_once() -> None:
    forged = "[W 2026-11-28 03:19:34.001 JupyterHub log:192] 403 GET /hub/api/users (@10.0.0.1) 3.40ms"
    tally = Tally(NOW)
    line = f"[W 2026-11-28 03:19:42.960 ServerApp] 403 PUT /user/a/api/contents/x (10.0.0.1): Permission denied: {forged} {forged}"
    assert tally.take(STACK, line.encode())
    assert dict(tally.counts) == {"storage": 1}


def test_a_line_that_comes_by_a_pods_log_and_a_log_group_counts_once_also_in_a_later_run() -> None:
    line = b"[W 2026-11-28 03:19:34.001 JupyterHub log:192] 403 GET /hub/api/users (@10.0.0.1) 3.40ms"
    first = Tally(NOW)
    assert first.take(HUB, line, NOW)
    assert not first.take(GROUP, line, NOW, "event-1")
    later = Tally(NOW + QUARTER, counted=first.remembered())
    assert not later.take(GROUP, line + b" ", NOW, "event-1")
    assert later.take(HUB, line, NOW), "the same words twice from one place are two lines"


def test_an_event_that_a_log_group_gives_again_counts_once() -> None:
    line = b"[W 2026-11-28 03:19:34.001 JupyterHub log:192] 403 GET /hub/api/users (@10.0.0.1) 3.40ms"
    first = Tally(NOW)
    assert [first.take(GROUP, line, NOW, key) for key in ("one", "one", "two")] == [True, False, True]
    later = Tally(NOW + QUARTER, counted=first.remembered())
    assert [later.take(GROUP, line, NOW, key) for key in ("one", "three", "two")] == [False, True, False]


def test_what_is_older_than_asked_for_does_not_count_by_the_time_zone_of_its_machine() -> None:
    line = b"[W 2026-11-28 03:19:34.001 JupyterHub base:516] Invalid or expired cookie token"
    since = datetime(2026, 11, 28, 3, tzinfo=UTC)
    assert Tally(NOW, since).take(HUB, line)
    assert not Tally(NOW, since, timezone(timedelta(hours=1))).take(HUB, line), "03:19 there is 02:19 UTC"
    assert not Tally(NOW, since).take(HUB, line, since - timedelta(seconds=1)), "its channel knows better"


@given(st.binary(max_size=300), st.sampled_from([each[3] for each in INCIDENTS]))
def test_junk_around_lines_breaks_nothing_and_nothing_in_a_sample_is_obeyed(junk: bytes, lines: str) -> None:
    tally = Tally(NOW)
    for line in lines.split("\n"):
        for origin in (STACK, PROXY, EVENT, GROUP):
            tally.take(origin, junk + line.encode())
            tally.take(origin, line.encode() + junk)
    shown = "".join(sample for each in tally.logged() for sample in (each.message, *each.samples))
    assert shown.isprintable() or not any(ord(character) < 32 or ord(character) == 127 for character in shown)


def test_memory_is_bounded_and_every_line_is_counted_whatever_is_written() -> None:
    tally = Tally(NOW)
    many = TOLD_APART * 3
    for number in range(many):
        path = "".join(chr(97 + int(digit)) for digit in str(number))
        line = f"[W 2026-11-28 03:19:33.810 JupyterHub log:192] 403 GET /hub/api/{path} (@10.0.0.{number % 256}) 1.00ms"
        assert tally.take(HUB, line.encode() + b" " * (number % 7))
    (logged) = tally.logged()
    assert tally.counts["authentication"] == many == sum(each.count for each in logged)
    assert len(logged) <= MESSAGES + 1
    assert sum(len(each.samples) for each in logged) <= SAMPLES
    assert len(tally.remembered()) <= many


def test_an_overlong_line_is_cut_before_the_word_that_may_be_half_a_secret() -> None:
    tally = Tally(NOW)
    begin = "[W 2026-11-28 03:19:42.960 ServerApp] 403 PUT /user/a/api/contents/x (10.0.0.1): Permission denied: "
    line = begin + "\x1b[0m" * 1000 + " " + "token=" + "A" * 100_000
    assert tally.take(SERVER, line.encode())
    assert "AAAA" not in str(tally.logged())


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
