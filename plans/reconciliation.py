"""What of the Hub's servers, of what runs and of the proxy's routes belongs to nothing, and what mends it. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Hashable, Iterator
from datetime import datetime

from domain.errors import Refused
from domain.health import Finding
from domain.plan import Action, Outcome, Plan, most_at_once
from domain.reconciliation import Item, Key, Running, Standing, key_of, left_over
from domain.sessions import Server
from environments.reconciling import ReconcilePolicy

PROBE = "reconciliation"
# In the order they are carried out: the Hub sees to its routes when all else is settled.
VERBS = ("clear", "interrupt", "end", "remove route", "add route")
_LEAVE, _STUCK = "leave", "stuck"
_TAKES_AWAY = frozenset(VERBS) - {"add route"}
_SHOWN = 5


def is_astray(standing: Standing, policy: ReconcilePolicy) -> bool:
    """Does this look alone show something that a second one is to confirm?"""
    return any(action.verb != _LEAVE for action in _astray(standing, policy))


def plan_reconciliation(before: Standing, now: Standing, policy: ReconcilePolicy) -> Plan[Item]:
    """Choose what to mend: what two looks, at least `policy.grace` apart, both found astray.

    clear: the Hub lists a server as ready, and nothing of it runs. interrupt: a start that takes longer than
    `policy.pending_after`. end: something runs that the Hub knows nothing of, or that an earlier start left.
    remove route: it leads to a server that the Hub does not list. add route: a ready server has none. What the Hub
    is at (pending), and what another Hub made, is left alone. Left alone as `stuck` is what only a restart of the
    Hub mends: a stop, or a check, that does not end.

    Raises:
        Refused: the plan would take away more than `policy.max_share` of all servers, and more than
            `policy.at_least`. A list that is not whole looks just like that.
    """
    confirmed = set[Hashable]()
    if now.at - before.at >= policy.grace:
        confirmed = {_identity(action) for action in _astray(before, policy)}
    actions: list[Action[Item]] = []
    left: list[Action[Item]] = []
    for action in _astray(now, policy):
        if action.verb == _LEAVE:
            left.append(action)
        elif _identity(action) not in confirmed:
            reason = f"{action.reason}; not yet so for {policy.grace.total_seconds():.0f} s"
            left.append(Action(_LEAVE, action.target, reason, action.on))
        else:
            (left if action.verb == _STUCK else actions).append(action)
    _hold_to_the_share(actions, now, policy)
    actions.sort(key=lambda action: VERBS.index(action.verb))
    return Plan("reconcile sessions", tuple(actions), tuple(left))


def agreement(now: Standing, plan: Plan[Item]) -> Finding:
    """What was held against each other, and what of it only a person can mend."""
    stuck = [action for action in plan.left_alone if action.verb == _STUCK]
    seen = f"{len(now.servers)} servers of the Hub, {len(now.routes)} routes"
    seen += ", what runs not seen" if now.running is None else f", {len(now.running)} running"
    if stuck:
        named = ", ".join(f"{action.target} ({action.reason})" for action in stuck[:_SHOWN])
        more = f" and {len(stuck) - _SHOWN} more" if len(stuck) > _SHOWN else ""
        step = "restart the Hub: users' servers run on meanwhile, and it looks at each of them anew"
        return Finding(PROBE, "degraded", f"{seen}; the Hub is stuck with {named}{more}", step)
    if now.running is None:
        return Finding(PROBE, "not configured", f"{seen}: the Hub runs elsewhere, and no cluster is configured")
    return Finding(PROBE, "ok", seen)


def reconciliation_summary(plan: Plan[Item], outcomes: Collection[Outcome], *, executed: bool) -> str:
    """What a run came to, in a line."""
    astray, left = len(plan.actions), len(plan.left_alone)
    if not astray:
        return f"nothing is astray, {left} left alone" if left else "nothing is astray"
    if not executed:
        return f"{astray} astray would be mended, {left} left alone"
    count = Counter(outcome.state for outcome in outcomes)
    mended = f"{count['done']} mended, {count['skipped']} right by then, {count['failed']} failed"
    return f"{astray} astray: {mended}, {left} left alone"


def _astray(standing: Standing, policy: ReconcilePolicy) -> Iterator[Action[Item]]:
    """What one look finds out of order, and what it cannot judge."""
    servers = {key_of(server): server for server in standing.servers}
    running: dict[Key, tuple[Running, ...]] = defaultdict(tuple)
    for each in standing.running or ():
        running[key_of(each)] += (each,)
    routed = {key_of(route) for route in standing.routes}
    for key, server in servers.items():
        if server.pending:
            yield _pending(server, policy, standing.at)
        elif server.ready and standing.running is not None and key not in running:
            yield Action("clear", server.label, "the Hub lists it as ready, and nothing of it runs", server)
        elif server.ready and key not in routed:
            yield Action("add route", server.label, "it is ready, and the proxy has no route to it", server)
    for key, them in running.items():
        for each in them:
            if left_over(each, servers.get(key), them):
                yield _orphan(each, known=key in servers)
    for route in standing.routes:
        if key_of(route) not in servers:
            yield Action("remove route", route.label, f"it leads to {route.target}, a server the Hub lacks", route)


def _pending(server: Server, policy: ReconcilePolicy, now: datetime) -> Action[Item]:
    if server.pending != "spawn":
        return Action(_STUCK, server.label, f"its {server.pending} does not end", server)
    if server.started is None:
        return Action(_LEAVE, server.label, "it starts, since when is not known", server)
    seconds, limit = (now - server.started).total_seconds(), policy.pending_after.total_seconds()
    reason = f"it starts since {seconds:.0f} s, the limit is {limit:.0f} s"
    return Action("interrupt" if seconds > limit else _LEAVE, server.label, reason, server)


def _orphan(running: Running, *, known: bool) -> Action[Item]:
    if not running.ours:
        return Action(_LEAVE, running.label, f"{running.where} bears no address of this Hub", running)
    why = "an earlier start left it beside the Hub's own" if known else "the Hub knows no such server"
    return Action("end", running.label, f"{running.where} runs, and {why}", running)


def _identity(action: Action[Item]) -> Hashable:
    """The same thing astray in two looks: of a server its start counts, its activity does not."""
    on = action.on
    if isinstance(on, Server):
        return action.verb, key_of(on), on.started, on.pending
    return action.verb, on


def _hold_to_the_share(actions: Collection[Action[Item]], now: Standing, policy: ReconcilePolicy) -> None:
    """A server counts once, however many of the three places know it."""
    everything: tuple[Item, ...] = (*now.servers, *(now.running or ()), *now.routes)
    servers = len({key_of(item) for item in everything})
    away = [action for action in actions if action.verb in _TAKES_AWAY]
    taken = len({key_of(action.on) for action in away})
    allowed = most_at_once(servers, max_share=policy.max_share, at_least=policy.at_least)
    if taken > allowed:
        count = Counter(action.verb for action in away)
        named = ", ".join(f"{verb}: {count[verb]}" for verb in VERBS if count[verb])
        raise Refused(
            "reconciliation",
            f"the plan would take away {taken} of {servers} servers ({named}), more than the {allowed} allowed in "
            "one run",
            "look whether the Hub's list is whole (its database, the token's scopes) and the cluster's too; if it is "
            "right, run with a larger max_share",
        )
