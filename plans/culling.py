"""Who is to be stopped, and why. Pure: servers and a policy in, a plan out, the clock passed in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from datetime import datetime, timedelta
from math import floor

from domain.errors import Refused
from domain.plan import Action, Outcome, Plan
from domain.sessions import Server, Stop, Verdict
from environments.culling import CullPolicy, CullRule

_MINUTE = "%Y-%m-%d %H:%M"


def plan_culls(servers: Iterable[Server], policy: CullPolicy, *, now: datetime) -> Plan[Stop]:
    """Choose the servers to stop; who is due, `judge` says. The order of `servers` is kept.

    Raises:
        Refused: the plan would stop more than `policy.max_share` of the ready servers, and more than
            `policy.at_least`. A wrong clock or a broken activity feed looks just like that.
    """
    stops: list[Action[Stop]] = []
    left: list[Action[Stop]] = []
    ready = 0
    for server in servers:
        ready += server.ready
        verdict = judge(server, policy, now=now)
        stop = Stop(server, verdict.idle_since, verdict.reason)
        verb, chosen = ("stop", stops) if verdict.due else ("leave", left)
        chosen.append(Action(verb, server.label, verdict.reason, stop))
    allowed = max(policy.at_least, floor(policy.max_share * ready))
    if len(stops) > allowed:
        raise Refused(
            "culling",
            f"the plan would stop {len(stops)} of {ready} running servers, more than the {allowed} allowed in one run",
            "check the clocks and the proxy's activity feed; if it is right, run with a larger max_share",
        )
    return Plan("cull idle servers", tuple(stops), tuple(left))


def cull_summary(plan: Plan[Stop], outcomes: Collection[Outcome], *, executed: bool) -> str:
    """What a run came to, in a line."""
    due, left = len(plan.actions), len(plan.left_alone)
    if not executed:
        return f"{due} servers would be stopped, {left} left alone"
    count = Counter(outcome.state for outcome in outcomes)
    return f"{count['done']} servers stopped, {count['skipped']} woke up, {count['failed']} failed, {left} left alone"


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
        return Verdict(False, f"exempt until {until:{_MINUTE}} UTC{_by(sparing)}", stop_at)
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
    return Verdict(False, f"active {_span(quiet)} ago, {limit}", min(activity + idle, old_at or activity + idle))


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
