"""AWS Backup's jobs for EFS, as threads that really copy: the part of the service that moto lacks.

A backup job copies the folder that stands for a file system into a recovery point. A copy job copies a recovery
point into another vault. A restore job copies a recovery point into a new `aws-backup-restore_<datetime>` folder at
the root of a file system, never in place. States and their order are AWS's, but for one: a restore that had to leave
files out ends PARTIAL, which AWS's model has for backup and copy jobs only.
Jobs live in memory: what a killed server was doing is gone after a restart, and what it cut off left no recovery
point.
"""

from __future__ import annotations

import threading
import traceback
import uuid
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Generic, Literal, TypeVar

from devstack.aws.recovery_points import RecoveryPoint, RecoveryPoints
from devstack.aws.tree_copy import NotThere, Progress, Stopped, Wanted, copy_tree
from domain.clock import utc_now

RESTORE_PREFIX = "aws-backup-restore_"

BackupState = Literal["CREATED", "PENDING", "RUNNING", "ABORTING", "ABORTED", "COMPLETED", "FAILED", "EXPIRED"]
CopyState = Literal["CREATED", "RUNNING", "COMPLETED", "FAILED"]
RestoreState = Literal["PENDING", "RUNNING", "COMPLETED", "PARTIAL", "FAILED"]

_LOOK_EVERY = timedelta(seconds=0.05)


