"""A sample and a week as they are told: findings for on-call, tables for people, figures for Prometheus and CloudWatch.

Users' names are in the tables alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.clock import in_words
from domain.health import Finding, Kind
from domain.metrics import Figure, Unit
from domain.text import size
from domain.utilisation import Capacity, Sample
from environments.settings import UtilisationSettings
from plans.trend import Forecast
from plans.utilisation.report import Filling, Report, Used, UserWeek
from plans.utilisation.spawns import SpawnWeek, spawns_of

_HOUR = timedelta(hours=1)
_KINDS: dict[str, Kind] = {"homes": "homes-full", "database": "database-full"}
_ROOM: dict[str, str] = {
    "homes": "make room or enlarge it: the table names who holds most and who grows",
    "database": "give the server more disk, and look which table grows",
}
_RAISE = "raise the quota, or stop what nobody uses (riskhub sessions cull)"
_SAMPLE = "riskhub sessions sample; then look why its schedule takes none"


@dataclass(frozen=True)
class Table:
    """A table for people."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def sample_summary(sample: Sample) -> str:
    """In one line."""
    running = "servers not seen" if sample.servers is None else f"{len(sample.servers)} servers"
    full = (f"{each.name} {_amount(each.used, each.unit)}{_of_limit(each)}" for each in sample.capacities)
    return "; ".join([running, *full])


def missing_findings(missing: Mapping[str, str]) -> list[Finding]:
    """A finding for each part that was not seen."""
    step = "do as it says; until then this part is not in the figures"
    return [Finding(part, "degraded", f"not seen: {why}", step) for part, why in missing.items()]


def sample_figures(sample: Sample, before: Sample | None) -> list[Figure]:
    """What one sample says. `before`: the one before it, for how spawns went in between."""
    figures = list(_of_stores(sample.capacities))
    if sample.servers is not None:
        users = {each.user for each in sample.servers}
        active = {
            each.user for each in sample.servers if each.last_activity and sample.taken_at - each.last_activity <= _HOUR
        }
        figures += [
            Figure("utilisation_servers", "Users' servers that run.", len(sample.servers)),
            Figure("utilisation_users", "Users whose server runs.", len(users)),
            Figure("utilisation_active_users", "Users who did something in the last hour.", len(active)),
            *_of_servers(sample),
        ]
    if before:
        figures += _of_spawns(spawns_of([before, sample]))
    return figures


def judge_utilisation(report: Report, settings: UtilisationSettings) -> list[Finding]:
    """A finding for each store, one for the samples and one for the homes' sizes."""
    return [
        *(_judged(each, report.ends + settings.warn_within) for each in report.filling),
        Finding("samples", "ok", f"{report.samples} of this week")
        if report.samples
        else Finding("samples", "degraded", "there is none of this week", _SAMPLE),
        _of_the_mirror(report),
    ]


def report_summary(report: Report) -> str:
    """In one line."""
    spawned = ""
    if report.spawns:
        spawned = f", {report.spawns.succeeded} spawns, {report.spawns.failed} failed"
    return f"{report.active_users} active users, {report.session_hours:.1f} session hours{spawned}"


def report_tables(report: Report) -> list[Table]:
    """The week for people."""
    return [
        Table("Week", ("WHAT", "VALUE"), tuple(_week_rows(report))),
        Table(
            "Stores", ("STORE", "USED", "LIMIT", "A DAY", "FULL", "INTERVAL"), tuple(map(_store_row, report.filling))
        ),
        Table(
            "Users",
            ("USER", "SESSION HOURS", "ACTIVE", "CPU", "CPU REQUESTED", "MEMORY", "MEMORY REQUESTED", "HOME", "GROWTH"),
            tuple(map(_user_row, report.users)),
        ),
    ]


def report_figures(report: Report) -> list[Figure]:
    """The week, and when each store is full."""
    figures = [
        Figure("utilisation_week_active_users", "Users who did something in the week.", report.active_users),
        Figure("utilisation_week_session_hours", "Hours of all sessions of the week together.", report.session_hours),
        Figure("utilisation_week_samples", "Samples of the week: 168 when none is missing.", report.samples),
        *_of_spawns(report.spawns, "week_"),
    ]
    for each in report.filling:
        for name, what, date in (
            ("exhaustion", "Until the store is full, by its trend.", each.forecast.date),
            ("exhaustion_earliest", "Until the store is full at the earliest, with 97.5 %.", each.forecast.earliest),
        ):
            left = (date - report.ends).total_seconds() if date else None
            figures.append(Figure(f"utilisation_{name}_seconds", what, left, "seconds", {"store": each.capacity.name}))
    return figures


