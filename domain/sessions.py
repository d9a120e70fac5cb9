"""Users' notebook servers as the Hub tells of them, and what culling makes of one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from domain.notices import StopWarning


@dataclass(frozen=True)
class Server:
    """One server of one user. `name` is empty for the default server; times are aware UTC."""

    user: str
    name: str
    ready: bool
    pending: str | None
    started: datetime | None
    last_activity: datetime | None
    groups: tuple[str, ...] = ()
    profile: str | None = None

    @property
    def label(self) -> str:
        """`user/` for the default server, `user/name` for a named one."""
        return f"{self.user}/{self.name}"


@dataclass(frozen=True)
class Stop:
    """A server to stop.

    `idle_since`: activity after this moment spares it; None when no activity does (it is too old).
    `reason`: why, for the record of the stop.
    `warning`: what its user was told of it, or is to be told; None where nothing is.
    """

    server: Server
    idle_since: datetime | None
    reason: str = ""
    warning: StopWarning | None = None


@dataclass(frozen=True)
class Verdict:
    """What a policy makes of one server at one moment.

    Attributes:
        due: it is to be stopped now.
        reason: why, or why not, with the rule that decided.
        stop_at: when it is stopped at the earliest if nobody uses it from now on and the rules of now go on to
            hold; None when that cannot be said (exempt, pending, its activity is unknown).
        idle_since: see `Stop`; of a stop that is to come its last activity.
    """

    due: bool
    reason: str
    stop_at: datetime | None = None
    idle_since: datetime | None = None
