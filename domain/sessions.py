"""Users' notebook servers as the Hub tells of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


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
    """

    server: Server
    idle_since: datetime | None