def measures_of(report: Report) -> dict[str, float | int | str | None]:
    """The week's figures for its record; users and stores are told elsewhere."""
    used, spawns = report.used, report.spawns
    return {
        "begins": report.begins.isoformat(),
        "ends": report.ends.isoformat(),
        "samples": report.samples,
        "active_users": report.active_users,
        "session_hours": round(report.session_hours, 2),
        "cpu_cores_mean": used.cpu_cores,
        "cpu_requested_cores_mean": used.cpu_requested_cores,
        "memory_bytes_mean": used.memory_bytes,
        "memory_requested_bytes_mean": used.memory_requested_bytes,
        "memory_peak_bytes": used.memory_peak_bytes,
        "home_bytes": sum(each.home_bytes or 0 for each in report.users),
        "home_growth_bytes": sum(each.growth_bytes or 0 for each in report.users),
        "spawns": spawns.succeeded if spawns else None,
        "spawns_failed": spawns.failed if spawns else None,
        "spawns_rejected": sum(spawns.rejected.values()) if spawns else None,
        "spawn_median_seconds": spawns.median_seconds if spawns else None,
        "spawn_p95_seconds": spawns.p95_seconds if spawns else None,
    }


def _judged(filling: Filling, soon: datetime) -> Finding:
    capacity, coming = filling.capacity, filling.forecast
    kind: Kind = _KINDS.get(capacity.name, "quota")
    seen = f"{_amount(capacity.used, capacity.unit)}{_of_limit(capacity)}; {_when(coming)}"
    if coming.verdict == "full" or (coming.date is not None and coming.date <= soon):
        return Finding(capacity.name, "degraded", seen, _ROOM.get(capacity.name, _RAISE), kind=kind)
    return Finding(capacity.name, "ok", seen)


def _of_the_mirror(report: Report) -> Finding:
    if report.homes_at is None:  # or it cannot be read, which is told beside this
        step = "riskhub backup homes --execute"
        return Finding("home-sizes", "degraded", "the mirror has no point yet", step, kind="backup-overdue")
    seen = (
        f"by the mirror's point of {report.homes_at:%Y-%m-%d %H:%M} UTC, {in_words(report.ends - report.homes_at)} old"
    )
    grown = f"; growth since {report.homes_since:%Y-%m-%d %H:%M} UTC" if report.homes_since else "; no earlier point"
    return Finding("home-sizes", "ok", seen + grown)


def _when(coming: Forecast) -> str:
    if coming.verdict == "grows" and coming.date:
        return f"full on {coming.date:%Y-%m-%d} ({_interval(coming)})"
    if coming.earliest:
        return f"{coming.verdict}, full on {coming.earliest:%Y-%m-%d} at the earliest"
    return {
        "full": "it is full",
        "no limit": "nobody knows its limit",
        "not within ten years": "not full within ten years",
        "too few samples": "too few samples for a trend: it wants seven days of them since the last step",
    }.get(coming.verdict, coming.verdict)


def _interval(coming: Forecast) -> str:
    latest = f"{coming.latest:%Y-%m-%d}" if coming.latest else "maybe never"
    earliest = f"{coming.earliest:%Y-%m-%d}" if coming.earliest else "?"
    return f"{earliest} to {latest}"