@dataclass(frozen=True)
class BackupRequest:
    """What a backup job is asked for."""

    vault: str
    vault_arn: str
    resource_arn: str
    resource_name: str
    role_arn: str
    start_window: timedelta = timedelta(hours=8)
    lifecycle: dict[str, int | bool | str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def file_system_id(self) -> str:
        return self.resource_arn.rpartition("/")[2]


@dataclass
class BackupJob:
    """One backup job. `arn` is of the recovery point that it will make."""

    id: str
    request: BackupRequest
    arn: str
    created_at: datetime
    state: BackupState = "CREATED"
    message: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None
    progress: Progress = field(default_factory=Progress)


@dataclass(frozen=True)
class CopyRequest:
    """What a copy job is asked for: a recovery point, and the vault that it is to be in as well."""

    point: RecoveryPoint
    vault: str
    vault_arn: str
    role_arn: str
    lifecycle: dict[str, int | bool | str] = field(default_factory=dict)


@dataclass
class CopyJob:
    """One copy job. `arn` is of the recovery point that it will make."""

    id: str
    request: CopyRequest
    arn: str
    created_at: datetime
    state: CopyState = "CREATED"
    message: str = ""
    finished_at: datetime | None = None
    progress: Progress = field(default_factory=Progress)


@dataclass(frozen=True)
class RestoreRequest:
    """What a restore job is asked for: all of a recovery point, or what is `wanted` of it."""

    point: RecoveryPoint
    role_arn: str
    file_system_id: str
    file_system_arn: str
    wanted: Wanted | None


@dataclass
class RestoreJob:
    """One restore job."""

    id: str
    request: RestoreRequest
    created_at: datetime
    state: RestoreState = "PENDING"
    message: str = ""
    finished_at: datetime | None = None
    progress: Progress = field(default_factory=Progress)


class TokenReused(Exception):
    """An idempotency token came again with other parameters."""


Request = BackupRequest | CopyRequest | RestoreRequest
J = TypeVar("J", BackupJob, CopyJob, RestoreJob)


class _Tokens(Generic[J]):
    """Idempotency tokens: the same token and request start a job once, however often they come."""

    def __init__(self) -> None:
        self._jobs: dict[str, J] = {}
        self._lock = threading.Lock()

    def once(self, token: str | None, request: Request, start: Callable[[], J]) -> J:
        if token is None:
            return start()
        with self._lock:
            if token not in self._jobs:
                self._jobs[token] = start()
            elif self._jobs[token].request != request:
                raise TokenReused(f"idempotency token {token!r} was used with other parameters")
            return self._jobs[token]


class Jobs:
    """Runs backup, copy and restore jobs over `file_systems`, the folder that stands for each file system id."""

    def __init__(self, file_systems: Mapping[str, Path], points: RecoveryPoints) -> None:
        self.file_systems = file_systems
        self.points = points
        self.backups: dict[str, BackupJob] = {}
        self.copies: dict[str, CopyJob] = {}
        self.restores: dict[str, RestoreJob] = {}
        self._passed = timedelta(0)
        self._one_backup_at_a_time: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._ending = threading.Lock()
        self._backup_tokens: _Tokens[BackupJob] = _Tokens()
        self._copy_tokens: _Tokens[CopyJob] = _Tokens()
        self._restore_tokens: _Tokens[RestoreJob] = _Tokens()

    def let_pass(self, span: timedelta) -> None:
        """For start windows it is `span` later from now on."""
        self._passed += span

    def start_backup(self, request: BackupRequest, token: str | None = None) -> BackupJob:
        """Start a backup job, or find the one that `token` started.

        Raises:
            TokenReused: `token` started a job with another request.
        """
        return self._backup_tokens.once(token, request, lambda: self._new_backup(request))

    def start_copy(self, request: CopyRequest, token: str | None = None) -> CopyJob:
        """Start a copy job, or find the one that `token` started.

        Raises:
            TokenReused: `token` started a job with another request.
        """
        return self._copy_tokens.once(token, request, lambda: self._new_copy(request))

    def start_restore(self, request: RestoreRequest, token: str | None = None) -> RestoreJob:
        """Start a restore job, or find the one that `token` started.

        Raises:
            TokenReused: `token` started a job with another request.
        """
        return self._restore_tokens.once(token, request, lambda: self._new_restore(request))

    def stop_backup(self, job: BackupJob) -> bool:
        """Ask `job` to stop; False when it has ended already."""
        with self._ending:
            if job.finished_at is not None:
                return False
            job.state = "ABORTING"
            job.progress.stop.set()
            return True

    def _new_backup(self, request: BackupRequest) -> BackupJob:
        job = BackupJob(str(uuid.uuid4()).upper(), request, _new_arn(request.vault_arn), utc_now())
        self.backups[job.id] = job
        threading.Thread(target=self._back_up, args=(job,), name=f"backup-{job.id}", daemon=True).start()
        return job

    def _new_copy(self, request: CopyRequest) -> CopyJob:
        job = CopyJob(str(uuid.uuid4()).upper(), request, _new_arn(request.vault_arn), utc_now())
        self.copies[job.id] = job
        threading.Thread(target=self._copy, args=(job,), name=f"copy-{job.id}", daemon=True).start()
        return job

    def _new_restore(self, request: RestoreRequest) -> RestoreJob:
        job = RestoreJob(str(uuid.uuid4()).upper(), request, utc_now())
        self.restores[job.id] = job
        threading.Thread(target=self._restore, args=(job,), name=f"restore-{job.id}", daemon=True).start()
        return job

    def _back_up(self, job: BackupJob) -> None:
        turn = self._one_backup_at_a_time[job.request.file_system_id]
        self._advance(job, "PENDING")
        if not self._acquired(turn, job.created_at + job.request.start_window):
            self._end_backup(job, "EXPIRED", "There was a running job for the same resource. Job expired.")
            return
        try:
            job.started_at = utc_now()
            self._advance(job, "RUNNING")
            self._copy_into_point(job)
        except Stopped:
            self._end_backup(job, "ABORTED", "Backup job was stopped by user.")
        except Exception as error:
            traceback.print_exc()
            self._end_backup(job, "FAILED", f"Backup job failed: {_cause(error)}")
        finally:
            turn.release()

    def _acquired(self, turn: threading.Lock, until: datetime) -> bool:
        while not turn.acquire(timeout=_LOOK_EVERY.total_seconds()):
            if utc_now() + self._passed >= until:
                return False
        return True

    def _copy_into_point(self, job: BackupJob) -> None:
        request = job.request
        with self.points.half_copy(_point_id(job.arn)) as half:
            copy_tree(self._folder(request.file_system_id), half, job.progress, leave_out=_is_restore)
            with self._ending:
                if job.progress.stop.is_set():
                    raise Stopped
                point = RecoveryPoint(
                    id=_point_id(job.arn),
                    arn=job.arn,
                    vault=request.vault,
                    vault_arn=request.vault_arn,
                    resource_arn=request.resource_arn,
                    resource_name=request.resource_name,
                    role_arn=request.role_arn,
                    created_at=job.created_at,
                    completed_at=utc_now(),
                    size_bytes=job.progress.done,
                    lifecycle=request.lifecycle,
                    tags=request.tags,
                )
                self.points.keep(point)
                job.finished_at, job.state = point.completed_at, "COMPLETED"

    def _copy(self, job: CopyJob) -> None:
        request = job.request
        try:
            job.state = "RUNNING"
            with self.points.half_copy(_point_id(job.arn)) as half:
                copy_tree(self.points.copy_of(request.point), half, job.progress)
                copied = {
                    "id": _point_id(job.arn),
                    "arn": job.arn,
                    "vault": request.vault,
                    "vault_arn": request.vault_arn,
                    "role_arn": request.role_arn,
                    "created_at": job.created_at,
                    "completed_at": utc_now(),
                    "lifecycle": request.lifecycle,
                }
                self.points.keep(request.point.model_copy(update=copied))
            job.finished_at, job.state = utc_now(), "COMPLETED"
        except Exception as error:
            traceback.print_exc()
            job.message = f"Copy job failed: {_cause(error)}"
            job.finished_at, job.state = utc_now(), "FAILED"

    def _restore(self, job: RestoreJob) -> None:
        request = job.request
        misses: dict[str, OSError] = {}
        try:
            job.state = "RUNNING"
            root = self._folder(request.file_system_id)
            target = root / f"{RESTORE_PREFIX}{utc_now():%Y-%m-%dT%H-%M-%S-%fZ}"
            target.mkdir(mode=0o700)
            copy_tree(self.points.copy_of(request.point), target, job.progress, wanted=request.wanted, misses=misses)
            if misses:
                told = ", ".join(f"{path} ({error.strerror})" for path, error in list(misses.items())[:5])
                job.message = f"{len(misses)} items could not be restored: {told}"
            job.finished_at, job.state = utc_now(), "PARTIAL" if misses else "COMPLETED"
        except Exception as error:
            traceback.print_exc()
            job.message = f"Restore job failed: {_cause(error)}"
            job.finished_at, job.state = utc_now(), "FAILED"

    def _folder(self, file_system_id: str) -> Path:
        try:
            return self.file_systems[file_system_id]
        except KeyError:
            raise NotThere(f"no folder stands for {file_system_id}") from None

    def _advance(self, job: BackupJob, state: BackupState) -> None:
        with self._ending:
            if not job.progress.stop.is_set():
                job.state = state

    def _end_backup(self, job: BackupJob, state: BackupState, message: str) -> None:
        with self._ending:
            job.message, job.finished_at, job.state = message, utc_now(), state


def _new_arn(vault_arn: str) -> str:
    return f"{vault_arn.rpartition(':backup-vault:')[0]}:recovery-point:{uuid.uuid4()}"


def _point_id(arn: str) -> str:
    return arn.rpartition(":")[2]


def _is_restore(name: str) -> bool:
    return name.startswith(RESTORE_PREFIX)


def _cause(error: Exception) -> str:
    if isinstance(error, NotThere):
        return f"not found: {error}"
    if isinstance(error, OSError):
        return f"{error.strerror}: {error.filename}" if error.filename else str(error.strerror)
    return type(error).__name__
