"""What people are to be told of maintenance, and what no more. Pure, the clock passed in."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime

from domain.errors import Refused
from domain.notices import LONGEST, Announcement
from domain.plan import Action, Plan
from domain.text import visible

_MINUTE = "%Y-%m-%d %H:%M"


def plan_announcement(
    told: Iterable[Announcement], text: str, *, begins: datetime, ends: datetime, group: str | None, now: datetime
) -> Plan[Announcement]:
    """Tell everybody, or a group, of maintenance. What is told already is left alone; what has ended is forgotten.

    Raises:
        Refused: it has ended, it ends before it begins, or its text is empty, too long or not one line.
    """
    if ends <= begins or ends <= now:
        cause = "it ends before it begins" if ends <= begins else f"it ended at {ends:{_MINUTE}} UTC"
        raise Refused("announcement", cause, "give --begins and --ends of the maintenance itself, with their zone")
    said = f"Maintenance {_window(begins, ends)}: {text.strip()}"
    if not text.strip() or visible(said) != said or len(said) > LONGEST:
        room = LONGEST - len(said) + len(text.strip())
        cause = f"its text is empty, not one line, or longer than {room} characters"
        raise Refused("announcement", cause, f"write one line of 1 to {room}: JupyterLab cuts off what is longer")
    identity = "\n".join((said, begins.isoformat(), ends.isoformat(), group or "", str(group is None)))
    made = Announcement(
        id=hashlib.sha256(identity.encode()).hexdigest()[:8], group=group, text=said, begins=begins, ends=ends
    )
    current = [each for each in told if each.ends > now]
    actions = () if made in current else (_action("announce", made),)
    return Plan("announce maintenance", actions, tuple(_action("leave", each) for each in current))


def plan_withdrawal(told: Iterable[Announcement], announcement: str, *, now: datetime) -> Plan[Announcement]:
    """Tell nobody of this announcement any more, though its maintenance goes on or is still to come.

    Raises:
        Refused: nobody is told of it.
    """
    current = [each for each in told if each.ends > now]
    withdrawn = [each for each in current if each.id == announcement]
    if not withdrawn:
        known = ", ".join(each.id for each in current) or "none"
        raise Refused(f"announcement {announcement!r}", "nobody is told of it", f"choose one of those told: {known}")
    left = [each for each in current if each.id != announcement]
    return Plan(
        "withdraw an announcement",
        tuple(_action("withdraw", each) for each in withdrawn),
        tuple(_action("leave", each) for each in left),
    )


def announcements_after(plan: Plan[Announcement]) -> list[Announcement]:
    """What people are told once the plan is done."""
    return [action.on for action in (*plan.left_alone, *plan.actions) if action.verb != "withdraw"]


def announcement_summary(plan: Plan[Announcement], *, executed: bool) -> str:
    """What a run came to, in a line."""
    if not plan.actions:
        return "it is announced already"
    (action,) = plan.actions
    done = {"announce": "announced", "withdraw": "withdrawn"}[action.verb]
    return f"{action.target}: {done if executed else f'would be {done}'}: {action.reason}"


def _action(verb: str, announcement: Announcement) -> Action[Announcement]:
    return Action(verb, f"{announcement.id} for {announcement.audience}", announcement.text, announcement)


def _window(begins: datetime, ends: datetime) -> str:
    last = f"{ends:%H:%M}" if begins.date() == ends.date() else f"{ends:{_MINUTE}}"
    return f"{begins:{_MINUTE}} to {last} UTC"