def _week_rows(report: Report) -> Iterator[tuple[str, str]]:
    yield "from (UTC)", f"{report.begins:%Y-%m-%d %H:%M}"
    yield "to (UTC)", f"{report.ends:%Y-%m-%d %H:%M}"
    yield "samples", str(report.samples)
    yield "active users", str(report.active_users)
    yield "session hours", f"{report.session_hours:.1f}"
    used = report.used
    yield "cpu of a server, used / requested", f"{_cores(used.cpu_cores)} / {_cores(used.cpu_requested_cores)}"
    yield "memory of a server, used / requested", f"{_size(used.memory_bytes)} / {_size(used.memory_requested_bytes)}"
    yield "memory of a server, highest", _size(used.memory_peak_bytes)
    spawns = report.spawns
    if spawns is None:
        yield "spawns", "not seen"
        return
    yield "spawns", str(spawns.succeeded)
    yield "spawn time, median / p95", f"{_seconds(spawns.median_seconds)} / {_seconds(spawns.p95_seconds)}"
    yield "spawns failed", str(spawns.failed)
    for reason, count in spawns.rejected.items():
        yield f"spawns turned down: {reason or 'no reason given'}", str(count)


def _store_row(filling: Filling) -> tuple[str, ...]:
    capacity, coming = filling.capacity, filling.forecast
    a_day = _amount(coming.trend.per_day, capacity.unit, sign=True) if coming.trend else "-"
    limit = "-" if capacity.limit is None else _amount(capacity.limit, capacity.unit)
    full = f"{coming.date:%Y-%m-%d}" if coming.date else coming.verdict
    interval = _interval(coming) if coming.date else "-"
    return capacity.name, _amount(capacity.used, capacity.unit), limit, a_day, full, interval


def _user_row(week: UserWeek) -> tuple[str, ...]:
    used: Used = week.used
    return (
        week.user or f"nobody's ({week.home})",
        f"{week.session_hours:.1f}",
        "yes" if week.active else "-",
        _cores(used.cpu_cores),
        _cores(used.cpu_requested_cores),
        _size(used.memory_peak_bytes),
        _size(used.memory_requested_bytes),
        _size(week.home_bytes),
        "-" if week.growth_bytes is None else _amount(week.growth_bytes, "bytes", sign=True),
    )


def _of_stores(capacities: Sequence[Capacity]) -> Iterator[Figure]:
    for each in capacities:
        labels = {"store": each.name}
        yield Figure(f"utilisation_store_used_{each.unit}", "What is used of a store.", each.used, each.unit, labels)
        yield Figure(f"utilisation_store_limit_{each.unit}", "How much a store takes.", each.limit, each.unit, labels)


def _of_servers(sample: Sample) -> Iterator[Figure]:
    figures: tuple[tuple[str, str, Unit], ...] = (
        ("cpu_cores", "Processors that users' servers use.", "cores"),
        ("cpu_requested_cores", "Processors that users' servers asked for.", "cores"),
        ("memory_bytes", "Memory that users' servers use.", "bytes"),
        ("memory_requested_bytes", "Memory that users' servers asked for.", "bytes"),
    )
    for name, what, unit in figures:
        known = [value for each in sample.servers or () if (value := getattr(each, name)) is not None]
        yield Figure(f"utilisation_{name}", what, sum(known) if known or not sample.servers else None, unit)


def _of_spawns(spawns: SpawnWeek | None, when: str = "") -> Iterator[Figure]:
    if spawns is None:
        return
    prefix = f"utilisation_{when}spawn"
    yield Figure(f"{prefix}s", "Spawns that worked.", spawns.succeeded)
    yield Figure(f"{prefix}s_failed", "Spawns that were tried and did not work.", spawns.failed)
    yield Figure(f"{prefix}s_rejected", "Spawns that the Hub turned down.", sum(spawns.rejected.values()))
    yield Figure(f"{prefix}_p95_seconds", "95 % of the spawns took at most so long.", spawns.p95_seconds, "seconds")


def _amount(value: float, unit: Unit, *, sign: bool = False) -> str:
    plus = "+" if sign and value > 0 else ""
    if unit == "bytes":
        return plus + size(value)
    return f"{plus}{value:g}" + (" cores" if unit == "cores" else "")


def _of_limit(capacity: Capacity) -> str:
    if capacity.limit is None:
        return ""
    return f" of {_amount(capacity.limit, capacity.unit)}" + (
        f" ({capacity.used / capacity.limit:.0%})" if capacity.limit else ""
    )


def _told(words: Callable[[float], str]) -> Callable[[float | None], str]:
    return lambda value: "-" if value is None else words(value)


_cores = _told(lambda value: f"{value:.2f}")
_size = _told(size)
_seconds = _told(lambda value: f"{value:.1f} s")
