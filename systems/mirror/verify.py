"""Verify: is what the last point promises still in the bucket, byte for byte, and still what is on disk?"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from domain.errors import Refused
from systems.answers import Absent
from systems.mirror.bucket import AT_ONCE, Bucket
from systems.mirror.entry import Miss, Row, is_folder
from systems.mirror.listing import Listing
from systems.mirror.location import MirrorLocation
from systems.mirror.manifest import Point
from systems.mirror.names import escape, key_of
from systems.mirror.parallel import in_order
from systems.mirror.points import find_point, load_point, look_at_shelf, rows_of
from systems.mirror.progress import Listener, Meter
from systems.mirror.restore_plan import plan_restore
from systems.mirror.retention import oldest_whole
from systems.mirror.rotation import Rotation


@dataclass(frozen=True)
class VerifyResult:
    """What a verification found.

    Attributes:
        state: `partial` when something is not as it should be, `failed` when nothing that was read is.
        read: files and links that were read back; `files` of them as they were stored; `bytes`: theirs together.
        restorable_from: of the oldest point of which every version is still in the bucket; None: of none.
        skipped: every path that is lost, damaged, or differs, and how.
    """

    state: Literal["complete", "partial", "failed"]
    point: str
    read: int
    files: int
    bytes: int
    restorable_from: datetime | None
    skipped: tuple[Miss, ...]


def verify(
    location: MirrorLocation,
    source: Path | None = None,
    *,
    within_days: int | None = None,
    workers: int = AT_ONCE,
    progress: Listener | None = None,
) -> VerifyResult:
    """Read objects of the last point back and compare their SHA-256; with `source`, compare the disk too.

    Args:
        within_days: read only what is due, so that with a run a day every object is read at least every so many
            days (see `rotation`); None: read all of them. Versions that are gone are found either way.

    Raises:
        Refused, Unreachable, Damaged: the bucket or the point could not be read.
        Failed: the folder for temporary files does not hold what the bucket lists.
    """
    if source is not None and not source.is_dir():
        raise Refused(f"source {source}", "it is no folder", "check the path and the mount")
    if within_days is not None and within_days < 1:
        raise Refused(f"a round of {within_days} days", "there is no such round", "give one day or more")
    bucket = Bucket(location)
    point = load_point(bucket, find_point(bucket, at=None, point=None))
    shelf = look_at_shelf(bucket)
    first = load_point(bucket, shelf.sequences[0]).created_at
    rotation = Rotation(bucket, within_days, first) if within_days else None
    read, good, size, misses = _read_all(bucket, point, rotation, workers, progress)
    listing = Listing(bucket)
    unfinished = look_at_shelf(bucket)
    quiet = unfinished.last == point.sequence and not unfinished.unfinished
    misses |= dict(_not_as_listed(bucket, point, listing, misses, quiet=quiet))
    found = [Miss(escape(path), told) for path, told in misses.items()]
    if source is not None:
        plan = plan_restore(location, source, point=point.id, progress=progress)
        found += [Miss(action.target, f"on disk: {action.reason}") for action in plan.actions]
        found += [Miss(each.target, "on disk: not in the point") for each in plan.left_alone]
    oldest = oldest_whole(bucket, shelf.sequences, listing)
    return VerifyResult(
        state="failed" if read and not good else "partial" if found else "complete",
        point=point.id,
        read=read,
        files=good,
        bytes=size,
        restorable_from=oldest.created_at if oldest else None,
        skipped=tuple(found),
    )


def _read_all(
    bucket: Bucket, point: Point, rotation: Rotation | None, workers: int, progress: Listener | None
) -> tuple[int, int, int, dict[bytes, str]]:
    """How many were read, how many of them are good, their bytes, and what is wrong with the others."""
    meter = Meter("verify", point.files, point.bytes, progress)

    def is_due(row: Row) -> bool:
        return not is_folder(row.look) and (rotation is None or rotation.is_due(row.path))

    read = good = size = 0
    misses: dict[bytes, str] = {}
    for row, problem in in_order(
        lambda row: read_back(bucket, row), rows_of(bucket, point.pages), workers, needed=is_due
    ):
        if problem is None:
            continue
        read += 1
        meter.count(row.entry.size)
        if problem:
            misses[row.path] = problem
        else:
            good += 1
            size += row.entry.size
    if rotation:
        rotation.done()
    return read, good, size, misses


def read_back(bucket: Bucket, row: Row) -> str:
    """Read the version that a row pins; what is wrong with it, in words, or nothing."""
    digest = hashlib.sha256()
    try:
        for piece in bucket.stream(key_of(bucket.location.prefix, row.path, row.entry.mode), row.version):
            digest.update(piece)
    except Absent:
        return "its version is gone from the bucket; only another point can bring it back"
    if digest.digest() != row.sha256:
        return "its bytes in the bucket are not those that were stored; only another point can bring it back"
    return ""


def _not_as_listed(
    bucket: Bucket, point: Point, listing: Listing, known: dict[bytes, str], *, quiet: bool
) -> Iterator[tuple[bytes, str]]:
    """Entries whose version is gone, read or not, and plain copies that somebody else overwrote or deleted.

    Not `quiet`: a push ran meanwhile or did not finish; then the newest version may rightly be another.
    """
    for row in rows_of(bucket, point.pages):
        if is_folder(row.look) or row.path in known:
            continue
        key = key_of(bucket.location.prefix, row.path, row.entry.mode)
        if listing.shows(key, row.version):
            continue
        if not listing.has(key, row.version):
            yield row.path, "its version is gone from the bucket; only another point can bring it back"
        elif quiet:
            how = "was overwritten" if listing.shows_any(key) else "was deleted"
            yield row.path, f"its plain copy {how} by somebody else; this point still restores it"
