"""What Alertmanager is told: that something is wrong and for whom, and when nobody wants to hear of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

# P1 nobody can work, or data is at risk; P2 many are affected; P3 something is degraded; P4 to be done this week.
Severity = Literal["P1", "P2", "P3", "P4"]

SOURCE = "riskhub"  # the label `source` of all that is ours in an Alertmanager
HEARTBEAT = "heartbeat"  # the alert that always fires, for a receiver outside that misses it


@dataclass(frozen=True)
class Alert:
    """Something that is wrong from `starts_at` until `ends_at`, in UTC.

    Attributes:
        labels: who it is; the same labels are the same alert, and routes and silences match on them.
        annotations: what people read.
        ends_at: when it is over, if nobody says before that it goes on.
    """

    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True)
class ActiveAlert(Alert):
    """An alert that Alertmanager holds. `muted`: a silence or another alert keeps it from people."""

    muted: bool = False


@dataclass(frozen=True)
class Silence:
    """Nobody is told of an environment's alerts between `begins` and `ends`, in UTC.

    Attributes:
        comment: tells which window it is; the same comment is the same window.
        id: what Alertmanager calls it; empty when it does not have it yet.
    """

    environment: str
    comment: str
    begins: datetime
    ends: datetime
    id: str = ""
