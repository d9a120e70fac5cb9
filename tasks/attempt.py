"""One step of several, carried out: whatever the platform says to it is an outcome, so that the evidence tells it."""

from __future__ import annotations

import time
from collections.abc import Callable

from domain.errors import RiskhubError
from domain.plan import Outcome


def attempt(verb: str, target: str, act: Callable[[], str | None]) -> Outcome:
    """Do it: done, with what `act` tells as its detail, or failed with the error's words."""
    began = time.monotonic()
    try:
        detail = act() or ""
    except RiskhubError as error:
        return Outcome(verb, target, "failed", str(error), time.monotonic() - began)
    return Outcome(verb, target, "done", detail, time.monotonic() - began)
