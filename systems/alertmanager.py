"""Alertmanager by its API v2: what fires, what is to be told, and its silences.

Grouping, routes and the ways to people are Alertmanager's own work. It keeps alerts in memory only: who sent one sends
it again for as long as it is so.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import quote

import httpx
from pydantic import BaseModel, TypeAdapter, ValidationError

from domain.alerts import HEARTBEAT, SOURCE, ActiveAlert, Alert, Silence
from domain.clock import UtcDatetime
from domain.errors import Damaged, Failed, Refused, Unreachable
from environments.alerts import AlertsSettings
from systems.network import trust, unreachable

TIMEOUT_SECONDS = 5.0
_OURS = "riskhub"  # `createdBy` of our silences
_NEVER_SILENT = {"name": "alertname", "value": HEARTBEAT, "isRegex": False, "isEqual": False}
_NOT_ONE = "check that ALERTMANAGER_URL is one (its API v2)"
_NEXT_STEP = "start it, or correct ALERTMANAGER_URL: until then nobody is alerted"


class _Status(BaseModel):
    state: str


class _Alert(BaseModel):
    labels: dict[str, str]
    annotations: dict[str, str]
    startsAt: UtcDatetime
    endsAt: UtcDatetime
    status: _Status


class _Matcher(BaseModel):
    name: str
    value: str
    isRegex: bool
    isEqual: bool = True


class _Silence(BaseModel):
    id: str
    comment: str
    createdBy: str
    startsAt: UtcDatetime
    endsAt: UtcDatetime
    matchers: list[_Matcher]
    status: _Status


_ALERTS = TypeAdapter(list[_Alert])
_SILENCES = TypeAdapter(list[_Silence])


def active_alerts(settings: AlertsSettings, environment: str) -> tuple[ActiveAlert, ...]:
    """What fires of this environment and is ours, silenced or not.

    Raises:
        Refused: no Alertmanager is configured.
        Unreachable: it does not answer.
        Failed, Damaged: it answers something else.
    """
    filters = [f'source="{SOURCE}"', f'environment="{environment}"']
    found = _read(_ALERTS, _ask(settings, "GET", "/alerts", params={"filter": filters}), settings)
    return tuple(
        ActiveAlert(each.labels, each.annotations, each.startsAt, each.endsAt, each.status.state == "suppressed")
        for each in found
    )


def post_alerts(settings: AlertsSettings, alerts: Iterable[Alert]) -> None:
    """Tell of alerts; one that is told again goes on, one whose end has come is over.

    Raises:
        Refused, Unreachable, Failed: as `active_alerts`.
    """
    body = [
        {
            "labels": dict(each.labels),
            "annotations": dict(each.annotations),
            "startsAt": each.starts_at.isoformat(),
            "endsAt": each.ends_at.isoformat(),
        }
        for each in alerts
    ]
    if body:
        _ask(settings, "POST", "/alerts", json=body)


def our_silences(settings: AlertsSettings, environment: str) -> tuple[Silence, ...]:
    """The silences that this runbook made for the environment, and that are not over. Others' are left alone.

    Raises:
        Refused, Unreachable, Failed, Damaged: as `active_alerts`.
    """
    about = _Matcher(name="environment", value=environment, isRegex=False)
    answer = _ask(settings, "GET", "/silences", params={"filter": [f'environment="{environment}"']})
    return tuple(
        Silence(environment, each.comment, each.startsAt, each.endsAt, each.id)
        for each in _read(_SILENCES, answer, settings)
        if each.createdBy == _OURS and each.status.state != "expired" and about in each.matchers
    )


def make_silence(settings: AlertsSettings, silence: Silence) -> None:
    """Nobody is told of our alerts of the environment in that span; the heartbeat goes on.

    Raises:
        Refused, Unreachable, Failed: as `active_alerts`.
    """
    matchers = [
        {"name": "source", "value": SOURCE, "isRegex": False, "isEqual": True},
        {"name": "environment", "value": silence.environment, "isRegex": False, "isEqual": True},
        _NEVER_SILENT,
    ]
    body = {
        "matchers": matchers,
        "startsAt": silence.begins.isoformat(),
        "endsAt": silence.ends.isoformat(),
        "createdBy": _OURS,
        "comment": silence.comment,
    }
    _ask(settings, "POST", "/silences", json=body)


def end_silence(settings: AlertsSettings, silence: Silence) -> None:
    """From now on people are told again.

    Raises:
        Refused, Unreachable, Failed: as `active_alerts`.
    """
    _ask(settings, "DELETE", f"/silence/{quote(silence.id, safe='')}")


def _ask(settings: AlertsSettings, method: str, path: str, **request: Any) -> bytes:
    if settings.url is None:
        raise Refused("alerts", "this environment names no Alertmanager", "set ALERTMANAGER_URL")
    thing = f"Alertmanager at {settings.url}"
    try:
        answer = httpx.request(
            method, f"{settings.url}/api/v2{path}", timeout=TIMEOUT_SECONDS, verify=trust(), **request
        )
    except httpx.TransportError as error:
        raise unreachable(thing, error, kind="alertmanager-down", next_step=_NEXT_STEP) from None
    if answer.status_code >= 500:
        raise Unreachable(thing, f"answered {answer.status_code}", _NEXT_STEP, kind="alertmanager-down")
    if answer.status_code != httpx.codes.OK:
        cause = f"answered {answer.status_code} to {method} {path}: {answer.text[:200]}"
        raise Failed(thing, cause, _NOT_ONE, kind="alertmanager-down")
    return answer.content


def _read(kind: TypeAdapter[Any], answer: bytes, settings: AlertsSettings) -> Sequence[Any]:
    try:
        found: Sequence[Any] = kind.validate_json(answer)
    except ValidationError as error:
        thing, cause = f"Alertmanager at {settings.url}", f"its answer has {error.error_count()} faults"
        raise Damaged(thing, cause, _NOT_ONE, kind="alertmanager-down") from None
    return found
