"""A home out of a snapshot: a restore job of AWS Backup, into a folder of its own beside everything.

AWS never restores in place. It makes a folder `aws-backup-restore_<time>` at the root of the file system with the
path of what was asked for in it, and does not tell its name: it is the one that was not there before.
"""

from __future__ import annotations

import json
import os
import stat
import time
import uuid
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from domain.errors import Failed
from domain.recovery import Snapshot
from environments.settings import AwsSettings, HomesSettings
from systems.aws import aws_errors
from systems.snapshots.jobs import Listener, backup_client, wait_for_job

RESTORE_PREFIX = "aws-backup-restore_"

_SEEN_WITHIN = timedelta(seconds=90)  # an NFS client may show a folder as it was for a minute
_LOOK_EVERY = timedelta(seconds=1)


@dataclass(frozen=True)
class HomeRestore:
    """A restore job that was started. `before`: the restore folders that were there already."""

    job_id: str
    home: str
    before: frozenset[str]


def start_home_restore(aws: AwsSettings, homes: HomesSettings, snapshot: Snapshot, home: str) -> HomeRestore:
    """Start the restore of the folder `home` below `user-data`; each call starts a new one.

    Raises:
        Refused: the snapshot is unknown, or AWS refuses the request.
        Unreachable: AWS did not answer, or asks to come back later.
    """
    client = backup_client(aws)
    token = str(uuid.uuid4())  # the client tries again by itself: that must not start a second job
    before = frozenset(_restore_folders(homes))
    with aws_errors(aws, f"restore of {home} from {snapshot.recovery_point_arn}"):
        told = client.get_recovery_point_restore_metadata(
            BackupVaultName=snapshot.vault, RecoveryPointArn=snapshot.recovery_point_arn
        )
        job = client.start_restore_job(
            RecoveryPointArn=snapshot.recovery_point_arn,
            Metadata={
                **told["RestoreMetadata"],
                "file-system-id": homes.file_system_id,
                "newFileSystem": "false",
                "CreationToken": token,
                "ItemsToRestore": json.dumps([f"/{homes.user_data.name}/{home}"]),
            },
            IamRoleArn=aws.backup_role_arn,
            IdempotencyToken=token,
            ResourceType="EFS",
        )
    return HomeRestore(job["RestoreJobId"], home, before)


def wait_for_home_restore(
    aws: AwsSettings,
    homes: HomesSettings,
    restore: HomeRestore,
    *,
    deadline: timedelta,
    on_progress: Listener | None = None,
) -> Path:
    """Wait until the job has restored the whole home; the restore folder that holds `user-data/<home>`.

    Raises:
        Failed: the job did not restore all of it, goes on beyond `deadline`, or its folder is not to be found. The
            message says what lies where.
        Refused: there is no such job.
        Unreachable: AWS did not answer, or asks to come back later; the job goes on.
    """
    client = backup_client(aws)
    _, look = wait_for_job(
        aws,
        "restore",
        restore.job_id,
        lambda: client.describe_restore_job(RestoreJobId=restore.job_id),
        deadline=deadline,
        on_progress=on_progress,
    )
    if look.state != "COMPLETED":
        left = ", ".join(str(homes.mount_point / name) for name in sorted(_restore_folders(homes) - restore.before))
        raise Failed(
            look.thing,
            f"{look.end.rstrip('.')}. The home is untouched; "
            + (f"new since the job began: {left}" if left else "the job left nothing"),
            "correct the cause or choose another snapshot and run again"
            + ("; remove what it left once you have looked at it" if left else ""),
        )
    return _folder_of(homes, restore, look.thing)


def _folder_of(homes: HomesSettings, restore: HomeRestore, thing: str) -> Path:
    give_up = time.monotonic() + _SEEN_WITHIN.total_seconds()
    while True:
        new = [homes.mount_point / name for name in sorted(_restore_folders(homes) - restore.before)]
        found = [folder for folder in new if os.path.lexists(folder / homes.user_data.name / restore.home)]
        if len(found) == 1:
            return found[0]
        if found:
            raise Failed(
                thing,
                f"which folder is its own is not known, two restores of this home ran at once: "
                f"{', '.join(map(str, found))}. The home is untouched",
                "remove them and run again, one at a time",
            )
        if time.monotonic() > give_up:
            raise Failed(
                thing,
                f"it is COMPLETED, but no new folder {RESTORE_PREFIX}… below {homes.mount_point} holds "
                f"{homes.user_data.name}/{restore.home}. The home is untouched",
                "run it where the root of the file system is mounted, as root",
            )
        time.sleep(_LOOK_EVERY.total_seconds())


def _restore_folders(homes: HomesSettings) -> set[str]:
    with os.scandir(homes.mount_point) as entries:
        return {
            entry.name
            for entry in entries
            if entry.name.startswith(RESTORE_PREFIX) and stat.S_ISDIR(entry.stat(follow_symlinks=False).st_mode)
        }
