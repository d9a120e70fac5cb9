"""Users' servers as three places have them: the Hub's list, what really runs, and the proxy's routes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from domain.sessions import Server

Key = tuple[str, str]
"""A user's name and a server's, "" for the default one: no label, since a user's name may hold a slash."""

# The Hub notes a start before the spawner begins, by a clock of its own.
CLOCKS = timedelta(minutes=1)


@dataclass(frozen=True)
class Running:
    """A user's server as it runs, whatever the Hub says of it.

    Attributes:
        kind, id: a pod by its name, or a process of this machine by its number, with its children.
        uid: no other pod, and no later process of that number, has it.
        end: how a person ends it, in words.
        ours: this very Hub made it; one that did not bear the Hub's addresses is somebody else's.
    """

    user: str
    name: str
    kind: Literal["pod", "process"]
    id: str
    uid: str
    end: str
    started: datetime
    ours: bool = True

    @property
    def label(self) -> str:
        """As `Server.label`."""
        return f"{self.user}/{self.name}"

    @property
    def where(self) -> str:
        return f"its {self.kind} {self.id}"


@dataclass(frozen=True)
class Route:
    """A way of the proxy to a user's server: `spec` is the path, `target` where it leads."""

    spec: str
    target: str
    user: str
    name: str

    @property
    def label(self) -> str:
        """As `Server.label`."""
        return f"{self.user}/{self.name}"


Item = Server | Running | Route


@dataclass(frozen=True)
class Standing:
    """One look at all three. `at` is the Hub's clock; `running` is None where nobody can look."""

    at: datetime
    servers: tuple[Server, ...]
    routes: tuple[Route, ...]
    running: tuple[Running, ...] | None


def key_of(item: Item) -> Key:
    """Whose server it is, or leads to."""
    return item.user, item.name


def left_over(running: Running, server: Server | None, beside: tuple[Running, ...]) -> bool:
    """Is it no part of the Hub's `server`? `beside`: all that runs under the same name.

    Where the Hub knows the server, only what began before its start, beside something that began after it: of one
    alone that looks too old the clocks are the likelier reason.
    """
    if server is None:
        return True
    if server.pending or server.started is None:
        return False
    began = server.started - CLOCKS
    return running.started < began <= max(each.started for each in beside)
