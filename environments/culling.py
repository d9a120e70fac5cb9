"""The culling policy as an environment file holds it: limits, rules for some, holds for all.

What can be seen to contradict itself is refused when the file is read; who a rule fits is decided in
`plans.culling`.
"""

from __future__ import annotations

from datetime import datetime, time, timedelta
from itertools import combinations
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, model_validator

from domain.clock import UtcDatetime, to_utc
from environments.base import Seconds, Settings

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def _not_negative(span: timedelta) -> timedelta:
    if span < timedelta(0):
        raise ValueError("a length of time cannot be negative")
    return span


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"{name!r} is no time zone; write it as Europe/London") from None
    return name


Limit = Annotated[Seconds, AfterValidator(_not_negative)]
Zone = Annotated[str, AfterValidator(_known_zone)]


class Calendar(Settings):
    """When a rule holds: on these days (none: on every day), from `begins` to `ends` by the clocks of `timezone`.

    A window over midnight belongs to the day on which it began.
    """

    days: tuple[Day, ...] = ()
    begins: time = time(0, 0)
    ends: time = time(0, 0)
    timezone: Zone = "UTC"

    @model_validator(mode="after")
    def _wall_clock(self) -> Calendar:
        if self.begins.tzinfo or self.ends.tzinfo:
            raise ValueError("begins and ends are wall-clock times; name their zone in timezone")
        if not self.days and self.begins == self.ends:
            raise ValueError("it holds all the time: leave the calendar out, or name days or hours")
        return self

    def holds(self, moment: datetime) -> bool:
        """Is `moment` inside? Where `begins` equals `ends` a day is inside whole."""
        local = moment.astimezone(ZoneInfo(self.timezone))
        clock, today = local.time(), local.date()
        if self.begins < self.ends:
            return self.begins <= clock < self.ends and self._on(today.weekday())
        if clock >= self.begins:
            return self._on(today.weekday())
        return clock < self.ends and self._on((today - timedelta(days=1)).weekday())

    def span(self, moment: datetime) -> tuple[datetime, datetime]:
        """From when until when it holds, in UTC: the span that `moment` is in, else the next one."""
        zone = ZoneInfo(self.timezone)
        today = moment.astimezone(zone).date()
        for days in range(-1, 8):  # yesterday's may go on; a week from today is the same weekday again
            day = today + timedelta(days=days)
            last = day if self.begins < self.ends else day + timedelta(days=1)
            ends = to_utc(datetime.combine(last, self.ends, zone))
            if self._on(day.weekday()) and moment < ends:
                return to_utc(datetime.combine(day, self.begins, zone)), ends
        raise AssertionError("every weekday comes within a week")

    def _on(self, weekday: int) -> bool:
        return not self.days or DAYS[weekday] in self.days


class CullRule(Settings):
    """Other limits for some servers: those that every selector given here fits.

    Attributes:
        name: what reasons call it.
        users, groups, profiles: any of them fits.
        named: true for named servers only, false for default servers only.
        when: the calendar it holds in; always by default.
        idle, max_age: as of the policy, for these servers.
        exempt: never stopped.
        exempt_until: never stopped before this moment.
    """

    name: str = Field(min_length=1, max_length=60)
    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    named: bool | None = None
    when: Calendar | None = None
    idle: Limit | None = None
    max_age: Limit | None = None
    exempt: bool = False
    exempt_until: UtcDatetime | None = None

    @property
    def specificity(self) -> tuple[bool, ...]:
        """What wins, greatest first: a rule for users, for groups, for profiles, for named, in a calendar."""
        return (
            bool(self.users),
            bool(self.groups),
            bool(self.profiles),
            self.named is not None,
            self.when is not None,
        )

    @property
    def limits(self) -> bool:
        """Does it set a limit?"""
        return self.idle is not None or self.max_age is not None

    @model_validator(mode="after")
    def _makes_sense(self) -> CullRule:
        if not any(self.specificity):
            raise ValueError(f"rule {self.name!r} selects nobody: name users, groups, profiles, named or when")
        if self.exempt and (self.limits or self.exempt_until):
            raise ValueError(f"rule {self.name!r} contradicts itself: exempt, and limits all the same")
        if not (self.exempt or self.exempt_until or self.limits):
            raise ValueError(f"rule {self.name!r} sets nothing: give idle, max_age, exempt or exempt_until")
        return self

    def clashes(self, other: CullRule) -> bool:
        """Do both say something else of the very same servers, with nothing to choose between them?"""
        if (self.named, self.when) != (other.named, other.when) or self.specificity != other.specificity:
            return False
        pairs = ((self.users, other.users), (self.groups, other.groups), (self.profiles, other.profiles))
        if not all(not ours or set(ours) & set(theirs) for ours, theirs in pairs):
            return False
        settings = ((self.idle, other.idle), (self.max_age, other.max_age), (self.exempt_until, other.exempt_until))
        return self.exempt != other.exempt or any(None not in pair and pair[0] != pair[1] for pair in settings)


class Hold(Settings):
    """A span with a name. Of the culling: nobody's server is stopped in it, as at a month's end."""

    name: str = Field(min_length=1, max_length=60)
    begins: UtcDatetime
    ends: UtcDatetime

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Hold:
        if self.ends <= self.begins:
            raise ValueError(f"hold {self.name!r} ends before it begins")
        return self


class CullPolicy(Settings):
    """Who counts as idle.

    Attributes:
        idle: a server without activity for longer than this is stopped.
        max_age: a server older than this is stopped whatever it does; none by default.
        warn: how long before its stop a server's user is told of it; nobody is by default.
        exempt: user names never culled.
        max_share: at most this share of the running servers is stopped in one run; a larger plan is
            refused whole, since a wrong clock or a broken activity feed looks just like that.
        at_least: so many stops are always allowed, however small the Hub is.
        rules: other limits for some. For each limit the most specific rule that sets it wins: users before
            groups before profiles before named before when. Where two are equally specific, the milder wins.
        holds: when nobody is stopped.
    """

    idle: Limit = timedelta(hours=1)
    max_age: Limit | None = None
    warn: Annotated[Limit, Field(le=timedelta(days=1))] = timedelta(0)
    exempt: tuple[str, ...] = ()
    max_share: float = Field(default=0.8, gt=0, le=1)
    at_least: int = Field(default=5, ge=0)
    rules: tuple[CullRule, ...] = ()
    holds: tuple[Hold, ...] = ()

    @model_validator(mode="after")
    def _does_not_contradict_itself(self) -> CullPolicy:
        names = [rule.name for rule in self.rules] + [hold.name for hold in self.holds]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two rules or holds are called {twice[0]!r}: reasons must tell them apart")
        for rule in self.rules:
            if both := sorted(set(rule.users) & set(self.exempt)):
                raise ValueError(f"{both[0]!r} is exempt, and rule {rule.name!r} is about the same user")
        for one, other in combinations(self.rules, 2):
            if one.clashes(other):
                raise ValueError(f"rules {one.name!r} and {other.name!r} say different things of the same servers")
        return self
