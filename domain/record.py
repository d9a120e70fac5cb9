"""What a run leaves behind: one record, the same shape for every flow.

It is the flow's result, the JSON on stdout, the artifact in the Prefect UI and the evidence in the bucket.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from domain.clock import UtcDatetime
from domain.health import Cause, Finding
from domain.logs import LoggedMessage
from domain.plan import Outcome, Plan

RunState = Literal["complete", "partial", "refused", "failed", "planned"]


class PlannedAction(BaseModel):
    """An action as it is read by people and machines, without the object behind it."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    verb: str
    target: str
    reason: str


class Record(BaseModel):
    """Who did what, when, from which plan, and what came of it.

    Attributes:
        state: `planned` for a dry run, `partial` when some outcome or finding is not good.
        causes: what the bad findings come down to, where that was asked.
        logged: what the logs said, counted, secrets masked.
        measures: figures worth keeping (bytes, files, seconds, counts), with the unit in the name.
        links: where to look next, by name: artifact, bucket key or URL.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    flow: str
    environment: str
    state: RunState
    summary: str
    started_at: UtcDatetime
    finished_at: UtcDatetime
    plan_digest: str = ""
    actions: tuple[PlannedAction, ...] = ()
    left_alone: tuple[PlannedAction, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    findings: tuple[Finding, ...] = ()
    causes: tuple[Cause, ...] = ()
    logged: tuple[LoggedMessage, ...] = ()
    measures: dict[str, float | int | str | None] = {}
    links: dict[str, str] = {}


def state_of(outcomes: Sequence[Outcome], findings: Sequence[Finding] = (), *, executed: bool) -> RunState:
    """The run's state: all outcomes failed is `failed`; some failed, or a finding that is not good, is `partial`."""
    if not executed:
        return "planned"
    failed = sum(outcome.state == "failed" for outcome in outcomes)
    if failed and failed == len(outcomes):
        return "failed"
    bad = any(finding.state in ("degraded", "failed") for finding in findings)
    return "partial" if failed or bad else "complete"


def planned_actions(plan: Plan[Any]) -> dict[str, Any]:
    """A plan as the fields of a `Record`."""
    return {
        "plan_digest": plan.digest,
        "actions": tuple(PlannedAction(verb=a.verb, target=a.target, reason=a.reason) for a in plan.actions),
        "left_alone": tuple(PlannedAction(verb=a.verb, target=a.target, reason=a.reason) for a in plan.left_alone),
    }
