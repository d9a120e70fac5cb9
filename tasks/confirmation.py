"""A confirmation that nobody gives by habit: the name of what is about to be changed, typed.

At the terminal it is typed with the command. A run that was started in Prefect waits, its plan on show, until somebody
approves it there; whom, they say themselves, since Prefect asks nobody who they are.
"""

from __future__ import annotations

from prefect.context import FlowRunContext
from prefect.exceptions import FlowPauseTimeout
from prefect.flow_runs import pause_flow_run
from prefect.input import RunInput
from prefect.logging import get_run_logger

from domain.errors import Refused
from environments import Environment
from environments.settings import RecoverySettings

_POLL_SECONDS = 1


class Approval(RunInput):
    """What is typed in Prefect's form to let a run go on."""

    confirm: str
    approved_by: str


def require_confirmed(env: Environment, typed: str) -> dict[str, str]:
    """Refuse unless `typed`, or who approves the run in Prefect, names the environment and, if any, its cluster.

    Returns:
        What a record keeps of it: `approved_by`, by their own word; nothing where nobody said.

    Raises:
        Refused: something else was typed, or nothing in time; the message says what to type.
    """
    kept: dict[str, str] = {}
    if not typed and _was_started_in_prefect():
        approval = _approval(env)
        typed = approval.confirm
        kept = {"approved_by": approval.approved_by} if approval.approved_by else {}
    if typed != env.label:
        cause = f"it was confirmed for {typed!r}" if typed else "it was not confirmed"
        raise Refused(f"environment {env.label}", cause, f"look at the plan, then confirm it as {env.label}")
    return kept


def _was_started_in_prefect() -> bool:
    context = FlowRunContext.get()
    return bool(context and context.flow_run and context.flow_run.deployment_id)


def _approval(env: Environment) -> Approval:
    waits = (env.recovery or RecoverySettings(notebook="")).approval
    words = (
        f"The plan is in the run's artifacts. To let it act, type **{env.label}** and your name; anything else ends it."
    )
    told = "Waiting %.0f s for an approval: resume the run and type %s"
    get_run_logger().info(told, waits.total_seconds(), env.label)
    try:
        return pause_flow_run(
            wait_for_input=Approval.with_initial_data(description=words, confirm="", approved_by=""),
            timeout=int(waits.total_seconds()),
            poll_interval=_POLL_SECONDS,
        )
    except FlowPauseTimeout:
        cause = f"nobody approved it within {waits.total_seconds():.0f} s"
        raise Refused(
            f"environment {env.label}", cause, "start it again when somebody is there to look at its plan"
        ) from None
