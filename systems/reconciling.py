"""The Hub's servers, what runs and the proxy's routes: seen together, and what is astray put right, one by one.

What is chosen is decided elsewhere. Here each choice is looked at again right before the act, and after all of them
everything is looked at once more: what an answer says is its word alone.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import timedelta

from domain.errors import Failed, RiskhubError, Unreachable
from domain.plan import Action, Outcome, OutcomeState
from domain.reconciliation import Item, Route, Running, Standing, key_of, left_over
from domain.sessions import Server
from environments.settings import ClusterSettings, HubSettings
from systems import hub as hubs
from systems.running import end_running, read_running

SETTLE = timedelta(seconds=30)
RESTART = "restart the Hub: users' servers run on meanwhile, and it looks at each of them anew"

Acted = tuple[OutcomeState, str]


def read_standing(hub: HubSettings, cluster: ClusterSettings | None = None) -> Standing:
    """One look at all three.

    Raises:
        Unreachable, Refused: see `HubApi` and `Cluster`; the proxy does not answer the Hub.
    """
    return Standing(
        at=hubs.read_clock(hub),
        running=read_running(hub, cluster),
        routes=tuple(hubs.read_routes(hub)),
        servers=tuple(hubs.list_servers(hub)),
    )


def mend(hub: HubSettings, actions: Collection[Action[Item]], cluster: ClusterSettings | None = None) -> list[Outcome]:
    """Carry the actions out in their order; an error ends the one it is about and no other.

    Returns:
        done: done, or right by itself. skipped: the look right before the act saw something else. failed: refused,
        or not answered; the outcome names the next step.
    """
    return [_outcome(hub, action, cluster) for action in actions]


def confirm_mends(
    hub: HubSettings,
    actions: Collection[Action[Item]],
    outcomes: Sequence[Outcome],
    cluster: ClusterSettings | None = None,
    *,
    settle: timedelta = SETTLE,
) -> list[Outcome]:
    """The outcomes, with those failed that are not seen to be mended within `settle`: what was done is told anyhow."""
    give_up = time.monotonic() + settle.total_seconds()
    told, seen = list(outcomes), f"and still so {settle.total_seconds():.0f} s later. Next: read the Hub's log"
    unsettled = {index: action for index, action in enumerate(actions) if told[index].state == "done"}
    while unsettled and time.monotonic() < give_up:
        try:
            standing = read_standing(hub, cluster)
        except RiskhubError as error:
            seen = f"and what came of it not seen: {error}"
        else:
            unsettled = {index: action for index, action in unsettled.items() if _is_as_before(action, standing)}
        if unsettled:
            time.sleep(0.5)
    for index in unsettled:
        told[index] = replace(told[index], state="failed", detail=f"answered as done, {seen}")
    return told


def _outcome(hub: HubSettings, action: Action[Item], cluster: ClusterSettings | None) -> Outcome:
    began = time.monotonic()
    try:
        state, detail = _act(hub, action, cluster)
    except RiskhubError as error:
        state, detail = "failed", str(error)
    why = f"{detail}: {action.reason}" if state == "done" else detail
    return Outcome(action.verb, action.target, state, why, time.monotonic() - began)


def _act(hub: HubSettings, action: Action[Item], cluster: ClusterSettings | None) -> Acted:
    match action.verb, action.on:
        case "clear", Server() as server:
            return _clear(hub, server, cluster)
        case "interrupt", Server() as server:
            return _interrupt(hub, server)
        case "end", Running() as running:
            return _end(hub, running, cluster)
        case "add route", Server() as server:
            return _add_route(hub, server)
        case "remove route", Route() as route:
            return _remove_route(hub, route)
    raise ValueError(f"nobody can {action.verb} a {type(action.on).__name__}")


def _clear(hub: HubSettings, server: Server, cluster: ClusterSettings | None) -> Acted:
    """Let the Hub stop a server of which nothing runs: it looks after it, forgets it, and takes its route away."""
    now = hubs.read_server(hub, server.user, server.name)
    if now is None:
        return "done", "the Hub saw it by itself"
    if not _is_same(now, server) or not now.ready:
        return "skipped", "it started or stopped since"
    if beside := _beside(hub, server, cluster):
        return "skipped", f"{beside[0].where} runs"
    if hubs.answers(hub, server):
        return "skipped", "it answers, so it runs where nobody looked"
    hubs.end_server(hub, server.user, server.name)
    return "done", "cleared from the Hub"


def _interrupt(hub: HubSettings, server: Server) -> Acted:
    """Let the Hub give a start up."""
    now = hubs.read_server(hub, server.user, server.name)
    if now is None:
        return "done", "it ended by itself"
    if not _is_same(now, server) or now.pending != server.pending:
        return "skipped", "it got on since"
    try:
        hubs.end_server(hub, server.user, server.name)
    except (Unreachable, Failed) as error:
        if isinstance(error, Unreachable) and error.kind != "hub-error":
            raise
        raise Failed(f"server {server.label}", f"the Hub cannot end its start ({error.cause})", RESTART) from None
    return "done", "interrupted"


def _end(hub: HubSettings, running: Running, cluster: ClusterSettings | None) -> Acted:
    """End a pod or process that belongs to no server of the Hub."""
    beside = _beside(hub, running, cluster)
    if running not in beside:
        return "done", "it ended by itself"
    if not left_over(running, hubs.read_server(hub, running.user, running.name), beside):
        return "skipped", "the Hub knows it by now"
    end_running(running, cluster)
    return "done", f"ended {running.where}"


def _add_route(hub: HubSettings, server: Server) -> Acted:
    now = hubs.read_server(hub, server.user, server.name)
    if now is None or not _is_same(now, server) or not now.ready:
        return "skipped", "it started or stopped since"
    if any(key_of(route) == key_of(server) for route in hubs.read_routes(hub)):
        return "done", "it came by itself"
    hubs.sync_routes(hub)
    return "done", "the Hub added it"


def _remove_route(hub: HubSettings, route: Route) -> Acted:
    if hubs.read_server(hub, route.user, route.name) is not None:
        return "skipped", "the Hub lists its server by now"
    if route not in hubs.read_routes(hub):
        return "done", "it went by itself"
    hubs.sync_routes(hub)
    return "done", "the Hub removed it"


def _is_as_before(action: Action[Item], standing: Standing) -> bool:
    """Does the look still find what the action was to mend?"""
    item = action.on
    if isinstance(item, Running):
        return any((each.id, each.uid) == (item.id, item.uid) for each in standing.running or ())
    if isinstance(item, Route):
        return item in standing.routes
    there = any(key_of(each) == key_of(item) and _is_same(each, item) for each in standing.servers)
    if action.verb == "add route":
        return there and key_of(item) not in {key_of(route) for route in standing.routes}
    return there


def _beside(hub: HubSettings, item: Item, cluster: ClusterSettings | None) -> tuple[Running, ...]:
    """All that runs now under the item's name."""
    return tuple(each for each in read_running(hub, cluster) or () if key_of(each) == key_of(item))


def _is_same(now: Server, then: Server) -> bool:
    """The same start of the same server?"""
    return now.started == then.started
