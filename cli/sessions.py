"""`riskhub sessions`: who runs a server now, and one culling cycle.

With nothing but JUPYTERHUB_API_URL and JUPYTERHUB_API_TOKEN set, and no environment chosen, both work on that
Hub directly: no environment file and no Prefect.
"""

from __future__ import annotations

import inspect
import json
import os
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import click
from pydantic import SecretStr, ValidationError

from cli.answer import answer, print_table
from cli.flow_command import (
    command,
    environment_option,
    json_option,
    load_flow,
    settings_of,
)
from cli.options import options_of
from cli.prefect_session import prefect_session
from domain.clock import utc_now
from domain.errors import Refused, RiskhubError
from domain.health import Finding
from domain.plan import Outcome
from domain.record import Record, planned_actions, state_of
from domain.sessions import Server
from domain.text import size, visible
from domain.utilisation import Usage
from environments import EnvironmentName, load_environment
from environments.culling import CullPolicy
from environments.settings import ClusterSettings, HubSettings
from plans.culling import Verb, cull_summary, decide, judge, plan_culls, stops_of, warned_by, warnings_of
from systems.hub import find_warnings, list_servers, only_cull, read_clock, require_scope, stop_servers, warn
from systems.running import confirm_stops
from systems.server_usage import NOT_SEEN, server_usage

FLOW = "flows.sessions:cull_idle_servers"


def cull_directly(hub: HubSettings, policy: CullPolicy | None = None, execute: bool = False) -> Record:
    """Stop notebook servers that nobody uses: one whole cycle, then it exits.

    Without --execute the plan is shown and nothing is stopped. A server that was active at the moment of its stop
    is left alone. With JUPYTERHUB_API_URL and JUPYTERHUB_API_TOKEN set and no environment chosen, it works on
    that Hub directly; otherwise it runs the environment's flow.

    Args:
        policy: who counts as idle, whole, in place of the environment's.
        execute: stop them; without it the plan is shown.
    """
    started_at = utc_now()
    policy, outcomes = policy or CullPolicy(), list[Outcome]()
    with only_cull(hub) if execute else nullcontext():
        if execute:
            require_scope(hub, "delete:servers")
        now = read_clock(hub)
        warned, findings = find_warnings(hub) if policy.warn else ((), list[Finding]())
        plan = plan_culls(list_servers(hub), policy, now=now, warned=warned)
        if execute:
            told = warn(hub, warned, warnings_of(plan), warned_by(plan))
            answered = stop_servers(hub, stops_of(plan))
            confirmed, finding = confirm_stops(hub, answered, since=now)
            outcomes, findings = [*told, *confirmed], [*findings, finding]
    return Record(
        flow="cull-idle-servers",
        environment=hub.api_url,
        state=state_of(outcomes, findings, executed=execute),
        summary=cull_summary(plan, outcomes, executed=execute),
        started_at=started_at,
        finished_at=utc_now(),
        outcomes=tuple(outcomes),
        findings=tuple(findings),
        **planned_actions(plan),
    )


def _cull() -> click.Command:
    options = options_of(cull_directly, skip=("hub",))

    def run(environment: EnvironmentName | None, as_json: bool, verbose: bool, **typed: Any) -> None:
        hub = None if environment else _hub_of_the_variables()
        if hub is not None:
            record = cull_directly(hub, **options.arguments(typed, lambda model: None))
        else:
            settings = load_environment(environment or "local")
            arguments = options.arguments(typed, settings_of(settings))
            with prefect_session(settings.prefect.api_url, verbose=verbose) as session:
                record = session.run(load_flow(FLOW), {"environment": settings.name, **arguments})
        click.get_current_context().exit(answer(record, as_json=as_json))

    return command("sessions cull", inspect.getdoc(cull_directly) or "", options, run, environment_option(None))


cull = _cull()


