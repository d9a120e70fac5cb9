"""Who may leave and in which order it goes; which homes are stale."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from domain.errors import Refused
from domain.health import Finding
from domain.people import Archive, Home, HubUser, Standing, Token
from domain.plan import Outcome
from domain.sessions import Server
from environments.people import PeopleSettings
from plans.people import leave_summary, plan_leave, plan_stale_homes, stale_summary, stale_table

NOW = datetime(2026, 11, 28, 9, tzinfo=UTC)
DAY = timedelta(days=1)
NEVER = ("riskhub-check", "loader")
POLICY = PeopleSettings(stale_after=180 * DAY, homes_at_once=2, max_share=0.5, at_least=3)


def server(user: str, name: str = "") -> Server:
    return Server(user, name, ready=True, pending=None, started=NOW - DAY, last_activity=NOW)


def somebody(user: str = "otto", **facts: object) -> HubUser:
    given = {"groups": ("data-scientists",), "last_activity": NOW, "servers": (), **facts}
    return HubUser(user, **given)  # type: ignore[arg-type]


def archive(user: str = "otto") -> Archive:
    return Archive(
        user=user, home=user, point="0000000042-x", point_at=NOW, archived_at=NOW, entries=3, files=2, bytes=9
    )


def standing(user: str = "otto", **facts: object) -> Standing:
    given = {
        "known": somebody(user),
        "tokens": (),
        "admins": frozenset({"gita"}),
        "home": user,
        "home_is_there": True,
        "archive": None,
        **facts,
    }
    return Standing(user, **given)  # type: ignore[arg-type]


def steps(seen: Standing) -> list[tuple[str, str]]:
    return [(action.verb, action.target) for action in plan_leave(seen, never=NEVER).actions]


def test_access_ends_before_the_home_is_touched_and_the_home_is_moved_last() -> None:
    known = somebody(servers=(server("otto"), server("otto", "gpu")))
    assert steps(standing(known=known, tokens=(Token("a7", "laptop", None),))) == [
        ("revoke", "token a7"),
        ("stop", "otto/"),
        ("stop", "otto/gpu"),
        ("remove", "user otto"),
        ("archive", "home otto"),
        ("move away", "home otto"),
    ]


def test_a_run_that_was_cut_off_after_the_removal_goes_on_with_the_home() -> None:
    assert steps(standing(known=None)) == [("archive", "home otto"), ("move away", "home otto")]


def test_who_has_left_already_is_left_alone_and_the_archive_is_named() -> None:
    plan = plan_leave(standing(known=None, home_is_there=False, archive=archive()), never=NEVER)
    assert not plan.actions
    assert [each.reason for each in plan.left_alone if each.verb == "archive"] == [
        "archived as of 2026-11-28 09:00 UTC"
    ]
    assert leave_summary("otto", plan, [], [], executed=True) == "otto has left: nothing is left to do"


def test_a_user_without_a_home_leaves_too() -> None:
    plan = plan_leave(standing(home_is_there=False), never=NEVER)
    assert [action.verb for action in plan.actions] == ["remove"]
    done = [Outcome("remove", "user otto", "done")]
    assert leave_summary("otto", plan, done, [], executed=True) == "otto has left; there is no home"


@pytest.mark.parametrize("user", NEVER)
def test_a_user_that_is_no_person_is_refused(user: str) -> None:
    with pytest.raises(Refused, match="it is no person"):
        plan_leave(standing(user), never=NEVER)


def test_somebody_nobody_knows_is_refused_with_what_to_type() -> None:
    with pytest.raises(Refused, match="as the Hub's admin page lists it"):
        plan_leave(standing("Otto", known=None, home_is_there=False), never=NEVER)


def test_the_last_administrator_is_refused_and_one_of_two_is_not() -> None:
    gita = somebody("gita", admin=True)
    with pytest.raises(Refused, match="last administrator"):
        plan_leave(standing("gita", known=gita), never=NEVER)
    assert steps(standing("gita", known=gita, admins=frozenset({"gita", "nora"})))


def test_a_note_that_its_owner_wrote_cannot_break_the_line() -> None:
    plan = plan_leave(standing(tokens=(Token("a7", "a\nb" + "x" * 500, NOW),)), never=NEVER)
    reason = next(iter(plan.actions)).reason
    assert "\n" not in reason and "a\\nb" in reason and len(reason) < 120


def test_what_failed_is_in_the_summary() -> None:
    plan = plan_leave(standing(), never=NEVER)
    failed = [Outcome("remove", "user otto", "done"), Outcome("archive", "home otto", "failed", "it is not whole")]
    assert "home otto (archive): it is not whole" in leave_summary("otto", plan, failed, [], executed=True)


def test_who_was_let_in_again_has_not_left() -> None:
    plan = plan_leave(standing(), never=NEVER)
    done = [Outcome("remove", "user otto", "done"), Outcome("archive", "home otto", "done")]
    login = Finding("login", "failed", "they have logged in again meanwhile: the SSO lets them in")
    summary = leave_summary("otto", plan, done, [login], executed=True)
    assert summary == f"otto has not left for good: {login.seen}"


def home(name: str, days: float, *, active: float | None = None, **facts: object) -> Home:
    """Unchanged for `days`; its owner active so many days ago, unknown to the Hub without that."""
    owner = somebody(name, last_activity=NOW - active * DAY, **facts) if active is not None else None
    return Home(name, name, owner, 1024, NOW - days * DAY)


def chosen(*homes: Home, policy: PeopleSettings = POLICY) -> list[str]:
    return [action.target for action in plan_stale_homes(homes, policy, never=NEVER, now=NOW).actions]


@pytest.mark.parametrize(
    ("kept", "why"),
    [
        (home("otto", 179), "something in it changed 179 days ago"),
        (home("otto", 900, active=10), "its owner was active 10 days ago"),
        (home("otto", 900, active=900, servers=(server("otto"),)), "a server of its owner runs"),
        (home("riskhub-check", 900), "its owner is no person: the platform itself works as this user"),
        (Home("lost+found", "", None, 1, NOW - 900 * DAY), "its name is no user's: look whose it is"),
    ],
    ids=lambda each: each.name if isinstance(each, Home) else "",
)
def test_a_home_in_use_stays_and_says_why(kept: Home, why: str) -> None:
    plan = plan_stale_homes([kept], POLICY, never=NEVER, now=NOW)
    assert [(action.target, action.reason) for action in plan.left_alone] == [(kept.name, why)]
    assert not plan.actions


def test_a_home_is_stale_whose_owner_is_unknown_or_long_away() -> None:
    assert chosen(home("otto", 181), home("nora", 300, active=181), home("dina", 1, active=1)) == ["nora", "otto"]


def test_an_owner_who_was_never_active_does_not_keep_a_home() -> None:
    assert chosen(Home("otto", "otto", somebody(last_activity=None), 1, NOW - 181 * DAY)) == ["otto"]


def test_the_longest_unused_go_first_and_the_others_wait() -> None:
    homes = [home("dina", 200), home("nora", 300, active=190), home("otto", 400), home("gita", 1), home("emil", 1)]
    plan = plan_stale_homes([*homes, home("ana", 1)], POLICY, never=NEVER, now=NOW)
    assert [action.target for action in plan.actions] == ["otto", "dina"]
    assert ("nora", "stale too; the next run's: this one has enough") in {
        (action.target, action.reason) for action in plan.left_alone
    }


def test_a_list_that_is_suspiciously_long_is_refused_whole() -> None:
    stale = [home(f"gone{number}", 900) for number in range(4)]
    with pytest.raises(Refused, match="4 of 5 would be archived, more than the 3"):
        chosen(*stale, home("dina", 1))
    assert chosen(*stale[:3])


def test_the_table_tells_size_and_age() -> None:
    plan = plan_stale_homes([home("otto", 200)], POLICY, never=NEVER, now=NOW)
    assert stale_table(plan, now=NOW).rows == (("otto", "otto", "no", "1 KiB", "200 days"),)
    assert stale_summary(plan, [], executed=False) == "1 homes would be archived, 1 KiB"
