"""A legal hold on all that a restore of one path to one point needs: the objects it pins, its pages and its header.

The hold is on the very versions that the point pins, so nothing is copied, and the mirror's own restore brings it
back. A version under a hold is deleted by nobody: by no push, no lifecycle rule and no retention that runs out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from domain.errors import Refused
from systems.mirror.bucket import AT_ONCE, Bucket
from systems.mirror.entry import Miss, Row, is_folder, lies_in
from systems.mirror.location import MirrorLocation
from systems.mirror.manifest import Point
from systems.mirror.names import escape, key_of
from systems.mirror.parallel import in_order
from systems.mirror.points import find_point, load_point, pages_about, point_key, rows_of
from systems.mirror.progress import Listener, Meter
from systems.mirror.restore_plan import relative
from systems.mirror.verify import read_back


@dataclass(frozen=True)
class HoldResult:
    """What is held.

    Attributes:
        entries: folders included; `files`: files and links; `bytes`: theirs together, as restored.
        missed: what is not held, or does not read back as it was stored, and why.
    """

    point: Point
    entries: int
    files: int
    bytes: int
    missed: tuple[Miss, ...]


def hold(
    location: MirrorLocation, path: str, *, point: str, workers: int = AT_ONCE, progress: Listener | None = None
) -> HoldResult:
    """Hold `path` as it is in `point`, and read all of it back. Again it does no harm.

    Raises:
        Refused: there is no such point or path, the bucket has no Object Lock, or its keys may not hold.
        Unreachable, Damaged: as reads of the bucket; some may be held.
    """
    wanted = relative(path)
    bucket = Bucket(location)
    bucket.require_lockable()
    chosen = load_point(bucket, find_point(bucket, at=None, point=point))
    pages = pages_about(chosen, wanted)
    for key in (point_key(bucket, chosen.sequence), *(location.manifests + page.key for page in pages)):
        bucket.hold(key)
        if not bucket.is_held(key):
            raise Refused(f"s3://{location.store.bucket}/{key}", "the bucket does not hold it", "look at its settings")
    meter = Meter("hold", sum(page.files for page in pages), sum(page.bytes for page in pages), progress)
    entries = files = size = 0
    missed: list[Miss] = []
    rows: Iterator[Row] = (row for row in rows_of(bucket, pages) if lies_in(row.path, wanted))
    for row, problem in in_order(
        lambda row: _held(bucket, row), rows, workers, needed=lambda row: not is_folder(row.look)
    ):
        entries += 1
        if problem is None:  # a folder, which is in the pages alone
            continue
        meter.count(row.entry.size)
        files += 1
        size += row.entry.size
        if problem:
            missed.append(Miss(escape(row.path), problem))
    if not entries:
        raise Refused(f"point {chosen.id}", f"it has no {path}", "push first, or choose another point")
    return HoldResult(chosen, entries, files, size, tuple(missed))


def _held(bucket: Bucket, row: Row) -> str:
    """Hold the version and read it back; what is wrong with it, in words."""
    key = key_of(bucket.location.prefix, row.path, row.entry.mode)
    if problem := read_back(bucket, row):
        return problem
    bucket.hold(key, row.version)
    return "" if bucket.is_held(key, row.version) else "the bucket does not hold it"
