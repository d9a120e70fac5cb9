"""What one probe saw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

FindingState = Literal["ok", "degraded", "failed", "not configured"]


@dataclass(frozen=True)
class Finding:
    """One probe's answer.

    Attributes:
        probe: its name, e.g. "hub-api"; stable, other tools key on it.
        state: `not configured` says that this environment has no such part; it is never healthy.
        seen: what was observed, in words with figures; never a secret.
        next_step: what on-call does about it; empty when ok.
        seconds: how long the probe took.
        because_of: the probe whose trouble explains this one; mend that, and this is well again.
    """

    probe: str
    state: FindingState
    seen: str
    next_step: str = ""
    seconds: float = 0.0
    because_of: str = ""
