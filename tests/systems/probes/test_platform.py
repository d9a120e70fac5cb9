"""Every probe on the running stack, and each fault injected into the real part seen by the probe it concerns."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import boto3
import pytest
from pydantic import SecretStr

from devstack.faults.hub import server_route_lost
from devstack.process import http_ok
from devstack.stack import Stack
from domain.health import Finding
from environments import Environment
from environments.settings import AwsSettings, ObjectStoreSettings
from systems import hub as hubs
from systems.homes import home_name
from systems.mirror.location import MirrorLocation
from systems.mirror.push import push
from systems.probes import carry_out, probes_of
from systems.probes.backups import look_at_mirror
from systems.probes.homes import look_at_homes


def probe(env: Environment, name: str) -> Finding:
    return carry_out(next(probe for probe in probes_of(env) if probe.name == name))


def changed(env: Environment, section: str, **values: object) -> Environment:
    return env.model_copy(update={section: getattr(env, section).model_copy(update=values)})


@contextmanager
def without(stack: Stack, part: str) -> Iterator[None]:
    stack.stop_part(part)
    try:
        yield
    finally:
        stack.restart_part(part)
        wait_for_the_hub(stack)


def wait_for_the_hub(stack: Stack) -> None:
    """A proxy that was away has no routes until the Hub's next look at it."""
    give_up = time.monotonic() + 60
    while not http_ok(f"{stack.public_url}/hub/health")():
        assert time.monotonic() < give_up, "the Hub did not come back on its public address"
        time.sleep(0.1)


@pytest.mark.parametrize("name", ["hub-api", "proxy-routes", "synthetic-user", "homes", "object-store", "risk-api"])
def test_a_healthy_part_is_ok_and_asks_for_nothing(env, name):
    finding = probe(env, name)
    assert finding.state == "ok", finding
    assert finding.next_step == ""


def test_a_part_the_environment_lacks_is_not_configured(env):
    assert probe(env, "cluster").state == "not configured"


@pytest.mark.parametrize(
    ("name", "part", "words"),
    [
        ("hub-api", "hub", "answered 503"),
        ("hub-api", "database", "database"),
        ("proxy-routes", "proxy", "cannot be reached"),
        ("proxy-routes", "hub", "answered 503"),
        ("synthetic-user", "hub", "answered 503"),
        ("object-store", "object-store", "bucket"),
        ("backup-snapshot", "aws-control-plane", "EFS file system"),
        ("risk-api", "risk-api", "cannot be reached"),
    ],
)
def test_a_part_that_is_down_fails_its_probe_with_a_next_step(env, stack, name, part, words):
    with without(stack, part):
        finding = probe(env, name)
    assert finding.state == "failed", finding
    assert words in finding.seen
    assert finding.next_step
    assert finding.seconds < 25


def test_a_route_that_the_proxy_lost_is_named(env, stack):
    with server_route_lost(stack, env):
        finding = probe(env, "proxy-routes")
    assert finding.state == "failed"
    assert f"1 ready servers have no route ({env.health.synthetic_user}/)" in finding.seen


def test_the_synthetic_user_takes_over_what_a_run_that_was_cut_off_left(env):
    user = env.health.synthetic_user
    hubs.ensure_user(env.hub, user)
    hubs.start_server(env.hub, user, deadline=timedelta(seconds=60))
    assert probe(env, "synthetic-user").state == "ok"
    assert hubs.read_server(env.hub, user) is None


def test_a_home_that_cannot_be_written_fails_the_synthetic_user_who_is_removed_all_the_same(env):
    home = env.homes.user_data / home_name(env.health.synthetic_user)
    obstacle = home / ".riskhub-check"
    obstacle.mkdir(parents=True)
    try:
        finding = probe(env, "synthetic-user")
    finally:
        obstacle.rmdir()
    assert finding.state == "failed" and "IsADirectoryError" in finding.seen
    assert hubs.read_server(env.hub, env.health.synthetic_user) is None


