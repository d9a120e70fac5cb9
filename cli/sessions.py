"""`riskhub sessions`: who runs a server now, and one culling cycle.

With nothing but JUPYTERHUB_API_URL and JUPYTERHUB_API_TOKEN set, and no environment chosen, both work on that
Hub directly: no environment file and no Prefect.
"""

from __future__ import annotations

import inspect
import json
import os
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
from domain.errors import Refused
from domain.record import Record, planned_actions, state_of
from domain.sessions import Stop
from environments import EnvironmentName, load_environment
from environments.settings import CullPolicy, HubSettings
from plans.culling import idle_since, plan_culls
from systems.hub import list_servers, stop_servers

FLOW = "flows.sessions:cull_idle_servers"
_TIME = "%Y-%m-%d %H:%M:%S"


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
    chosen = policy or CullPolicy()
    plan = plan_culls(list_servers(hub), chosen, now=started_at)
    stops = (Stop(action.on, idle_since(action.on, chosen, now=started_at)) for action in plan.actions)
    outcomes = stop_servers(hub, stops) if execute else []
    stopped = sum(outcome.state == "done" for outcome in outcomes)
    return Record(
        flow="cull-idle-servers",
        environment=hub.api_url,
        state=state_of(outcomes, executed=execute),
        summary=f"{stopped} of {len(plan.actions)} stopped" if execute else f"{len(plan.actions)} would be stopped",
        started_at=started_at,
        finished_at=utc_now(),
        outcomes=tuple(outcomes),
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
    """The servers that run now: who, since when, last active, which profile."""
    hub = (None if environment else _hub_of_the_variables()) or load_environment(environment or "local").hub
    servers = list_servers(hub)
    if as_json:
        fields = ("user", "name", "ready", "pending", "profile")
        rows = [
            {field: getattr(server, field) for field in fields}
            | {"groups": list(server.groups), "started": _iso(server.started)}
            | {"last_activity": _iso(server.last_activity)}
            for server in servers
        ]
        click.echo(json.dumps({"state": "complete", "servers": rows}))
        return
    print_table(
        ("SERVER", "STATE", "STARTED (UTC)", "LAST ACTIVITY (UTC)", "PROFILE"),
        (
            (
                server.label,
                server.pending or ("ready" if server.ready else "not ready"),
                f"{server.started:{_TIME}}" if server.started else "-",
                f"{server.last_activity:{_TIME}}" if server.last_activity else "-",
                server.profile or "-",
            )
            for server in servers
        ),
    )


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


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
