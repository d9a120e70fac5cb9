"""The points of a mirror: which there are, which one is meant, and how the next one is won.

Each point is one header under a number, and the pages it names. The number is won by a write that must not find
an object, so of two pushes at once one wins and the other is refused. A push announces itself before its first
write; where an announcement outlives its push, the bucket may show what no point knows, and the next push looks.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile, zip_longest
from typing import NamedTuple

from domain.clock import to_utc
from domain.errors import Refused
from systems.answers import Taken
from systems.mirror.bucket import AT_ONCE, Bucket
from systems.mirror.entry import Row, lies_in, order
from systems.mirror.location import MirrorLocation
from systems.mirror.manifest import Page, Point, first_path, read_page, read_point
from systems.mirror.parallel import in_order, run_all

_POINT = re.compile(r"points/(\d{10})\.json")
_ANNOUNCED = re.compile(r"unfinished/(\d{10})-[0-9a-f]+")
_POINT_ID = re.compile(r"(\d{10})(-\d{8}T\d{6}Z)?")


class Overtaken(Refused):
    """Another push made the point that this one was to make."""


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
    """List points and announcements. Foreign objects among them are passed over."""
    folder = bucket.location.manifests
    sequences: list[int] = []
    unfinished: list[Announcement] = []
    for shown in bucket.list_current(f"{folder}points/"):
        if found := _POINT.fullmatch(shown.key.removeprefix(folder)):
            sequences.append(int(found[1]))
    for shown in bucket.list_current(f"{folder}unfinished/"):
        if found := _ANNOUNCED.fullmatch(shown.key.removeprefix(folder)):
            unfinished.append(Announcement(shown.key, int(found[1]), shown.modified))
    return Shelf(tuple(sequences), tuple(unfinished))


def announce(bucket: Bucket, sequence: int) -> str:
    """Say that a push for `sequence` begins; the key of the announcement, to be deleted when it has won."""
    key = f"{bucket.location.manifests}unfinished/{sequence:010d}-{secrets.token_hex(8)}"
    bucket.put_marker(key)
    return key


def pages_of(bucket: Bucket, push: Announcement) -> list[str]:
    """Keys of the pages that an unfinished push had written."""
    name = push.key.rpartition("/")[2]
    folder = f"{bucket.location.manifests}pages/"
    found = bucket.list_current(folder, after=f"{folder}{name}-")
    return [each.key for each in takewhile(lambda each: each.key.startswith(f"{folder}{name}-"), found)]


def load_point(bucket: Bucket, sequence: int) -> Point:
    """The header of a point.

    Raises:
        Damaged: it is not readable.
    """
    key = point_key(bucket, sequence)
    return read_point(bucket.get(key), key)


def newest_point(bucket: Bucket, shelf: Shelf) -> Point | None:
    """The header of the last point on the shelf, if there is one. Errors as `load_point`."""
    return load_point(bucket, shelf.last) if shelf.sequences else None


def rows_of(bucket: Bucket, pages: Iterable[Page]) -> Iterator[Row]:
    """The rows of these pages, a few pages fetched ahead.

    Raises:
        Damaged: a page is not what was written, while iterating.
    """
    fetched = in_order(lambda page: bucket.get(bucket.location.manifests + page.key), pages, 4, ahead=1)
    for page, body in fetched:
        assert body is not None  # noqa: S101 - every page is fetched
        yield from read_page(body, page)


def pages_about(point: Point, path: bytes) -> list[Page]:
    """The pages that hold `path`, the folders it lies in, or anything below it."""
    parts = path.split(b"/")
    wanted = [order(b"/".join(parts[:depth])) for depth in range(len(parts) + 1)]
    firsts = [order(first_path(page)) for page in point.pages]
    return [
        page
        for page, (first, end) in zip(point.pages, zip_longest(firsts, firsts[1:]), strict=True)
        if lies_in(first_path(page), path) or any(first <= each and (end is None or each < end) for each in wanted)
    ]


def overtaken(bucket: Bucket, sequence: int) -> Overtaken:
    """The error of a push for a point that there is already."""
    return Overtaken(
        f"mirror {bucket.location.url}",
        f"another push wrote point {sequence} while this one ran",
        "nothing is lost; push again, and run one push at a time",
    )


def win_point(bucket: Bucket, point: Point) -> None:
    """Write the header: from here on the point exists.

    Raises:
        Overtaken: another push won this number meanwhile.
    """
    try:
        bucket.put_new(point_key(bucket, point.sequence), point.model_dump_json().encode())
    except Taken:
        raise overtaken(bucket, point.sequence) from None


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
    found = last_until(bucket, shelf, at)
    if found is None:
        first = load_point(bucket, shelf.sequences[0]).created_at
        raise Refused(thing, f"its first point is of {first.isoformat()}, after {at.isoformat()}", "give a later time")
    return found


def last_point(location: MirrorLocation, at: datetime | None = None) -> Point | None:
    """The newest point, or the newest not after `at` as `find_point` reads times; None where there is none.

    Raises:
        Refused, Unreachable, Damaged: as reads of the bucket.
    """
    bucket = Bucket(location)
    shelf = look_at_shelf(bucket)
    if at is None:
        return newest_point(bucket, shelf)
    found = last_until(bucket, shelf, at)
    return None if found is None else load_point(bucket, found)


def read_point_header(location: MirrorLocation, point: str) -> Point:
    """The point with this id.

    Raises:
        Refused: there is no such point.
        Unreachable, Damaged: as reads of the bucket.
    """
    bucket = Bucket(location)
    return load_point(bucket, find_point(bucket, at=None, point=point))


def history(location: MirrorLocation) -> tuple[Point, ...]:
    """Every point, oldest first.

    Raises:
        Refused, Unreachable, Damaged: as reads of the bucket.
    """
    bucket = Bucket(location)
    sequences = look_at_shelf(bucket).sequences
    return tuple(run_all(lambda sequence: load_point(bucket, sequence), sequences, AT_ONCE))


def last_until(bucket: Bucket, shelf: Shelf, at: datetime) -> int | None:
    """The number of the last point not after `at`, read as `find_point` reads times; None where all are later."""
    moment = to_utc(at)
    if moment.microsecond == 0:
        moment += timedelta(microseconds=999_999)
    low, high = 0, len(shelf.sequences)  # created_at never falls, so halving finds the last one not after
    while low < high:
        middle = (low + high) // 2
        if load_point(bucket, shelf.sequences[middle]).created_at <= moment:
            low = middle + 1
        else:
            high = middle
    return shelf.sequences[low - 1] if low else None


def _named(bucket: Bucket, shelf: Shelf, point: str) -> int:
    found = _POINT_ID.fullmatch(point)
    sequence = int(found[1]) if found else 0
    if sequence not in shelf.sequences or (found and found[2] and load_point(bucket, sequence).id != point):
        raise Refused(
            f"mirror {bucket.location.url}",
            f"it has no point {point!r}",
            f"choose one that `riskhub mirror history {bucket.location.url}` lists",
        )
    return sequence


def point_key(bucket: Bucket, sequence: int) -> str:
    """Where the header of a point is."""
    return f"{bucket.location.manifests}points/{sequence:010d}.json"
