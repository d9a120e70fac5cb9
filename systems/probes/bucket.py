"""Probe of the backup bucket: an object of our own written, read back and removed, and versioning on."""

from __future__ import annotations

import secrets
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from domain.errors import Damaged, Refused
from domain.health import Kind
from environments.settings import ObjectStoreSettings
from systems.answers import kind_of_answer
from systems.network import unreachable
from systems.probes.look import Seen

FOLDER = "health/"
# One attempt: a probe tells what is so now, and an answer that came at the third try is not healthy.
_DEADLINES = Config(connect_timeout=3, read_timeout=5, retries={"total_max_attempts": 1, "mode": "standard"})

_STEPS: dict[Kind, str] = {
    "bucket-denied": "check the bucket's policy, and the keys or the role",
    "bucket-missing": "create it, or correct S3_BACKUP_BUCKET",
    "bucket-down": "check that the object store answers",
    "clock-skew": "correct the clock of this machine: S3 takes no request that is 15 minutes off",
}


def look_at_bucket(store: ObjectStoreSettings) -> Seen:
    """Write, read and remove one object below `health/`; its version goes too, so nothing adds up."""
    thing = f"bucket {store.bucket}" + (f" at {store.endpoint_url}" if store.endpoint_url else "")
    try:
        s3 = _client(store)
        # First, because some stores make a bucket that is written to and missing.
        versioned = s3.get_bucket_versioning(Bucket=store.bucket).get("Status") == "Enabled"
        _write_read_remove(s3, store.bucket, thing)
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "unknown error")
        kind = kind_of_answer(code, error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        raise Refused(
            thing, f"the store answered {code}", _STEPS.get(kind, _STEPS["bucket-denied"]), kind=kind
        ) from None
    except BotoCoreError as error:
        step = "check that the object store answers"
        raise unreachable(thing, error, kind="bucket-down", next_step=step) from None
    if not versioned:
        return Seen(
            f"{thing}: versioning is off",
            "degraded",
            "turn it on: without it no earlier state can be restored",
            "bucket-unversioned",
        )
    return Seen(f"{thing}: wrote, read back and removed an object; versioning is on")


def _write_read_remove(s3: Any, bucket: str, thing: str) -> None:
    key, mark = FOLDER + secrets.token_hex(8), secrets.token_bytes(64)
    written = s3.put_object(Bucket=bucket, Key=key, Body=mark)
    try:
        read = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    finally:
        version = {"VersionId": written["VersionId"]} if "VersionId" in written else {}
        s3.delete_object(Bucket=bucket, Key=key, **version)
    if read != mark:
        step = "stop backups and look at the store's disks"
        raise Damaged(thing, f"object {key} came back different", step, kind="bucket-damaged")


def _client(store: ObjectStoreSettings) -> Any:
    keys: dict[str, Any] = {}
    if store.access_key_id and store.secret_access_key:
        keys = {
            "aws_access_key_id": store.access_key_id.get_secret_value(),
            "aws_secret_access_key": store.secret_access_key.get_secret_value(),
        }
    return boto3.client("s3", endpoint_url=store.endpoint_url, region_name=store.region, config=_DEADLINES, **keys)
