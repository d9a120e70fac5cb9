"""What follows from what: every kind of trouble, the page about it, and the kinds that it brings about. Pure.

The one table that tells a cause from a consequence. An arrow says: while this is so, that is no news. It is drawn only
where it holds by how the platform is built, never because two things were once seen together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from domain.health import Kind

_NONE: frozenset[Kind] = frozenset()

SPAWN: frozenset[Kind] = frozenset({"spawn-timeout", "spawn-failed", "session-failed"})
# The Hub asks its database for every request, blocks on it, and answers 403 when it cannot look a token up.
_ASKED_OF_THE_HUB: frozenset[Kind] = frozenset(
    {"hub-down", "hub-starting", "hub-overloaded", "hub-error", "token-rejected"}
)
# Whatever the Hub and the proxy before it may suffer from together.
HUB: frozenset[Kind] = frozenset({"hub-address", "proxy-down", "proxy-api", "routes-lost", *_ASKED_OF_THE_HUB, *SPAWN})
# What is due by schedule.
_DUE: frozenset[Kind] = frozenset({"backup-overdue", "drill-overdue", "report-overdue"})


@dataclass(frozen=True)
class Trouble:
    """A kind of trouble: the page below docs/on-call about it, and what it brings about at once."""

    page: str
    brings: frozenset[Kind] = _NONE


TROUBLES: Mapping[Kind, Trouble] = {
    # authentication
    "token-rejected": Trouble("authentication", SPAWN),
    "token-scope": Trouble("authentication", SPAWN),
    "sso-down": Trouble("authentication"),
    "sso-client": Trouble("authentication"),
    "clock-skew": Trouble("authentication", frozenset({"sso-client", "bucket-denied"})),
    # resources
    "database-down": Trouble("hub", _ASKED_OF_THE_HUB),
    "database-locked": Trouble("hub", _ASKED_OF_THE_HUB),
    "database-full": Trouble("hub", frozenset({"database-down", *_ASKED_OF_THE_HUB})),
    "database-login": Trouble("hub", _ASKED_OF_THE_HUB),
    "hub-down": Trouble("hub", SPAWN),
    "hub-starting": Trouble("hub", frozenset({"hub-down", "hub-overloaded", "routes-lost"})),
    "hub-overloaded": Trouble("hub", SPAWN),
    "hub-error": Trouble("hub", SPAWN),
    "hub-address": Trouble("hub", SPAWN),
    "spawn-timeout": Trouble("servers"),
    "spawn-failed": Trouble("servers"),
    "session-failed": Trouble("servers"),
    "image": Trouble("servers"),
    "scheduling": Trouble("servers"),
    "memory": Trouble("servers"),
    "quota": Trouble("servers"),
    "server": Trouble("servers"),
    # storage
    "homes-unmounted": Trouble("storage", SPAWN),
    "homes-full": Trouble("storage", SPAWN),
    "homes-slow": Trouble("storage", SPAWN),
    "volume": Trouble("storage"),
    "bucket-down": Trouble("storage", _DUE),
    "bucket-denied": Trouble("storage", _DUE),
    "bucket-missing": Trouble("storage", _DUE),
    "bucket-damaged": Trouble("storage"),
    "bucket-unversioned": Trouble("storage"),
    # network
    "proxy-down": Trouble("network", frozenset({"hub-address", *_ASKED_OF_THE_HUB})),
    "proxy-api": Trouble("network", frozenset({"routes-lost", *SPAWN})),
    "routes-lost": Trouble("network", frozenset({"hub-address", *SPAWN})),
    "dns": Trouble("network"),
    "certificate": Trouble("network"),
    "risk-api-down": Trouble("network"),
    "risk-api-slow": Trouble("network"),
    "risk-api-error": Trouble("network"),
    "risk-api-token": Trouble("network"),
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
}


@cache
def follows_from(kind: Kind) -> frozenset[Kind]:
    """Every kind that `kind` brings about, at once or by another."""
    brought = TROUBLES[kind].brings
    return brought.union(*(follows_from(each) for each in brought))


def page_of(kind: Kind) -> str:
    """The runbook page about a kind of trouble, with its section."""
    return f"docs/on-call/{TROUBLES[kind].page}.md#{kind}"
