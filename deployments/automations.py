"""Prefect's automations: a flow run that failed, crashed or did not start is an alert, and its next success ends it.

What the health flows find they tell Alertmanager themselves, so of those only a crash counts here. A run that somebody
started without a deployment is watched by who started it. Prefect fills the templates below; every value in them that
comes from elsewhere goes through `tojson`, since a message may quote anything.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from functools import partial
from typing import Any

import httpx

from domain.errors import Failed
from domain.health import Kind
from environments.alerts import AlertsSettings
from environments.settings import PrefectSettings
from plans.alerts import RUN_FAILED, RUN_MISSED, run_labels
from plans.kinds import page_of
from systems.network import trust, unreachable

PREFIX = "riskhub: "  # of the names of our automations
_BLOCK = "alertmanager"
_TIMEOUT_SECONDS = 30.0
_PATIENCE_SECONDS = 90.0  # with a server whose SQLite is busy: it was seen to say nothing for half a minute

# Until a run of the same deployment succeeds; Alertmanager would end it after minutes otherwise.
_UNTIL_THEN = json.dumps("2100-01-01T00:00:00Z")
_NOW = "{{ event.occurred.isoformat() | tojson }}"
_RUN = "flow.name ~ '/' ~ deployment.name"
_STATE, _MESSAGE = "event.resource['prefect.state-name']", "event.resource['prefect.state-message']"


def declared(environment: str, prefect: PrefectSettings, alerts: AlertsSettings) -> tuple[dict[str, Any], ...]:
    """The automations of an environment: name, trigger, payload of the call; none without an Alertmanager."""
    if alerts.url is None:
        return ()
    alert = partial(_template, environment, prefect)
    failed = alert(RUN_FAILED, f"{_RUN} ~ ' ended as ' ~ {_STATE} ~ ': ' ~ {_MESSAGE}")
    missed = alert(RUN_MISSED, f"{_RUN} ~ ' was due and has not started'")
    over = f"{_RUN} ~ ': ' ~ {_STATE}"
    succeeded = alert(RUN_FAILED, over, over=True)
    started = alert(RUN_MISSED, over, over=True)
    ended_badly = {"prefect.state-type": ["FAILED", "CRASHED"]}
    done = {"prefect.state-type": "COMPLETED", "prefect.state-name": "!Planned"}  # a dry run proves nothing
    return (
        _automation("a run failed", "prefect.flow-run.*", [failed], ended_badly, flow="!*health*"),
        _automation("a health run crashed", "prefect.flow-run.Crashed", [failed], flow="*health*"),
        _automation("a run is late", "prefect.flow-run.Late", [missed]),
        _automation("a run started", "prefect.flow-run.Running", [started]),
        _automation("a run succeeded", "prefect.flow-run.*", [succeeded], done),
    )


def apply_automations(environment: str, prefect: PrefectSettings, alerts: AlertsSettings) -> list[str]:
    """Bring Prefect's automations to what is declared; their names. Twice is harmless.

    One of ours that is declared no more is removed; others' are left alone.

    Raises:
        Unreachable: Prefect does not answer.
        Failed: it does not take one.
    """
    wanted = declared(environment, prefect, alerts)
    with httpx.Client(base_url=prefect.api_url, timeout=_TIMEOUT_SECONDS, verify=trust()) as client:
        found = _ask(client, prefect, "POST", "/automations/filter", {"limit": 200})
        there = {each["name"]: each["id"] for each in found if each["name"].startswith(PREFIX)}
        block = _webhook(client, prefect, f"{alerts.url}/api/v2/alerts") if wanted else ""
        for each in wanted:
            action = {"type": "call-webhook", "block_document_id": block, "payload": each["payload"]}
            body = {"name": each["name"], "description": "", "enabled": True, "trigger": each["trigger"]}
            body |= {"actions": [action], "actions_on_trigger": [], "actions_on_resolve": []}
            known = there.pop(each["name"], None)
            method, path = ("PUT", f"/automations/{known}") if known else ("POST", "/automations/")
            _ask(client, prefect, method, path, body)
        for old in there.values():
            _ask(client, prefect, "DELETE", f"/automations/{old}")
    return [each["name"] for each in wanted]


def _automation(
    name: str, event: str, alerts: list[str], state: Mapping[str, Any] | None = None, *, flow: str = "*"
) -> dict[str, Any]:
    """Tells of `alerts` at each `event` of a deployment's run whose flow is called like `flow`."""
    trigger = {
        "type": "event",
        "posture": "Reactive",
        "expect": [event],
        "match": {"prefect.resource.id": "prefect.flow-run.*", **(state or {})},
        "match_related": [
            {"prefect.resource.role": "deployment", "prefect.resource.name": "!part"},  # its parent's run tells of it
            {"prefect.resource.role": "flow", "prefect.resource.name": flow},
        ],
        "for_each": ["prefect.resource.id"],
        "threshold": 1,
        "within": 0,
    }
    return {"name": PREFIX + name, "trigger": trigger, "payload": f"[{', '.join(alerts)}]"}


