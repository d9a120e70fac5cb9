"""A control plane of this folder's own: the real server process, and clients that check every answer's shape."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape

from devstack import process
from devstack.aws import COPY_REGION
from devstack.aws.part import aws_control_plane

FILE_SYSTEM = "fs-0123456789abcdef0"
FILE_SYSTEM_ARN = f"arn:aws:elasticfilesystem:us-east-1:123456789012:file-system/{FILE_SYSTEM}"
BEYOND_THE_MODEL = {"RestoreJobStatus": ("PARTIAL",)}  # see devstack.aws.jobs
ROLE = "arn:aws:iam::123456789012:role/riskhub-backup"


def wait_until(condition: Callable[[], Any], deadline: timedelta = timedelta(seconds=20)) -> Any:
    """The condition's first true value."""
    give_up = time.monotonic() + deadline.total_seconds()
    while not (value := condition()):
        assert time.monotonic() < give_up, "the condition did not come true in time"
        time.sleep(0.01)
    return value


def assert_fits(value: Any, shape: Shape, where: str) -> None:
    """Every key of the raw answer is a member of the model's shape, and what the shape requires is there."""
    if isinstance(shape, StructureShape):
        names = {member.serialization.get("name", name): name for name, member in shape.members.items()}
        assert set(value) <= set(names), f"{where}: {set(value) - set(names)} not in {shape.name}"
        missing = set(shape.required_members) - {names[key] for key in value}
        assert not missing, f"{where}: {missing} missing from {shape.name}"
        for key, item in value.items():
            assert_fits(item, shape.members[names[key]], f"{where}.{key}")
    elif isinstance(shape, ListShape):
        for index, item in enumerate(value):
            assert_fits(item, shape.member, f"{where}[{index}]")
    elif isinstance(shape, MapShape):
        for key, item in value.items():
            assert_fits(item, shape.value, f"{where}.{key}")
    else:
        kinds = {"string": str, "boolean": bool, "integer": int, "long": int, "timestamp": (int, float)}
        assert isinstance(value, kinds[shape.type_name]), f"{where}: {value!r} is no {shape.type_name}"
        if shape.type_name == "string" and shape.enum:
            assert value in (*shape.enum, *BEYOND_THE_MODEL.get(shape.name, ())), (
                f"{where}: {value!r} is none of {shape.enum}"
            )


def client_of(port: int, service: str, region: str = "us-east-1") -> Any:
    client = boto3.session.Session().client(
        service,
        region_name=region,
        endpoint_url=f"http://127.0.0.1:{port}",
        aws_access_key_id="embedded",
        aws_secret_access_key="embedded",
        config=Config(connect_timeout=5, read_timeout=20, retries={"total_max_attempts": 1}),
    )

    def check(operation_model: OperationModel, response_dict: dict[str, Any], **_: Any) -> None:
        if operation_model.name == "DescribeFileSystems":
            return  # moto's own answer, which tells two keys more than the model has
        if response_dict["status_code"] < 300 and operation_model.output_shape is not None:
            body = json.loads(response_dict["body"] or "{}")
            assert_fits(body, operation_model.output_shape, operation_model.name)

    client.meta.events.register("before-parse", check)
    return client


