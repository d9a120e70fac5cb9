"""Who is to be stopped, and why. Pure: servers and a policy in, a plan out, the clock passed in."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from math import floor

from domain.errors import Refused
from domain.plan import Action, Plan
from domain.sessions import Server
from environments.settings import CullPolicy


def plan_culls(servers: Iterable[Server], policy: CullPolicy, *, now: datetime) -> Plan[Server]:
    """Choose the servers to stop.

    A server is stopped when it was idle for longer than `policy.idle`, or is older than `policy.max_age`;
    never while it is pending or not ready, and never when its user is exempt. A server that never reported
    activity counts from its start. The order of `servers` is kept.

    Raises:
        Refused: the plan would stop more than `policy.max_share` of the ready servers, and more than
            `policy.at_least`. A wrong clock or a broken activity feed looks just like that.
    """
    stops: list[Action[Server]] = []
    left: list[Action[Server]] = []
    ready = 0
    for server in servers:
        ready += server.ready
        due, reason = _judge(server, policy, now)
        if due:
            stops.append(Action("stop", server.label, reason, server))
        else:
            left.append(Action("leave", server.label, reason, server))
    allowed = max(policy.at_least, floor(policy.max_share * ready))
    if len(stops) > allowed:
        raise Refused(
            "culling",
            f"the plan would stop {len(stops)} of {ready} running servers, more than the {allowed} allowed in one run",
            "check the clocks and the proxy's activity feed; if it is right, run with a larger max_share",
        )
    return Plan("cull idle servers", tuple(stops), tuple(left))


def idle_since(server: Server, policy: CullPolicy, *, now: datetime) -> datetime | None:
    """The moment since which `server` must have been idle to be stopped; None when its age alone decides."""
    return None if _too_old(server, policy, now) else now - policy.idle


def _judge(server: Server, policy: CullPolicy, now: datetime) -> tuple[bool, str]:
    """Whether the server is due, and why."""
    if held := _held(server, policy):
        return False, held
    if policy.max_age is not None and _too_old(server, policy, now):
        return True, f"started at {server.started:%Y-%m-%d %H:%M} UTC, the limit is {_span(policy.max_age)}"
    activity = server.last_activity or server.started
    if activity is None:
        return False, "neither its activity nor its start is known"
    quiet = now - activity
    if quiet > policy.idle:
        return True, f"idle for {_span(quiet)}, the limit is {_span(policy.idle)}"
    return False, f"active {_span(quiet)} ago, the limit is {_span(policy.idle)}"


def _held(server: Server, policy: CullPolicy) -> str:
    """Why the server is left alone whatever its activity; empty when nothing holds it."""
    if server.user in policy.exempt:
        return "its user is exempt"
    if server.pending:
        return f"pending {server.pending}"
    return "" if server.ready else "not ready"


def _too_old(server: Server, policy: CullPolicy, now: datetime) -> bool:
    return policy.max_age is not None and server.started is not None and now - server.started > policy.max_age


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
