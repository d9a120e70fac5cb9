"""AWS Backup over moto's: vaults and plans are moto's; jobs, recovery points and selections are ours.

moto picks the method by the operation's name, and parses and serializes by botocore's own model.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar

from moto.backup.models import Vault, backup_backends
from moto.backup.responses import BackupResponse
from moto.core.responses import ActionResult, EmptyResult
from moto.efs.models import EFSBackend, efs_backends

from devstack.aws import shapes
from devstack.aws.jobs import BackupJob, Jobs, RestoreJob, TokenReused
from devstack.aws.recovery_points import RecoveryPoint
from devstack.aws.requests import (
    backup_request,
    copy_request,
    invalid_request,
    invalid_value,
    matching,
    not_found,
    page,
    required,
    restore_request,
)
from devstack.aws.selections import Selections


class BackupApi(BackupResponse):
    """One request; `jobs` and `selections` are the whole server's."""

    jobs: ClassVar[Jobs]
    selections: ClassVar[Selections]

    # Backup jobs

    def start_backup_job(self) -> ActionResult:
        params = self._input()
        required(params, "BackupVaultName")
        request = backup_request(params, self._vault(params["BackupVaultName"]), self._efs)
        try:
            job = self.jobs.start_backup(request, params.get("IdempotencyToken"))
        except TokenReused as error:
            raise invalid_value(str(error)) from None
        self.backup_backend.tag_resource(job.arn, request.tags)
        return ActionResult(
            {
                "BackupJobId": job.id,
                "RecoveryPointArn": job.arn,
                "CreationDate": job.created_at,
                "IsParent": False,
            }
        )

    def describe_backup_job(self) -> ActionResult:
        return ActionResult(shapes.backup_job(self._backup_job(), self.current_account))

    def list_backup_jobs(self) -> ActionResult:
        params = self._input()
        jobs = matching(
            list(reversed(self.jobs.backups.values())),
            params,
            {
                "ByState": lambda job, state: job.state == state,
                "ByResourceArn": lambda job, arn: job.request.resource_arn == arn,
                "ByBackupVaultName": lambda job, name: job.request.vault == name,
                "ByResourceType": lambda job, kind: kind == "EFS",
                "ByAccountId": lambda job, account: account in ("*", self.current_account),
                "ByCreatedAfter": lambda job, moment: job.created_at > moment,
                "ByCreatedBefore": lambda job, moment: job.created_at < moment,
                "ByCompleteAfter": lambda job, moment: job.finished_at is not None and job.finished_at > moment,
                "ByCompleteBefore": lambda job, moment: job.finished_at is not None and job.finished_at < moment,
            },
        )
        shown, token = page(jobs, params)
        return _list("BackupJobs", [shapes.backup_job(job, self.current_account) for job in shown], token)

    def stop_backup_job(self) -> EmptyResult:
        job = self._backup_job()
        if not self.jobs.stop_backup(job):
            raise invalid_request(f"Backup job {job.id} is in state {job.state} and cannot be stopped.")
        return EmptyResult()

    # Recovery points

    def list_recovery_points_by_backup_vault(self) -> ActionResult:
        params = self._input()
        vault = self._vault(params["BackupVaultName"])
        points = matching(
            [point for point in self.jobs.points.newest_first() if point.vault_arn == vault.backup_vault_arn],
            params,
            {
                "ByResourceArn": lambda point, arn: point.resource_arn == arn,
                "ByResourceType": lambda point, kind: kind == "EFS",
                "ByCreatedAfter": lambda point, moment: point.created_at > moment,
                "ByCreatedBefore": lambda point, moment: point.created_at < moment,
            },
        )
        shown, token = page(points, params)
        return _list("RecoveryPoints", [shapes.recovery_point(point) for point in shown], token)

    def list_recovery_points_by_resource(self) -> ActionResult:
        params = self._input()
        here = {vault.backup_vault_arn for vault in self.backup_backend.list_backup_vaults()}
        points = [
            point
            for point in self.jobs.points.newest_first()
            if point.resource_arn == params["ResourceArn"] and point.vault_arn in here
        ]
        shown, token = page(points, params)
        return _list("RecoveryPoints", [shapes.recovery_point_of_resource(point) for point in shown], token)

    def describe_recovery_point(self) -> ActionResult:
        return ActionResult(shapes.recovery_point(self._recovery_point()))

    def get_recovery_point_restore_metadata(self) -> ActionResult:
        point = self._recovery_point()
        return ActionResult(
            {
                "BackupVaultArn": point.vault_arn,
                "RecoveryPointArn": point.arn,
                "RestoreMetadata": shapes.restore_metadata(point),
                "ResourceType": "EFS",
            }
        )

    def delete_recovery_point(self) -> EmptyResult:
        vault = self._vault(self._input()["BackupVaultName"])
        if vault.locked:
            raise invalid_request(f"Backup vault {vault.backup_vault_name} is locked: what is in it cannot be deleted.")
        self.jobs.points.remove(self._recovery_point())
        return EmptyResult()

    # Copy jobs

    def start_copy_job(self) -> ActionResult:
        params = self._input()
        required(params, "SourceBackupVaultName", "RecoveryPointArn")
        point = self._point_in(params["SourceBackupVaultName"], params["RecoveryPointArn"])
        backends = backup_backends[self.current_account]
        request = copy_request(params, point, lambda region: backends[region])
        try:
            job = self.jobs.start_copy(request, params.get("IdempotencyToken"))
        except TokenReused as error:
            raise invalid_value(str(error)) from None
        backends[request.vault_arn.split(":")[3]].tag_resource(job.arn, point.tags)
        return ActionResult({"CopyJobId": job.id, "CreationDate": job.created_at, "IsParent": False})

    def describe_copy_job(self) -> ActionResult:
        job_id = self._input()["CopyJobId"]
        job = self.jobs.copies.get(job_id)
        if job is None:
            raise not_found(f"Copy job {job_id} does not exist.")
        return ActionResult({"CopyJob": shapes.copy_job(job, self.current_account)})

    # Restore jobs

    def start_restore_job(self) -> ActionResult:
        params = self._input()
        required(params, "RecoveryPointArn")
        point = self.jobs.points.find(params["RecoveryPointArn"])
        if point is None:
            raise not_found(f"Recovery point {params['RecoveryPointArn']} does not exist.")
        try:
            job = self.jobs.start_restore(restore_request(params, point, self._efs), params.get("IdempotencyToken"))
        except TokenReused as error:
            raise invalid_value(str(error)) from None
        return ActionResult({"RestoreJobId": job.id})

    def describe_restore_job(self) -> ActionResult:
        job_id = self._input()["RestoreJobId"]
        job = self.jobs.restores.get(job_id)
        if job is None:
            raise not_found(f"Restore job {job_id} does not exist.")
        return ActionResult(shapes.restore_job(job, self.current_account))

    def list_restore_jobs(self) -> ActionResult:
        params = self._input()
        jobs: list[RestoreJob] = matching(
            list(reversed(self.jobs.restores.values())),
            params,
            {
                "ByStatus": lambda job, state: job.state == state,
                "ByResourceType": lambda job, kind: kind == "EFS",
                "ByAccountId": lambda job, account: account in ("*", self.current_account),
                "ByCreatedAfter": lambda job, moment: job.created_at > moment,
                "ByCreatedBefore": lambda job, moment: job.created_at < moment,
                "ByCompleteAfter": lambda job, moment: job.finished_at is not None and job.finished_at > moment,
                "ByCompleteBefore": lambda job, moment: job.finished_at is not None and job.finished_at < moment,
            },
        )
        shown, token = page(jobs, params)
        return _list("RestoreJobs", [shapes.restore_job(job, self.current_account) for job in shown], token)

    # Vaults: what moto says of them, with their recovery points counted

    def describe_backup_vault(self) -> ActionResult:
        vault = self._vault(self._input()["BackupVaultName"])
        return ActionResult({**vault.to_list_dict(), "NumberOfRecoveryPoints": self._count(vault)})

    def list_backup_vaults(self) -> ActionResult:  # type: ignore[override]  # moto's dispatch takes both
        shown, token = page(self.backup_backend.list_backup_vaults(), self._input())
        vaults = [{**vault.to_list_dict(), "NumberOfRecoveryPoints": self._count(vault)} for vault in shown]
        return _list("BackupVaultList", vaults, token)

    def delete_backup_vault(self) -> EmptyResult:
        vault = self._vault(self._input()["BackupVaultName"])
        if self._count(vault):
            raise invalid_request(f"Backup vault {vault.backup_vault_name} cannot be deleted: it has recovery points.")
        return super().delete_backup_vault()

    # Backup selections

    def create_backup_selection(self) -> ActionResult:
        params = self._input()
        self._require_plan(params["BackupPlanId"])
        return ActionResult(self.selections.create(params).identity())

    def get_backup_selection(self) -> ActionResult:
        params = self._input()
        return ActionResult(self.selections.find(params["BackupPlanId"], params["SelectionId"]).whole())

    def list_backup_selections(self) -> ActionResult:
        params = self._input()
        self._require_plan(params["BackupPlanId"])
        shown, token = page(self.selections.of_plan(params["BackupPlanId"]), params)
        return _list("BackupSelectionsList", [selection.summary() for selection in shown], token)

    def delete_backup_selection(self) -> EmptyResult:
        params = self._input()
        self.selections.delete(params["BackupPlanId"], params["SelectionId"])
        return EmptyResult()

    def _input(self) -> dict[str, Any]:
        self.parse_parameters(self.normalized_request)
        # moto reads times as UTC without saying so.
        return {
            name: value.replace(tzinfo=UTC) if isinstance(value, datetime) else value
            for name, value in self.params.items()
        }

    @property
    def _efs(self) -> EFSBackend:
        return efs_backends[self.current_account][self.region]

    def _vault(self, name: str) -> Vault:
        if name not in self.backup_backend.vaults:
            raise not_found(f"Backup vault {name} does not exist.")
        return self.backup_backend.vaults[name]

    def _count(self, vault: Vault) -> int:
        return sum(point.vault_arn == vault.backup_vault_arn for point in self.jobs.points.newest_first())

    def _backup_job(self) -> BackupJob:
        job_id = self._input()["BackupJobId"]
        job = self.jobs.backups.get(job_id)
        if job is None:
            raise not_found(f"Backup job {job_id} does not exist.")
        return job

    def _recovery_point(self) -> RecoveryPoint:
        params = self._input()
        return self._point_in(params["BackupVaultName"], params["RecoveryPointArn"])

    def _point_in(self, vault_name: str, arn: str) -> RecoveryPoint:
        vault = self._vault(vault_name)
        point = self.jobs.points.find(arn)
        if point is None or point.vault_arn != vault.backup_vault_arn:
            raise not_found(f"Recovery point {arn} does not exist.")
        return point

    def _require_plan(self, plan_id: str) -> None:
        plan = self.backup_backend.plans.get(plan_id)
        if plan is None or plan.deletion_date is not None:
            raise invalid_value(f"Backup plan {plan_id} does not exist.")


def _list(name: str, items: list[shapes.Members], token: str | None) -> ActionResult:
    return ActionResult({name: items} if token is None else {name: items, "NextToken": token})