@dataclass
class ControlPlane:
    """The server, its folders, and what callers do with it again and again."""

    state: Path
    homes: Path
    server: subprocess.Popen[bytes] | None = None
    backup: Any = None
    backup_there: Any = None
    efs: Any = None
    file_system_arn: str = FILE_SYSTEM_ARN
    role: str = ROLE
    wait_until = staticmethod(wait_until)

    def start(self) -> None:
        (port,) = process.free_ports(1)
        part = aws_control_plane(self.state, port, FILE_SYSTEM, self.homes, secrets={})
        self.server = process.start(part, self.state)
        self.backup, self.efs = client_of(port, "backup"), client_of(port, "efs")
        self.backup_there = client_of(port, "backup", COPY_REGION)
        process.wait_ready(part, self.server, self.state)

    def kill(self) -> None:
        if self.server is not None:
            self.server.kill()
            self.server.wait()

    @property
    def copies(self) -> Path:
        return self.state / "aws" / "recovery-points"

    def start_backup(self, **more: Any) -> str:
        asked = {"BackupVaultName": "riskhub", "ResourceArn": FILE_SYSTEM_ARN, "IamRoleArn": ROLE, **more}
        return self.backup.start_backup_job(**asked)["BackupJobId"]

    def ended_backup(self, job_id: str) -> dict[str, Any]:
        client = self.backup

        def ended() -> dict[str, Any] | None:
            job = client.describe_backup_job(BackupJobId=job_id)
            return job if job["State"] in ("COMPLETED", "FAILED", "ABORTED", "EXPIRED") else None

        return wait_until(ended)

    def recovery_point(self) -> str:
        job = self.ended_backup(self.start_backup())
        assert job["State"] == "COMPLETED", job.get("StatusMessage")
        return job["RecoveryPointArn"]

    def start_copy(self, arn: str, **more: Any) -> str:
        vault = self.backup_there.describe_backup_vault(BackupVaultName="riskhub")["BackupVaultArn"]
        asked = {"RecoveryPointArn": arn, "SourceBackupVaultName": "riskhub", "IamRoleArn": ROLE}
        asked = {**asked, "DestinationBackupVaultArn": vault, **more}
        return self.backup.start_copy_job(**asked)["CopyJobId"]

    def ended_copy(self, job_id: str) -> dict[str, Any]:
        client = self.backup

        def ended() -> dict[str, Any] | None:
            job = client.describe_copy_job(CopyJobId=job_id)["CopyJob"]
            return job if job["State"] in ("COMPLETED", "FAILED") else None

        return wait_until(ended)

    def restore_metadata(self, items: list[str] | None = None) -> dict[str, str]:
        metadata = {
            "file-system-id": FILE_SYSTEM,
            "newFileSystem": "false",
            "Encrypted": "true",
            "PerformanceMode": "generalPurpose",
            "CreationToken": "a-restore",
        }
        return metadata if items is None else {**metadata, "ItemsToRestore": json.dumps(items)}

    def restore(self, arn: str, items: list[str] | None = None) -> dict[str, Any]:
        client = self.backup
        metadata = self.restore_metadata(items)
        started = client.start_restore_job(RecoveryPointArn=arn, Metadata=metadata, IamRoleArn=ROLE)

        def ended() -> dict[str, Any] | None:
            job = client.describe_restore_job(RestoreJobId=started["RestoreJobId"])
            return job if job["Status"] in ("COMPLETED", "PARTIAL", "FAILED", "ABORTED") else None

        return wait_until(ended)

    def restored_folder(self) -> Path:
        (folder,) = self.homes.glob("aws-backup-restore_*")
        return folder

    @staticmethod
    def contents(folder: Path) -> dict[str, tuple[Any, ...]]:
        """Each entry below `folder` with its content, mode, owner, mtime and link group."""
        found: dict[str, tuple[Any, ...]] = {}
        first_names: dict[int, str] = {}
        for path in sorted(folder.rglob("*")):
            name = str(path.relative_to(folder))
            if name.startswith("aws-backup-restore_"):
                continue
            seen = path.lstat()
            content: Any = None
            if stat.S_ISLNK(seen.st_mode):
                content = str(path.readlink())
            elif stat.S_ISREG(seen.st_mode):
                content = path.read_bytes()
                content = (path.read_bytes(), first_names.setdefault(seen.st_ino, name))
            found[name] = (content, oct(seen.st_mode), seen.st_uid, seen.st_gid, seen.st_mtime_ns)
        return found


@pytest.fixture(scope="module")
def one_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    folder = tmp_path_factory.mktemp("control-plane")
    plane = ControlPlane(folder / "state", folder / "homes")
    plane.homes.mkdir()
    plane.start()
    yield plane
    plane.kill()
    shutil.rmtree(plane.state / "aws")  # gigabytes, else kept among pytest's last temporary folders


@pytest.fixture
def plane(one_plane: ControlPlane) -> ControlPlane:
    """The module's server over empty homes."""
    if one_plane.homes.exists():
        shutil.rmtree(one_plane.homes)
    one_plane.homes.mkdir()
    return one_plane


@pytest.fixture
def own_plane(tmp_path: Path) -> Iterator[ControlPlane]:
    """A server for one test, which may kill it; not started."""
    plane = ControlPlane(tmp_path / "state", tmp_path / "homes")
    plane.homes.mkdir()
    yield plane
    plane.kill()
    shutil.rmtree(plane.state / "aws")  # gigabytes, else kept among pytest's last temporary folders


@pytest.fixture
def lived_in(plane: ControlPlane) -> ControlPlane:
    """Homes with everything that copies get wrong."""
    ana = plane.homes / "user-data" / "ana"
    ana.mkdir(parents=True)
    (ana / "var.ipynb").write_bytes(b'{"cells": []}' * 1000)
    (ana / "private.key").write_bytes(b"key")
    (ana / "private.key").chmod(0o600)
    (ana / "run.sh").write_text("#!/bin/sh\n")
    (ana / "run.sh").chmod(0o755)
    (ana / "empty folder").mkdir(mode=0o711)
    (ana / "of the day").symlink_to("var.ipynb")
    (ana / "outside").symlink_to("/etc")
    (ana / "same.ipynb").hardlink_to(ana / "var.ipynb")
    (ana / os.fsdecode(b"caf\xe9.csv")).write_text("latin-1 name")
    os.mkfifo(ana / "pipe")
    (plane.homes / "user-data" / "bea").mkdir()
    (plane.homes / "user-data" / "bea" / "größe.csv").write_text("1,2\n")
    if os.geteuid() == 0:
        os.chown(ana / "var.ipynb", 4242, 4343)
        os.lchown(ana / "of the day", 4242, 4343)
    os.utime(ana / "var.ipynb", ns=(1_700_000_000_123_456_789, 1_600_000_000_987_654_321))
    os.utime(ana / "of the day", ns=(1, 1_500_000_000_000_000_001), follow_symlinks=False)
    os.utime(ana / "empty folder", ns=(1, 1_400_000_000_000_000_001))
    return plane
