"""A small chapter for the tests of the command line."""

from __future__ import annotations

import os
import time
from pathlib import Path

from prefect.events import emit_event

from domain.clock import UtcDatetime, utc_now
from domain.errors import Refused
from domain.health import Finding
from domain.plan import Action, Outcome, Plan
from domain.record import Record
from environments import EnvironmentName, load_environment
from environments.culling import CullPolicy
from flows.chapter import chapter
from tasks.records import publish_plan, record


@chapter("paint-fence")
def paint_fence(  # noqa: PLR0917 - one of each kind
    colour: str,
    environment: EnvironmentName = "local",
    policy: CullPolicy | None = None,
    since: UtcDatetime | None = None,
    trouble: str = "",
    execute: bool = False,
) -> Record:
    """Paint the fence.

    Run it when: it is dull.

    Args:
        colour: which one.
    """
    started_at = utc_now()
    env = load_environment(environment)
    if trouble == "refused":
        raise Refused("the fence", "it is wet", "wait")
    if trouble == "defect":
        raise LookupError("where is the brush")
    if trouble == "slow":
        state = Path(os.environ["RISKHUB_STATE"])
        (state / "painting").touch()
        give_up = time.monotonic() + 60
        while not (state / "painted").exists() and time.monotonic() < give_up:
            time.sleep(0.05)
        for number in range(30):
            emit_event("board.painted", {"prefect.resource.id": f"board.{number}"})
    limits = policy or env.culling
    plan = Plan("paint", tuple(Action("paint", f"\x1b[31mboard {n}", colour, n) for n in range(2)))
    publish_plan(plan, environment=env)
    outcomes = (Outcome("paint", "board 0", "done"), Outcome("paint", "\x1b[31mboard 1", "failed", "rotten"))
    return record(
        flow="paint-fence",
        environment=env,
        started_at=started_at,
        plan=plan,
        executed=execute,
        outcomes=outcomes if execute else (),
        findings=(Finding("brush", "ok", "clean"),),
        measures={"idle_seconds": limits.idle.total_seconds(), "at_least": limits.at_least, "since": str(since)},
        summary=f"{colour} boards",
    )