def _template(environment: str, prefect: PrefectSettings, kind: Kind, summary: str, *, over: bool = False) -> str:
    """An alert about a deployment's runs as a template of JSON."""
    run = "event.resource.id | replace('prefect.flow-run.', '')"
    labels = {name: json.dumps(value) for name, value in run_labels(kind, environment).items()}
    labels |= {"flow": "{{ flow.name | tojson }}", "deployment": "{{ deployment.name | tojson }}"}
    annotations = {
        "summary": f"{{{{ ({summary}) | tojson }}}}",
        "next_step": json.dumps("read the run's result, then its page"),
        "page": json.dumps(page_of(kind)),
        "run": f"{{{{ ({json.dumps(prefect.ui_url)} ~ '/runs/flow-run/' ~ ({run})) | tojson }}}}",
    }
    fields = {"labels": _object(labels), "annotations": _object(annotations), "startsAt": _NOW}
    return _object({**fields, "endsAt": _NOW if over else _UNTIL_THEN})


def _object(fields: Mapping[str, str]) -> str:
    return "{ " + ", ".join(f"{json.dumps(name)}: {value}" for name, value in fields.items()) + " }"


def _webhook(client: httpx.Client, prefect: PrefectSettings, url: str) -> str:
    """The id of the block that posts to Alertmanager, brought to `url`."""
    kind = _ask(client, prefect, "GET", "/block_types/slug/webhook")["id"]
    known = {"block_schemas": {"block_type_id": {"any_": [kind]}}}
    schema = _ask(client, prefect, "POST", "/block_schemas/filter", known)[0]["id"]
    data = {"method": "POST", "url": url, "headers": {"Content-Type": "application/json"}}
    named = {"block_documents": {"block_type_id": {"any_": [kind]}, "name": {"any_": [_BLOCK]}}}
    for found in _ask(client, prefect, "POST", "/block_documents/filter", named):
        body = {"data": data, "block_schema_id": schema, "merge_existing_data": False}
        _ask(client, prefect, "PATCH", f"/block_documents/{found['id']}", body)
        return str(found["id"])
    body = {"name": _BLOCK, "data": data, "block_schema_id": schema, "block_type_id": kind}
    return str(_ask(client, prefect, "POST", "/block_documents/", body)["id"])


def _ask(client: httpx.Client, prefect: PrefectSettings, method: str, path: str, body: Any = None) -> Any:
    thing = f"Prefect at {prefect.api_url}"
    only_reads = method == "GET" or path.endswith("/filter")
    give_up = time.monotonic() + _PATIENCE_SECONDS
    while True:
        is_last = time.monotonic() > give_up
        try:
            answer = client.request(method, path, json=body)
        except httpx.TransportError as error:
            if only_reads and isinstance(error, httpx.ReadTimeout) and not is_last:
                continue
            raise unreachable(thing, error, kind="scheduler-down", next_step="start it and run again") from None
        # a server whose SQLite is locked for the moment says so
        if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE or is_last:
            break
        time.sleep(0.5)
    if answer.status_code >= 400:
        raise Failed(thing, f"answered {answer.status_code} to {method} {path}: {answer.text[:300]}", "read its log")
    return answer.json() if answer.content else None
