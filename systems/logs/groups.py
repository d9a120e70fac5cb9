"""CloudWatch log groups.

Events arrive late and out of order, so each run reads the minutes before its cursor once more; those counted already
are known by their ids, which the caller keeps. What one run does not get through goes on from CloudWatch's own token.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3

from domain.errors import RiskhubError
from domain.logs import Origin, Program, Reading, Take
from environments.settings import AwsSettings
from systems.aws import aws_errors, client_options

OVERLAP = timedelta(minutes=30)  # agents send within seconds, and after an outage what they held
DEADLINE = timedelta(seconds=120)  # of all groups together
PAGE = 10_000  # events, as many as there can be

# As agents that collect the output of containers write an event: the line, and whose it is.
_CONTAINERS: Mapping[str, tuple[Program, ...]] = {"hub": ("hub",), "proxy": ("proxy",), "notebook": ("server",)}
_ANY: tuple[Program, ...] = ("hub", "proxy", "server", "database")


def read_groups(
    aws: AwsSettings,
    groups: Sequence[str],
    cursor: Mapping[str, Any],
    take: Take,
    *,
    since: datetime,
    now: datetime,
    page: int = PAGE,
    deadline: timedelta = DEADLINE,
) -> Reading:
    """Every group from its cursor on, or from `since` where it has none, up to `now`.

    A group that cannot be read is told in the reading, and its cursor stays.
    """
    reading = Reading(cursor={name: cursor[name] for name in groups if name in cursor})
    if not groups:
        return reading
    client = boto3.session.Session().client("logs", **client_options(aws))
    reader = _Groups(client, aws, take, reading, _milliseconds(now), page, time.monotonic() + deadline.total_seconds())
    for name in groups:
        try:
            reading.cursor[name] = reader.read(name, cursor.get(name) or {"until": _milliseconds(since)})
        except RiskhubError as error:
            reading.unread.append(f"{error.thing} ({error.cause})")
            continue
        reading.sources += 1
    return reading


@dataclass(frozen=True)
class _Groups:
    client: Any
    aws: AwsSettings
    take: Take
    reading: Reading
    now: int
    page: int
    give_up: float

    def read(self, name: str, known: Mapping[str, Any]) -> dict[str, Any]:
        """The group's cursor after it: `until` in ms, and while there is more, the query that goes on."""
        query = known.get("query") or {
            "startTime": max(0, known["until"] - int(OVERLAP.total_seconds() * 1000)),
            "endTime": max(self.now, known["until"]),
        }
        while True:
            with aws_errors(self.aws, f"log group {name}"):
                answer = self.client.filter_log_events(logGroupName=name, limit=self.page, **query)
            for event in answer.get("events", ()):
                self._hand_on(name, event)
            if "nextToken" not in answer:
                return {"until": query["endTime"]}
            query = {**query, "nextToken": answer["nextToken"]}
            if time.monotonic() >= self.give_up:
                self.reading.behind.append(f"log group {name}")
                return {"until": known["until"], "query": query}

    def _hand_on(self, group: str, event: Mapping[str, Any]) -> None:
        at = datetime.fromtimestamp(event["timestamp"] / 1000, UTC)
        line, programs = _unwrapped(event.get("message") or "")
        origin = Origin("group", f"{group}:{event.get('logStreamName', '')}", programs)
        self.reading.lines += 1
        self.reading.size += len(line)
        self.take(origin, line.encode(errors="replace"), at, str(event["eventId"]), 1)


def _unwrapped(message: str) -> tuple[str, tuple[Program, ...]]:
    """The line that a container wrote, by an agent's JSON (`log`, `kubernetes.container_name`) or as it is."""
    if not message.startswith("{"):
        return message, _ANY
    try:
        told = json.loads(message)
        line, container = told["log"], told["kubernetes"]["container_name"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return message, _ANY
    return (str(line), _CONTAINERS.get(str(container), ())) if isinstance(line, str) else (message, ())


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
