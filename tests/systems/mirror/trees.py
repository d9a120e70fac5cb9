"""Trees to mirror, how to compare them, and the bucket as boto3 sees it."""

from __future__ import annotations

import ctypes
import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
from botocore.exceptions import ClientError

from environments.settings import ObjectStoreSettings
from systems.mirror import MirrorLocation
from systems.mirror.bucket import Bucket
from systems.mirror.entry import Row
from systems.mirror.manifest import Point, looks_digest, write_page
from systems.mirror.points import load_point, rows_of

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client


def s3(settings: ObjectStoreSettings) -> S3Client:
    assert settings.access_key_id and settings.secret_access_key
    return boto3.client(
        "s3",
        endpoint_url=settings.endpoint_url,
        region_name=settings.region,
        aws_access_key_id=settings.access_key_id.get_secret_value(),
        aws_secret_access_key=settings.secret_access_key.get_secret_value(),
    )


def make_bucket(settings: ObjectStoreSettings, *, versioned: bool = True) -> None:
    client = s3(settings)
    give_up = time.monotonic() + 20
    while True:  # it answers before it can store
        try:
            client.create_bucket(Bucket=settings.bucket)
            break
        except ClientError:
            assert time.monotonic() < give_up, "the object store takes no bucket"
    if versioned:
        client.put_bucket_versioning(Bucket=settings.bucket, VersioningConfiguration={"Status": "Enabled"})


def age(root: Path, seconds: int = 1000) -> None:
    """Give every entry a time in the past, each its own, with nanoseconds."""
    now = time.time_ns() - seconds * 10**9
    entries = sorted(os.walk(os.fsencode(root), topdown=False))
    for number, (folder, _, names) in enumerate(entries):
        for at, name in enumerate([*names, b"."]):
            stamp = now + number * 1_000_000_007 + at * 1_003
            os.utime(os.path.join(folder, name), ns=(stamp, stamp), follow_symlinks=False)  # noqa: PTH118


def settle() -> None:
    """Wait until what was changed lies further back than the grain within which a change could go unseen."""
    give_up = time.time_ns() + 1_100_000_000
    while time.time_ns() < give_up:
        time.sleep(0.05)


def tree(root: Path) -> dict[bytes, tuple[object, ...]]:
    """Everything that must be as it was: kind, mode, owner, mtime in ns, and content or target."""
    found: dict[bytes, tuple[object, ...]] = {}

    def visit(path: bytes, relative: bytes) -> None:
        status = os.lstat(path)
        content: object = None
        if os.path.islink(path):  # noqa: PTH114
            content = os.readlink(path)  # noqa: PTH115
        elif os.path.isdir(path):  # noqa: PTH112
            for name in os.listdir(path):  # noqa: PTH208
                visit(path + b"/" + name, relative + b"/" + name)
        else:
            with open(path, "rb") as file:  # noqa: PTH123
                content = file.read()
        found[relative] = (oct(status.st_mode), status.st_uid, status.st_gid, status.st_mtime_ns, content)

    visit(os.fsencode(root), b"")
    return found


def swap_stored_bytes(location: MirrorLocation, path: bytes, body: bytes) -> None:
    """Let the only point find `body` where it expects the content of `path`."""
    client, bucket = s3(location.store), location.store.bucket
    version = client.put_object(Bucket=bucket, Key=f"{location.prefix}/{path.decode()}", Body=body)["VersionId"]
    rewrite(location, lambda row: row._replace(version=version) if row.path == path else row)


def rewrite(location: MirrorLocation, change: Callable[[Row], Row], **header: object) -> Point:
    """The only point, of one page, with its rows and header changed behind the mirror's back."""
    client, bucket = s3(location.store), location.store.bucket
    point = load_point(Bucket(location), 1)
    rows = [change(row) for row in rows_of(Bucket(location), point.pages)]
    body, _, _ = write_page(rows)
    client.put_object(Bucket=bucket, Key=location.manifests + point.pages[0].key, Body=body)
    digests = {"sha256": hashlib.sha256(body).hexdigest(), "looks": looks_digest(rows)}
    changed = point.model_copy(update={"pages": (point.pages[0].model_copy(update=digests),), **header})
    key = f"{location.manifests}points/0000000001.json"
    client.put_object(Bucket=bucket, Key=key, Body=changed.model_dump_json().encode())
    return changed


@contextmanager
def as_ordinary_user(folder: Path) -> Iterator[None]:
    """Let file permissions count for this thread and those it starts, root or not, with `folder` as the current one.

    Names must be relative to it: pytest's own folder is closed to others.
    """
    libc, before, here = ctypes.CDLL(None), os.geteuid(), Path.cwd()
    os.chdir(folder)
    if before == 0:
        libc.setfsuid(65534)
    try:
        yield
    finally:
        libc.setfsuid(before)
        os.chdir(here)


def elsewhere(call: str, location: MirrorLocation, folder: Path) -> subprocess.Popen[bytes]:
    """`call` in a process of its own, which has begun by the time this returns; `folder` is its `sys.argv[3]`."""
    store = location.store
    assert store.access_key_id and store.secret_access_key
    program = f"""
import sys
from pathlib import Path
from systems.mirror import apply_restore, parse_location, plan_restore, push
location = parse_location(sys.argv[1], sys.argv[2])
print("begun", flush=True)
{call}
"""
    process = subprocess.Popen(
        [sys.executable, "-c", program, location.url, str(store.endpoint_url), str(folder)],
        env={
            **os.environ,
            "AWS_ACCESS_KEY_ID": store.access_key_id.get_secret_value(),
            "AWS_SECRET_ACCESS_KEY": store.secret_access_key.get_secret_value(),
        },
        stdout=subprocess.PIPE,
    )
    assert process.stdout and process.stdout.readline() == b"begun\n"
    return process


def plain_keys(location: MirrorLocation) -> set[str]:
    """What a plain listing shows, folders aside."""
    pages = (
        s3(location.store)
        .get_paginator("list_objects_v2")
        .paginate(Bucket=location.store.bucket, Prefix=f"{location.prefix}/")
    )
    found = {item["Key"].removeprefix(f"{location.prefix}/") for page in pages for item in page.get("Contents", ())}
    return {key for key in found if key and not key.endswith("/")}
