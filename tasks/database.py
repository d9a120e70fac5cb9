"""The Hub's database brought back: filled beside the one that is there, compared, swapped in."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from domain.errors import Damaged, Refused, Unreachable
from domain.plan import Outcome, Plan
from domain.recovery import RecoveryPoint
from environments import Environment
from plans.database import Names, Step, names_of
from systems import hub
from systems.database import dump_database, restore_database
from systems.database_swap import called, database_name, is_there, make_empty, require_nobody, swap
from systems.dumps import read_dump
from systems.point_check import check_point
from systems.recovery_points import choose_point
from tasks.attempt import attempt
from tasks.retries import while_unreachable


@task(name="observe-database", cache_policy=NO_CACHE, **while_unreachable(2, 2))
def observe_database(env: Environment, point: str | None, now: datetime) -> tuple[RecoveryPoint, Names]:
    """The point (the newest if none is named), read and held against the key, and the names that a restore gives."""
    chosen = choose_point(env.objects, point or None)
    with tempfile.TemporaryDirectory(prefix="riskhub-") as folder:
        check_point(env, chosen, Path(folder) / "database.dump")
    return chosen, names_of(database_name(env.database), chosen, is_there=is_there(env.database), now=now)


@task(name="require-hub-stopped", cache_policy=NO_CACHE)
def require_hub_stopped(env: Environment) -> None:
    """Refuse while the Hub answers, or anybody else is connected to its database."""
    try:
        version = hub.read_version(env.hub)
    except (Unreachable, Refused):
        require_nobody(env.database)
        return
    cause = f"JupyterHub {version} runs, and would write what it has in memory over what is restored"
    raise Refused(f"Hub at {env.hub.api_url}", cause, "stop it (its deployment to 0 replicas), then run again")


@task(name="replace-database", cache_policy=NO_CACHE)
def replace_database(env: Environment, point: RecoveryPoint, names: Names, plan: Plan[Step]) -> list[Outcome]:
    """Work through the plan; the first step that fails ends it, and until the last one nothing was replaced."""
    restored = called(env.database, names.beside)
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory(prefix="riskhub-") as folder:
        dump = Path(folder) / "database.dump"

        def fill() -> str:
            make_empty(restored)
            checked = check_point(env, point, dump)
            restore_database(restored, dump)
            return f"{len(checked.dump.tables)} tables"

        def compare() -> str:
            found = read_dump(env.database, dump_database(restored, Path(folder) / "restored.dump").path).tables
            wanted = read_dump(env.database, dump).tables
            differing = [table for table in wanted if found.get(table) != wanted[table]]
            if differing:
                cause = f"{', '.join(differing)} hold other rows than the dump"
                raise Damaged(f"database {names.beside}", cause, "compare the Postgres versions")
            return f"{sum(table.rows for table in found.values())} rows as in the point"

        def put_in_place() -> str:
            require_nobody(env.database)
            swap(env.database, restored, keep_as=names.kept)
            return f"what was there is {names.kept}" if names.kept else "there was none"

        steps: dict[Step, Callable[[], str]] = {"fill": fill, "compare": compare, "swap": put_in_place}
        for action in plan.actions:
            outcomes.append(attempt(action.verb, action.target, steps[action.on]))
            if outcomes[-1].state == "failed":
                break
    return outcomes
