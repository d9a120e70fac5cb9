"""What follows from what: every kind of trouble, the page about it, and the kinds that it brings about. Pure.

The one table that tells a cause from a consequence. An arrow says: while this is so, that is no news. It is drawn only
where it holds by how the platform is built, never because two things were once seen together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from domain.alerts import Severity
from domain.health import FindingState, Kind, KindIfAny

_NONE: frozenset[Kind] = frozenset()

_RISK_API: frozenset[Kind] = frozenset({"session-risk-api"})
_HOME: frozenset[Kind] = frozenset({"user-home", "user-configuration"})
_SERVER: frozenset[Kind] = frozenset({"user-server"})
SPAWN: frozenset[Kind] = frozenset({"spawn-timeout", "spawn-failed", "session-failed", *_SERVER})
_LOGIN: frozenset[Kind] = frozenset({"login-failed"})
# What a Hub that is not well does to whoever comes now.
_SESSION: frozenset[Kind] = _LOGIN | SPAWN
# The Hub asks its database for every request, blocks on it, and answers 403 when it cannot look a token up.
_ASKED_OF_THE_HUB: frozenset[Kind] = frozenset(
    {"hub-down", "hub-starting", "hub-overloaded", "hub-error", "token-rejected"}
)
# Whatever the Hub and the proxy before it may suffer from together.
HUB: frozenset[Kind] = frozenset(
    {"hub-address", "proxy-down", "proxy-api", "routes-lost", *_ASKED_OF_THE_HUB, *_SESSION}
)
# What is due by schedule.
_DUE: frozenset[Kind] = frozenset({"backup-overdue", "drill-overdue", "report-overdue"})


@dataclass(frozen=True)
class Trouble:
    """A kind of trouble: the page below docs/on-call about it, and what it brings about at once."""

    page: str
    brings: frozenset[Kind] = _NONE


TROUBLES: Mapping[Kind, Trouble] = {
    # authentication
    "token-rejected": Trouble("authentication", _SESSION),
    "token-scope": Trouble("authentication", _SESSION),
    "sso-down": Trouble("authentication", _LOGIN),
    "sso-client": Trouble("authentication", _LOGIN),
    "clock-skew": Trouble("authentication", frozenset({"sso-client", "bucket-denied", *_LOGIN})),
    "login-failed": Trouble("authentication"),
    # resources
    "database-down": Trouble("hub", _ASKED_OF_THE_HUB),
    "database-locked": Trouble("hub", _ASKED_OF_THE_HUB),
    "database-full": Trouble("hub", frozenset({"database-down", *_ASKED_OF_THE_HUB})),
    "database-login": Trouble("hub", _ASKED_OF_THE_HUB),
    "database-schema": Trouble("hub", _ASKED_OF_THE_HUB),
    "hub-down": Trouble("hub", _SESSION),
    "hub-starting": Trouble("hub", frozenset({"hub-down", "hub-overloaded", "routes-lost"})),
    "hub-overloaded": Trouble("hub", _SESSION),
    "hub-error": Trouble("hub", _SESSION),
    "hub-address": Trouble("hub", _SESSION),
    "spawn-timeout": Trouble("servers", _SERVER),
    "spawn-failed": Trouble("servers", _SERVER),
    "session-failed": Trouble("servers"),
    "image": Trouble("servers"),
    "scheduling": Trouble("servers"),
    "memory": Trouble("servers"),
    "quota": Trouble("servers"),
    "server": Trouble("servers"),
    # one person's
    "user-account": Trouble("person", _SERVER),
    "user-server": Trouble("person"),
    "user-home": Trouble("person", _SERVER),
    "user-configuration": Trouble("person", _SERVER),
    # storage
    "homes-unmounted": Trouble("storage", SPAWN | _HOME),
    "homes-full": Trouble("storage", SPAWN),
    "homes-slow": Trouble("storage", SPAWN | _HOME),
    "volume": Trouble("storage"),
    "bucket-down": Trouble("storage", _DUE),
    "bucket-denied": Trouble("storage", _DUE),
    "bucket-missing": Trouble("storage", _DUE),
    "bucket-damaged": Trouble("storage"),
    "bucket-unversioned": Trouble("storage"),
    # network
    "proxy-down": Trouble("network", frozenset({"hub-address", *_ASKED_OF_THE_HUB})),
    "proxy-api": Trouble("network", frozenset({"routes-lost", *_SESSION})),
    "routes-lost": Trouble("network", frozenset({"hub-address", *_SESSION})),
    "dns": Trouble("network"),
    "certificate": Trouble("network"),
    "risk-api-down": Trouble("network", _RISK_API),
    "risk-api-slow": Trouble("network", _RISK_API),
    "risk-api-error": Trouble("network", _RISK_API),
    "risk-api-token": Trouble("network"),
    "session-risk-api": Trouble("servers"),
    # what is due, and who does it
    "scheduler-down": Trouble("overdue", _DUE),
    "scheduler-late": Trouble("overdue", _DUE),
    "backup-overdue": Trouble("overdue"),
    "point-damaged": Trouble("overdue"),
    "drill-overdue": Trouble("overdue"),
    "drill-failed": Trouble("overdue"),
    "report-overdue": Trouble("overdue"),
    "aws-down": Trouble("overdue"),
    "vault-unlocked": Trouble("overdue"),
    # the cluster; what these bring about is read from the cluster itself, see `plans.cluster`
    "cluster-down": Trouble("cluster"),
    "node": Trouble("cluster"),
    "secret-missing": Trouble("cluster"),
    "workload": Trouble("cluster"),
    "service": Trouble("cluster"),
    # what the log watch counts; each is a sum of many incidents, which explains no other finding
    "log-authentication": Trouble("logs"),
    "log-allocation": Trouble("logs"),
    "log-api": Trouble("logs"),
    "log-storage": Trouble("logs"),
    "log-security": Trouble("logs"),
    "log-unread": Trouble("logs"),
    "probe-broken": Trouble("hub"),
    # who tells of all this
    "pulse-missing": Trouble("overdue"),
    "run-failed": Trouble("overdue"),
    "run-missed": Trouble("overdue"),
    "alertmanager-down": Trouble("overdue"),
}

# How soon somebody is wanted; what is not named here is P3. A test holds that each kind has one place.
_SEVERITIES: Mapping[Severity, frozenset[Kind]] = {
    # nobody can work, or data is at risk
    "P1": frozenset(
        {
            *("database-down", "database-locked", "database-full", "database-login", "database-schema"),
            *("hub-down", "hub-error", "hub-address", "token-rejected", "proxy-down", "sso-down", "sso-client"),
            *("homes-unmounted", "homes-full", "bucket-missing", "cluster-down", "dns", "pulse-missing"),
        }
    ),
    # many are affected, or soon will be
    "P2": frozenset(
        {
            *("hub-overloaded", "proxy-api", "routes-lost", "clock-skew", "certificate", "homes-slow", "volume"),
            *("spawn-timeout", "spawn-failed", "session-failed", "session-risk-api", "login-failed"),
            *("scheduling", "quota", "image", "secret-missing"),
            *("node", "workload", "service", "risk-api-down", "risk-api-error", "risk-api-token"),
            *("bucket-down", "bucket-denied", "bucket-damaged", "point-damaged", "backup-overdue"),
            *("scheduler-down", "scheduler-late", "alertmanager-down"),
        }
    ),
    # to be done this week
    "P4": frozenset({"drill-overdue", "vault-unlocked", "bucket-unversioned"}),
}


@cache
def follows_from(kind: Kind) -> frozenset[Kind]:
    """Every kind that `kind` brings about, at once or by another."""
    brought = TROUBLES[kind].brings
    return brought.union(*(follows_from(each) for each in brought))


def page_of(kind: Kind) -> str:
    """The runbook page about a kind of trouble, with its section."""
    return f"docs/on-call/{TROUBLES[kind].page}.md#{kind}"


def severity_of(kind: KindIfAny, state: FindingState) -> Severity:
    """How soon somebody is wanted. What is only degraded still works: at most P3, so that it wakes nobody."""
    severity: Severity = next((name for name, kinds in _SEVERITIES.items() if kind in kinds), "P3")
    return max(severity, "P3") if state == "degraded" else severity


def service_of(kind: KindIfAny) -> str:
    """Which part of the platform it is about, as its page is called: routes may go by it."""
    return TROUBLES[kind].page if kind else "hub"
