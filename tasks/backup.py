"""The members of a recovery point, each a task of its own, so that the UI shows which one is slow or failed.

A member that fails is told as its outcome and does not stop the others: half a backup is better than none,
and is never called whole.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from domain.errors import RiskhubError
from domain.plan import Outcome, OutcomeState
from domain.recovery import Member, MemberKind, Snapshot, Taken
from environments import Environment
from environments.loader import PROJECT
from environments.settings import ClusterSettings
from systems import configuration, database, homes, recovery_points, snapshots
from systems.cluster.configuration import read_configuration
from systems.cluster.connection import connect
from systems.cluster.deployments import images_in, read_last_deployment
from systems.crypt_key import crypt_key_of
from systems.dumps import read_dump
from systems.mirrored import homes_of
from tasks.mirror import push_all
from tasks.progress import in_the_ui
from tasks.retries import while_unreachable

SNAPSHOT_DEADLINE = timedelta(hours=6)
COPY_DEADLINE = timedelta(hours=6)


@task(name="observe-backups", cache_policy=NO_CACHE, **while_unreachable(2, 2))
def observe_backups(env: Environment) -> tuple[dict[MemberKind, str], Snapshot | None]:
    """What would be backed up, and the newest snapshot there is."""
    homes.require_home_mount(env.homes)
    emulated = " (AWS Backup emulated)" if env.aws.emulated else ""
    targets: dict[MemberKind, str] = {
        "snapshot": _file_system(env)
        + (f", copied to {region}" if (region := env.aws.backup_copy_region) else "")
        + emulated,
        "homes": f"{env.homes.user_data} to s3://{env.objects.bucket}/{homes.MIRROR_PREFIX}",
        "database": "Hub database",
        "configuration": f"configuration of {env.name}",
    }
    return targets, snapshots.latest_snapshot(env.aws, env.homes)


@task(name="snapshot-homes", cache_policy=NO_CACHE)
def snapshot_homes(env: Environment, point: str) -> Taken:
    """All of EFS by AWS Backup, then its copy in the second region; waits for both jobs.

    A copy that fails makes the outcome `failed`, with its cause, and the run Partial. The snapshot counts all the
    same and the point is sealed: everything comes back from it, but for the day when the region itself is gone.
    """

    def take() -> tuple[Member, str]:
        job = snapshots.start_snapshot(env.aws, env.homes, environment=env.name, point=point)
        snapshot = snapshots.wait_for_snapshot(
            env.aws, job, deadline=SNAPSHOT_DEADLINE, on_progress=in_the_ui("snapshot")
        )
        facts: dict[str, str | int] = {"job": job}
        complaint = ""
        if env.aws.backup_copy_region:
            try:
                facts["copy"] = _copied(env, snapshot, env.aws.backup_copy_region, token=f"{env.name}-{point}")
            except RiskhubError as error:
                complaint = f"{snapshot.recovery_point_arn} was taken, but is in one region only: {error}"
        return Member("snapshot", snapshot.recovery_point_arn, snapshot.size_bytes, None, facts), complaint

    return _taken(_file_system(env), take)


@task(name="mirror-homes", cache_policy=NO_CACHE)
def mirror_homes(env: Environment, point: str) -> Taken:
    """Every home to the bucket as plain objects."""

    def take() -> tuple[Member, str]:
        pushed = push_all(env, homes_of(env))
        facts: dict[str, str | int] = {
            "files": pushed.files,
            "uploaded": pushed.uploaded,
            "deleted": pushed.deleted,
            "skipped": len(pushed.skipped),
        }
        skipped = ", ".join(f"{each.path} ({each.reason})" for each in pushed.skipped[:5])
        return Member("homes", pushed.point, pushed.bytes, None, facts), f"skipped: {skipped}" if skipped else ""

    return _taken("homes", take)


@task(name="dump-hub-database", cache_policy=NO_CACHE)
def dump_hub_database(env: Environment, point: str) -> Taken:
    """The Hub's database by pg_dump, checked by pg_restore, read back from the bucket."""

    def take() -> tuple[Member, str]:
        with tempfile.TemporaryDirectory(prefix="riskhub-") as folder:
            dump = database.dump_database(env.database, Path(folder) / "database.dump")
            facts: dict[str, str | int] = {
                "alembic_revision": dump.alembic_revision,
                "server_version": dump.server_version,
                "tables": dump.tables,
                **_described(env, dump.path),
            }
            body = dump.path.read_bytes()
        return recovery_points.store_member(env.objects, point, "database", "database.dump", body, facts=facts), ""

    return _taken("Hub database", take)


@task(name="save-configuration", cache_policy=NO_CACHE)
def save_configuration(env: Environment, point: str) -> Taken:
    """The files that configure this Hub; of its cluster the ConfigMaps, and the Secrets sealed."""

    def take() -> tuple[Member, str]:
        cluster = _sealed_cluster(env.cluster) if env.cluster else {}
        facts: dict[str, str | int] = {}
        if cluster:
            facts = {name: cluster[name] for name in ("identity", "key")}
            facts |= {"objects": len(cluster["objects"]), "secrets": len(cluster["secrets"])}
            facts |= {f"image {name}": image for name, image in images_in(cluster["deployed"]).items()}
        body = configuration.collect_configuration(PROJECT, env.name, cluster)
        member = recovery_points.store_member(
            env.objects, point, "configuration", "configuration.json", body, facts=facts
        )
        return member, ""

    return _taken("configuration", take)


seal_recovery_point = task(name="seal-recovery-point", cache_policy=NO_CACHE, **while_unreachable(2, 2))(
    recovery_points.seal_recovery_point
)


def _file_system(env: Environment) -> str:
    return f"file system {env.homes.file_system_id}"


def _copied(env: Environment, snapshot: Snapshot, region: str, *, token: str) -> str:
    job = snapshots.start_copy(env.aws, snapshot, region, token=token)
    return snapshots.wait_for_copy(env.aws, job, deadline=COPY_DEADLINE, on_progress=in_the_ui("snapshot-copy"))


def _described(env: Environment, dump: Path) -> dict[str, str | int]:
    """The dump's rows, and the key that its auth_state needs; a key that does not open them makes no point."""
    content = read_dump(env.database, dump)
    keys = crypt_key_of(env).require_opens(content.auth_states)
    facts = {**content.facts, "auth_states": len(content.auth_states), "crypt_key": keys[0]}
    return {**facts, "crypt_keys_before": ";".join(keys[1:])} if keys[1:] else facts


def _sealed_cluster(settings: ClusterSettings) -> dict[str, Any]:
    """In the clear the Secrets are here and nowhere else."""
    seal = configuration.require_seal(settings)
    cluster = connect(settings)
    deployed = read_last_deployment(cluster).manifests
    return configuration.sealed_configuration(settings, read_configuration(cluster), seal, deployed=deployed)


def _taken(target: str, take: Callable[[], tuple[Member, str]]) -> Taken:
    began = time.monotonic()
    try:
        member, complaint = take()
    except RiskhubError as error:
        return Taken(Outcome("back up", target, "failed", str(error), time.monotonic() - began))
    copy = f", copied to {member.facts['copy']}" if "copy" in member.facts else ""
    detail = complaint or f"{member.bytes} bytes, {member.reference}{copy}"
    state: OutcomeState = "failed" if complaint else "done"
    return Taken(Outcome("back up", target, state, detail, time.monotonic() - began), member)
