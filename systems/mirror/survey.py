"""The survey that begins a push: every entry of a shard looked at once, and held against the last point."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, zip_longest
from typing import NamedTuple

from systems.mirror.bucket import Bucket
from systems.mirror.changes import Draft, Reader, Tally, compare, unchanged
from systems.mirror.entry import LOOK, Skip, order
from systems.mirror.healing import Healing
from systems.mirror.manifest import Page, Point, first_path
from systems.mirror.points import rows_of
from systems.mirror.shards import Shard
from systems.mirror.spool import Spool
from systems.mirror.walk import walk


class Survey(NamedTuple):
    """What is to be done: pages that stay as they are and drafts of new ones, in order."""

    items: Spool[Page | Draft]
    skipped: list[Skip]
    tally: Tally


class _Stretch(NamedTuple):
    """A page of the last point, or None where it has none, up to `end`. `whole`: all of it is in the shard."""

    page: Page | None
    end: bytes | None
    whole: bool


def survey(
    bucket: Bucket, root: int, last: Point | None, shard: Shard, healing: Healing | None, *, seen_ns: int
) -> Survey:
    """Look at every entry of a shard. Nothing is changed.

    Args:
        root: descriptor of the mirrored folder.
        seen_ns: the time before this; ns since 1970.
    """
    found = Survey(Spool(), [], Tally())
    reader = Reader(walk(root, found.skipped, wanted=shard.holds))
    for page, end, whole in _stretches(last, shard):
        batches = reader.until(end)
        if page and whole and not healing and bucket.lock_holds(page.written_ns):
            taken = unchanged(page, batches, found.tally)
            if taken is None:
                found.items.add(page.model_copy(update={"seen_ns": seen_ns}))
                continue
            batches = chain(taken, batches)
        old = (row for row in rows_of(bucket, [page] if page else []) if shard.holds(row.path.split(b"/")[0]))
        seen = chain.from_iterable(batch.rows for batch in batches)
        for draft in compare(old, seen, found.skipped, page.seen_ns if page else 0, found.tally):
            healed = healing.heal(draft) if healing else draft
            if healed.to_send:
                found.tally.to_send += 1
                found.tally.bytes_to_send += LOOK.unpack(healed.look)[4]
            found.items.add(healed)
    return found


def _stretches(last: Point | None, shard: Shard) -> Iterator[_Stretch]:
    """The pages about the shard in order; together they take in all of it."""
    pages = last.pages if last else ()
    firsts = [first_path(page) for page in pages]
    inside = [
        _Stretch(
            page,
            end,
            order(first) >= order(shard.first)
            and (shard.end is None or (end is not None and order(end) <= order(shard.end))),
        )
        for page, (first, end) in zip(pages, zip_longest(firsts, firsts[1:]), strict=True)
        if (end is None or order(end) > order(shard.first)) and (shard.end is None or order(first) < order(shard.end))
    ]
    yield from inside[:-1]
    yield inside[-1]._replace(end=None) if inside else _Stretch(None, None, whole=True)
