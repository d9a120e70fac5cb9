"""The recovery's standing as metrics, for whoever scrapes or alerts; what they mean is judged in `plans.recovery`.

What was never seen has no sample: an age of zero, or of a century, would be a lie that an alert believes.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.openmetrics.exposition import generate_latest

from domain.recovery import Standing
from environments.settings import RecoverySettings


class _Figure(NamedTuple):
    name: str
    what: str
    value: float | None


def recovery_metrics(standing: Standing, targets: RecoverySettings, environment: str, *, now: datetime) -> str:
    """OpenMetrics text: gauges `riskhub_recovery_*` in seconds, and the last drill's verdict as 0 or 1."""
    registry = CollectorRegistry()
    for figure in (*_seen(standing, now), *_targets(standing, targets)):
        gauge = Gauge(f"riskhub_recovery_{figure.name}", figure.what, ["environment"], registry=registry)
        if figure.value is not None:
            gauge.labels(environment).set(figure.value)
    told: bytes = generate_latest(registry)  # type: ignore[no-untyped-call]
    return told.decode()


def _seen(standing: Standing, now: datetime) -> Iterator[_Figure]:
    drill = standing.drill
    point = standing.point.created_at if standing.point else None
    drilled = drill.finished_at if drill else None
    rto = drill.measures.get("rto_seconds") if drill else None
    yield _Figure("point_age_seconds", "Age of the newest whole recovery point.", _age(point, now))
    yield _Figure("homes_age_seconds", "Age of the newest point of the homes.", _age(standing.homes, now))
    if standing.shared:
        oldest = "Age of the newest point of the shared folders, of the one whose is oldest."
        yield _Figure("shared_age_seconds", oldest, _age(standing.shared_until, now))
    yield _Figure("drill_age_seconds", "Since the end of the last drill.", _age(drilled, now))
    yield _Figure("drill_passed", "1 when the last drill passed.", float(drill.state != "failed") if drill else None)
    yield _Figure("rto_seconds", "From nothing to a user's notebook, in the last drill.", float(rto) if rto else None)


def _targets(standing: Standing, targets: RecoverySettings) -> Iterator[_Figure]:
    wanted: dict[str, timedelta] = {
        "point_age": targets.rpo_database,
        "homes_age": targets.rpo_homes,
        **({"shared_age": targets.rpo_shared} if standing.shared else {}),
        "drill_age": targets.drill_every,
        "rto": targets.rto,
    }
    for name, target in wanted.items():
        what = f"What riskhub_recovery_{name}_seconds may be at most."
        yield _Figure(f"{name}_target_seconds", what, target.total_seconds())


def _age(made: datetime | None, now: datetime) -> float | None:
    return (now - made).total_seconds() if made else None
