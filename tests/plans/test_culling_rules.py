"""Which limit holds for whom, and when a server would be stopped."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.sessions import Server
from environments.culling import CullPolicy
from plans.culling import judge

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)  # a Monday
HOUR = timedelta(hours=1)


def rule(name: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, **fields}


QUANTS = rule("quants", groups=["quants"], idle=2 * HOUR)
NORA = rule("nora", users=["nora"], idle=5 * HOUR)
GPU = rule("gpu", profiles=["gpu"], idle=HOUR / 2)
NAMED = rule("named", named=True, idle=HOUR / 4)


def reason(*rules: dict[str, Any], idle: timedelta = 3 * HOUR, **server: Any) -> str:
    policy = CullPolicy.model_validate({"rules": rules})
    facts = {"user": "nora", "name": "", "ready": True, "pending": None, "groups": ("quants", "desk"), **server}
    verdict = judge(Server(started=NOW - 9 * HOUR, last_activity=NOW - idle, **facts), policy, now=NOW)
    return f"{'stop' if verdict.due else 'leave'}: {verdict.reason}"


@pytest.mark.parametrize(
    ("rules", "server", "told"),
    [
        ((), {}, "stop: idle for 3 h 0 min, the limit is 1 h 0 min"),
        ((QUANTS,), {}, "stop: idle for 3 h 0 min, the limit is 2 h 0 min (rule 'quants')"),
        ((QUANTS, NORA), {}, "leave: active 3 h 0 min ago, the limit is 5 h 0 min (rule 'nora')"),
        ((NORA, QUANTS), {}, "leave: active 3 h 0 min ago, the limit is 5 h 0 min (rule 'nora')"),
        (
            (QUANTS, GPU, NAMED),
            {"profile": "gpu", "name": "a"},
            "stop: idle for 3 h 0 min, the limit is 2 h 0 min (rule 'quants')",
        ),
        ((GPU, NAMED), {"profile": "gpu", "name": "a"}, "stop: idle for 3 h 0 min, the limit is 30 min (rule 'gpu')"),
        ((NAMED,), {"name": "a"}, "stop: idle for 3 h 0 min, the limit is 15 min (rule 'named')"),
        ((NAMED,), {}, "stop: idle for 3 h 0 min, the limit is 1 h 0 min"),
        ((GPU,), {"profile": "cpu"}, "stop: idle for 3 h 0 min, the limit is 1 h 0 min"),
        ((NORA,), {"user": "otto"}, "stop: idle for 3 h 0 min, the limit is 1 h 0 min"),
    ],
)
def test_the_most_specific_rule_wins_and_is_named(rules, server, told):
    assert reason(*rules, **server) == told


def test_of_two_groups_equally_specific_rules_the_milder_holds():
    desk = rule("desk", groups=["desk"], idle=8 * HOUR)
    assert "(rule 'desk')" in reason(QUANTS, desk) and "(rule 'desk')" in reason(desk, QUANTS)
    assert reason(QUANTS, rule("desk", groups=["desk"], exempt=True)) == "leave: exempt (rule 'desk')"


def test_a_limit_that_the_rule_does_not_set_is_the_next_ones():
    old = rule("old", users=["nora"], max_age=20 * HOUR)
    assert "(rule 'quants')" in reason(old, QUANTS)
    assert "started at 2026-03-02 00:00 UTC, the limit is 8 h 0 min (rule 'short')" in reason(
        rule("short", users=["nora"], max_age=8 * HOUR), QUANTS
    )


def test_an_exemption_gives_way_to_a_more_specific_limit_and_to_nothing_else():
    exempt = rule("month end", groups=["quants"], exempt=True)
    assert reason(exempt, GPU, profile="gpu") == "leave: exempt (rule 'month end')"
    assert (
        reason(exempt, rule("n", users=["nora"], idle=HOUR))
        == "stop: idle for 3 h 0 min, the limit is 1 h 0 min (rule 'n')"
    )


def test_an_exemption_until_a_date_holds_until_then():
    assert reason(rule("leave", users=["nora"], exempt_until=NOW + HOUR)) == (
        "leave: exempt until 2026-03-02 10:00 UTC (rule 'leave')"
    )
    assert reason(rule("leave", users=["nora"], exempt_until=NOW)).startswith("stop: idle for")


def test_an_exemption_that_has_ended_leaves_the_others_in_place():
    ended = rule("ended", users=["nora"], exempt_until=NOW - HOUR)
    assert reason(ended, rule("desk", groups=["desk"], exempt=True)) == "leave: exempt (rule 'desk')"


def test_a_rule_with_a_calendar_holds_inside_it_alone():
    monday = {"days": ["mon"], "begins": "08:00", "ends": "18:00"}
    assert "(rule 'day')" in reason(rule("day", idle=8 * HOUR, when=monday))
    assert "(rule" not in reason(rule("day", idle=8 * HOUR, when={**monday, "days": ["tue"]}))


def test_within_a_hold_nobody_is_stopped():
    hold = {"name": "upgrade", "begins": NOW - HOUR, "ends": NOW + HOUR}
    policy = CullPolicy.model_validate({"holds": [hold], "idle": HOUR})
    server = Server("nora", "", ready=True, pending=None, started=None, last_activity=NOW - 9 * HOUR)
    verdict = judge(server, policy, now=NOW)
    assert (verdict.due, verdict.reason) == (False, "nobody is stopped until 2026-03-02 10:00 UTC (hold 'upgrade')")
    assert judge(server, policy, now=NOW + HOUR).due


def test_the_moment_of_a_stop_is_told_ahead():
    def stop_at(policy: CullPolicy, idle: timedelta, age: timedelta) -> datetime | None:
        server = Server("nora", "", ready=True, pending=None, started=NOW - age, last_activity=NOW - idle)
        return judge(server, policy, now=NOW).stop_at

    assert stop_at(CullPolicy(idle=HOUR), HOUR / 4, 9 * HOUR) == NOW + HOUR * 3 / 4
    assert stop_at(CullPolicy(idle=HOUR), 2 * HOUR, 9 * HOUR) == NOW
    assert stop_at(CullPolicy(idle=HOUR, max_age=10 * HOUR), timedelta(0), 9.5 * HOUR) == NOW + HOUR / 2
    assert stop_at(CullPolicy(exempt=("nora",)), 2 * HOUR, 9 * HOUR) is None
    until = CullPolicy.model_validate({"rules": [rule("r", users=["nora"], exempt_until=NOW + 5 * HOUR)]})
    assert stop_at(until, 2 * HOUR, 9 * HOUR) == NOW + 5 * HOUR
