"""Pushing the homes, alone or in child runs, and what users share.

With progress in the UI, and again when another push was first.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime
from typing import cast

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import FlowRun
from prefect.deployments import run_deployment
from prefect.logging import get_run_logger

from domain.clock import utc_now
from domain.errors import Failed, RiskhubError
from domain.plan import Outcome
from environments import Environment
from systems.homes import require_home_mount
from systems.mirror import (
    Batch,
    Overtaken,
    Part,
    Point,
    PushPolicy,
    PushResult,
    join_shards,
    last_point,
    plan_batch,
    push,
    push_shard,
    starts_of,
)
from systems.mirrored import Mirrored, homes_of, shared_of
from tasks.progress import in_the_ui
from tasks.retries import while_unreachable

SHARD = "mirror-shard/part"  # the deployment whose runs push a shard each
_TRIES = 3
_TOLD = 100  # of what was skipped

Measures = dict[str, float | int | str | None]


@task(name="observe-mirror", cache_policy=NO_CACHE, **while_unreachable(2, 2))
def observe_mirror(env: Environment, shards: int) -> tuple[Batch, Point | None]:
    """How the homes are divided, and the newest point."""
    require_home_mount(env.homes)
    homes = homes_of(env)
    return plan_batch(homes.folder, homes.location, shards), last_point(homes.location)


@task(name="push-homes", cache_policy=NO_CACHE)
def push_homes(env: Environment) -> PushResult:
    """Every home, in this run."""
    return push_all(env, homes_of(env))


@task(name="observe-shared", cache_policy=NO_CACHE, **while_unreachable(2, 2))
def observe_shared(env: Environment) -> list[tuple[Mirrored, Point | None]]:
    """The shared folders, and the newest point of each."""
    if env.homes.shared:
        require_home_mount(env.homes)
    return [(folder, last_point(folder.location)) for folder in shared_of(env)]


@task(name="push-shared", task_run_name="push-{folder.key}", cache_policy=NO_CACHE)
def push_shared(env: Environment, folder: Mirrored) -> tuple[PushResult | None, list[Outcome]]:
    """One shared folder; that it cannot be pushed is told as its outcome, and does not stop the others."""
    began = time.monotonic()
    try:
        pushed = push_all(env, folder)
    except RiskhubError as error:
        return None, [Outcome("push", folder.name, "failed", str(error), time.monotonic() - began)]
    return pushed, _outcomes(folder, f"point {pushed.point}", pushed, time.monotonic() - began)


@task(name="push-shard", cache_policy=NO_CACHE, retries=2, retry_delay_seconds=5)
def push_in_child_run(env: Environment, batch: Batch, number: int) -> None:
    """One shard, by a run of its own on whatever the work pool starts; a run that died is started again."""
    parameters = {
        "environment": env.name,
        "sequence": batch.sequence,
        "starts": starts_of(batch),
        "number": number,
        "execute": True,
    }
    run = cast(FlowRun, run_deployment(SHARD, parameters=parameters, timeout=None))
    state = run.state.name if run.state else "unknown"
    if state not in ("Completed", "Partial"):
        raise Failed(
            f"part {number + 1} of {len(batch.shards)} of the mirror",
            f"its run {run.name} ended as {state}",
            "read its log; the next run of mirror-homes brings everything up to date",
        )


def push_in_child_runs(env: Environment, batch: Batch) -> None:
    """All shards side by side."""
    for future in [push_in_child_run.submit(env, batch, number) for number in range(len(batch.shards))]:
        future.result()


@task(name="push-part", cache_policy=NO_CACHE, **while_unreachable(2, 10))
def push_part(env: Environment, batch: Batch, number: int) -> list[Outcome]:
    """The shard of a child run."""
    began = time.monotonic()
    policy, homes = PushPolicy(source_id=env.homes.file_system_id), homes_of(env)
    part = push_shard(homes.folder, homes.location, batch, number, policy, progress=in_the_ui("mirror-shard"))
    return _outcomes(homes, f"part {number + 1} of {len(batch.shards)}", part, time.monotonic() - began)


@task(name="join-homes", cache_policy=NO_CACHE, **while_unreachable(2, 10))
def join_homes(env: Environment, batch: Batch) -> PushResult:
    """One point over all shards."""
    homes = homes_of(env)
    return join_shards(homes.folder, homes.location, batch, source_id=env.homes.file_system_id)


def push_all(env: Environment, folder: Mirrored) -> PushResult:
    """Push a folder; a push that another one overtook is made again, since that one may have missed its changes."""
    for _ in range(_TRIES - 1):
        try:
            return _push(env, folder)
        except Overtaken as error:
            get_run_logger().info("%s. Pushing again.", error.cause)
    return _push(env, folder)


def outcomes_of(env: Environment, pushed: PushResult, started: datetime) -> tuple[list[Outcome], Measures]:
    """The push of the homes and what it had to skip, as outcomes and as measures."""
    seconds = (utc_now() - started).total_seconds()
    measures = {"point": pushed.point, "seconds": round(seconds, 1), **measures_of([pushed])}
    return _outcomes(homes_of(env), f"point {pushed.point}", pushed, seconds), measures


def measures_of(pushed: Sequence[PushResult]) -> Measures:
    """What pushes have in their points, and what they did, together; bytes and counts."""
    return {
        "files": sum(each.files for each in pushed),
        "bytes": sum(each.bytes for each in pushed),
        "uploaded": sum(each.uploaded for each in pushed),
        "deleted": sum(each.deleted for each in pushed),
        "skipped": sum(len(each.skipped) for each in pushed),
    }


def _push(env: Environment, folder: Mirrored) -> PushResult:
    return push(
        folder.folder,
        folder.location,
        source_id=env.homes.file_system_id,
        progress=in_the_ui(f"mirror-{folder.key}"),
    )


def _outcomes(folder: Mirrored, what: str, pushed: PushResult | Part, seconds: float) -> list[Outcome]:
    detail = f"{what}: {pushed.uploaded} files sent, {pushed.deleted} entries gone, {len(pushed.skipped)} skipped"
    skipped = [
        Outcome("mirror", f"{folder.within}{miss.path}", "failed", miss.reason) for miss in pushed.skipped[:_TOLD]
    ]
    if len(pushed.skipped) > _TOLD:
        more = len(pushed.skipped) - _TOLD
        skipped.append(
            Outcome("mirror", f"{more} more entries", "failed", "skipped too; the push on its own names all")
        )
    return [Outcome("push", folder.name, "done", detail, seconds), *skipped]