def _list(environment: EnvironmentName | None, as_json: bool) -> None:
    """The servers that run now: who, since when, last active, what they use, what the culling policy would do and when.

    Processors and memory are those of the server's pod, or of its processes where the Hub is on this machine.
    The time of a stop is that of nobody using the server from now on, by the rules that hold now; since when its user
    is warned of it, where the policy warns.
    """
    hub, policy, cluster = None if environment else _hub_of_the_variables(), CullPolicy(), None
    if hub is None:
        settings = load_environment(environment or "local")
        hub, policy, cluster = settings.hub, settings.culling, settings.cluster
    now = read_clock(hub)
    judged = _judged(hub, policy, now)
    used = _usage(hub, cluster)
    if as_json:
        servers = [_as_json(each, used.get(each.server.label, NOT_SEEN)) for each in judged]
        click.echo(json.dumps({"state": "complete", "servers": servers}))
        return
    print_table(
        (
            "SERVER",
            "STATE",
            "STARTED (UTC)",
            "LAST ACTIVITY (UTC)",
            "CPU",
            "MEMORY",
            "PROFILE",
            "WARNED (UTC)",
            "STOP AT (UTC)",
            "WHY",
        ),
        (
            (
                each.server.label,
                each.server.pending or ("ready" if each.server.ready else "not ready"),
                _shown(each.server.started),
                _shown(each.server.last_activity),
                _cores(used.get(each.server.label, NOT_SEEN)),
                _memory(used.get(each.server.label, NOT_SEEN)),
                each.server.profile or "-",
                _shown(each.warned_at),
                "now" if each.verb == "stop" else _shown(each.stop_at),
                each.reason,
            )
            for each in judged
        ),
    )


@dataclass(frozen=True)
class _Judged:
    """A server, what a cull would do with it now, when it would be stopped, and since when its user is warned."""

    server: Server
    verb: Verb
    reason: str
    stop_at: datetime | None
    warned_at: datetime | None


def _judged(hub: HubSettings, policy: CullPolicy, now: datetime) -> list[_Judged]:
    warned, findings = find_warnings(hub) if policy.warn else ((), [])
    for finding in findings:
        click.echo(f"riskhub: {visible(finding.seen)}", err=True)
    told_to = {(each.user, each.server): each for each in warned or ()}
    judged = []
    for server in list_servers(hub):
        told = told_to.get((server.user, server.name))
        verb, stop = decide(server, policy, now=now, warned=told, can_warn=warned is not None)
        stop_at = stop.warning.stop_at if stop.warning else judge(server, policy, now=now).stop_at
        warned_at = told.warned_at if told and told == stop.warning else None
        judged.append(_Judged(server, verb, stop.reason, stop_at, warned_at))
    return judged


def _usage(hub: HubSettings, cluster: ClusterSettings | None) -> dict[str, Usage]:
    """What the servers use, by label; who they are is told also where that cannot be seen."""
    try:
        return server_usage(hub, cluster) or {}
    except RiskhubError as error:
        click.echo(f"riskhub: what the servers use is not seen: {visible(str(error))}", err=True)
        return {}


def _cores(used: Usage) -> str:
    if used["cpu_cores"] is None:
        return "-"
    asked = used["cpu_requested_cores"]
    return f"{used['cpu_cores']:.2f}" + (f" of {asked:.2f}" if asked else "")


def _memory(used: Usage) -> str:
    if used["memory_bytes"] is None:
        return "-"
    asked = used["memory_requested_bytes"]
    return size(used["memory_bytes"]) + (f" of {size(asked)}" if asked else "")


def _as_json(judged: _Judged, used: Usage) -> dict[str, Any]:
    server = judged.server
    return {
        "user": server.user,
        "name": server.name,
        "ready": server.ready,
        "pending": server.pending,
        "profile": server.profile,
        "groups": list(server.groups),
        "started": _iso(server.started),
        "last_activity": _iso(server.last_activity),
        **used,
        "policy": {
            "action": judged.verb,
            "warned_at": _iso(judged.warned_at),
            "stop_at": _iso(judged.stop_at),
            "reason": judged.reason,
        },
    }


list_sessions = click.Command(
    "list",
    params=[environment_option(None), json_option()],
    callback=_list,
    help=_list.__doc__,
    epilog="\b\nExamples:\n  riskhub sessions list\n  riskhub sessions list --environment prod --json",
)


def _hub_of_the_variables() -> HubSettings | None:
    url, token = os.environ.get("JUPYTERHUB_API_URL"), os.environ.get("JUPYTERHUB_API_TOKEN")
    if not url or not token:
        return None
    try:
        return HubSettings(api_url=url, public_url=url, api_token=SecretStr(token))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        if first["loc"] == ("api_token",):
            raise Refused("JUPYTERHUB_API_TOKEN", first["msg"], "set it as the Hub gave it") from None
        example = "set it to the Hub's API, e.g. http://hub:8081/hub/api"
        raise Refused("JUPYTERHUB_API_URL", first["msg"], example) from None


def _shown(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}" if moment else "-"


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
