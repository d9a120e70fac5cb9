"""People who leave, and homes that nobody uses: what is known of them, and the archive that is kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from domain.clock import UtcDatetime
from domain.sessions import Server


@dataclass(frozen=True)
class HubUser:
    """Somebody as the Hub knows them. `groups` and `admin`: since their last login."""

    name: str
    groups: tuple[str, ...]
    last_activity: datetime | None
    servers: tuple[Server, ...]
    admin: bool = False


@dataclass(frozen=True)
class Token:
    """A token of a user, as the Hub lists it: never its value. `note` is the user's own word."""

    id: str
    note: str
    last_activity: datetime | None


class Archive(BaseModel):
    """A home at one point of the mirror, every object of it under a legal hold.

    Attributes:
        home: its folder below `user-data`.
        point: the mirror's point; `point_at`: its time, which a restore gives as `--at`.
        files: files and links; `bytes`: theirs together.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    format: Literal[1] = 1
    user: str
    home: str
    point: str
    point_at: UtcDatetime
    archived_at: UtcDatetime
    entries: int
    files: int
    bytes: int


@dataclass(frozen=True)
class Standing:
    """What is there of one person.

    Attributes:
        known: as the Hub knows them; None when it does not (any more).
        tokens: all that the Hub lists.
        admins: everybody who is an administrator of the Hub.
        home: the folder; `home_is_there`: it is among the homes.
        archive: the newest of this home.
    """

    user: str
    known: HubUser | None
    tokens: tuple[Token, ...]
    admins: frozenset[str]
    home: str
    home_is_there: bool
    archive: Archive | None


@dataclass(frozen=True)
class Home:
    """A home as the newest point of the mirror has it.

    Attributes:
        name: its folder below `user-data`.
        user: whose it is by its name; empty where it is named as no user's.
        owner: as the Hub knows them; None where it does not.
        changed_at: when something in it changed last, whichever of the file system's times is the latest.
    """

    name: str
    user: str
    owner: HubUser | None
    bytes: int
    changed_at: datetime

    @property
    def rests_since(self) -> datetime:
        """When it was last used: changed, or its owner active."""
        active = self.owner.last_activity if self.owner else None
        return max(self.changed_at, active) if active else self.changed_at
