"""Maintenance that people are told of, in their open JupyterLab and on the Hub's own pages."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import datetime

from domain.clock import UtcDatetime, utc_now
from domain.notices import Announcement
from domain.plan import Outcome, Plan
from domain.record import Record
from environments import Environment, EnvironmentName, load_environment
from flows.chapter import chapter
from plans.announcements import announcement_summary, announcements_after, plan_announcement, plan_withdrawal
from tasks.hub import keep_announcements, only_announcement, read_announcements, read_clock
from tasks.records import publish_plan, record


@chapter(name="announce-maintenance")
def announce_maintenance(
    text: str,
    begins: UtcDatetime,
    ends: UtcDatetime,
    environment: EnvironmentName = "local",
    *,
    group: str | None = None,
    execute: bool = False,
) -> Record:
    """Tell people of maintenance: in their open JupyterLab within a minute, and above every page of the Hub.

    Run it when: something that people notice is planned. They are told from now on until it ends, then no more.
    The text is one line, shown as text behind the window's times. Nobody's work is touched.
    If it fails: nobody is told; run it again once the Hub answers.

    Args:
        text: what happens, in one line of about 80 characters.
        begins: when the maintenance begins.
        ends: when it ends; until then it is told.
        group: tell only its members; everybody by default.
    """
    env, started = load_environment(environment), utc_now()
    with only_announcement(env.hub, env.database) if execute else nullcontext():
        now = read_clock(env.hub)
        told = read_announcements(env.hub)
        plan = plan_announcement(told, text, begins=begins, ends=ends, group=group, now=now)
        return _carried_out(env, "announce-maintenance", plan, started, execute)


@chapter(name="withdraw-announcement")
def withdraw_announcement(announcement: str, environment: EnvironmentName = "local", execute: bool = False) -> Record:
    """Take an announcement back: it is shown no more, though its maintenance has not ended.

    Run it when: the maintenance is done early, or is called off. What has ended is shown no more by itself.
    If it fails: refused names the announcements that people are told; run it again once the Hub answers.

    Args:
        announcement: its id, as the plan of `riskhub sessions announce` tells it.
    """
    env, started = load_environment(environment), utc_now()
    with only_announcement(env.hub, env.database) if execute else nullcontext():
        plan = plan_withdrawal(read_announcements(env.hub), announcement, now=read_clock(env.hub))
        return _carried_out(env, "withdraw-announcement", plan, started, execute)


def _carried_out(env: Environment, flow: str, plan: Plan[Announcement], started: datetime, execute: bool) -> Record:
    publish_plan(plan, environment=env)
    outcomes: list[Outcome] = []
    if execute:
        keep_announcements(env.hub, announcements_after(plan))
        outcomes = [Outcome(action.verb, action.target, "done", action.reason) for action in plan.actions]
    return record(
        flow=flow,
        environment=env,
        started_at=started,
        plan=plan,
        executed=execute,
        outcomes=outcomes,
        measures={"told": len(announcements_after(plan))},
        summary=announcement_summary(plan, executed=execute),
    )
