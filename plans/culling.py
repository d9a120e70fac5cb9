"""Who is to be stopped or warned, and why. Pure: servers and a policy in, a plan out, the clock passed in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Literal

from domain.errors import Refused
from domain.notices import StopWarning
from domain.plan import Action, Outcome, Plan, most_at_once
from domain.sessions import Server, Stop, Verdict
from domain.text import visible
from environments.culling import CullPolicy, CullRule

Verb = Literal["stop", "warn", "leave"]

_MINUTE = "%Y-%m-%d %H:%M"


def plan_culls(
    servers: Iterable[Server], policy: CullPolicy, *, now: datetime, warned: Collection[StopWarning] | None = ()
) -> Plan[Stop]:
    """Choose the servers to stop and those whose users are to be warned, see `decide`. The order of `servers` is kept.

    Args:
        warned: what users are told now; None where they cannot be told.

    Raises:
        Refused: the plan would stop, or warn of the stop of, more than `policy.max_share` of the ready servers, and
            more than `policy.at_least`. A wrong clock or a broken activity feed looks just like that.
    """
    told = {(warning.user, warning.server): warning for warning in warned or ()}
    actions: list[Action[Stop]] = []
    left: list[Action[Stop]] = []
    ready = 0
    for server in servers:
        ready += server.ready
        verb, stop = decide(
            server, policy, now=now, warned=told.get((server.user, server.name)), can_warn=warned is not None
        )
        (left if verb == "leave" else actions).append(Action(verb, server.label, stop.reason, stop))
    allowed = most_at_once(ready, max_share=policy.max_share, at_least=policy.at_least)
    for what, count in Counter(action.verb for action in actions).items():
        if count > allowed:
            raise Refused(
                "culling",
                f"the plan would {what} {count} of {ready} running servers, more than the {allowed} allowed in one run",
                "check the clocks and the proxy's activity feed; if it is right, run with a larger max_share",
            )
    return Plan("cull idle servers", tuple(actions), tuple(left))


def stops_of(plan: Plan[Stop]) -> list[Stop]:
    """The servers that the plan stops."""
    return [action.on for action in plan.actions if action.verb == "stop"]


def warned_by(plan: Plan[Stop]) -> list[Stop]:
    """The servers whose users the plan warns."""
    return [action.on for action in plan.actions if action.verb == "warn"]


def warnings_of(plan: Plan[Stop]) -> list[StopWarning]:
    """All that users are told once the plan is done: what it warns of, and what they were told and is still true."""
    return [action.on.warning for action in (*plan.actions, *plan.left_alone) if action.on.warning]


def cull_summary(plan: Plan[Stop], outcomes: Collection[Outcome], *, executed: bool) -> str:
    """What a run came to, in a line."""
    due, warned, left = len(stops_of(plan)), len(warned_by(plan)), len(plan.left_alone)
    if not executed:
        warns = f"{warned} warned, " if warned else ""
        return f"{due} servers would be stopped, {warns}{left} left alone"
    count = Counter(outcome.state for outcome in outcomes if outcome.verb == "stop")
    told = sum(outcome.verb == "warn" and outcome.state == "done" for outcome in outcomes)
    warns = f"{told} of {warned} warned, " if warned else ""
    stops = f"{count['done']} servers stopped, {count['skipped']} woke up, {count['failed']} failed"
    return f"{stops}, {warns}{left} left alone"


def decide(
    server: Server, policy: CullPolicy, *, now: datetime, warned: StopWarning | None = None, can_warn: bool = True
) -> tuple[Verb, Stop]:
    """What is done with one server now, with the reason and the warning that goes with it.

    Where the policy warns, a server that is due within `policy.warn` is warned of a stop at least so far away, and
    stopped when it is due and that time has come; whoever used it since has to be warned anew. Where nobody can be
    warned, it is stopped so much later: when it was due for `policy.warn` already.

    Args:
        warned: what its user is told now, whether or not it is still true.
        can_warn: can users be told at all?
    """
    verdict = judge(server, policy, now=now)
    stop = Stop(server, verdict.idle_since, verdict.reason)
    if not policy.warn:
        return ("stop" if verdict.due else "leave"), stop
    if not can_warn:
        overdue = verdict.due and judge(server, policy, now=now - policy.warn).due
        unwarned = replace(stop, reason=f"{stop.reason}; its user cannot be warned") if verdict.due else stop
        return ("stop" if overdue else "leave"), unwarned
    if verdict.stop_at is None or verdict.stop_at > now + policy.warn:
        return "leave", stop
    if warned is None or not _is_true(warned, server, verdict):
        return "warn", replace(stop, warning=_warning(server, verdict, max(verdict.stop_at, now + policy.warn), now))
    stop = replace(stop, reason=f"{stop.reason}; warned at {warned.warned_at:{_MINUTE}} UTC", warning=warned)
    if verdict.due and now >= warned.stop_at:
        return "stop", replace(stop, idle_since=verdict.idle_since and warned.last_activity)
    return "leave", replace(stop, reason=f"{stop.reason} of a stop at {warned.stop_at:{_MINUTE}} UTC")


def _is_true(warning: StopWarning, server: Server, verdict: Verdict) -> bool:
    """Is it about this start of the server, unused since, and does it not promise that to use the server keeps it?"""
    if warning.started != server.started:
        return False
    if warning.last_activity is None:
        return True
    activity = server.last_activity or server.started
    return verdict.idle_since is not None and activity is not None and activity <= warning.last_activity


def _warning(server: Server, verdict: Verdict, stop_at: datetime, now: datetime) -> StopWarning:
    name = f"Your server {visible(server.name)[:20]}" if server.name else "Your server"
    by_age = verdict.idle_since is None
    why = "has run for long" if by_age else "is not used"
    what = "Save your work; you can start it again." if by_age else "Use it to keep it. Saved files stay."
    return StopWarning(
        user=server.user,
        server=server.name,
        started=server.started,
        last_activity=None if by_age else server.last_activity or server.started,
        warned_at=now,
        stop_at=stop_at,
        text=f"{name} {why} and stops at {stop_at:{_MINUTE}} UTC. {what}",
    )


def judge(server: Server, policy: CullPolicy, *, now: datetime) -> Verdict:
    """What the policy makes of one server.

    It is due when it was idle for longer than its `idle`, or is older than its `max_age`; never while it is
    pending or not ready, its user or a rule exempts it, or a hold is on. A server that never reported activity
    counts from its start.
    """
    if held := _held(server, policy, now):
        return Verdict(False, held)
    rules = sorted(_rules_of(server, policy, now), key=lambda rule: rule.specificity, reverse=True)
    sparing = _exemption(rules, now)
    if sparing and sparing.exempt:
        return Verdict(False, f"exempt{_by(sparing)}")
    activity = server.last_activity or server.started
    if activity is None:
        return Verdict(False, "neither its activity nor its start is known")
    verdict = _by_limits(server, activity, rules, policy, now)
    if sparing and sparing.exempt_until:
        until = sparing.exempt_until
        stop_at = max(until, verdict.stop_at or until)
        return Verdict(False, f"exempt until {until:{_MINUTE}} UTC{_by(sparing)}", stop_at, verdict.idle_since)
    return verdict


def _by_limits(server: Server, activity: datetime, rules: list[CullRule], policy: CullPolicy, now: datetime) -> Verdict:
    """What its limits alone make of a server."""
    idle, idle_rule = _limit(rules, lambda rule: rule.idle) or (policy.idle, None)
    max_age, age_rule = _limit(rules, lambda rule: rule.max_age) or (policy.max_age, None)
    old_at = server.started + max_age if server.started and max_age is not None else None
    if max_age is not None and old_at and now > old_at:
        reason = f"started at {old_at - max_age:{_MINUTE}} UTC, the limit is {_span(max_age)}{_by(age_rule)}"
        return Verdict(True, reason, now)
    quiet, limit = now - activity, f"the limit is {_span(idle)}{_by(idle_rule)}"
    if quiet > idle:
        return Verdict(True, f"idle for {_span(quiet)}, {limit}", now, now - idle)
    idle_at = activity + idle
    reason = f"active {_span(quiet)} ago, {limit}"
    if old_at and old_at < idle_at:
        return Verdict(False, reason, old_at)
    return Verdict(False, reason, idle_at, activity)


def _held(server: Server, policy: CullPolicy, now: datetime) -> str:
    """Why the server is left alone whatever its activity; empty when nothing holds it."""
    for hold in policy.holds:
        if hold.begins <= now < hold.ends:
            return f"nobody is stopped until {hold.ends:{_MINUTE}} UTC (hold {hold.name!r})"
    if server.user in policy.exempt:
        return "its user is exempt"
    if server.pending:
        return f"pending {server.pending}"
    return "" if server.ready else "not ready"


def _rules_of(server: Server, policy: CullPolicy, now: datetime) -> Iterable[CullRule]:
    """The rules that fit the server now; one whose only word was an exemption that has ended says nothing more."""
    for rule in policy.rules:
        if (
            (not rule.users or server.user in rule.users)
            and (not rule.groups or not set(rule.groups).isdisjoint(server.groups))
            and (not rule.profiles or server.profile in rule.profiles)
            and rule.named in (None, bool(server.name))
            and (rule.when is None or rule.when.holds(now))
            and (rule.exempt_until is None or rule.exempt_until > now or rule.limits)
        ):
            yield rule


def _exemption(rules: list[CullRule], now: datetime) -> CullRule | None:
    """The rule that exempts the server now, the mildest of the most specific; none where limits are more specific."""
    best = [rule for rule in rules if rule.specificity == rules[0].specificity]
    sparing = [rule for rule in best if rule.exempt or (rule.exempt_until and rule.exempt_until > now)]
    return max(sparing, key=lambda rule: (rule.exempt, rule.exempt_until or now), default=None)


def _limit(rules: list[CullRule], of: Callable[[CullRule], timedelta | None]) -> tuple[timedelta, CullRule] | None:
    """The limit of the most specific rule that sets it; the longest where several are equally specific."""
    found = [(limit, rule) for rule in rules if (limit := of(rule)) is not None]
    best = [each for each in found if each[1].specificity == found[0][1].specificity]
    return max(best, key=lambda each: each[0], default=None)


def _by(rule: CullRule | None) -> str:
    return f" (rule {rule.name!r})" if rule else ""


def _span(length: timedelta) -> str:
    """A length of time as people say it: 45 s, 12 min, 3 h 5 min, 2 d 4 h."""
    seconds = max(0, round(length.total_seconds()))
    if seconds < 120:
        return f"{seconds} s"
    minutes = seconds // 60
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes} min"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h"
