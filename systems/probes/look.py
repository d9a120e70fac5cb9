"""What a probe is, and how one is carried out: on time, and with an answer whatever happens."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from domain.errors import RiskhubError
from domain.health import Finding, FindingState, Kind, KindIfAny
from systems.deadline import Late, within

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Seen:
    """What a look at one part showed, in words with figures. `kind`: of the trouble, if it is another than usual."""

    what: str
    state: FindingState = "ok"
    next_step: str = ""
    kind: KindIfAny = ""


@dataclass(frozen=True)
class Probe:
    """A look at one part of the platform.

    Attributes:
        name: stable, e.g. "hub-api"; other tools key on it.
        look: says what it sees, or raises a `RiskhubError`, which is a failed finding.
        deadline: after it the part counts as failed, and the look is left behind.
        kind: of the trouble that it is when nothing more exact is known, as when the look hangs.
    """

    name: str
    look: Callable[[], Seen]
    deadline: timedelta
    kind: Kind


def carry_out(probe: Probe) -> Finding:
    """Look, and answer within the probe's deadline; see `within`."""
    started = time.monotonic()
    seen: Seen | Exception
    try:
        seen = within(probe.deadline, probe.look, name=f"probe-{probe.name}")
    except Late:
        seconds = probe.deadline.total_seconds()
        seen = Seen(f"no answer within {seconds:.0f} s", "failed", "look at the part itself: it hangs")
    except Exception as error:
        seen = error
    if isinstance(seen, RiskhubError):
        seen = Seen(f"{seen.thing}: {seen.cause}", "failed", seen.next_step, seen.kind)
    elif isinstance(seen, Exception):
        # A defect of the probe must not hide what the others see. Its words may quote anything: only its type is told.
        log.error("probe %s broke", probe.name, exc_info=seen)
        seen = Seen(
            f"the probe itself broke ({type(seen).__name__})",
            "failed",
            "read the run's log and report the bug",
            "probe-broken",
        )
    kind = seen.kind or probe.kind if seen.state in ("degraded", "failed") else ""
    return Finding(probe.name, seen.state, seen.what, seen.next_step, time.monotonic() - started, kind=kind)
