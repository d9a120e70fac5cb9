"""What the departure of people, and homes that nobody uses, are held to."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field

from environments.base import Seconds, Settings


class PeopleSettings(Settings):
    """Who never leaves, and when a home counts as stale.

    Attributes:
        service_users: users of the Hub that are no people: none of them leaves, and no home of theirs is stale.
        stale_after: a home is stale when its owner was not active, and nothing in it changed, for so long.
        homes_at_once: at most so many homes are archived in one run, those that rest longest first.
        max_share: when more than this share of all homes is stale the run is refused whole, since a list of users
            that is not whole looks just like that.
        at_least: so many stale homes are always allowed, however few homes there are.
    """

    service_users: tuple[str, ...] = ()
    stale_after: Seconds = Field(default=timedelta(days=180), gt=timedelta(0))
    homes_at_once: int = Field(default=10, ge=1)
    max_share: float = Field(default=0.5, gt=0, le=1)
    at_least: int = Field(default=3, ge=0)
