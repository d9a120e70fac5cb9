"""Probe of the reports: how old the newest published one is."""

from __future__ import annotations

from datetime import timedelta

from domain.clock import in_words, utc_now
from environments.settings import ObjectStoreSettings
from systems.evidence import last_record
from systems.probes.look import Seen


def look_at_reports(store: ObjectStoreSettings, *, max_age: timedelta | None) -> Seen:
    """The last run that published all of its reports is not older than `max_age`."""
    if max_age is None:
        return Seen("this environment does not say how often reports are due", "not configured")
    last = last_record(store, "run-report", ["complete"])
    step = "riskhub reports run --execute; then see why its schedule missed or its runs failed"
    if last is None:
        return Seen("no report was ever published", "degraded", step)
    age = utc_now() - last.finished_at
    seen = f"last published {last.finished_at:%Y-%m-%d %H:%M} UTC, {in_words(age)} ago"
    if age > max_age:
        return Seen(f"{seen}; at most {in_words(max_age)} wanted", "degraded", step)
    return Seen(seen)
