"""What one probe saw, what kind of trouble it is, and the cause that several of them come down to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

FindingState = Literal["ok", "degraded", "failed", "not configured"]

# Every trouble has one of these names; what follows from which, and the page about it, is in `plans.kinds`.
Kind = Literal[
    "database-down",
    "database-locked",
    "database-full",
    "database-login",
    "database-schema",
    "hub-down",
    "hub-starting",
    "hub-overloaded",
    "hub-error",
    "hub-address",
    "token-rejected",
    "token-scope",
    "proxy-down",
    "proxy-api",
    "routes-lost",
    "sso-down",
    "sso-client",
    "clock-skew",
    "spawn-timeout",
    "spawn-failed",
    "session-failed",
    "session-risk-api",
    "login-failed",
    "user-account",
    "user-server",
    "user-home",
    "user-configuration",
    "homes-unmounted",
    "homes-full",
    "homes-slow",
    "bucket-down",
    "bucket-denied",
    "bucket-missing",
    "bucket-damaged",
    "bucket-unversioned",
    "aws-down",
    "vault-unlocked",
    "backup-overdue",
    "point-damaged",
    "drill-overdue",
    "drill-failed",
    "report-overdue",
    "risk-api-down",
    "risk-api-slow",
    "risk-api-error",
    "risk-api-token",
    "scheduler-down",
    "scheduler-late",
    "dns",
    "certificate",
    "cluster-down",
    "node",
    "secret-missing",
    "volume",
    "quota",
    "image",
    "scheduling",
    "memory",
    "workload",
    "service",
    "server",
    "log-authentication",
    "log-allocation",
    "log-api",
    "log-storage",
    "log-security",
    "log-unread",
    "probe-broken",
    "pulse-missing",
    "run-failed",
    "run-missed",
    "alertmanager-down",
]
KindIfAny = Kind | Literal[""]


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
        kind: of the trouble; empty when ok, and where nobody tells causes by it.
    """

    probe: str
    state: FindingState
    seen: str
    next_step: str = ""
    seconds: float = 0.0
    because_of: str = ""
    kind: KindIfAny = ""


@dataclass(frozen=True)
class Cause:
    """A trouble that follows from no other.

    Attributes:
        probe: whose finding tells it.
        page: the runbook page about it, a path of this repository with the section.
        explains: the probes whose findings follow from it.
    """

    kind: KindIfAny
    probe: str
    state: FindingState
    seen: str
    next_step: str
    page: str
    explains: tuple[str, ...] = ()
