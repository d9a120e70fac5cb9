"""What the reconciliation of the Hub, its servers and its routes is held to."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field

from environments.base import Seconds, Settings


class ReconcilePolicy(Settings):
    """When something counts as astray, and how much may be mended at once.

    Attributes:
        grace: what is out of order must be found so twice, this far apart: what starts or stops is left alone.
        pending_after: a server that starts for longer is interrupted; above the spawner's own timeouts.
        max_share: at most this share of all servers is cleared, interrupted, ended or cut off in one run; a larger
            plan is refused whole, since a list that is not whole looks just like that.
        at_least: so much is always allowed, however small the Hub is.
    """

    grace: Seconds = Field(default=timedelta(minutes=1), ge=timedelta(0), le=timedelta(minutes=15))
    pending_after: Seconds = Field(default=timedelta(minutes=15), ge=timedelta(0))
    max_share: float = Field(default=0.25, gt=0, le=1)
    at_least: int = Field(default=3, ge=0)
