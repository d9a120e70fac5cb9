"""Log lines that tell of trouble: where they came from, what they are counted as, and how far the logs were read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from domain.clock import UtcDatetime

Category = Literal["authentication", "allocation", "api", "storage", "security"]
CATEGORIES: tuple[Category, ...] = get_args(Category)
Program = Literal["hub", "proxy", "server", "database", "event"]
PROGRAMS: tuple[Program, ...] = get_args(Program)


@dataclass(frozen=True)
class Origin:
    """Whose words a line is.

    Attributes:
        channel: how it was read; the same line may reach us by two (a pod's log, and a log group that collects it).
        programs: who may have written it. A user's pod is no Hub, whatever its lines look like.
    """

    channel: Literal["file", "pod", "event", "group"]
    name: str
    programs: tuple[Program, ...]


# Takes one line, without its end: its origin, its bytes, when it was written where the channel knows, its id there,
# and how often it occurred. Says whether it was counted.
Take = Callable[[Origin, bytes, datetime | None, str, int], bool]


@dataclass
class Reading:
    """What reading one kind of source came to.

    Attributes:
        cursor: how far it was read, to go on from; plain JSON.
        sources: how many files, containers or groups were read.
        behind: what is left for the next run because there was too much, in words.
        lost: what can no longer be read, in words.
        unread: what could not be read now, in words; the cursor stays where it was there.
    """

    cursor: dict[str, Any] = field(default_factory=dict)
    sources: int = 0
    lines: int = 0
    size: int = 0
    behind: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class LoggedMessage:
    """Lines that say the same but for names and figures. `samples` are masked, cut, and safe to print."""

    category: Category
    message: str
    count: int
    samples: tuple[str, ...] = ()


class Usual(BaseModel):
    """What a category usually brings, learnt from the windows before. `rate`: lines an hour; `hours`: seen so far."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    rate: float = Field(default=0.0, ge=0)
    hours: float = Field(default=0.0, ge=0)


class LogCursor(BaseModel):
    """How far the logs were read, and what later runs need to know of what was counted.

    Attributes:
        at: when they were read (UTC).
        turn: counts the runs; a run that finds another turn than it began with does not move the cursor.
        files, pods, events, groups: each channel's own, see `systems.logs`.
        counted: digests of lines counted lately, by which a line that comes twice is known: digest -> (channel, time).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    at: UtcDatetime
    turn: int = Field(default=0, ge=0)
    files: dict[str, Any] = {}
    pods: dict[str, Any] = {}
    events: dict[str, Any] = {}
    groups: dict[str, Any] = {}
    usual: dict[Category, Usual] = {}
    counted: dict[str, tuple[str, float]] = {}
