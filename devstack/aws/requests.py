"""What callers ask of AWS Backup, checked and turned into our own words, or refused in AWS's."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, TypeVar

from moto.backup.exceptions import BackupClientError
from moto.backup.models import BackupBackend, Vault
from moto.efs.models import EFSBackend, FileSystem
from pydantic import TypeAdapter

from devstack.aws.jobs import BackupRequest, CopyRequest, RestoreRequest
from devstack.aws.recovery_points import RecoveryPoint
from devstack.aws.tree_copy import Wanted, wanted_paths

T = TypeVar("T")

MAX_PAGE = 1000
MAX_RESTORE_METADATA = 200 * 1024
SHORTEST_START_WINDOW = timedelta(minutes=60)
_EFS_ARN = re.compile(r"arn:[\w-]+:elasticfilesystem:[\w-]+:\d{12}:file-system/[\w-]+")
_VAULT_ARN = re.compile(r"arn:[\w-]+:backup:(?P<region>[\w-]+):\d{12}:backup-vault:(?P<name>[\w-]+)")
_ROLE_ARN = re.compile(r"arn:[\w-]+:iam::\d{12}:role/\S+")


def not_found(message: str) -> BackupClientError:
    return BackupClientError("ResourceNotFoundException", message)


def invalid_value(message: str) -> BackupClientError:
    return BackupClientError("InvalidParameterValueException", message)


def invalid_request(message: str) -> BackupClientError:
    return BackupClientError("InvalidRequestException", message)


def required(params: dict[str, Any], *names: str) -> None:
    for name in names:
        if not params.get(name):
            raise BackupClientError("MissingParameterValueException", f"Required parameter {name} is missing.")


def backup_request(params: dict[str, Any], vault: Vault, efs: EFSBackend) -> BackupRequest:
    """A StartBackupJob into `vault`."""
    required(params, "BackupVaultName", "ResourceArn", "IamRoleArn")
    window = params.get("StartWindowMinutes")
    if window is not None and timedelta(minutes=window) < SHORTEST_START_WINDOW:
        raise invalid_value(f"StartWindowMinutes must be at least 60 minutes, not {window}.")
    file_system = _file_system_of(params["ResourceArn"], efs)
    return BackupRequest(
        vault=vault.backup_vault_name,
        vault_arn=vault.backup_vault_arn,
        resource_arn=file_system.file_system_arn,
        resource_name=file_system.info_json()["Name"],
        role_arn=_role(params["IamRoleArn"]),
        start_window=timedelta(hours=8) if window is None else timedelta(minutes=window),
        lifecycle=dict(params.get("Lifecycle") or {}),
        tags=dict(params.get("RecoveryPointTags") or {}),
    )


def copy_request(
    params: dict[str, Any], point: RecoveryPoint, backend_of: Callable[[str], BackupBackend]
) -> CopyRequest:
    """A StartCopyJob of `point`; `backend_of`: the vaults of a region."""
    required(params, "DestinationBackupVaultArn", "IamRoleArn")
    arn = params["DestinationBackupVaultArn"]
    named = _VAULT_ARN.fullmatch(arn)
    if not named:
        raise invalid_value(f"Invalid ARN of a backup vault: {arn}")
    if arn == point.vault_arn:
        raise invalid_request("The destination vault is the vault of the recovery point.")
    vault = backend_of(named["region"]).vaults.get(named["name"])
    if vault is None or vault.backup_vault_arn != arn:
        raise not_found(f"Backup vault {arn} does not exist.")
    return CopyRequest(
        point=point,
        vault=vault.backup_vault_name,
        vault_arn=vault.backup_vault_arn,
        role_arn=_role(params["IamRoleArn"]),
        lifecycle=dict(params.get("Lifecycle") or {}),
    )


def restore_request(params: dict[str, Any], point: RecoveryPoint, efs: EFSBackend) -> RestoreRequest:
    """A StartRestoreJob of `point`, from the metadata AWS documents for EFS."""
    required(params, "Metadata", "IamRoleArn")
    metadata = params["Metadata"]
    if params.get("ResourceType", "EFS") != "EFS":
        raise invalid_value(f"ResourceType {params['ResourceType']} does not fit an EFS recovery point.")
    for name in ("file-system-id", "newFileSystem"):
        if not metadata.get(name):
            raise invalid_value(f"Restore metadata {name} is missing.")
    for name in ("newFileSystem", "Encrypted"):
        if metadata.get(name, "true").lower() not in ("true", "false"):
            raise invalid_value(f"Restore metadata {name} must be true or false, not {metadata[name]!r}.")
    if metadata.get("PerformanceMode", "generalPurpose") not in ("generalPurpose", "maxIO"):
        raise invalid_value("Restore metadata PerformanceMode must be generalPurpose or maxIO.")
    if metadata["newFileSystem"].lower() == "true":
        raise invalid_request("This emulator restores to an existing file system only: set newFileSystem to false.")
    file_system = _file_system(metadata["file-system-id"], efs)
    return RestoreRequest(
        point=point,
        role_arn=_role(params["IamRoleArn"]),
        file_system_id=file_system.file_system_id,
        file_system_arn=file_system.file_system_arn,
        # AWS documents both spellings.
        wanted=_items(metadata.get("ItemsToRestore", metadata.get("itemsToRestore"))),
    )


def page(items: Sequence[T], params: dict[str, Any]) -> tuple[list[T], str | None]:
    """The page that NextToken and MaxResults ask for, and the token of the next one."""
    size = params.get("MaxResults", MAX_PAGE)
    if not 1 <= size <= MAX_PAGE:
        raise invalid_value(f"MaxResults must be from 1 to {MAX_PAGE}, not {size}.")
    token = params.get("NextToken", "0")
    if not (token.isascii() and token.isdigit()):
        raise invalid_value("NextToken is invalid.")
    start = int(token)
    end = start + size
    return list(items[start:end]), str(end) if end < len(items) else None


def matching(items: Sequence[T], params: dict[str, Any], filters: dict[str, Callable[[T, Any], bool]]) -> list[T]:
    """The items that pass every filter that was asked for."""
    asked = [(passes, params[name]) for name, passes in filters.items() if params.get(name) is not None]
    return [item for item in items if all(passes(item, value) for passes, value in asked)]


def _file_system_of(resource_arn: str, efs: EFSBackend) -> FileSystem:
    if not _EFS_ARN.fullmatch(resource_arn):
        raise invalid_value(f"Invalid ARN of an EFS file system: {resource_arn}")
    file_system = _file_system(resource_arn.rpartition("/")[2], efs)
    if file_system.file_system_arn != resource_arn:
        raise not_found(f"Resource {resource_arn} does not exist.")
    return file_system


def _file_system(file_system_id: str, efs: EFSBackend) -> FileSystem:
    if file_system_id not in efs.file_systems_by_id:
        raise not_found(f"File system {file_system_id} does not exist.")
    return efs.file_systems_by_id[file_system_id]


def _role(role_arn: str) -> str:
    if not _ROLE_ARN.fullmatch(role_arn):
        raise invalid_value(f"Invalid ARN of an IAM role: {role_arn}")
    return role_arn


def _items(text: str | None) -> Wanted | None:
    if text is None:
        return None
    if len(text) > MAX_RESTORE_METADATA:
        raise invalid_value("Restore metadata is longer than 200 KB.")
    try:
        return wanted_paths(TypeAdapter(list[str]).validate_json(text))
    except ValueError as error:
        raise invalid_value(f"ItemsToRestore is not a JSON list of paths below the root: {error}") from None
