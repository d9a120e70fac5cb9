"""Utilisation: what servers use, how spawns went and how full the stores are, sampled; homes as the mirror knows them.

Memory and storage are bytes, processors cores, times aware UTC. What was not seen is None, never 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypedDict

from pydantic import BaseModel, ConfigDict

from domain.clock import UtcDatetime
from domain.metrics import Unit


class Usage(TypedDict):
    """What one server uses now and has asked for."""

    cpu_cores: float | None
    memory_bytes: float | None
    cpu_requested_cores: float | None
    memory_requested_bytes: float | None


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ServerSample(_Model):
    """A server that ran when the sample was taken, by the Hub's words, and its `Usage`."""

    user: str
    name: str
    profile: str | None
    started: UtcDatetime | None
    last_activity: UtcDatetime | None
    cpu_cores: float | None = None
    memory_bytes: float | None = None
    cpu_requested_cores: float | None = None
    memory_requested_bytes: float | None = None


class SpawnCount(_Model):
    """The Hub's histogram of one end that spawns had, counted since the Hub's process began.

    Attributes:
        status: `success`, `failure` (the Hub turned it down) or `error` (it was tried and did not work).
        reason: the Hub's word (`throttled`), often empty.
        buckets: how many took at most so many seconds, by that number of seconds; inf counts all.
    """

    status: str
    reason: str
    buckets: dict[float, float]

    @property
    def count(self) -> float:
        return max(self.buckets.values(), default=0.0)


class Spawns(_Model):
    """All counts of one Hub process, which is known by when it began (seconds since 1970): another counts anew."""

    hub_began: float
    counts: tuple[SpawnCount, ...]


class Capacity(_Model):
    """A store that can fill up: `homes`, `database`, or a quota's line. `limit`: None where nobody knows one."""

    name: str
    used: float
    limit: float | None
    unit: Unit


class Sample(_Model):
    """One look at everything.

    Attributes:
        servers, spawns: None where they could not be seen.
        missing: why, by the part that was not seen.
    """

    format: Literal[1] = 1
    taken_at: UtcDatetime
    servers: tuple[ServerSample, ...] | None = None
    spawns: Spawns | None = None
    capacities: tuple[Capacity, ...] = ()
    missing: dict[str, str] = {}


@dataclass(frozen=True)
class HomeSizes:
    """Bytes of each home at two points of the mirror, by the home's folder (escaped); the same point twice at first."""

    then_at: UtcDatetime
    now_at: UtcDatetime
    then: Mapping[str, int]
    now: Mapping[str, int]


@dataclass(frozen=True)
class WeekSeen:
    """All that a week's report is made of.

    Attributes:
        samples: of the week, and the older ones that trends need.
        homes: None where the mirror has no point yet, or cannot be read.
        owners: users by the folder of their home; of a Hub that does not answer only those whom samples saw.
        missing: why, by the part that could not be read.
    """

    samples: tuple[Sample, ...]
    homes: HomeSizes | None
    owners: Mapping[str, str]
    missing: Mapping[str, str]
