"""Who may leave and what that takes; which homes are stale. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

from domain.clock import in_words
from domain.errors import Refused
from domain.health import Finding
from domain.people import Home, Standing
from domain.plan import Action, Outcome, Plan, most_at_once
from domain.text import size, visible
from environments.people import PeopleSettings
from plans.utilisation import Table

_ON_PAPER = 60  # characters of a token's note: its owner wrote it


def plan_leave(standing: Standing, *, never: Collection[str]) -> Plan[str]:
    """Plan the departure of one person: access ends first, then the home is archived, and only then moved away.

    What was done already is left alone, so the plan of a run that was cut off is what is left to do.

    Args:
        never: users that are no people: the synthetic one, those of services.

    Raises:
        Refused: nobody knows such a user, they are among `never`, or nobody would be left to administer the Hub.
    """
    user, known = standing.user, standing.known
    if user in never:
        raise Refused(f"user {user}", "it is no person: the platform itself works as this user", "name a person")
    if known is None and not standing.home_is_there and standing.archive is None:
        cause = "the Hub does not know them, and there is neither a home nor an archive of theirs"
        raise Refused(f"user {user!r}", cause, "give the name as the Hub's admin page lists it, capitals included")
    if standing.admins == {user}:
        cause = "they are the Hub's last administrator: nobody could look after it any more"
        raise Refused(f"user {user}", cause, "let another platform admin log in first, then run again")
    actions: list[Action[str]] = []
    left: list[Action[str]] = []
    for token in standing.tokens:
        used = f"last used {token.last_activity:%Y-%m-%d %H:%M} UTC" if token.last_activity else "never used"
        note = visible(token.note[:_ON_PAPER]) or "no note"
        actions.append(Action("revoke", f"token {token.id}", f"{note}; {used}", token.id))
    if known is None:
        left.append(Action("remove", f"user {user}", "the Hub does not know them (any more)", user))
    else:
        actions += [Action("stop", each.label, "its owner leaves", each.name) for each in known.servers]
        rights = ", ".join((*(("administrator",) if known.admin else ()), *known.groups)) or "no groups"
        why = f"ends groups, roles, auth_state and the browser's session; {rights}"
        actions.append(Action("remove", f"user {user}", why, user))
    archived = f"archived as of {standing.archive.point_at:%Y-%m-%d %H:%M} UTC" if standing.archive else ""
    if standing.home_is_there:
        held = "a point of the mirror, every object of it read back and under a legal hold"
        actions.append(Action("archive", f"home {standing.home}", held, standing.home))
        away = "once the archive is verified; kept beside the homes"
        actions.append(Action("move away", f"home {standing.home}", away, standing.home))
    else:
        left.append(Action("archive", f"home {standing.home}", archived or "there is none", standing.home))
    return Plan(f"{user} leaves", tuple(actions), tuple(left))


def left_open(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """What did not come to its end."""
    return [outcome for outcome in outcomes if outcome.state != "done"]


def leave_summary(
    user: str, plan: Plan[str], outcomes: Collection[Outcome], findings: Iterable[Finding], *, executed: bool
) -> str:
    """A departure in a line."""
    if not plan.actions:
        return f"{user} has left: nothing is left to do"
    if not executed:
        return f"{user} would leave: {len(plan.actions)} steps"
    if missed := left_open(outcomes):
        return f"{user} has not left yet: {missed[0].target} ({missed[0].verb}): {missed[0].detail}"
    if bad := [finding for finding in findings if finding.state == "failed"]:
        return f"{user} has not left for good: {bad[0].seen}"
    home = [outcome for outcome in outcomes if outcome.verb == "archive"]
    return f"{user} has left; the home is archived under a legal hold" if home else f"{user} has left; there is no home"


def plan_stale_homes(
    homes: Collection[Home], policy: PeopleSettings, *, never: Collection[str], now: datetime
) -> Plan[Home]:
    """Choose the homes to archive, those that rest longest first.

    A home is stale when nothing in it changed for `policy.stale_after`, its owner was not active for as long or is
    unknown to the Hub, and no server of theirs runs. What is over `policy.homes_at_once` waits for the next run.

    Args:
        never: users whose homes stay, whatever they look like.

    Raises:
        Refused: more than `policy.max_share` of the homes, and more than `policy.at_least`, are stale.
    """
    stale: list[Home] = []
    left: list[Action[Home]] = []
    for home in sorted(homes, key=lambda each: (each.rests_since, each.name)):
        if why := why_not_stale(home, policy, never=never, now=now):
            left.append(Action("keep", home.name, why, home))
        else:
            stale.append(home)
    allowed = most_at_once(len(homes), max_share=policy.max_share, at_least=policy.at_least)
    if len(stale) > allowed:
        cause = f"{len(stale)} of {len(homes)} would be archived, more than the {allowed} that can be right"
        step = "look whether the Hub's list of users is whole and its clock right; then raise max_share in [people]"
        raise Refused("stale homes", cause, step)
    now_due, later = stale[: policy.homes_at_once], stale[policy.homes_at_once :]
    left += [Action("keep", home.name, "stale too; the next run's: this one has enough", home) for home in later]
    actions = tuple(Action("archive", home.name, _told(home, now), home) for home in now_due)
    return Plan("Archive homes that nobody uses", actions, tuple(left))


def stale_table(plan: Plan[Home], *, now: datetime) -> Table:
    """The homes that are to be archived, with size and age."""
    rows = (
        (home.name, home.user or "?", "yes" if home.owner else "no", size(home.bytes), in_words(now - home.rests_since))
        for home in (action.on for action in plan.actions)
    )
    return Table("Stale homes", ("home", "user", "known to the Hub", "size", "unused for"), tuple(rows))


def stale_summary(plan: Plan[Home], outcomes: Collection[Outcome], *, executed: bool) -> str:
    """A run over the stale homes in a line."""
    if not plan.actions:
        return f"none of {len(plan.left_alone)} homes is to be archived"
    if not executed:
        return f"{len(plan.actions)} homes would be archived, {size(sum(each.on.bytes for each in plan.actions))}"
    missed = left_open(outcomes)
    done = len({outcome.target for outcome in outcomes}) - len({outcome.target for outcome in missed})
    return f"{done} homes archived under a legal hold and moved away" + (f", {len(missed)} not" if missed else "")


def why_not_stale(home: Home, policy: PeopleSettings, *, never: Collection[str], now: datetime) -> str:
    """Why a home is left alone; empty when it is stale."""
    if not home.user:
        return "its name is no user's: look whose it is"
    if home.user in never:
        return "its owner is no person: the platform itself works as this user"
    if home.owner and home.owner.servers:
        return "a server of its owner runs"
    if now - home.changed_at < policy.stale_after:
        return f"something in it changed {in_words(max(now - home.changed_at, timedelta(0)))} ago"
    if now - home.rests_since < policy.stale_after:
        return f"its owner was active {in_words(now - home.rests_since)} ago"
    return ""


def _told(home: Home, now: datetime) -> str:
    owner = "the Hub does not know its owner"
    if home.owner:
        active = home.owner.last_activity
        owner = f"its owner was active {in_words(now - active)} ago" if active else "its owner was never active"
    return f"{size(home.bytes)}, nothing changed for {in_words(now - home.changed_at)}; {owner}"
