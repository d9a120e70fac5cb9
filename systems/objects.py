"""A bucket: small whole objects, written with a checksum, read back verified.

Thin over boto3. What it adds: a deadline on every call, errors that say what to do, and a write that never
replaces what is there. Large trees of files are the mirror's business.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, FlexibleChecksumError, NoCredentialsError

from domain.clock import to_utc
from domain.errors import Damaged, Refused, RiskhubError, Unreachable
from environments.settings import ObjectStoreSettings
from systems.answers import Absent, Taken, answered, where
from systems.network import kind_of

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client


@dataclass(frozen=True)
class StoredObject:
    """One object as a listing tells of it. `size` in bytes, `modified` in UTC."""

    key: str
    size: int
    modified: datetime


def put_object(
    store: ObjectStoreSettings,
    key: str,
    body: bytes,
    *,
    content_type: str,
    if_absent: bool = False,
    locked: bool = False,
) -> None:
    """Write an object, its SHA-256 checked on arrival and kept beside it.

    With `if_absent` nothing is ever replaced; the same bytes again are no error, so that a retry after a
    lost answer is harmless. With `locked` it stays for the store's `locked_for`, whoever asks to delete it.

    Raises:
        Refused: the store refused the write, or (`if_absent`) another object has this key.
        Unreachable: no answer; the object may be there or not.
    """
    checksum = base64.b64encode(hashlib.sha256(body).digest()).decode()
    condition: Any = {"IfNoneMatch": "*"} if if_absent else {}
    condition |= store.lock if locked else {}
    try:
        with _told(store, key):
            _client(store).put_object(
                Bucket=store.bucket,
                Key=key,
                Body=body,
                ContentType=content_type,
                ChecksumSHA256=checksum,
                **condition,
            )
    except Taken:
        if get_object(store, key) != body:
            raise


def get_object(store: ObjectStoreSettings, key: str) -> bytes:
    """The object's bytes, verified against the checksum kept beside it.

    Raises:
        Refused: there is no such object, or it may not be read.
        Damaged: the bytes are not those that were written.
        Unreachable: no answer.
    """
    with _told(store, key):
        return _client(store).get_object(Bucket=store.bucket, Key=key, ChecksumMode="ENABLED")["Body"].read()


def object_exists(store: ObjectStoreSettings, key: str) -> bool:
    """Is there an object at `key`?

    Raises:
        Refused, Unreachable: as `get_object`.
    """
    try:
        with _told(store, key):
            _client(store).head_object(Bucket=store.bucket, Key=key)
    except Absent:
        return False
    return True


def list_objects(store: ObjectStoreSettings, prefix: str, *, after: str = "") -> Iterator[StoredObject]:
    """The objects whose keys begin with `prefix`, by key; only those that sort after the key `after`.

    Raises:
        Refused, Unreachable: as `get_object`, while iterating.
    """
    with _told(store, prefix):
        for page in (
            _client(store)
            .get_paginator("list_objects_v2")
            .paginate(Bucket=store.bucket, Prefix=prefix, StartAfter=after)
        ):
            for item in page.get("Contents", ()):
                yield StoredObject(item["Key"], item["Size"], to_utc(item["LastModified"]))


def locked_until(store: ObjectStoreSettings, key: str) -> datetime | None:
    """Until when the object can be neither deleted nor replaced, in UTC; None when it is not locked.

    Raises:
        Refused, Unreachable: as `get_object`.
    """
    with _told(store, key):
        until = _client(store).head_object(Bucket=store.bucket, Key=key).get("ObjectLockRetainUntilDate")
    return to_utc(until) if until else None


def hold_object(store: ObjectStoreSettings, key: str) -> None:
    """Put a legal hold on the object: nobody deletes this version of it, until somebody who may lifts the hold.

    Raises:
        Refused: the bucket has no Object Lock, or its keys may not hold.
        Unreachable: as `get_object`.
    """
    with _told(store, key):
        _client(store).put_object_legal_hold(Bucket=store.bucket, Key=key, LegalHold={"Status": "ON"})


def list_versions(store: ObjectStoreSettings, prefix: str) -> Iterator[tuple[str, str]]:
    """Key and version of all that the keys that begin with `prefix` ever held, delete markers too.

    Raises:
        Refused, Unreachable: as `get_object`, while iterating.
    """
    with _told(store, prefix):
        for page in _client(store).get_paginator("list_object_versions").paginate(Bucket=store.bucket, Prefix=prefix):
            for item in (*page.get("Versions", ()), *page.get("DeleteMarkers", ())):
                yield item["Key"], item["VersionId"]


def delete_version(store: ObjectStoreSettings, key: str, version: str) -> None:
    """Remove one version for good.

    Raises:
        Refused: it is locked, or may not be deleted.
        Unreachable: no answer; it may be gone or not.
    """
    with _told(store, key):
        _client(store).delete_object(Bucket=store.bucket, Key=key, VersionId=version)


@contextlib.contextmanager
def _told(store: ObjectStoreSettings, key: str) -> Iterator[None]:
    """Errors of the wire in the words of the house."""
    thing = f"object s3://{store.bucket}/{key}"
    try:
        yield
    except ClientError as error:
        raise _answered(store, thing, error) from None
    except FlexibleChecksumError:
        raise Damaged(thing, "its bytes do not match its checksum", "restore an earlier version of it") from None
    except NoCredentialsError:
        raise Refused(thing, "no credentials were found", "set AWS_*, or the keys in the environment file") from None
    except BotoCoreError as error:
        cause = f"{where(store)} did not answer ({type(error).__name__})"
        kind = kind_of(error, "bucket-down")
        raise Unreachable(thing, cause, "check the object store, then run again", kind=kind) from None


def _answered(store: ObjectStoreSettings, thing: str, error: ClientError) -> RiskhubError:
    code = error.response.get("Error", {}).get("Code", "unknown")
    return answered(store, thing, code, error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


@lru_cache(maxsize=8)
def _client(settings: ObjectStoreSettings) -> S3Client:
    """One client a bucket: making one takes longer than a call. It may be shared by threads."""
    keys = (settings.access_key_id, settings.secret_access_key)
    access_key_id, secret_access_key = (key.get_secret_value() if key else None for key in keys)
    return boto3.client(
        "s3",
        endpoint_url=settings.endpoint_url,
        region_name=settings.region,
        aws_access_key_id=access_key_id,
        aws_secret_access_key=secret_access_key,
        config=Config(
            connect_timeout=5,
            read_timeout=30,
            retries={"mode": "standard", "total_max_attempts": 3},
            s3={"addressing_style": "path" if settings.endpoint_url else "auto"},
        ),
    )
