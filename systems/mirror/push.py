"""Push: a folder into the bucket, and a new point once everything of it is there.

The order makes a kill harmless at any byte: announce, send, delete, then the header, which is the point.
Every write makes a version and every delete a marker, so what an earlier point pins stays readable. A push may
be divided into shards that other processes push (see `shards`); a push of its own is one shard.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Literal, NamedTuple

from domain.clock import utc_now
from systems.mirror.bucket import AT_ONCE, Bucket
from systems.mirror.changes import require_plausible, require_same_source
from systems.mirror.entry import Miss
from systems.mirror.healing import Healing
from systems.mirror.location import MirrorLocation
from systems.mirror.manifest import Point
from systems.mirror.page_writer import PageWriter
from systems.mirror.points import Shelf, announce, look_at_shelf, newest_point, overtaken, win_point
from systems.mirror.progress import Listener, Meter
from systems.mirror.sending import send_all
from systems.mirror.shards import WHOLE, Batch, Part, Shard, forget_parts, load_parts, store_part
from systems.mirror.survey import survey
from systems.mirror.tree import open_root


@dataclass(frozen=True)
class PushResult:
    """What a push did.

    Attributes:
        state: `partial` when some entry is skipped; the point is restorable, without or with an older one of it.
        files: files and links in the point; `bytes`: theirs together.
        uploaded: files and links sent, metadata alone included.
        deleted: entries of the point before that are gone.
    """

    state: Literal["complete", "partial"]
    point: str
    files: int
    uploaded: int
    bytes: int
    deleted: int
    skipped: tuple[Miss, ...]


@dataclass(frozen=True)
class PushPolicy:
    """How a push is made.

    Attributes:
        source_id: the file system's id (EFS: fs-...); a push from another one is refused.
        max_delete_share: refuse when more than this share of the last point's entries (of a shard's) is gone.
        workers: files read and sent at once.
    """

    source_id: str | None = None
    max_delete_share: float = 0.5
    workers: int = AT_ONCE


class _Before(NamedTuple):
    """What a push begins from: a folder, and what its bucket had before."""

    source: Path
    bucket: Bucket
    shelf: Shelf
    last: Point | None


def push(
    source: Path,
    location: MirrorLocation,
    *,
    source_id: str | None = None,
    max_delete_share: float = 0.5,
    progress: Listener | None = None,
) -> PushResult:
    """Mirror `source` and make a point of it. The arguments are those of `PushPolicy`.

    Raises:
        Refused: a breaker tripped (see `changes`), another push won, or the bucket cannot hold a mirror.
        Unreachable: the store went away; the points so far are whole, push again.
    """
    bucket = Bucket(location)
    bucket.require_versioned()
    shelf = look_at_shelf(bucket)
    before = _Before(source, bucket, shelf, newest_point(bucket, shelf))
    part = _push_part(before, WHOLE, PushPolicy(source_id, max_delete_share), progress=progress)
    return _make_point(before, [part], source_id)


def push_shard(
    source: Path,
    location: MirrorLocation,
    batch: Batch,
    number: int,
    policy: PushPolicy,
    *,
    progress: Listener | None = None,
) -> Part:
    """Push shard `number` of a batch that `plan_batch` planned; its account is kept in the bucket for `join_shards`.

    Raises:
        Refused, Unreachable: as `push`.
    """
    before = _before_batch(source, location, batch)
    if len(batch.shards) > 1:  # the other shards are among the unfinished; a later push heals
        before = before._replace(shelf=replace(before.shelf, unfinished=()))
    part = _push_part(before, batch.shards[number], policy, progress=progress)
    store_part(before.bucket, batch, number, part)
    return part


def join_shards(source: Path, location: MirrorLocation, batch: Batch, *, source_id: str | None = None) -> PushResult:
    """Make the point of a batch whose shards were all pushed.

    Raises:
        Failed: one of them was not.
        Overtaken: another push made this point meanwhile.
    """
    before = _before_batch(source, location, batch)
    result = _make_point(before, load_parts(before.bucket, batch), source_id)
    forget_parts(before.bucket, batch)
    return result


def _before_batch(source: Path, location: MirrorLocation, batch: Batch) -> _Before:
    bucket = Bucket(location)
    shelf = look_at_shelf(bucket)
    if shelf.last + 1 != batch.sequence:
        raise overtaken(bucket, batch.sequence)
    return _Before(source, bucket, shelf, newest_point(bucket, shelf))


def _push_part(before: _Before, shard: Shard, policy: PushPolicy, *, progress: Listener | None) -> Part:
    """Send what changed in a shard, and write its pages. Until `_make_point` no point knows of it."""
    source, bucket, shelf, last = before
    root = open_root(source)
    try:
        require_same_source(last, policy.source_id, str(source))
        healing = Healing(bucket, shelf) if shelf.unfinished else None
        began = time.time_ns()
        found = survey(bucket, root, last, shard, healing, seen_ns=began)
        require_plausible(found.tally, last, policy.max_delete_share, str(source))
        announcement = announce(bucket, shelf.last + 1)
        pages = PageWriter(bucket, announcement.rpartition("/")[2], began)
        meter = Meter("push", found.tally.to_send, found.tally.bytes_to_send, progress)
        sent = send_all(bucket, root, found.items, pages, workers=policy.workers, meter=meter, anew=healing is not None)
    finally:
        os.close(root)
    bucket.delete(chain(sent.gone, healing.unknown() if healing else ()))
    return Part(
        announcement=announcement,
        pages=pages.close(),
        uploaded=sent.uploaded,
        deleted=found.tally.gone + sent.vanished,
        skipped=(*(skip.miss for skip in found.skipped), *sent.misses),
    )


def _make_point(before: _Before, parts: Sequence[Part], source_id: str | None) -> PushResult:
    """One point over all parts, in order; then what announced them is cleared away."""
    source, bucket, shelf, last = before
    pages = tuple(chain.from_iterable(part.pages for part in parts))
    misses = tuple(chain.from_iterable(part.skipped for part in parts))
    now = utc_now()
    point = Point(
        sequence=shelf.last + 1,
        created_at=max(now, last.created_at) if last else now,  # a clock set back must not reorder points
        source=str(source.resolve()),
        source_id=source_id or (last.source_id if last else None),
        entries=sum(page.entries for page in pages),
        files=sum(page.files for page in pages),
        bytes=sum(page.bytes for page in pages),
        skipped=len(misses),
        pages=pages,
    )
    win_point(bucket, point)
    # One with our own number may be a push that still runs, and whose writes nobody has looked at.
    healed = [each for each in shelf.unfinished if each.sequence < point.sequence]
    # Pages of a push that died stay: it may have died after its point was there.
    bucket.delete([*(part.announcement for part in parts), *(each.key for each in healed)])
    return PushResult(
        state="partial" if misses else "complete",
        point=point.id,
        files=point.files,
        uploaded=sum(part.uploaded for part in parts),
        bytes=point.bytes,
        deleted=sum(part.deleted for part in parts),
        skipped=misses,
    )
