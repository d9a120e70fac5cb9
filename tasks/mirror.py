"""Pushing the homes: alone or in child runs, with progress in the UI, and again when another push was first."""

from __future__ import annotations

import time
from datetime import datetime
from typing import cast

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import FlowRun
from prefect.deployments import run_deployment
from prefect.logging import get_run_logger

from domain.clock import utc_now
from domain.errors import Failed
from domain.plan import Outcome
from environments import Environment
from systems import homes
from systems.mirror import (
    Batch,
    MirrorLocation,
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
from tasks.progress import in_the_ui
from tasks.retries import while_unreachable

SHARD = "mirror-shard/part"  # the deployment whose runs push a shard each
_TRIES = 3
_TOLD = 100  # of what was skipped


@task(name="observe-mirror", cache_policy=NO_CACHE, **while_unreachable(2, 2))
def observe_mirror(env: Environment, shards: int) -> tuple[Batch, Point | None]:
    """How the homes are divided, and the newest point."""
    homes.require_home_mount(env.homes)
    location = mirror_of(env)
    return plan_batch(env.homes.user_data, location, shards), last_point(location)


@task(name="push-homes", cache_policy=NO_CACHE)
def push_homes(env: Environment) -> PushResult:
    """Every home, in this run."""
    return push_all(env)


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
    policy = PushPolicy(source_id=env.homes.file_system_id)
    part = push_shard(env.homes.user_data, mirror_of(env), batch, number, policy, progress=in_the_ui("mirror-shard"))
    return _outcomes(f"part {number + 1} of {len(batch.shards)}", part, time.monotonic() - began)


@task(name="join-homes", cache_policy=NO_CACHE, **while_unreachable(2, 10))
def join_homes(env: Environment, batch: Batch) -> PushResult:
    """One point over all shards."""
    return join_shards(env.homes.user_data, mirror_of(env), batch, source_id=env.homes.file_system_id)


def push_all(env: Environment) -> PushResult:
    """Push every home; a push that another one overtook is made again, since that one may have missed its changes."""
    for _ in range(_TRIES - 1):
        try:
            return _push(env)
        except Overtaken as error:
            get_run_logger().info("%s. Pushing again.", error.cause)
    return _push(env)


def outcomes_of(pushed: PushResult, started: datetime) -> tuple[list[Outcome], dict[str, float | int | str | None]]:
    """The push and what it had to skip, as outcomes and as measures."""
    seconds = (utc_now() - started).total_seconds()
    measures: dict[str, float | int | str | None] = {
        "point": pushed.point,
        "seconds": round(seconds, 1),
        "files": pushed.files,
        "bytes": pushed.bytes,
        "uploaded": pushed.uploaded,
        "deleted": pushed.deleted,
        "skipped": len(pushed.skipped),
    }
    return _outcomes(f"point {pushed.point}", pushed, seconds), measures


def mirror_of(env: Environment) -> MirrorLocation:
    """Where the homes are mirrored to."""
    return MirrorLocation(env.objects, homes.MIRROR_PREFIX)


def _push(env: Environment) -> PushResult:
    return push(
        env.homes.user_data,
        mirror_of(env),
        source_id=env.homes.file_system_id,
        progress=in_the_ui("mirror-homes"),
    )


def _outcomes(what: str, pushed: PushResult | Part, seconds: float) -> list[Outcome]:
    detail = f"{what}: {pushed.uploaded} files sent, {pushed.deleted} entries gone, {len(pushed.skipped)} skipped"
    skipped = [Outcome("mirror", miss.path, "failed", miss.reason) for miss in pushed.skipped[:_TOLD]]
    if len(pushed.skipped) > _TOLD:
        more = len(pushed.skipped) - _TOLD
        skipped.append(
            Outcome("mirror", f"{more} more entries", "failed", "skipped too; the push on its own names all")
        )
    return [Outcome("push", "homes", "done", detail, seconds), *skipped]
