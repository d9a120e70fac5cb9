"""What a scan means against the last point: a merge of two sorted streams, and the breakers. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from domain.errors import Refused
from systems.mirror.entry import Entry, Pinned, Skip, order
from systems.mirror.manifest import Point

# A change within the clock's grain of the look at a file leaves size and times as they were (git's "racy" index).
_GRAIN_NS = 1_000_000_000


class ToSend(NamedTuple):
    """An entry to store, and its last pin. `anew`: send it even if the pin has this very content."""

    entry: Entry
    old: Pinned | None
    anew: bool


@dataclass
class Changes:
    """What a push has to do.

    Attributes:
        kept: pins that go into the next manifest as they are.
        to_send: entries to store.
        deleted: pins of what is gone.
    """

    kept: list[Pinned]
    to_send: list[ToSend]
    deleted: list[Pinned]


def merge(old: Iterable[Pinned], new: Iterable[Entry]) -> Iterator[tuple[Pinned | None, Entry | None]]:
    """Pair two streams in `entry.order` by path."""
    olds, news = iter(old), iter(new)
    left, right = next(olds, None), next(news, None)
    while left is not None or right is not None:
        if right is None or (left is not None and order(left.entry.path) < order(right.path)):
            yield left, None
            left = next(olds, None)
        elif left is None or order(right.path) < order(left.entry.path):
            yield None, right
            right = next(news, None)
        else:
            yield left, right
            left, right = next(olds, None), next(news, None)


def compare(last: Point | None, old: Iterable[Pinned], new: Iterable[Entry], skipped: list[Skip]) -> Changes:
    """Sort every path into kept, to send and deleted. Nothing at or below an unreadable path is deleted."""
    trusted_before = last.scan_began_ns - _GRAIN_NS if last else 0
    changes = Changes([], [], [])
    for pin, entry in merge(old, new):
        if entry is None:
            assert pin is not None  # noqa: S101 - merge never yields a pair of None
            unknown = any(skip.unreadable and skip.covers(pin.entry.path) for skip in skipped)
            (changes.kept if unknown else changes.deleted).append(pin)
        elif pin is not None and _same(pin.entry, entry, trusted_before):
            changes.kept.append(pin)
        else:
            changes.to_send.append(ToSend(entry, pin, anew=False))
    return changes


def require_plausible(changes: Changes, last: Point | None, max_delete_share: float, source: str) -> None:
    """Refuse a push that looks like a lost mount or a wiped tree rather than like work.

    Raises:
        Refused: the source is empty while the last point is not, or more than `max_delete_share` of its
            entries are gone.
    """
    if last is None or last.entries <= 1:
        return
    before = last.entries - 1  # the folder itself is always there
    seen = len(changes.kept) + len(changes.to_send) - 1
    if seen == 0:
        raise Refused(
            f"source {source}",
            f"it is empty, and point {last.id} has {before} entries; a file system that is not mounted looks so",
            "mount it and push again",
        )
    gone = len(changes.deleted)
    if gone > max_delete_share * before:
        raise Refused(
            f"source {source}",
            f"{gone} of the {before} entries of point {last.id} are gone, more than {max_delete_share:.0%}",
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


def _same(old: Entry, new: Entry, trusted_before: int) -> bool:
    if new.is_folder:
        return old.posix == new.posix
    return old == new and new.ctime_ns < trusted_before
