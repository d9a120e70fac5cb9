"""Logs of the Hub's, the proxy's and the users' pods, and the cluster's events, by the API server.

A pod that is gone took its log along: where that must not be lost, an agent brings it to a log group. Times are the
node's, by the nanosecond; the API takes a whole second to begin from, so lines of that second come twice and are left
out by the time of the last one counted.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from domain.errors import RiskhubError
from domain.logs import Origin, Program, Reading, Take
from systems.cluster.connection import Cluster, Invalid, NotThere
from systems.cluster.objects import event as event_of

BYTES_A_CALL = 4 * 1024 * 1024
CALLS_A_CONTAINER = 16
DEADLINE = timedelta(seconds=120)  # of all pods together

_PROGRAMS: Mapping[str, tuple[Program, ...]] = {
    "hub": ("hub",),
    "proxy": ("proxy",),
    "singleuser-server": ("server",),
}
_SELECTOR = f"component in ({','.join(_PROGRAMS)})"
_STAMP = 20  # characters at least: 2026-03-01T09:00:00Z


def read_cluster(
    cluster: Cluster,
    pods: Mapping[str, Any],
    events: Mapping[str, Any] | None,
    take: Take,
    *,
    since: datetime,
    bytes_a_call: int = BYTES_A_CALL,
    deadline: timedelta = DEADLINE,
) -> tuple[Reading, Reading]:
    """The Hub's namespace: its pods' logs and its events, each from its cursor on, or from `since` where it has none.

    Without `events` nothing is known of how often one occurred since when: each counts once.

    Raises:
        Unreachable, Refused: as `Cluster`, of the lists; of one pod's log it is told in the reading.
    """
    reader = _Pods(cluster, take, Reading(), since, bytes_a_call, time.monotonic() + deadline.total_seconds())
    for pod in [*cluster.items(f"{reader.space}/pods", labelSelector=_SELECTOR)]:
        for status in (pod.get("status") or {}).get("containerStatuses") or ():
            reader.read(pod["metadata"], status, pods)
    return reader.reading, reader.read_events(events)


@dataclass(frozen=True)
class _Pods:
    cluster: Cluster
    take: Take
    reading: Reading
    since: datetime
    bytes_a_call: int
    give_up: float

    @property
    def space(self) -> str:
        return f"/api/v1/namespaces/{self.cluster.settings.namespace}"

    def read(self, pod: Mapping[str, Any], status: Mapping[str, Any], known: Mapping[str, Any]) -> None:
        """One container's log; before it what it wrote before it was started again, if that was not read yet."""
        restarts = int(status.get("restartCount") or 0)
        key = f"{pod['uid']}/{status['name']}"
        before = known.get(key) or {"at": _stamp(self.since), "restarts": restarts}
        origin = Origin("pod", f"{pod['name']}/{status['name']}", _PROGRAMS[pod["labels"]["component"]])
        self.reading.cursor[key] = dict(before)
        at = str(before["at"])
        try:
            if restarts > int(before["restarts"]):
                at = self._read_log(origin, at, previous=True)
            at = self._read_log(origin, at)
        except RiskhubError as error:
            self.reading.unread.append(f"{origin.name} ({error.cause})")
            return
        self.reading.cursor[key] = {"at": at, "restarts": restarts}
        self.reading.sources += 1

    def _read_log(self, origin: Origin, after: str, *, previous: bool = False) -> str:
        """Every line after the time `after`; the time of the last one."""
        pod, _, container = origin.name.partition("/")
        query: dict[str, str | int] = {"container": container, "timestamps": "true", "limitBytes": self.bytes_a_call}
        query |= {"previous": "true"} if previous else {}
        for _ in range(CALLS_A_CONTAINER):
            if time.monotonic() >= self.give_up:
                break
            try:
                text = self.cluster.text(f"{self.space}/pods/{pod}/log", **query, sinceTime=f"{after[:19]}Z")
            except (Invalid, NotThere):  # the container never ran, or its log was removed with it
                return after
            last = self._hand_on(origin, text, after)
            if len(text.encode()) < self.bytes_a_call:
                return last
            if last == after:  # one second holds more than a call gives, and no call begins within it
                self.reading.lost.append(f"a second of the log of {origin.name}")
                last = _stamp(_moment(after) + timedelta(seconds=1))
            after = last
        self.reading.behind.append(f"the log of {origin.name}")
        return after

    def _hand_on(self, origin: Origin, text: str, after: str) -> str:
        last = after
        for stamp, line in _lines(text):
            if _key(stamp) > _key(after):
                self.take(origin, line.encode(), _moment(stamp), "", 1)
                self.reading.lines += 1
                last = max(last, stamp, key=_key)
        self.reading.size += len(text)
        return last

    def read_events(self, known: Mapping[str, Any] | None) -> Reading:
        """Warnings that occurred since they were last seen. An event counts itself; it is forgotten after an hour."""
        reading = Reading(sources=1)
        for item in self.cluster.items(f"{self.space}/events", fieldSelector="type=Warning"):
            told, uid = event_of(item), str(item["metadata"]["uid"])
            reading.cursor[uid] = told.count
            reading.lines += 1
            fresh = 1 if known is None else told.count - int(known.get(uid, 0))
            if fresh > 0:
                line = f"{told.reason} {told.kind}/{told.name}: {told.message}"
                origin = Origin("event", f"{told.kind}/{told.name}", ("event",))
                self.take(origin, line.encode(), told.last_seen, "", fresh)
        return reading


def _lines(text: str) -> Iterator[tuple[str, str]]:
    """Each whole line with its time; the API cuts the last one where it has given enough bytes."""
    for line in text.split("\n")[:-1]:
        stamp, _, said = line.partition(" ")
        if len(stamp) >= _STAMP and stamp.endswith("Z"):
            yield stamp, said


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _moment(stamp: str) -> datetime:
    """To the second."""
    return datetime.fromisoformat(f"{stamp[:19]}+00:00")


def _key(stamp: str) -> tuple[str, str]:
    """Sorts times of RFC 3339 in UTC, whose fractions have as many digits as they need."""
    return stamp[:19], stamp[19:-1].lstrip(".").ljust(9, "0")
