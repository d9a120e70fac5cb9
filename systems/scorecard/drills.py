"""Which drill a scorecard is of, which ones came before it, and where the page is kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice

from domain.errors import Refused, RiskhubError
from domain.record import Record, RunState
from environments.settings import ObjectStoreSettings
from systems.evidence import records
from systems.objects import put_object
from systems.scorecard.page import scorecard_page

FOLDER = "scorecards"
FLOW = "recovery-drill"
CARRIED_OUT: tuple[RunState, ...] = ("complete", "partial", "failed")
SHOWN = 12


def store_scorecard(store: ObjectStoreSettings, drill: Record, not_shown: Sequence[str]) -> str:
    """Draw the page of a drill whose evidence was just kept, and keep it; `scorecards/<flow>/<as its evidence>.html`.

    Raises:
        Refused, Unreachable: as `systems.objects`.
    """
    evidence = drill.links["evidence"]
    name = evidence.rpartition("/")[2].removesuffix(".json")
    key = f"{FOLDER}/{FLOW}/{name}.html"
    page = scorecard_of(store, drill, evidence, not_shown).encode()
    put_object(store, key, page, content_type="text/html; charset=utf-8", if_absent=True, locked=True)
    return key


def scorecard_of(store: ObjectStoreSettings, drill: Record, evidence: str, not_shown: Sequence[str]) -> str:
    """The page of `drill`, whose evidence lies at `evidence`, with those before it."""
    before = (found for url, found in _drills(store) if url.rpartition("/")[2] < evidence.rpartition("/")[2])
    return scorecard_page(drill, evidence, list(islice(before, SHOWN - 1)), not_shown)


def drill_until(store: ObjectStoreSettings, at: datetime) -> tuple[str, Record]:
    """The last drill that had ended at `at`, verified, and where its evidence lies.

    Raises:
        Refused: there is none.
    """
    for url, found in _drills(store):
        if isinstance(found, Record) and found.finished_at <= at:
            return url, found
    cause = f"none was carried out until {at:%Y-%m-%d %H:%M:%S} UTC, or its evidence does not verify"
    raise Refused("recovery drill", cause, "riskhub recovery drill --execute, or name a later time")


def _drills(store: ObjectStoreSettings) -> Iterator[tuple[str, Record | RiskhubError]]:
    return ((f"s3://{store.bucket}/{key}", found) for key, found in records(store, FLOW, CARRIED_OUT))
