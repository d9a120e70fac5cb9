"""The points of a mirror: which there are, which one is meant, and how the next one is won.

Each point is one manifest under a number. The number is won by a write that must not find an object, so of
two pushes at once one wins and the other is refused. A push announces itself before its first write; where an
announcement outlives its push, the bucket may show what no manifest knows, and the next push looks.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from domain.clock import to_utc
from domain.errors import Refused
from systems.mirror.bucket import AT_ONCE, Bucket
from systems.mirror.entry import Pinned
from systems.mirror.location import MirrorLocation
from systems.mirror.manifest import Point, read_manifest, read_point
from systems.mirror.parallel import run_all
from systems.objects import Taken

_MANIFEST = re.compile(r"(\d{10})\.parquet")
_ANNOUNCED = re.compile(r"unfinished/(\d{10})-[0-9a-f]+")
_POINT_ID = re.compile(r"(\d{10})(-\d{8}T\d{6}Z)?")


class Announcement(NamedTuple):
    """A push for point `sequence` began at `began` (the store's clock) and has not ended well, or not yet."""

    key: str
    sequence: int
    began: datetime


@dataclass(frozen=True)
class Shelf:
    """What a listing of the manifests shows: the numbers of the points, and announcements without a point."""

    sequences: tuple[int, ...]
    unfinished: tuple[Announcement, ...]

    @property
    def last(self) -> int:
        return self.sequences[-1] if self.sequences else 0


def look_at_shelf(bucket: Bucket) -> Shelf:
    """List the manifests. Foreign objects among them are passed over."""
    folder = bucket.location.manifests
    sequences: list[int] = []
    unfinished: list[Announcement] = []
    for shown in bucket.list_current(folder):
        name = shown.key.removeprefix(folder)
        if found := _MANIFEST.fullmatch(name):
            sequences.append(int(found[1]))
        elif found := _ANNOUNCED.fullmatch(name):
            unfinished.append(Announcement(shown.key, int(found[1]), shown.modified))
    return Shelf(tuple(sequences), tuple(unfinished))


def announce(bucket: Bucket, sequence: int) -> str:
    """Say that a push for `sequence` begins; the key of the announcement, to be deleted when it has won."""
    key = f"{bucket.location.manifests}unfinished/{sequence:010d}-{secrets.token_hex(8)}"
    bucket.put_marker(key)
    return key


def load_point(bucket: Bucket, sequence: int) -> tuple[Point, Iterator[Pinned]]:
    """A point and its rows."""
    key = _key(bucket, sequence)
    return read_manifest(bucket.get(key), key)


def win_point(bucket: Bucket, point: Point, manifest: bytes) -> None:
    """Write the manifest: from here on the point exists.

    Raises:
        Refused: another push won this number meanwhile.
    """
    try:
        bucket.put_new(_key(bucket, point.sequence), manifest)
    except Taken:
        raise Refused(
            f"mirror {bucket.location.url}",
            f"another push wrote point {point.sequence} while this one ran",
            "nothing is lost; push again, and run one push at a time",
        ) from None


def find_point(bucket: Bucket, *, at: datetime | None, point: str | None) -> int:
    """The number of the point with id `point`, else of the last one not after `at`, else of the last.

    A time without a fraction of a second means all of that second, as people write times.

    Raises:
        Refused: there is no such point.
    """
    thing = f"mirror {bucket.location.url}"
    shelf = look_at_shelf(bucket)
    if not shelf.sequences:
        raise Refused(thing, "it has no point yet", "push first, or correct the address")
    if point is not None:
        return _named(bucket, shelf, point)
    if at is None:
        return shelf.last
    moment = to_utc(at)
    if moment.microsecond == 0:
        moment += timedelta(microseconds=999_999)
    low, high = 0, len(shelf.sequences)  # created_at never falls, so halving finds the last one not after
    while low < high:
        middle = (low + high) // 2
        if _header(bucket, shelf.sequences[middle]).created_at <= moment:
            low = middle + 1
        else:
            high = middle
    if low == 0:
        first = _header(bucket, shelf.sequences[0]).created_at
        raise Refused(thing, f"its first point is of {first.isoformat()}, after {at.isoformat()}", "give a later time")
    return shelf.sequences[low - 1]


def history(location: MirrorLocation) -> tuple[Point, ...]:
    """Every point, oldest first.

    Raises:
        Refused, Unreachable, Damaged: as reads of the bucket.
    """
    bucket = Bucket(location)
    sequences = look_at_shelf(bucket).sequences
    return tuple(run_all(lambda sequence: _header(bucket, sequence), sequences, AT_ONCE))


def _named(bucket: Bucket, shelf: Shelf, point: str) -> int:
    found = _POINT_ID.fullmatch(point)
    sequence = int(found[1]) if found else 0
    if sequence not in shelf.sequences or (found and found[2] and _header(bucket, sequence).id != point):
        raise Refused(
            f"mirror {bucket.location.url}",
            f"it has no point {point!r}",
            f"choose one that `riskhub mirror history {bucket.location.url}` lists",
        )
    return sequence


def _header(bucket: Bucket, sequence: int) -> Point:
    key = _key(bucket, sequence)
    return read_point(bucket.open(key), key)


def _key(bucket: Bucket, sequence: int) -> str:
    return f"{bucket.location.manifests}{sequence:010d}.parquet"
