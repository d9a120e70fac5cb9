"""What is locked stays: neither its version can be removed nor its key be written anew."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError

from devstack.stack import Stack
from domain.clock import utc_now
from domain.errors import Refused
from domain.record import Record
from environments import Environment
from systems.evidence import store_evidence
from systems.mirror import MirrorLocation, push
from systems.objects import get_object, put_object
from systems.signing import payload_of


def client(env: Environment):  # type: ignore[no-untyped-def]
    assert env.objects.access_key_id and env.objects.secret_access_key
    return boto3.client(
        "s3",
        endpoint_url=env.objects.endpoint_url,
        region_name=env.objects.region,
        aws_access_key_id=env.objects.access_key_id.get_secret_value(),
        aws_secret_access_key=env.objects.secret_access_key.get_secret_value(),
    )


def test_evidence_can_be_neither_deleted_nor_replaced_before_its_time(stack: Stack, env: Environment) -> None:
    now = utc_now()
    made = Record(
        flow="rehearsal", environment="local", state="complete", summary="it ran", started_at=now, finished_at=now
    )
    key = store_evidence(env.objects, made, None)
    s3 = client(env)
    head = s3.head_object(Bucket=env.objects.bucket, Key=key)
    assert head["ObjectLockMode"] == "COMPLIANCE"
    assert env.objects.locked_for is not None
    assert head["ObjectLockRetainUntilDate"] > now + env.objects.locked_for - timedelta(minutes=1)

    with pytest.raises(ClientError, match="AccessDenied"):
        s3.delete_object(Bucket=env.objects.bucket, Key=key, VersionId=head["VersionId"])
    with pytest.raises(Refused):
        put_object(env.objects, key, b"another story", content_type="application/json", if_absent=True)
    assert b"it ran" in payload_of(get_object(env.objects, key), thing=key)


def test_a_bucket_made_without_object_lock_is_named_as_the_cause(env: Environment, tmp_path: Path) -> None:
    unlocked = env.objects.model_copy(update={"bucket": "unlocked"})
    s3 = client(env)
    s3.create_bucket(Bucket="unlocked")
    s3.put_bucket_versioning(Bucket="unlocked", VersioningConfiguration={"Status": "Enabled"})
    with pytest.raises(Refused, match="without Object Lock"):
        put_object(unlocked, "evidence/a", b"a", content_type="text/plain", locked=True)
    with pytest.raises(Refused, match="without Object Lock"):
        push(tmp_path, MirrorLocation(unlocked, "user-data"))
