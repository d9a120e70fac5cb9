"""The emulated AWS as a real process over homes of the test's own, and a client that is the product's."""

from __future__ import annotations

import shutil
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest

from devstack import process
from devstack.aws import COPY_REGION
from devstack.aws.part import aws_control_plane
from domain.recovery import Snapshot
from environments.settings import AwsSettings, HomesSettings
from systems.aws import client_options
from systems.snapshots import start_snapshot, wait_for_snapshot

MINUTE = timedelta(minutes=1)
SECRET = "wJalr-embedded-secret"


@dataclass
class Aws:
    """The emulated AWS: its settings, and its process to kill."""

    settings: AwsSettings
    homes: HomesSettings
    server: subprocess.Popen[bytes]

    @property
    def copies(self) -> Path:
        """Where it keeps what is in its vaults."""
        return self.homes.mount_point.parent / "state" / "aws" / "recovery-points"

    def api(self, region: str = "us-east-1") -> Any:
        return boto3.session.Session().client("backup", **client_options(self.changed(region=region)))

    def taken(self) -> Snapshot:
        job = start_snapshot(self.settings, self.homes, environment="local", point=str(uuid.uuid4()))
        return wait_for_snapshot(self.settings, job, deadline=MINUTE)

    def changed(self, **settings: object) -> AwsSettings:
        return self.settings.model_copy(update=settings)


@contextmanager
def running(folder: Path) -> Iterator[Aws]:
    homes, state = folder / "homes", folder / "state"
    homes.mkdir()
    state.mkdir()
    (port,) = process.free_ports(1)
    part = aws_control_plane(state, port, "fs-0123456789abcdef0", homes, secrets={})
    server = process.start(part, state)
    try:
        process.wait_ready(part, server, state)
        settings = AwsSettings.model_validate(
            {
                "region": "us-east-1",
                "endpoint_url": f"http://127.0.0.1:{port}",
                "access_key_id": "embedded",
                "secret_access_key": SECRET,
                "backup_vault": "riskhub",
                "backup_copy_region": COPY_REGION,
                "backup_role_arn": "arn:aws:iam::123456789012:role/riskhub-backup",
            }
        )
        yield Aws(settings, HomesSettings(mount_point=homes, file_system_id="fs-0123456789abcdef0"), server)
    finally:
        server.kill()
        server.wait()
        shutil.rmtree(state / "aws")  # gigabytes, else kept among pytest's last temporary folders


@pytest.fixture(scope="module")
def one_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    with running(tmp_path_factory.mktemp("aws")) as aws:
        yield aws


@pytest.fixture
def aws(one_aws: Aws) -> Aws:
    """The module's server over empty homes; it may hold snapshots of other tests."""
    shutil.rmtree(one_aws.homes.mount_point, ignore_errors=True)
    one_aws.homes.mount_point.mkdir()
    return one_aws


@pytest.fixture
def own_aws(tmp_path: Path) -> Iterator[Aws]:
    """A new server without snapshots, which a test may kill."""
    with running(tmp_path) as aws:
        yield aws


@pytest.fixture
def token() -> str:
    return str(uuid.uuid4())
