"""The recovery's standing as metrics, for whoever scrapes or alerts; what they mean is judged in `plans.recovery`.

What was never seen has no sample: an age of zero, or of a century, would be a lie that an alert believes.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from domain.metrics import Figure
from domain.recovery import Standing
from environments.settings import RecoverySettings
from systems.metrics import as_openmetrics


def recovery_metrics(standing: Standing, targets: RecoverySettings, environment: str, *, now: datetime) -> str:
    """OpenMetrics text: gauges `riskhub_recovery_*` in seconds, and the last drill's verdict as 0 or 1."""
    return as_openmetrics([*_seen(standing, now), *_targets(standing, targets)], environment)


def _seen(standing: Standing, now: datetime) -> Iterator[Figure]:
    drill = standing.drill
    point = standing.point.created_at if standing.point else None
    drilled = drill.finished_at if drill else None
    rto = drill.measures.get("rto_seconds") if drill else None
    yield _seconds("point_age_seconds", "Age of the newest whole recovery point.", _age(point, now))
    yield _seconds("homes_age_seconds", "Age of the newest point of the homes.", _age(standing.homes, now))
    if standing.shared:
        oldest = "Age of the newest point of the shared folders, of the one whose is oldest."
        yield _seconds("shared_age_seconds", oldest, _age(standing.shared_until, now))
    yield _seconds("drill_age_seconds", "Since the end of the last drill.", _age(drilled, now))
    yield Figure(
        "recovery_drill_passed", "1 when the last drill passed.", float(drill.state != "failed") if drill else None
    )
    yield _seconds("rto_seconds", "From nothing to a user's notebook, in the last drill.", float(rto) if rto else None)


def _targets(standing: Standing, targets: RecoverySettings) -> Iterator[Figure]:
    wanted: dict[str, timedelta] = {
        "point_age": targets.rpo_database,
        "homes_age": targets.rpo_homes,
        **({"shared_age": targets.rpo_shared} if standing.shared else {}),
        "drill_age": targets.drill_every,
        "rto": targets.rto,
    }
    for name, target in wanted.items():
        what = f"What riskhub_recovery_{name}_seconds may be at most."
        yield _seconds(f"{name}_target_seconds", what, target.total_seconds())


def _seconds(name: str, what: str, value: float | None) -> Figure:
    return Figure(f"recovery_{name}", what, value, "seconds")


def _age(made: datetime | None, now: datetime) -> float | None:
    return (now - made).total_seconds() if made else None