def test_a_spawn_that_fails_is_told(env):
    home = env.homes.user_data / home_name(env.health.synthetic_user)
    aside = home.with_name("aside")
    if home.exists():
        home.rename(aside)
    home.write_text("a file where the home should be")
    try:
        finding = probe(env, "synthetic-user")
    finally:
        home.unlink()
        if aside.exists():
            aside.rename(home)
    assert finding.state == "failed" and finding.next_step
    assert "500" in finding.seen or "spawn" in finding.seen


def test_a_rejected_token_is_told_without_showing_it(env):
    wrong = "f" * 32
    for name, section, field in [
        ("hub-api", "hub", "api_token"),
        ("risk-api", "risk_api", "token"),
        ("object-store", "objects", "secret_access_key"),
    ]:
        finding = probe(changed(env, section, **{field: SecretStr(wrong)}), name)
        assert finding.state == "failed", finding
        assert wrong not in repr(finding)


def test_a_bucket_that_is_not_there_is_told(env):
    finding = probe(changed(env, "objects", bucket="no-such-bucket"), "object-store")
    assert finding.state == "failed" and "NoSuchBucket" in finding.seen


def test_a_bucket_without_versioning_is_degraded(env):
    s3 = client(env)
    s3.create_bucket(Bucket="unversioned")
    finding = probe(changed(env, "objects", bucket="unversioned"), "object-store")
    assert finding.state == "degraded" and "versioning is off" in finding.seen


def test_the_probe_leaves_nothing_in_the_bucket(env):
    probe(env, "object-store")
    left = client(env).list_object_versions(Bucket=env.objects.bucket, Prefix="health/")
    assert not left.get("Versions") and not left.get("DeleteMarkers")


def test_homes_that_are_not_mounted_fail(env):
    assert "not mounted" in probe(changed(env, "homes", mount_point=env.homes.mount_point / "elsewhere"), "homes").seen
    finding = probe(changed(env, "aws", endpoint_url=None), "homes")  # real AWS: the folder must be a mount point
    assert finding.state == "failed" and "nothing is mounted there" in finding.seen


def test_homes_with_little_room_are_degraded(env):
    seen = look_at_homes(env.homes, warn_share=0.000001, mounted=False)
    assert seen.state == "degraded" and "GiB free" in seen.what


def test_a_file_system_without_a_snapshot_is_degraded_and_says_what_to_run(env):
    vault = f"vault-{secrets.token_hex(4)}"
    client(env, "backup", env.aws).create_backup_vault(BackupVaultName=vault)
    finding = probe(changed(env, "aws", backup_vault=vault), "backup-snapshot")
    assert (finding.state, finding.next_step) == ("degraded", "run the daily backup now")


def test_a_mirror_without_a_point_is_degraded_and_says_what_to_run(env):
    fresh = changed(env, "objects", bucket=new_bucket(env))
    finding = probe(fresh, "backup-mirror")
    assert (finding.state, finding.next_step) == ("degraded", "run the daily backup now")


def test_a_mirror_pushed_just_now_is_ok_and_overdue_when_its_limit_has_passed(env, tmp_path):
    store = env.objects.model_copy(update={"bucket": new_bucket(env)})
    (tmp_path / "ana").mkdir()
    push(tmp_path, MirrorLocation(store, "user-data"))
    assert look_at_mirror(store, max_age=timedelta(hours=1)).state == "ok"
    overdue = look_at_mirror(store, max_age=timedelta(0))
    assert overdue.state == "degraded" and "the limit is 0 h" in overdue.what


def new_bucket(env: Environment) -> str:
    name = f"bucket-{secrets.token_hex(4)}"
    client(env).create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    return name


def client(env: Environment, service: str = "s3", settings: ObjectStoreSettings | AwsSettings | None = None):
    where = settings or env.objects
    return boto3.client(
        service,
        endpoint_url=where.endpoint_url,
        region_name=where.region,
        aws_access_key_id=where.access_key_id.get_secret_value(),
        aws_secret_access_key=where.secret_access_key.get_secret_value(),
    )
