"""What a week of samples says: who worked, what was asked for and used, how spawns went, when what fills up is full.

A session is known by its user, name and start, so it is as long as from its start (or the week's) to the last sample
that saw it: a sample that came twice or never changes nothing, and one that began and ended between two samples is
not seen.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import fmean

from domain.utilisation import Capacity, HomeSizes, Sample, ServerSample, WeekSeen
from plans.trend import Forecast, Seen, forecast
from plans.utilisation.spawns import SpawnWeek, spawns_of

WEEK = timedelta(days=7)


@dataclass(frozen=True)
class Used:
    """Of servers, over the samples that saw them: means, and the highest; None where it was not seen."""

    cpu_cores: float | None
    cpu_requested_cores: float | None
    memory_bytes: float | None
    memory_requested_bytes: float | None
    memory_peak_bytes: float | None


@dataclass(frozen=True)
class UserWeek:
    """One user, or a home that is nobody's.

    Attributes:
        user: empty for such a home.
        home: its folder; empty where there is none in the mirror.
        active: their server told of activity in the week.
        home_bytes, growth_bytes: None where the mirror has no point yet, or only one.
    """

    user: str
    home: str
    session_hours: float
    active: bool
    used: Used
    home_bytes: int | None
    growth_bytes: int | None


@dataclass(frozen=True)
class Filling:
    """A store, and when it is full."""

    capacity: Capacity
    forecast: Forecast


@dataclass(frozen=True)
class Report:
    """One week.

    Attributes:
        samples: how many there were; of a whole week of hours 168.
        spawns: None where no sample told of them.
        homes_at: the time of the mirror's point that homes are told by; `homes_since` the one they grew from.
    """

    begins: datetime
    ends: datetime
    samples: int
    active_users: int
    session_hours: float
    used: Used
    spawns: SpawnWeek | None
    users: tuple[UserWeek, ...]
    filling: tuple[Filling, ...]
    homes_at: datetime | None
    homes_since: datetime | None


def weekly_report(seen: WeekSeen, ends: datetime, *, synthetic_user: str = "") -> Report:
    """The week that ends then. `synthetic_user`: whose sessions are the health check's."""
    begins, homes = ends - WEEK, seen.homes
    known = sorted((each for each in seen.samples if each.taken_at <= ends), key=lambda each: each.taken_at)
    week = [each for each in known if each.taken_at >= begins]
    servers: defaultdict[str, list[ServerSample]] = defaultdict(list)
    for server in (server for sample in week for server in sample.servers or ()):
        if server.user != synthetic_user:
            servers[server.user].append(server)
    hours = _session_hours(week, begins)
    users = tuple(_users(servers, hours, seen, begins))
    return Report(
        begins=begins,
        ends=ends,
        samples=len(week),
        active_users=sum(each.active for each in users),
        session_hours=sum(each.session_hours for each in users),
        used=_used(each for of_one in servers.values() for each in of_one),
        spawns=spawns_of(week),
        users=users,
        filling=tuple(_filling(known, ends)),
        homes_at=homes.now_at if homes else None,
        homes_since=homes.then_at if homes and homes.then_at < homes.now_at else None,
    )


def _used(servers: Iterable[ServerSample]) -> Used:
    """Of all of them, each with what was seen of it."""
    known = list(servers)
    return Used(
        cpu_cores=_mean(each.cpu_cores for each in known),
        cpu_requested_cores=_mean(each.cpu_requested_cores for each in known),
        memory_bytes=_mean(each.memory_bytes for each in known),
        memory_requested_bytes=_mean(each.memory_requested_bytes for each in known),
        memory_peak_bytes=max((each.memory_bytes for each in known if each.memory_bytes is not None), default=None),
    )


def _session_hours(week: Iterable[Sample], begins: datetime) -> dict[str, float]:
    """By user. A start that lies after the sample that saw it (clocks differ) makes a session of no length."""
    lasted: dict[tuple[str, str, datetime], timedelta] = {}
    for sample in week:
        for server in sample.servers or ():
            if server.started is not None:
                session = server.user, server.name, server.started
                so_far = sample.taken_at - max(server.started, begins)
                lasted[session] = max(lasted.get(session, timedelta(0)), so_far)
    hours: defaultdict[str, float] = defaultdict(float)
    for (user, _, _), span in lasted.items():
        hours[user] += span / timedelta(hours=1)
    return hours


def _users(
    servers: Mapping[str, Sequence[ServerSample]], hours: Mapping[str, float], seen: WeekSeen, begins: datetime
) -> list[UserWeek]:
    """A row for each user who had a server or has a home, and for each home that is nobody's; large homes first."""
    sizes = seen.homes.now if seen.homes else {}
    folders = {user: home for home, user in seen.owners.items()}
    rows = [(user, folders.get(user, "")) for user in servers]
    rows += [(user, home) for home in sizes if (user := seen.owners.get(home, "")) not in servers]
    users = [
        UserWeek(
            user=user,
            home=home if home in sizes else "",
            session_hours=hours.get(user, 0.0),
            active=any(
                each.last_activity is not None and each.last_activity >= begins for each in servers.get(user, ())
            ),
            used=_used(servers.get(user, ())),
            home_bytes=sizes.get(home),
            growth_bytes=_growth(seen.homes, home),
        )
        for user, home in rows
    ]
    return sorted(users, key=lambda each: (-(each.home_bytes or 0), -each.session_hours, each.user, each.home))


def _growth(homes: HomeSizes | None, home: str) -> int | None:
    if homes is None or home not in homes.now or homes.then_at == homes.now_at:
        return None
    return homes.now[home] - homes.then.get(home, 0)


def _filling(samples: Sequence[Sample], ends: datetime) -> Iterator[Filling]:
    """Each store of the newest sample that saw any, by name: one that is gone since fills up no more."""
    newest = next((each.capacities for each in reversed(samples) if each.capacities), ())
    seen: defaultdict[str, list[Seen]] = defaultdict(list)
    for sample in samples:
        for capacity in sample.capacities:
            seen[capacity.name].append(Seen(sample.taken_at, capacity.used))
    for capacity in newest:
        yield Filling(capacity, forecast(seen[capacity.name], capacity.limit, now=ends))


def _mean(values: Iterable[float | None]) -> float | None:
    known = [each for each in values if each is not None]
    return fmean(known) if known else None
