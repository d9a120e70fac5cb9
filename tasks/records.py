"""What a flow shows and leaves behind: its plan before the act, its record after it.

Both are artifacts in the Prefect UI; the record is evidence in the bucket as well. A store that is down
must not hide what the run did: the record then says so, and its copy lies in the state folder. Keeping it is
no task of Prefect's: a server that died must not cost the evidence.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from prefect.artifacts import create_markdown_artifact
from prefect.context import FlowRunContext, get_settings_context
from prefect.logging import get_run_logger

from domain.clock import utc_now
from domain.errors import RiskhubError
from domain.health import Cause, Finding
from domain.logs import LoggedMessage
from domain.plan import Outcome, Plan
from domain.record import Record, RunState, planned_actions, state_of
from environments.loader import state_folder
from environments.settings import Environment
from systems import evidence
from systems.signing import SigningKey
from tasks.markdown import links_part, plan_page, record_page


def publish_plan(plan: Plan[Any], *, environment: Environment) -> None:
    """Show `plan` in the UI as the artifact `<flow>-plan`, before anything is done."""
    fields = planned_actions(plan)
    flow = _flow_name()
    page = plan_page(plan.title, plan.digest, fields["actions"], fields["left_alone"], environment.name)
    page += "\n\n" + links_part(_pages(environment, flow, "run", "result"))
    create_markdown_artifact(page, key=f"{flow}-plan", description=plan.title)


def record(
    *,
    flow: str,
    environment: Environment,
    started_at: datetime,
    executed: bool,
    summary: str,
    plan: Plan[Any] | None = None,
    outcomes: Sequence[Outcome] = (),
    findings: Sequence[Finding] = (),
    causes: Sequence[Cause] = (),
    logged: Sequence[LoggedMessage] = (),
    measures: Mapping[str, float | int | str | None] | None = None,
    links: Mapping[str, str] | None = None,
    state: RunState | None = None,
    then: Callable[[Record], Record] | None = None,
) -> Record:
    """The run's result, kept as evidence and shown as the artifact `<flow>-result`.

    The state follows from the outcomes and findings (some bad: `partial`) unless it is given.
    `then`: what is made from the evidence once it is kept, and adds where it lies before the record is shown.
    """
    made = Record(
        flow=flow,
        environment=environment.name,
        state=state or state_of(outcomes, findings, executed=executed),
        summary=summary,
        started_at=started_at,
        finished_at=utc_now(),
        outcomes=tuple(outcomes),
        findings=tuple(findings),
        causes=tuple(causes),
        logged=tuple(logged),
        measures=dict(measures or {}),
        links=dict(links or {}),
        **(planned_actions(plan) if plan else {}),
    )
    return leave(made, environment, then)


def leave(made: Record, environment: Environment | None, then: Callable[[Record], Record] | None = None) -> Record:
    """Keep `made` as evidence and show it; returns it with the links to both.

    Without an environment (its file could not be read) the evidence stays in the state folder.
    """
    kept = _kept(made, environment)
    kept = then(kept) if then else kept
    pages = _pages(environment, made.flow, "run", *(["plan"] if made.plan_digest else []))
    shown = kept.model_copy(update={"links": {**kept.links, **pages}})
    create_markdown_artifact(record_page(shown), key=f"{made.flow}-result", description=f"{made.state}: {made.summary}")
    return shown


def _kept(made: Record, environment: Environment | None) -> Record:
    if environment is None:
        return _kept_locally(made, "no environment tells where the bucket is")
    try:
        signing: SigningKey | None = evidence.signing_key(environment.aws)
    except RiskhubError as error:
        signing = None
        made = _with(made, f"evidence is not signed: {error}", "make the key answer again; this run stays unsigned")
    try:
        key = evidence.store_evidence(environment.objects, made, signing)
    except RiskhubError as error:
        return _kept_locally(made, str(error), signing)
    return made.model_copy(update={"links": {**made.links, "evidence": f"s3://{environment.objects.bucket}/{key}"}})


def _kept_locally(made: Record, why: str, signing: SigningKey | None = None) -> Record:
    told = _with(
        made,
        f"evidence is not in the bucket: {why}",
        "copy it to the bucket's evidence/ folder once it answers",
    )
    body = evidence.evidence_body(told, signing)
    path = state_folder() / "evidence" / evidence.evidence_name(told, body)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    except OSError as error:
        return _with(
            made,
            f"evidence is not in the bucket: {why}; and {path} could not be written: {error.strerror}",
            "keep the run's log: it is the only record",
        )
    return told.model_copy(update={"links": {**told.links, "evidence": str(path)}})


def _with(made: Record, seen: str, next_step: str) -> Record:
    """The record with a finding on its own evidence."""
    get_run_logger().warning("%s. Next: %s", seen, next_step)
    finding = Finding(probe="evidence", state="failed", seen=seen, next_step=next_step)
    return made.model_copy(update={"findings": (*made.findings, finding)})


def _flow_name() -> str:
    context = FlowRunContext.get()
    if context is None or context.flow is None:
        raise RuntimeError("publish_plan is called from inside a flow")
    return context.flow.name


def _pages(environment: Environment | None, flow: str, *names: str) -> dict[str, str]:
    """The run's pages in the UI, by name; none when an ephemeral server holds the run, which nobody can visit."""
    context = FlowRunContext.get()
    if environment is None or context is None or context.flow_run is None:
        return {}
    if get_settings_context().settings.api.url is None or "PREFECT__SERVER_EPHEMERAL" in os.environ:
        return {}
    ui = environment.prefect.ui_url
    pages = {
        "run": f"{ui}/runs/flow-run/{context.flow_run.id}",
        "plan": f"{ui}/artifacts/key/{flow}-plan",
        "result": f"{ui}/artifacts/key/{flow}-result",
    }
    return {name: pages[name] for name in names}
