"""Jobs of AWS Backup, and waiting until one has ended: the same for backups, copies and restores."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import boto3

from domain.errors import Failed
from environments.settings import AwsSettings
from systems.aws import aws_errors, client_options, command_options

if TYPE_CHECKING:
    from mypy_boto3_backup import BackupClient

FIRST_PAUSE = timedelta(seconds=0.2)
LONGEST_PAUSE = timedelta(seconds=5)

Kind = Literal["backup", "copy", "restore"]
Job = TypeVar("Job", bound=Mapping[str, Any])

_ENDED = ("COMPLETED", "ABORTED", "FAILED", "EXPIRED", "PARTIAL")


@dataclass(frozen=True)
class Look:
    """A job as it was seen once. `percent`: done, 0 to 100; AWS tells none of copies, which stay at 0 until the end."""

    thing: str
    state: str
    percent: float
    message: str

    @property
    def words(self) -> str:
        return f"{self.thing} is {self.state} at {self.percent:.0f} %"

    @property
    def end(self) -> str:
        return f"ended {self.state}: {self.message or 'AWS gives no reason'}"


Listener = Callable[[Look], None]


def wait_for_job(
    aws: AwsSettings,
    kind: Kind,
    job_id: str,
    describe: Callable[[], Job],
    *,
    deadline: timedelta,
    on_progress: Listener | None,
) -> tuple[Job, Look]:
    """Wait until a job has ended, well or badly; may be called again for the same job.

    Args:
        describe: asks AWS for the job.
        on_progress: told at every look.

    Raises:
        Failed: the job goes on beyond `deadline`.
        Refused: there is no such job.
        Unreachable: AWS did not answer, or asks to come back later; the job goes on.
    """
    thing = f"{kind} job {job_id}"
    give_up = time.monotonic() + deadline.total_seconds()
    pause = FIRST_PAUSE.total_seconds()
    while True:
        with aws_errors(aws, thing):
            job = describe()
        look = _look(thing, job)
        if on_progress:
            on_progress(look)
        if look.state in _ENDED:
            return job, look
        left = give_up - time.monotonic()
        if left <= 0:
            raise Failed(
                thing,
                f"is {look.state} at {look.percent:.0f} % after {deadline.total_seconds():.0f} s; AWS goes on with it",
                f"look again with: aws backup describe-{kind}-job --{kind}-job-id {job_id} {command_options(aws)}",
            )
        time.sleep(min(pause, left))
        pause = min(pause * 1.5, LONGEST_PAUSE.total_seconds())


def backup_client(aws: AwsSettings) -> BackupClient:
    return boto3.session.Session().client("backup", **client_options(aws))


def _look(thing: str, job: Mapping[str, Any]) -> Look:
    state = job.get("State") or job["Status"]  # restore jobs have a status where the others have a state
    percent = 100.0 if state == "COMPLETED" else float((job.get("PercentDone") or "0").rstrip("%"))
    return Look(thing, state, percent, job.get("StatusMessage") or "")
