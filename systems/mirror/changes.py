"""What a scan means against the last point, page by page, in the memory of one page. No network but the pages' own.

A page whose entries all look as they did is kept as it is, unread. The others are merged with what the file
system says now, and come out as drafts: rows of which some are to be sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from operator import itemgetter
from typing import NamedTuple, TypeVar

from domain.errors import Refused
from systems.mirror.entry import Row, Skip, ctime_of, doubted, is_folder, order
from systems.mirror.manifest import LooksDigest, Page, Point
from systems.mirror.walk import Batch

# A change within the clock's grain of the look at a file leaves size and times as they were (git's "racy" index).
_GRAIN_NS = 1_000_000_000

Seen = tuple[bytes, bytes]  # path and look
Left = TypeVar("Left")
Right = TypeVar("Right")


class Draft(NamedTuple):
    """A path in the point to be.

    Attributes:
        look: what the file system says now; empty when the path is gone.
        old: its row in the last point.
        to_send: what is there now has to be stored, for the first time or again.
    """

    path: bytes
    look: bytes
    old: Row | None
    to_send: bool


@dataclass
class Tally:
    """Counts of a comparison, the mirrored folder itself aside, and what has to be sent.

    `before`: entries of the last point; `gone`: those that are there no more.
    """

    before: int = 0
    seen: int = 0
    gone: int = 0
    to_send: int = 0
    bytes_to_send: int = 0


class Reader:
    """The scan's stream, read page by page."""

    def __init__(self, batches: Iterator[Batch]) -> None:
        self._batches = batches
        self._rest: Batch | None = None

    def until(self, end: bytes | None) -> Iterator[Batch]:
        """What comes before the path `end` in order; all of the rest for None."""
        limit = None if end is None else order(end)
        while (batch := self._rest or next(self._batches, None)) is not None:
            self._rest = None
            if limit is None or order(batch.rows[-1][0]) < limit:
                yield batch
                continue
            inside = sum(order(path) < limit for path, _ in batch.rows)
            self._rest = Batch(batch.rows[inside:], batch.newest_ns)
            if inside:
                yield Batch(batch.rows[:inside], batch.newest_ns)
            return


def merge(
    left: Iterable[Left], right: Iterable[Right], path_of: Callable[[Left | Right], bytes]
) -> Iterator[tuple[Left | None, Right | None]]:
    """Pair two streams in `entry.order` by path."""
    lefts, rights = iter(left), iter(right)
    one, other = next(lefts, None), next(rights, None)
    while one is not None and other is not None:
        here, there = path_of(one), path_of(other)
        if here == there:
            yield one, other
            one, other = next(lefts, None), next(rights, None)
        elif order(here) < order(there):
            yield one, None
            one = next(lefts, None)
        else:
            yield None, other
            other = next(rights, None)
    while one is not None:
        yield one, None
        one = next(lefts, None)
    while other is not None:
        yield None, other
        other = next(rights, None)


def unchanged(page: Page, batches: Iterator[Batch], tally: Tally) -> list[Batch] | None:
    """None when every entry of the page looks as it did, with certainty; else what was read of `batches` to see it."""
    digest = LooksDigest()
    taken: list[Batch] = []
    count = 0
    newest_ns = 0
    for batch in batches:
        taken.append(batch)
        count += len(batch.rows)
        newest_ns = max(newest_ns, batch.newest_ns)
        if count > page.entries:
            return taken
        digest.add(batch.rows)
    if count != page.entries or newest_ns >= page.seen_ns - _GRAIN_NS or digest.hex() != page.looks:
        return taken
    homes = count - (not page.first)
    tally.before += homes
    tally.seen += homes
    return None


def compare(
    old: Iterable[Row], new: Iterable[Seen], skipped: list[Skip], seen_ns: int, tally: Tally
) -> Iterator[Draft]:
    """The drafts of a stretch of the tree. Nothing at or below an unreadable path counts as gone."""
    trusted_before = seen_ns - _GRAIN_NS
    unreadable = _Unreadable(skipped)
    for row, seen in merge(old, new, path_of=itemgetter(0)):
        if row is not None:
            tally.before += bool(row.path)
        if seen is None:
            assert row is not None  # noqa: S101 - merge never yields a pair of None
            gone = not unreadable.covers(row.path)
            tally.gone += gone
            kept = row if gone else doubted(row)
            yield Draft(row.path, b"" if gone else kept.look, kept, to_send=False)
            continue
        path, look = seen
        tally.seen += bool(path)
        same = row is not None and row.look == look and (is_folder(look) or ctime_of(look) < trusted_before)
        yield Draft(path, look, row, to_send=not same)


def require_plausible(tally: Tally, last: Point | None, max_delete_share: float, source: str) -> None:
    """Refuse a push that looks like a lost mount or a wiped tree rather than like work.

    Raises:
        Refused: the source is empty while the last point is not, or more than `max_delete_share` of its
            entries are gone.
    """
    if last is None or tally.before == 0:
        return
    before = tally.before
    if tally.seen == 0:
        raise Refused(
            f"source {source}",
            f"it is empty, and point {last.id} has {before} entries; a file system that is not mounted looks so",
            "mount it and push again",
        )
    if tally.gone > max_delete_share * before:
        raise Refused(
            f"source {source}",
            f"{tally.gone} of the {before} entries of point {last.id} are gone, more than {max_delete_share:.0%}",
            "find out who deleted them; if it is meant, push again with a higher --max-delete-share",
        )


def require_same_source(last: Point | None, source_id: str | None, source: str) -> None:
    """Refuse to mirror another file system over this one.

    Raises:
        Refused: the last point was made from another file system.
    """
    if last and last.source_id and source_id and last.source_id != source_id:
        raise Refused(
            f"source {source}",
            f"it is on file system {source_id}, and point {last.id} was made from {last.source_id}",
            "mount the right file system, or give the other one a prefix of its own",
        )


class _Unreadable:
    """The unreadable ones among skips that are still being added to."""

    def __init__(self, skipped: list[Skip]) -> None:
        self._skipped = skipped
        self._read = 0
        self._paths: set[bytes] = set()

    def covers(self, path: bytes) -> bool:
        """Is the path unreadable, or below one that is?"""
        while self._read < len(self._skipped):
            skip = self._skipped[self._read]
            self._read += 1
            if skip.unreadable:
                self._paths.add(skip.path)
        if not self._paths:
            return False
        parts = path.split(b"/")
        return bool(path and b"" in self._paths) or any(
            b"/".join(parts[:depth]) in self._paths for depth in range(1, len(parts) + 1)
        )
