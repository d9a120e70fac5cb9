"""Reading the logs as tasks, and what is kept of it: the record first, the cursor after it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote, urlsplit

from prefect import task
from prefect.cache_policies import NO_CACHE
from pydantic import BaseModel, SecretStr

from domain.errors import RiskhubError
from domain.health import Finding
from domain.logs import Category, LogCursor, LoggedMessage, Reading
from domain.record import Record
from environments import Environment
from plans.log_watch import Tally
from systems import logs
from systems.cluster.connection import connect
from tasks.retries import while_unreachable

_SHORTEST_SECRET = 6


@dataclass(frozen=True)
class LogsRead:
    """What one run read: by channel how far, and what it counted."""

    files: Reading
    pods: Reading
    events: Reading
    groups: Reading
    counts: dict[Category, int]
    logged: tuple[LoggedMessage, ...]
    counted: dict[str, tuple[str, float]]

    @property
    def readings(self) -> tuple[Reading, ...]:
        return self.files, self.pods, self.events, self.groups


@task(name="read-log-cursor", cache_policy=NO_CACHE, **while_unreachable(1, 3, 9))
def read_log_cursor(env: Environment) -> LogCursor | None:
    """How far the logs were read; None before the first run."""
    return logs.read_cursor(env.objects)


@task(name="read-logs", cache_policy=NO_CACHE)
def read_logs(env: Environment, cursor: LogCursor | None, since: datetime, now: datetime) -> LogsRead:
    """Every log from the cursor on, each within its own deadline; without a cursor what was written `since` then.

    What cannot be read is told and waits; it is not tried again, since the next run comes soon.
    """
    known = cursor or LogCursor(at=since)
    tally = Tally(
        now=now,
        since=None if cursor else since,
        zone=now.astimezone().tzinfo or UTC,
        secrets=tuple(secrets_of(env)),
        counted=dict(known.counted),
    )
    files = logs.read_files(env.logs.folder, known.files, tally.take) if env.logs.folder else Reading()
    pods, events = _read_cluster(env, known, tally, since)
    groups = logs.read_groups(env.aws, env.logs.groups, known.groups, tally.take, since=since, now=now)
    return LogsRead(files, pods, events, groups, dict(tally.counts), tally.logged(), tally.remembered())


def cursor_after(read: LogsRead, before: LogCursor | None, **learnt: Any) -> LogCursor:
    """Where the next run goes on."""
    return LogCursor(
        turn=before.turn + 1 if before else 1,
        files=read.files.cursor,
        pods=read.pods.cursor,
        events=read.events.cursor,
        groups=read.groups.cursor,
        counted=read.counted,
        **learnt,
    )


def moving(env: Environment, before: LogCursor | None, cursor: LogCursor) -> Callable[[Record], Record]:
    """Moves the cursor once the record is in the bucket; where that fails the record says that its lines come again."""

    def move(kept: Record) -> Record:
        if not kept.links.get("evidence", "").startswith("s3://"):
            return _not_moved(kept, "its record is not in the bucket", "once the bucket answers nothing has to be done")
        try:
            move_log_cursor(env, cursor, before.turn if before else 0)
        except RiskhubError as error:
            return _not_moved(kept, f"{error.thing}: {error.cause}", error.next_step)
        return kept

    return move


@task(name="move-log-cursor", cache_policy=NO_CACHE, **while_unreachable(1, 3, 9))
def move_log_cursor(env: Environment, cursor: LogCursor, turn: int) -> None:
    """Keep the cursor, unless another run moved it."""
    logs.move_cursor(env.objects, cursor, turn=turn)


def secrets_of(settings: BaseModel) -> Iterator[str]:
    """Every secret in the settings, and the passwords in their URLs: none of them belongs into a sample."""
    for _, value in settings:
        if isinstance(value, SecretStr):
            plain = value.get_secret_value()
            password = unquote(urlsplit(plain).password or "") if "://" in plain else ""
            yield from (each for each in (plain, password) if len(each) >= _SHORTEST_SECRET)
        elif isinstance(value, BaseModel):
            yield from secrets_of(value)


def _read_cluster(env: Environment, known: LogCursor, tally: Tally, since: datetime) -> tuple[Reading, Reading]:
    if env.cluster is None:
        return Reading(), Reading()
    events = known.events if tally.since is None else None
    try:
        return logs.read_cluster(connect(env.cluster), known.pods, events, tally.take, since=since)
    except RiskhubError as error:
        unread = Reading(cursor=known.pods, unread=[f"{error.thing} ({error.cause})"])
        return unread, Reading(cursor=known.events)


def _not_moved(kept: Record, why: str, next_step: str) -> Record:
    seen = f"the cursor was not moved, the next run counts these lines again: {why}"
    finding = Finding("log-cursor", "failed", seen, next_step, kind="log-unread")
    state = "partial" if kept.state == "complete" else kept.state
    return kept.model_copy(update={"state": state, "findings": (*kept.findings, finding)})
