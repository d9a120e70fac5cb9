"""Probe of the Hub's database, by its own door: `/hub/health` never touches it, and the Hub's API blames the token."""

from __future__ import annotations

import time

from domain.errors import RiskhubError
from environments.settings import DatabaseSettings
from systems.database import UNLOCK, lock_holders, use_database
from systems.probes.look import Seen


def look_at_database(database: DatabaseSettings) -> Seen:
    """It lets the Hub's user in and write, and has room; if something is locked, by whom."""
    started = time.monotonic()
    try:
        use_database(database)
    except RiskhubError as error:
        if error.kind != "database-locked":
            raise
        return _locked(error.cause, lock_holders(database))
    holders = lock_holders(database)
    if holders:
        return _locked("a transaction keeps others waiting", holders)
    return Seen(f"lets the Hub in and write, and has room; {(time.monotonic() - started) * 1000:.0f} ms")


def _locked(what: str, holders: list[str]) -> Seen:
    return Seen(f"{what}: {', '.join(holders) or 'by whom is not seen'}", "failed", UNLOCK, "database-locked")
