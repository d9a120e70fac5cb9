"""A moto server that has our parts of AWS Backup and EFS, and knows the platform's file system and vault."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import moto.backup.urls
import moto.efs.urls
from moto.backup.models import backup_backends
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.efs.models import efs_backends
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from moto.secretsmanager.models import secretsmanager_backends
from werkzeug.serving import BaseWSGIServer, make_server

from devstack.aws import COPY_REGION
from devstack.aws.backup_api import BackupApi
from devstack.aws.efs_api import EfsApi
from devstack.aws.jobs import Jobs
from devstack.aws.recovery_points import RecoveryPoints
from devstack.aws.selections import Selections

REGION = "us-east-1"
VAULT = "riskhub"

_NEW_BACKUP_PATHS = (
    "{0}/backup-jobs",
    "{0}/backup-jobs/<job>",
    "{0}/copy-jobs",
    "{0}/copy-jobs/<job>",
    "{0}/restore-jobs",
    "{0}/restore-jobs/<job>",
    "{0}/backup-vaults/<vault>/recovery-points",
    "{0}/backup-vaults/<vault>/recovery-points/<path:point>",
    "{0}/resources/<path:resource>",
)


def create_server(
    host: str, port: int, state: Path, file_systems: Mapping[str, Path], secrets: Mapping[str, str]
) -> BaseWSGIServer:
    """The server, ready to serve; recovery points are kept below `state`. `secrets` are values by name."""
    points = RecoveryPoints(state / "recovery-points")
    BackupApi.jobs = Jobs(file_systems, points)
    BackupApi.selections = Selections()
    backup_paths = moto.backup.urls.url_paths
    backup_paths.update(dict.fromkeys([*backup_paths, *_NEW_BACKUP_PATHS], BackupApi.dispatch))
    efs_paths = moto.efs.urls.url_paths
    efs_paths.update(dict.fromkeys(list(efs_paths), EfsApi.dispatch))
    for file_system_id in file_systems:
        _seed_file_system(file_system_id)
    _seed_vaults(points)
    for name, value in secrets.items():
        _seed_secret(name, value)
    app = DomainDispatcherApplication(create_backend_app)
    return make_server(host, port, app, threaded=True, request_handler=MotoRequestHandler)


def _seed_file_system(file_system_id: str) -> None:
    backend = efs_backends[DEFAULT_ACCOUNT_ID][REGION]
    file_system = backend.create_file_system(
        creation_token=file_system_id,
        performance_mode="generalPurpose",
        encrypted=True,
        kms_key_id=f"arn:aws:kms:{REGION}:{DEFAULT_ACCOUNT_ID}:alias/aws/elasticfilesystem",
        throughput_mode="elastic",
        provisioned_throughput_in_mibps=0,
        availability_zone_name="",
        backup=True,
        tags=[],
    )
    # CreateFileSystem makes an id up; the platform's is given.
    del backend.file_systems_by_id[file_system.file_system_id]
    file_system.file_system_arn = file_system.file_system_arn.replace(file_system.file_system_id, file_system_id)
    file_system.file_system_id = file_system_id
    backend.file_systems_by_id[file_system_id] = file_system
    backend.tagging_service.tag_resource(file_system_id, [{"Key": "Name", "Value": "riskhub-homes"}])


def _seed_vaults(points: RecoveryPoints) -> None:
    backends = backup_backends[DEFAULT_ACCOUNT_ID]
    known = {(point.vault_arn.split(":")[3], point.vault) for point in points.newest_first()}
    for region, vault in sorted({(REGION, VAULT), (COPY_REGION, VAULT), *known}):
        key = f"arn:aws:kms:{region}:{DEFAULT_ACCOUNT_ID}:alias/aws/backup"
        backends[region].create_backup_vault(vault, {}, key, "")
        # in governance mode: who has the right to can take it off
        backends[region].put_backup_vault_lock_configuration(vault, 1, None, None)
    for point in points.newest_first():
        backends[point.vault_arn.split(":")[3]].tag_resource(point.arn, point.tags)


def _seed_secret(name: str, value: str) -> None:
    secretsmanager_backends[DEFAULT_ACCOUNT_ID][REGION].create_secret(
        name,
        secret_string=value,
        secret_binary=None,
        description=None,
        tags=None,
        kms_key_id=None,
        client_request_token=None,
        replica_regions=[],
        force_overwrite=False,
    )
