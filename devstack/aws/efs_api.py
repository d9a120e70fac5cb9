"""EFS over moto's: the backup policy can be set, and is told back as it was set (Terraform reads it)."""

from __future__ import annotations

from typing import ClassVar

from moto.core.responses import ActionResult
from moto.efs.exceptions import BadRequest, FileSystemNotFound
from moto.efs.responses import EFSResponse

STATUSES = ("ENABLED", "DISABLED")


class EfsApi(EFSResponse):
    """One request; `policies` are the whole server's: the status by file system id."""

    policies: ClassVar[dict[str, str]] = {}

    def put_backup_policy(self) -> ActionResult:
        file_system_id = self._known_file_system()
        status = (self._get_param("BackupPolicy") or {}).get("Status")
        if status not in STATUSES:
            raise BadRequest(f"BackupPolicy.Status must be one of {', '.join(STATUSES)}.")
        self.policies[file_system_id] = status
        return ActionResult({"BackupPolicy": {"Status": status}})

    def describe_backup_policy(self) -> ActionResult:  # type: ignore[override]  # moto's dispatch takes both
        file_system_id = self._known_file_system()
        if file_system_id not in self.policies:
            return ActionResult({"BackupPolicy": self.efs_backend.describe_backup_policy(file_system_id)})
        return ActionResult({"BackupPolicy": {"Status": self.policies[file_system_id]}})

    def _known_file_system(self) -> str:
        file_system_id = str(self._get_param("FileSystemId"))
        if file_system_id not in self.efs_backend.file_systems_by_id:
            raise FileSystemNotFound(file_system_id)
        return file_system_id
