"""What people are told in their JupyterLab and on the Hub's pages: a stop that is to come, and maintenance."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from domain.clock import UtcDatetime

LONGEST = 140  # characters; JupyterLab cuts a notification off behind them


class StopWarning(BaseModel):
    """That a server is going to be stopped. Times are aware UTC.

    Attributes:
        user, server: whose it is, and which; empty for the default server.
        started: of this very server: about a later start it says nothing.
        last_activity: activity after this makes it untrue; None where no activity does (the server is too old).
        warned_at: since when it is told.
        stop_at: the stop comes at this time or later.
        text: what its user reads.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    user: str
    server: str
    started: UtcDatetime | None
    last_activity: UtcDatetime | None
    warned_at: UtcDatetime
    stop_at: UtcDatetime
    text: str = Field(max_length=LONGEST)


class Announcement(BaseModel):
    """Maintenance that people are told of, from when it is announced until it ends. Times are aware UTC.

    Attributes:
        id: follows from all the rest.
        group: whose members are told; everybody where it is None.
        text: what they read.
        begins, ends: the maintenance itself.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    id: str
    group: str | None
    text: str = Field(max_length=LONGEST)
    begins: UtcDatetime
    ends: UtcDatetime

    @property
    def audience(self) -> str:
        """Who is told, in words."""
        return "everybody" if self.group is None else f"group {self.group}"
