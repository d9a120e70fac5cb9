"""Restoring a home from the mirror: compare, refuse while it is in use, bring back, compare again."""

from __future__ import annotations

from datetime import datetime

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger

from domain.errors import Refused, Unreachable
from domain.plan import Outcome
from environments import Environment
from systems import homes, hub
from systems.mirror import RestorePlan, apply_restore, plan_restore
from systems.mirrored import homes_of
from tasks.progress import in_the_ui
from tasks.retries import while_unreachable


@task(name="compare-home", cache_policy=NO_CACHE, **while_unreachable(2, 2))
def compare_home(env: Environment, user: str, *, at: datetime | None, path: str | None) -> RestorePlan:
    """A home (or one path of it) held against the mirror's point; content by SHA-256."""
    homes.require_home_mount(env.homes)
    return plan_restore(homes_of(env).location, env.homes.user_data, at=at, path=_below_home(user, path))


@task(name="require-server-stopped", cache_policy=NO_CACHE)
def require_server_stopped(env: Environment, user: str) -> None:
    """Refuse while the user works in the home."""
    refuse_while_in_use(env, user)


def refuse_while_in_use(env: Environment, user: str) -> None:
    """Refuse while the user's server runs; a Hub that does not answer must not stop a restore.

    Raises:
        Refused: it runs.
    """
    try:
        running = [server for server in hub.list_servers(env.hub) if server.user == user]
    except Unreachable as error:
        get_run_logger().warning("Whether a server of %s runs is not known: %s", user, error)
        return
    if running:
        raise Refused(
            f"home of {user}",
            f"its server {running[0].label} runs, and an open notebook would write over what is restored",
            "stop the server (Hub's admin page) and run again",
        )


@task(name="apply-home-restore", cache_policy=NO_CACHE)
def apply_home_restore(
    env: Environment, user: str, plan: RestorePlan, *, path: str | None
) -> tuple[list[Outcome], dict[str, str]]:
    """Bring back what the plan names, then compare again: an outcome is `done` when nothing differs any more."""
    result = apply_restore(plan, progress=in_the_ui("restore-user-home"))
    again = plan_restore(homes_of(env).location, env.homes.user_data, point=plan.point.id, path=_below_home(user, path))
    left = {action.target: action.reason for action in again.actions}
    outcomes = [
        Outcome(action.verb, action.target, "failed" if action.target in left else "done", left.get(action.target, ""))
        for action in plan.actions
    ]
    return outcomes, {"what was replaced": str(result.kept)} if result.kept else {}


def _below_home(user: str, path: str | None) -> str:
    home = homes.home_name(user)
    return f"{home}/{path}" if path else home
