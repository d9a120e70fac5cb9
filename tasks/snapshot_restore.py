"""Restoring a home from a snapshot: AWS restores it aside, then it is swapped in."""

from __future__ import annotations

import os
import time
from datetime import timedelta
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from domain.errors import Refused
from domain.plan import Outcome
from domain.recovery import Snapshot
from environments import Environment
from systems import homes, snapshots
from tasks.progress import in_the_ui
from tasks.restore import refuse_while_in_use
from tasks.retries import while_unreachable

RESTORE_DEADLINE = timedelta(hours=6)


@task(name="choose-snapshot", cache_policy=NO_CACHE, **while_unreachable(2, 2))
def choose_snapshot(env: Environment, user: str, arn: str | None) -> tuple[Snapshot, Path, bool]:
    """The snapshot, the user's home, and whether there is anything in its place."""
    homes.require_home_mount(env.homes)
    home = env.homes.user_data / homes.home_name(user)
    return snapshots.find_snapshot(env.aws, env.homes, arn), home, os.path.lexists(home)


@task(name="restore-aside", cache_policy=NO_CACHE)
def restore_aside(env: Environment, snapshot: Snapshot, home: Path) -> tuple[Path, Outcome]:
    """The home as AWS Backup restores it, in a folder of its own; the home that is there is not touched."""
    began = time.monotonic()
    restore = snapshots.start_home_restore(env.aws, env.homes, snapshot, home.name)
    folder = snapshots.wait_for_home_restore(
        env.aws, env.homes, restore, deadline=RESTORE_DEADLINE, on_progress=in_the_ui("restore-home-from-snapshot")
    )
    told = f"restore job {restore.job_id}, into {folder}"
    return folder, Outcome("restore aside", str(home), "done", told, time.monotonic() - began)


@task(name="swap-in-home", cache_policy=NO_CACHE)
def swap_in_home(env: Environment, user: str, home: Path, folder: Path) -> tuple[snapshots.Swapped, Outcome]:
    """The restored home in its place. A restore takes long: whether the user works again is asked once more."""
    began = time.monotonic()
    try:
        refuse_while_in_use(env, user)
        swapped = snapshots.swap_in_home(env.homes, folder, home.name)
    except Refused as error:
        where = folder / env.homes.user_data.name / home.name
        cause = f"{error.cause}; the home is untouched, what was restored lies in {where}"
        raise Refused(error.thing, cause, f"remove {folder}; {error.next_step}") from None
    told = f"{swapped.entries} entries, {swapped.bytes} bytes"
    return swapped, Outcome("replace" if swapped.kept else "create", str(home), "done", told, time.monotonic() - began)
