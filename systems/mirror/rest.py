"""Since when nothing in each home changed: from the newest manifest alone, so no walk of millions of files."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from systems.mirror.bucket import Bucket
from systems.mirror.entry import Row, lies_in
from systems.mirror.location import MirrorLocation
from systems.mirror.manifest import Point
from systems.mirror.names import escape, unescape
from systems.mirror.points import load_point, look_at_shelf, pages_about, rows_of


@dataclass
class HomeAtRest:
    """Bytes of a home, and the latest time that any entry of it bears: ns since 1970."""

    bytes: int = 0
    changed_ns: int = 0

    @property
    def changed_at(self) -> datetime:
        """In UTC."""
        return datetime.fromtimestamp(self.changed_ns / 1e9, UTC)


def homes_at_rest(location: MirrorLocation, *, only: str | None = None) -> dict[str, HomeAtRest]:
    """Each folder right below the mirrored one in the newest point, by its name (escaped); none without a point.

    Args:
        only: this home, whose pages alone are read.

    A file's ctime counts beside its mtime: an archive that was unpacked today holds files of years ago.

    Raises:
        Refused, Unreachable, Damaged: as reads of the bucket.
    """
    bucket = Bucket(location)
    shelf = look_at_shelf(bucket)
    homes: defaultdict[bytes, HomeAtRest] = defaultdict(HomeAtRest)
    for row in _rows(bucket, load_point(bucket, shelf.last), only) if shelf.sequences else ():
        home, slash, _ = row.path.partition(b"/")
        entry = row.entry
        if home and (slash or entry.is_folder):  # a file beside the homes is nobody's
            found = homes[home]
            found.bytes += entry.size
            found.changed_ns = max(found.changed_ns, entry.mtime_ns, entry.ctime_ns)
    return {escape(name): home for name, home in homes.items()}


def _rows(bucket: Bucket, point: Point, only: str | None) -> Iterator[Row]:
    if only is None:
        return rows_of(bucket, point.pages)
    home = unescape(only)
    return (row for row in rows_of(bucket, pages_about(point, home)) if lies_in(row.path, home))
