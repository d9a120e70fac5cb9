"""What can still be restored: what the bucket's lifecycle promises, and what is really there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.clock import utc_now
from systems.mirror.bucket import Bucket
from systems.mirror.entry import is_folder
from systems.mirror.listing import Listing
from systems.mirror.location import MirrorLocation
from systems.mirror.manifest import Page, Point
from systems.mirror.names import key_of
from systems.mirror.points import load_point, rows_of


@dataclass(frozen=True)
class Retention:
    """How long the bucket keeps a version that was replaced or deleted.

    Attributes:
        days: by its lifecycle; None when it keeps all.
        restorable_from: of the oldest point that this leaves whole; None when there is no point.
    """

    days: int | None
    restorable_from: datetime | None

    @property
    def words(self) -> str:
        if self.restorable_from is None:
            return "nothing can be restored: there is no point"
        since = f"every time since {self.restorable_from:%Y-%m-%d %H:%M:%S} UTC can be restored"
        if self.days is None:
            return f"{since}: the bucket keeps every version"
        return f"{since}: the bucket's lifecycle deletes a version {self.days} days after it was replaced or deleted"


def retention(location: MirrorLocation, points: Iterable[Point]) -> Retention:
    """What the lifecycle leaves of these points, oldest first. The last one is always whole: its versions show.

    Raises:
        Refused, Unreachable: the lifecycle cannot be read.
    """
    days = Bucket(location).noncurrent_days()
    kept = list(points)
    since = utc_now() - timedelta(days=days) if days is not None else None
    whole = [point for point in kept if since is None or point.created_at >= since] or kept[-1:]
    return Retention(days, whole[0].created_at if whole else None)


def oldest_whole(bucket: Bucket, sequences: Iterable[int], listing: Listing) -> Point | None:
    """The oldest of these points of which every version is in the bucket."""
    known: dict[str, bool] = {}

    def whole(page: Page) -> bool:
        if page.key not in known:
            known[page.key] = all(
                listing.has(key_of(bucket.location.prefix, row.path, row.entry.mode), row.version)
                for row in rows_of(bucket, [page])
                if not is_folder(row.look)
            )
        return known[page.key]

    for sequence in sequences:
        point = load_point(bucket, sequence)
        if all(map(whole, point.pages)):
            return point
    return None
