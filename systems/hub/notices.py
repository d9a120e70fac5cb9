"""What people are told, kept in the Hub's own database: as properties of a group that nobody is in.

The Hub shows it to whom it is for, by its configuration (`k8s/base/jupyterhub_config.py`), so it needs no place of its
own and no right but that on two groups. Whether it is still true the Hub sees itself, whenever somebody looks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from domain.errors import Damaged, Failed, Refused, RiskhubError
from domain.health import Finding
from domain.notices import Announcement, StopWarning
from domain.plan import Outcome, OutcomeState
from domain.sessions import Stop
from environments.settings import HubSettings
from systems.hub.api import HubApi
from systems.hub.condition import scopes_of

WARNINGS, ANNOUNCEMENTS = "riskhub-warnings", "riskhub-announcements"
PROBE = "stop-warnings"

Document = TypeVar("Document", bound=BaseModel)


class _Warnings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    warnings: tuple[StopWarning, ...] = ()


class _Announcements(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    announcements: tuple[Announcement, ...] = ()


def read_warnings(hub: HubSettings) -> tuple[StopWarning, ...]:
    """What users are told of their servers' stops now.

    Raises:
        Refused: the token may not tell them.
        Damaged: what is kept there no riskhub wrote.
        Unreachable: see `HubApi`.
    """
    with HubApi(hub) as api:
        _require_group(api, WARNINGS)
        return _read(api, WARNINGS, _Warnings()).warnings


def find_warnings(hub: HubSettings) -> tuple[tuple[StopWarning, ...] | None, list[Finding]]:
    """The same; None, and a finding that says why, where users cannot be told.

    Raises:
        Unreachable: see `HubApi`.
    """
    try:
        return read_warnings(hub), []
    except (Refused, Damaged) as error:
        seen = f"nobody can be warned, so servers are stopped so much later: {error}"
        return None, [Finding(PROBE, "degraded", seen, next_step=error.next_step)]


def warn(
    hub: HubSettings, before: Iterable[StopWarning] | None, after: Sequence[StopWarning], of: Iterable[Stop]
) -> list[Outcome]:
    """Tell users what is true from now on, in place of what they were told `before`; an outcome for each of `of`.

    With `before` None nobody can be told, and nothing is done.
    """
    state: OutcomeState = "done"
    problem = ""
    if before is not None and set(before) != set(after):
        try:
            with HubApi(hub) as api:
                _keep(api, WARNINGS, _Warnings(warnings=tuple(after)))
        except RiskhubError as error:
            state, problem = "failed", f"not warned: {error}"
    return [
        Outcome("warn", stop.server.label, state, problem or f"told of a stop at {stop.warning.stop_at:%H:%M:%S} UTC")
        for stop in of
        if stop.warning
    ]


def read_announcements(hub: HubSettings) -> tuple[Announcement, ...]:
    """What people are told of maintenance, and what has ended since; raises as `read_warnings`."""
    with HubApi(hub) as api:
        _require_group(api, ANNOUNCEMENTS)
        return _read(api, ANNOUNCEMENTS, _Announcements()).announcements


def keep_announcements(hub: HubSettings, announcements: Sequence[Announcement]) -> None:
    """Tell people of these and no others.

    Raises:
        Failed: the Hub took them and has others.
        Refused, Unreachable: see `HubApi`.
    """
    with HubApi(hub) as api:
        _keep(api, ANNOUNCEMENTS, _Announcements(announcements=tuple(announcements)))
        if _read(api, ANNOUNCEMENTS, _Announcements()).announcements != tuple(announcements):
            raise Failed(
                api.thing, "it does not tell what it was given to tell", "look for a second run; then run again"
            )


def _require_group(api: HubApi, group: str) -> None:
    if not {"admin:groups", f"admin:groups!group={group}"} & scopes_of(api):
        raise Refused(
            api.thing,
            f"the token lacks the scope admin:groups!group={group}",
            "add the scope to the service's role in the Hub's configuration",
            kind="token-scope",
        )


def _read(api: HubApi, group: str, empty: Document) -> Document:
    model = api.get(f"/groups/{group}")
    try:
        return type(empty).model_validate(model["properties"]) if model else empty
    except (KeyError, TypeError, ValidationError):
        raise Damaged(
            f"group {group} of the {api.thing}",
            "its properties are not what riskhub wrote there",
            "delete the group on the Hub's admin page; it is made again",
        ) from None


def _keep(api: HubApi, group: str, document: BaseModel) -> None:
    properties: dict[str, Any] = document.model_dump(mode="json")
    path = f"/groups/{group}/properties"
    if api.change("PUT", path, body=properties, accept=(200, 404)) == 404:
        api.change("POST", f"/groups/{group}", body={}, accept=(201, 409))
        api.change("PUT", path, body=properties, accept=(200,))
